//! The command line for any set of scenarios. It contains none itself: a program passes its own to
//! [`main`], or builds an [`App`] that also ships sweeps and mappings.
//!
//! ```no_run
//! use stormglass_sim::{Play, Scenario, Settings, World};
//!
//! struct MyService;
//!
//! impl Scenario for MyService {
//!     fn name(&self) -> &str { "my-service" }
//!     fn about(&self) -> &str { "my service starts and answers" }
//!     fn play(&self, world: World, _settings: &Settings) -> Play {
//!         Box::pin(async move { world.note("started") })
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     stormglass_cli::main(vec![Box::new(MyService)])
//! }
//! ```
//!
//! In reading order, which is the order of dependence: `error` (exit codes: see [`Exit`]),
//! `output`, `progress`, `files`, `args` (the grammar), `shell` (command lines to paste),
//! `runfile`, `catalog`, `context` (resolves names), `commands`, `app`.

mod app;
mod args;
mod catalog;
mod commands;
mod context;
mod error;
mod files;
mod output;
mod progress;
mod runfile;
mod shell;

pub use app::App;
pub use error::Exit;
pub use output::Output;

use std::process::ExitCode;
use stormglass_sim::Scenario;

/// Runs the command line of this process with these scenarios.
pub fn main(scenarios: Vec<Box<dyn Scenario>>) -> ExitCode {
    App::new(scenarios).main()
}
