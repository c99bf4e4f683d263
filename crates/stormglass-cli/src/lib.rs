//! The command line for any set of scenarios. It contains none itself: a program passes its scenarios to [`main!`], or to an [`App`] with the
//! other files that it ships.
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
//! In reading order: [`App`], `args` (the grammar), `commands`, `runfile`, `progress`, `output`, `error`. Exit codes: see [`Exit`].

mod app;
mod args;
mod commands;
mod error;
mod output;
mod progress;
mod runfile;

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
