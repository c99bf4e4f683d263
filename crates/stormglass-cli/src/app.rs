//! The command line of a program: its scenarios, and the files that it ships for them.

use crate::args::{Args, Command};
use crate::catalog::Catalog;
use crate::commands;
use crate::config;
use crate::context::Context;
use crate::error::Exit;
use crate::output::{Captured, Output};
use clap::Parser;
use std::ffi::OsString;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use stormglass_sim::{AnyScenario, Preset, Scenario};

/// The scenarios of a program, and the files that it ships for them.
#[derive(Default)]
pub struct App {
    catalog: Catalog,
}

impl App {
    /// Creates an app without scenarios.
    pub fn new() -> App {
        App::default()
    }

    /// Ships sweep files, which `sweep NAME` plays. Default: none.
    #[must_use]
    pub fn with_sweeps(mut self, sweeps: &'static [Preset]) -> App {
        self.catalog.sweeps = sweeps;
        self
    }

    /// Ships mappings of log lines, which `calibrate --mapping NAME` reads; the first one is the
    /// default. Default: none.
    #[must_use]
    pub fn with_mappings(mut self, mappings: &'static [Preset]) -> App {
        self.catalog.mappings = mappings;
        self
    }

    /// Adds a scenario. `list parameters` shows the first one unless another is named.
    #[must_use]
    pub fn with_scenario(mut self, scenario: impl Scenario + 'static) -> App {
        self.catalog.scenarios.push(Box::new(scenario));
        self
    }

    /// Adds scenarios of several types.
    #[must_use]
    pub fn with_scenarios(mut self, scenarios: Vec<Box<dyn AnyScenario>>) -> App {
        self.catalog.scenarios.extend(scenarios);
        self
    }

    /// Plays the scenario of a test of this name.
    pub(crate) fn of_test(mut self, name: &str) -> App {
        self.catalog.test = Some(name.into());
        self
    }

    /// Returns the scenario that was added first. Panics if there is none.
    pub(crate) fn first_scenario(&self) -> &dyn AnyScenario {
        self.catalog.scenarios.first().expect("the caller has added one").as_ref()
    }

    /// Returns the scenarios.
    #[cfg(feature = "tools")]
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &dyn AnyScenario> {
        self.catalog.scenarios.iter().map(AsRef::as_ref)
    }

    /// Runs the command line of this process.
    pub fn main(&self) -> ExitCode {
        stormglass_sim::silence_panics();
        let mut output = Output::of_process();
        let exit = match config::of_process() {
            Ok(arguments) => self.run(arguments, &mut output),
            Err(error) => {
                output.report(&format!("error: {error}\n"));
                error.exit()
            }
        };
        ExitCode::from(exit as u8)
    }

    /// Runs a command line and returns the exit code and what it prints: the results and the messages.
    ///
    /// ```
    /// use stormglass_cli::{App, Exit};
    ///
    /// let (exit, results, messages) = App::new().run_captured(["stormglass", "no-such-command"]);
    /// assert_eq!(exit, Exit::Usage);
    /// assert!(results.is_empty() && messages.contains("no-such-command"));
    /// ```
    pub fn run_captured<I, T>(&self, arguments: I) -> (Exit, String, String)
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let (results, messages) = (Captured::default(), Captured::default());
        let exit = self.run(arguments, &mut Output::to(results.clone(), messages.clone()));
        (exit, results.text(), messages.text())
    }

    /// Runs a command line and writes to `output`, for tests and for embedding.
    pub fn run<I, T>(&self, arguments: I, output: &mut Output) -> Exit
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let args = match Args::try_parse_from(arguments) {
            Ok(args) => args,
            Err(error) => {
                let text = error.render().to_string();
                if error.use_stderr() {
                    output.report(&text);
                    return Exit::Usage;
                }
                output.print(&text);
                return Exit::Held;
            }
        };
        if args.quiet {
            output.hide_progress();
        }
        if args.verbose {
            output.show_details();
        }
        let context = Context { catalog: &self.catalog, json: args.json };
        let done = catch_unwind(AssertUnwindSafe(|| match args.command {
            Command::List(list) => commands::list::list(&context, list, output),
            Command::Run(run) => commands::run::run(&context, run, output),
            Command::Replay(replay) => commands::replay::replay(&context, replay, output),
            Command::Explain(explain) => commands::explain::explain(&context, explain, output),
            #[cfg(feature = "sweep")]
            Command::Blame(blame) => commands::blame::blame(&context, &blame, output),
            #[cfg(feature = "debug")]
            Command::Debug(debug) => commands::debug::debug(&context, &debug, output),
            Command::Diff(diff) => commands::diff::diff(&context, &diff, output),
            Command::Shrink(shrink) => commands::shrink::shrink(&context, &shrink, output),
            Command::Crash(crash) => commands::crash::crash(&context, &crash, output),
            Command::Check(check) => commands::check::check(&context, check, output),
            #[cfg(feature = "sweep")]
            Command::Sweep(sweep) => commands::sweep::sweep(&context, &sweep, output),
            #[cfg(feature = "sweep")]
            Command::Merge(merge) => commands::sweep::merge(&context, &merge, output),
            #[cfg(feature = "sweep")]
            Command::Report(report) => commands::sweep::report(&context, &report, output),
            #[cfg(feature = "sweep")]
            Command::Rare(rare) => commands::rare::rare(&context, &rare, output),
            #[cfg(feature = "sweep")]
            Command::Calibrate(calibrate) => commands::calibrate::calibrate(&context, &calibrate, output),
            #[cfg(feature = "tools")]
            Command::New(new) => commands::new::new(&new, output),
            #[cfg(feature = "tools")]
            Command::Schema(schema) => commands::tools::schema(&schema, output),
            #[cfg(feature = "tools")]
            Command::Completions(completions) => commands::tools::completions(&completions, output),
            #[cfg(feature = "tools")]
            Command::Man(man) => commands::tools::man(&man, output),
        }));
        match done {
            Ok(Ok(exit)) => exit,
            Ok(Err(error)) => {
                output.report(&format!("error: {error}\n"));
                error.exit()
            }
            Err(_) => {
                output.report("error: Stormglass has a defect; the panic message above names the source line. Please report it with this command line\n");
                Exit::Internal
            }
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scenarios: Vec<&str> = self.catalog.scenarios.iter().map(|scenario| scenario.name()).collect();
        f.debug_struct("App").field("scenarios", &scenarios).finish_non_exhaustive()
    }
}
