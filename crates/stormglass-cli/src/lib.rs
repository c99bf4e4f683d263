//! The command line for any set of scenarios. It contains none itself: a program passes its scenarios to
//! [`main!`], or builds an [`App`] that also ships sweeps and mappings.
//!
//! ```no_run
//! use stormglass_sim::{Scenario, World, scenario};
//!
//! struct MyService;
//!
//! /// My service starts and answers
//! #[scenario]
//! impl Scenario for MyService {
//!     async fn play(&self, world: World) {
//!         world.note("started");
//!     }
//! }
//!
//! stormglass_cli::main![MyService];
//! ```
//!
//! In reading order, which is the order of dependence: `error` (exit codes: see [`Exit`]), `args`
//! (the grammar), `output`, `progress`, `effort` (real time, for `--verbose`), `files`, `metrics`
//! (OpenMetrics), `shell` (command lines to paste), `config` (defaults), `runfile`, `pictures`,
//! `failures`, `problem` (a failure as CI shows it: `github`, `sarif`), `catalog`, `context` (resolves
//! names), `state` (at a time), `debug` (a run in a terminal, with that feature), `commands`, `app`, [`testing`]; with the feature `tools` also
//! `reference`, the pages of the reference.

mod app;
mod args;
mod catalog;
mod commands;
mod config;
mod context;
#[cfg(feature = "debug")]
mod debug;
mod effort;
mod error;
mod failures;
mod files;
mod github;
#[cfg(feature = "sweep")]
mod metrics;
mod output;
mod pictures;
mod problem;
mod progress;
#[cfg(feature = "tools")]
pub mod reference;
mod runfile;
mod sarif;
mod shell;
mod state;
pub mod testing;

pub use app::App;
pub use error::Exit;
pub use output::Output;

/// Defines the function `main` of a program: the command line with these scenarios. `list parameters` shows the first one unless another is
/// named.
#[macro_export]
macro_rules! main {
    ($($scenario:expr),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::App::new()$(.with_scenario($scenario))+.main()
        }
    };
}
