//! Scenarios as tests: `#[stormglass::test]` plays one with many seeds.
//!
//! | environment variable | meaning |
//! | --- | --- |
//! | `STORMGLASS_SEEDS` | the seeds instead of the attribute's: `A..B`, `A..=B`, one seed, or `fresh` or `fresh:1000` for as many seeds of the date |
//! | `STORMGLASS` | a command with its options, such as `explain --seed 3`: the test runs it on its scenario instead of playing its seeds |
//! | `STORMGLASS_SHRINK` | how long a failed test searches for a smaller plan, such as `1m`; default `10s`; `0s`: not at all |
//! | `STORMGLASS_ARTIFACTS` | a directory, or `1` for `target/stormglass`: a test that fails writes there, into `TEST/`, the run file, the smallest plan, the timeline and the explanation |
//!
//! A test plays runs on all cores, and on no more threads than the tests themselves have:
//! `--test-threads`, `RUST_TEST_THREADS` or `NEXTEST_TEST_THREADS`.

mod environment;
#[cfg(test)]
mod tests;

use crate::app::App;
use crate::args::{One, What};
use crate::commands::explain::failure as explain_failure;
use crate::error::{CliError, Exit};
use crate::failures::{Failures, Shrunk, shrink};
use crate::files::write;
use crate::output::Output;
use crate::runfile::RunFile;
use crate::shell::{again, quote, split};
use environment::Environment;
use std::fmt::Write;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use stormglass_core::rate::upper_bound_without_failures;
use stormglass_core::{Keep, Outcome, Seed, Verdict};
use stormglass_report::failure;
use stormglass_report::timeline::{self, Detail, Filter, Look};
use stormglass_sim::faults::Plan;
use stormglass_sim::{AnyScenario, LogFilter, Played, Run, Scenario, Settings};
use stormglass_sweep::{Seeds, Sometimes, in_order};

/// How many events before the end of the failed run its message shows.
const LAST_EVENTS: usize = 15;

/// How many log lines before the end of the failed run its message shows.
const LAST_LOG_LINES: usize = 10;

/// A test that plays a scenario with many seeds. `#[stormglass::test]` makes one. The profile, the
/// plan and the parameters are those of [`Scenario::run_defaults`].
///
/// ```
/// use stormglass_cli::testing::Test;
/// use stormglass_sim::{Scenario, World, scenario};
///
/// struct Starts;
///
/// /// A service starts
/// #[scenario]
/// impl Scenario for Starts {
///     async fn play(&self, world: World) {
///         world.note("started");
///     }
/// }
///
/// Test::of(Starts, "starts").seeds(0..20).run();
/// ```
#[derive(Debug)]
pub struct Test {
    app: App,
    name: String,
    seeds: Option<Seeds>,
    environment: Environment,
}

impl Test {
    /// Creates a test of this name, its path in the crate.
    pub fn of(scenario: impl Scenario + 'static, name: impl Into<String>) -> Test {
        let name = name.into();
        let app = App::new().with_scenario(scenario).of_test(&name);
        Test { app, name, seeds: None, environment: Environment::of_process() }
    }

