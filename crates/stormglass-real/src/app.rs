//! A program that plays scenarios once.

use crate::scenario::{AnyScenario, Scenario};
use std::fmt;
use std::process::ExitCode;
use stormglass_core::Seed;

/// A program that plays scenarios once on this machine. [`crate::main!`] makes one.
#[derive(Default)]
pub struct App(Vec<Box<dyn AnyScenario>>);

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|scenario| scenario.name())).finish()
    }
}

impl App {
    /// Creates a program without scenarios.
    pub fn new() -> App {
        App::default()
    }

    /// Adds a scenario.
    #[must_use]
    pub fn with_scenario(mut self, scenario: impl Scenario + 'static) -> App {
        self.0.push(Box::new(scenario));
        self
    }

    /// Plays the scenario that the program's only argument names: `PROGRAM SCENARIO`. Exits with 0 if it
    /// passes, 1 if it fails, 2 if the arguments are wrong.
    pub fn main(self) -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let named = |name: &str| self.0.iter().find(|scenario| scenario.name() == name);
        let scenario = match &arguments[..] {
            [name] if name != "list" => named(name),
            _ => None,
        };
        let Some(scenario) = scenario else {
            let width = self.0.iter().map(|scenario| scenario.name().len()).max().unwrap_or_default();
            eprintln!("Built without simulation: SCENARIO plays one once on this machine.\n");
            for scenario in &self.0 {
                eprintln!("  {:width$}  {}", scenario.name(), scenario.about());
            }
            eprintln!("\nThe other commands need a build with --cfg madsim.");
            return ExitCode::from(if arguments == ["list"] { 0 } else { 2 });
        };
        match scenario.play_once(Seed(0)) {
            Err(problem) => {
                eprintln!("{}: {problem}", scenario.name());
                ExitCode::from(2)
            }
            Ok(outcome) => {
                println!("{}: {}, {:.3} s", scenario.name(), outcome.verdict, outcome.took.as_secs_f64());
                if let Some(files) = &outcome.directory {
                    println!("The nodes' files are in {}.", files.display());
                }
                ExitCode::from(u8::from(!outcome.verdict.is_passed()))
            }
        }
    }
}
