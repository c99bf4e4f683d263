//! The command line as a function, so that a binary of one's own with scenarios of one's own gets every command.
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
//!     let mut scenarios = stormglass::scenarios();
//!     scenarios.push(Box::new(MyService));
//!     stormglass::main(scenarios)
//! }
//! ```
//!
//! Exit codes: see [`Exit`].

mod args;
mod commands;
mod error;
mod output;
mod runfile;

pub use error::Exit;
pub use output::Output;

use args::{Args, Command};
use clap::Parser;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use stormglass_sim::Scenario;

/// The scenarios that are shipped.
pub fn scenarios() -> Vec<Box<dyn Scenario>> {
    stormglass_cluster::scenarios()
}

/// Runs the command line of this process with these scenarios.
pub fn main(scenarios: Vec<Box<dyn Scenario>>) -> ExitCode {
    quiet_panics_of_runs();
    let mut output = Output::of_process();
    let exit = run(&scenarios, std::env::args_os(), &mut output);
    ExitCode::from(exit as u8)
}

/// Runs a command line with these scenarios, writing to `output`. For tests, and for embedding.
pub fn run<I, T>(scenarios: &[Box<dyn Scenario>], arguments: I, output: &mut Output) -> Exit
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                output.tell(&text);
                return Exit::Usage;
            }
            output.print(&text);
            return Exit::Held;
        }
    };
    let context = commands::Context { scenarios, json: args.json };
    let done = catch_unwind(AssertUnwindSafe(|| match args.command {
        Command::List(list) => commands::list::list(&context, list, output),
        Command::Run(run) => commands::run::run(&context, run, output),
        Command::Replay(replay) => commands::replay::replay(&context, replay, output),
        Command::Explain(explain) => commands::explain::explain(&context, explain, output),
        Command::Shrink(shrink) => commands::shrink::shrink(&context, &shrink, output),
        Command::Check(check) => commands::check::check(&context, check, output),
        Command::Sweep(sweep) => commands::sweep::sweep(&context, &sweep, output),
        Command::Merge(merge) => commands::sweep::merge(&context, &merge, output),
        Command::Report(report) => commands::sweep::report(&context, &report, output),
        Command::Rare(rare) => commands::rare::rare(&context, &rare, output),
        Command::Calibrate(calibrate) => commands::calibrate::calibrate(&context, &calibrate, output),
    }));
    match done {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            output.tell(&format!("error: {error}\n"));
            error.exit()
        }
        Err(_) => {
            output.tell("error: this is a defect of Stormglass; the message above says where\n");
            Exit::Internal
        }
    }
}

/// A panic inside a run is an outcome, and is reported as one.
fn quiet_panics_of_runs() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some("stormglass-run") {
            default(info);
        }
    }));
}