    /// Sets the seeds. Default: 100 fresh ones each day, which follow from the UTC date:
    /// 20261128000000 is the first one of 28 November 2026.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Test {
        self.seeds = Some(seeds.try_into().unwrap_or_else(|error| panic!("{error}")));
        self
    }

    /// Plays the runs on several threads.
    ///
    /// # Panics
    ///
    /// If a run fails, with a message that says how many failed in which way; what happened last in
    /// the first of them; the smallest plan with which it still fails, as far as it was found in time;
    /// and the commands that replay and explain it, and that write its page. If a property that has to hold in at least one run
    /// ([`stormglass_sim::World::sometimes`]) held in none. If a setting is wrong, with the message of
    /// the error.
    pub fn run(self) {
        stormglass_sim::silence_panics();
        if let Some(command) = &self.environment.command {
            return self.command(command);
        }
        match self.play() {
            Ok(passed) => println!("{passed}"),
            Err(failed) => panic!("{failed}"),
        }
    }

    /// Plays the runs. Returns what they are worth, or the message of the failure.
    fn play(&self) -> Result<String, String> {
        let seeds = self.environment.seeds(self.seeds)?;
        let shrink_time = self.environment.shrink_time()?;
        let settings = self.settings()?;
        let play = |seed| self.run_of(&settings, seed).play(Keep::Nothing).outcome;
        let (mut failures, mut sometimes) = (Failures::default(), Sometimes::default());
        in_order(seeds.range(), self.environment.jobs(), play, |seed, outcome| {
            failures.add(seed, &outcome);
            sometimes.add(&outcome);
            ControlFlow::Continue(())
        });
        let (scenario, runs) = (self.scenario().name(), seeds.count());
        if let Some((seed, outcome)) = failures.first() {
            let head = format!("{scenario}: {} of {runs} runs failed (seeds {seeds})", failures.count());
            let kinds = format!("{}{sometimes}", failures.lines());
            return Err(format!(
                "{head}\n\n{kinds}\n{}",
                self.failure(&settings, *seed, outcome, shrink_time)
            ));
        }
        if sometimes.never().next().is_some() {
            let head =
                format!("{scenario}: {runs} runs passed (seeds {seeds}), and did not show what they have to");
            return Err(format!("{head}:\n\n{sometimes}"));
        }
        let passed = format!("{scenario}: {runs} runs, no failure: {} (seeds {seeds})", bound(runs));
        Ok(format!("{passed}\n{sometimes}").trim_end().into())
    }

    fn scenario(&self) -> &dyn AnyScenario {
        self.app.first_scenario()
    }

    fn settings(&self) -> Result<Settings, String> {
        let defaults = self.scenario().run_defaults();
        let plan = defaults.plan.map(|file| ("plan", file));
        let sets: Vec<(&str, &str)> = plan.into_iter().chain(defaults.sets.iter().copied()).collect();
        let settings = Settings::resolve(self.scenario(), None, defaults.profile, &sets);
        settings.map_err(|error| format!("{}: {error}", self.name))
    }

    fn run_of(&self, settings: &Settings, seed: u64) -> Run<'_> {
        Run::new(self.scenario(), settings.clone(), Seed(seed))
    }

    /// Returns the message for a run that failed.
    fn failure(&self, settings: &Settings, seed: u64, outcome: &Outcome, shrink_time: Duration) -> String {
        let run = self.run_of(settings, seed);
        let played = run.play(Keep::Events);
        let mut text = match explain_failure(&run, &played) {
            Some(explained) => format!("seed {seed}: {explained}"),
            None => format!("seed {seed}: {}\n", outcome.verdict),
        };
        let filter = Filter { detail: Detail::Story, ..Filter::default() };
        let lines = timeline::lines(&played.trace, &filter);
        text += &failure::killed(&played.trace);
        let _ = writeln!(text, "\nThe last events of the run:\n");
        let last = lines[lines.len().saturating_sub(LAST_EVENTS)..].to_vec();
        text += &timeline::render(&last, &[], &Look::default());
        text += &self.last_log_lines(&run, &played);
        let has_faults = !run.faults().is_empty() && !shrink_time.is_zero();
        let shrunk = if has_faults { shrink(&run, shrink_time) } else { None };
        if let Some(shrunk) = &shrunk {
            let _ = write!(text, "\n{}:\n\n{}", shrunk.headline(), shrunk.lines());
        }
        let what = What { model: None, profile: None, plan: None, sets: Vec::new(), log: None };
        let one = One { run: run.scenario().name().into(), what, seed: Some(seed), branches: Vec::new() };
        let _ = write!(text, "\nThis run again:\n\n{}", again(&one, Seed(seed), Some(&self.name)));
        if let Some(directory) = self.environment.artifacts(&self.name) {
            let _ = match self.write_artifacts(&directory, &run, shrunk) {
                Ok(()) => writeln!(
                    text,
                    "\nThe run file, the plan, the timeline and the explanation are in {}",
                    directory.display()
                ),
                Err(error) => writeln!(text, "\nSTORMGLASS_ARTIFACTS: {error}"),
            };
        }
        text
    }

    /// Returns the last lines that the node of the failure has logged; those of all nodes if it has none or
    /// there is no such node. If the run is not logged, it is played once more, with the lines that are
    /// not less severe than info.
    fn last_log_lines(&self, run: &Run<'_>, played: &Played) -> String {
        let logged = if run.settings().run().log.is_off() {
            let log = LogFilter::from_str("info").expect("a level is a filter");
            Some(run.clone().with_log(log).play(Keep::Events))
        } else {
            None
        };
        // Fields that draw random numbers make another run of it.
        let logged = logged.as_ref().filter(|logged| logged.outcome == played.outcome).unwrap_or(played);
        let node = match &played.outcome.verdict {
            Verdict::TimedOut { node, .. } | Verdict::Panicked { node, .. } => Some(node.as_str()),
            _ => None,
        };
        let lines = timeline::last_log_lines(&logged.trace, node, played.outcome.ended, LAST_LOG_LINES);
        if lines.is_empty() { lines } else { format!("\nThe last lines of its log:\n\n{lines}") }
    }

    /// Writes the run file, the timeline, the explanation and, if the run has faults, the smallest
    /// plan found.
    fn write_artifacts(
        &self,
        directory: &Path,
        run: &Run<'_>,
        shrunk: Option<Shrunk>,
    ) -> Result<(), CliError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| CliError::Write { file: directory.into(), source })?;
        let file = directory.join("run.toml");
        RunFile::of(run).write(&file)?;
        if let Some(shrunk) = shrunk {
            write(&directory.join("plan.toml"), &Plan::of(shrunk.faults).to_toml())?;
        }
        for command in ["replay", "explain"] {
            let out = directory.join(command).with_extension("txt");
            let created = std::fs::File::create(&out);
            let created = created.map_err(|source| CliError::Write { file: out, source })?;
            let words = ["stormglass", command, &file.to_string_lossy()];
            self.app.run(words, &mut Output::to(created, std::io::sink()));
        }
        Ok(())
    }

    /// Runs a command of the command line on the scenario.
    fn command(&self, line: &str) {
        let words = split(line);
        let mut words = words.unwrap_or_else(|error| panic!("{}: STORMGLASS: {error}", self.name));
        // Options may precede the command; those that all commands have take no value.
        let command = words.iter().position(|word| !word.starts_with('-'));
        if command.is_none_or(|command| words[command] != "list") {
            let after = command.map_or(words.len(), |command| command + 1);
            words.insert(after, self.scenario().name().into());
        }
        let words = ["stormglass".to_string()].into_iter().chain(words);
        let exit = self.app.run(words, &mut Output::of_process());
        assert!(exit == Exit::Held, "{}: STORMGLASS={} ended with {exit:?}", self.name, quote(line));
    }
}

/// Returns what a number of runs without a failure says about the rate of failures: its upper
/// bound at a confidence of 95 %.
fn bound(runs: u64) -> String {
    let percent = upper_bound_without_failures(runs) * 100.0;
    format!("the failure rate is below {percent:.1} % (95 % confidence)")
}
