//! Scenarios as tests: `#[stormglass::test]` plays one with many seeds.
//!
//! | environment variable | meaning |
//! | --- | --- |
//! | `STORMGLASS_SEEDS` | the seeds: `A..B`, `A..=B` or one seed, instead of the attribute's |
//! | `STORMGLASS` | a command with its options, such as `explain --seed 3`: the test runs it on its scenario instead of playing its seeds |
//! | `STORMGLASS_ARTIFACTS` | a directory: a test that fails writes the run file and the smallest plan to `DIRECTORY/TEST/` |

use crate::app::App;
use crate::args::What;
use crate::error::{CliError, Exit};
use crate::failures::{Failures, Shrunk, shrink};
use crate::files::write;
use crate::output::Output;
use crate::runfile::RunFile;
use crate::shell::quote;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use stormglass_core::{Keep, Outcome, Seed};
use stormglass_report::timeline::{self, Detail, Filter};
use stormglass_sim::faults::Plan;
use stormglass_sim::{AnyScenario, Run, Scenario, Settings};
use stormglass_sweep::{Seeds, in_order, pool};

/// How many plans a failed test tries to find a smaller one.
const SHRINK_TRIES: u64 = 200;

/// How many events before the end of the failed run its message shows.
const LAST_EVENTS: usize = 15;

/// A test that plays a scenario with many seeds. `#[stormglass::test]` makes one.
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
/// Test::of(Starts, "starts").seeds(0..20).profile("quiet").run();
/// ```
#[derive(Debug)]
pub struct Test {
    app: App,
    name: String,
    what: What,
    seeds: Seeds,
}

impl Test {
    /// Creates a test of this name, its path in the crate, with seeds 0 to 99 and the profile
    /// `quiet`.
    pub fn of(scenario: impl Scenario + 'static, name: impl Into<String>) -> Test {
        let what = What { model: None, profile: "quiet".into(), plan: None, sets: Vec::new() };
        Test { app: App::new().with_scenario(scenario), name: name.into(), what, seeds: Seeds::up_to(100) }
    }

    /// Sets the seeds. Default: 0 to 99.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Test {
        self.seeds = seeds.try_into().unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Sets the profile: a shipped name or a TOML file. Default: `quiet`.
    #[must_use]
    pub fn profile(mut self, profile: &str) -> Test {
        self.what.profile = profile.into();
        self
    }

    /// Sets the fault plan: a shipped name or a TOML file. Default: no faults.
    #[must_use]
    pub fn plan(mut self, plan: &str) -> Test {
        self.what.plan = Some(plan.into());
        self
    }

    /// Sets a parameter, as `--set KEY=VALUE` does.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Test {
        self.what.sets.push((key.into(), value.into()));
        self
    }

    /// Plays the runs, on one thread per core, or on one thread if the tests themselves run on one
    /// (`--test-threads=1`).
    ///
    /// # Panics
    ///
    /// If a run fails, with a message that says how many failed in which way, what happened last
    /// in the first of them, the smallest plan with which it still fails, and the commands that
    /// replay and explain it. If a setting is wrong, with the message of the error.
    pub fn run(self) {
        crate::app::quiet_panics_of_runs();
        if let Some(command) = variable("STORMGLASS") {
            return self.command(&command);
        }
        let seeds = match variable("STORMGLASS_SEEDS") {
            None => self.seeds,
            Some(text) => match text.parse() {
                Ok(seed) => Seeds::one(seed),
                Err(_) => text.parse().unwrap_or_else(|error| panic!("STORMGLASS_SEEDS: {error}")),
            },
        };
        let settings = self.settings();
        let play = |seed| self.run_of(&settings, seed).play(Keep::Nothing).outcome;
        let mut failures = Failures::default();
        in_order(seeds.range(), jobs(), play, |seed, outcome| {
            failures.add(seed, &outcome);
            ControlFlow::Continue(())
        });
        let (scenario, runs) = (self.scenario().name(), seeds.count());
        let Some((seed, outcome)) = failures.first() else {
            println!("{scenario}: {runs} runs, no failure: {}", bound(runs));
            return;
        };
        let head = format!(
            "{scenario}: {} of {runs} runs failed (seeds {seeds})\n\n{}",
            failures.count(),
            failures.lines()
        );
        panic!("{head}\n{}", self.failure(&settings, *seed, outcome));
    }

    fn scenario(&self) -> &dyn AnyScenario {
        self.app.first_scenario()
    }

    fn settings(&self) -> Settings {
        self.what.settings(self.scenario()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn run_of(&self, settings: &Settings, seed: u64) -> Run<'_> {
        Run::new(self.scenario(), settings.clone(), Seed(seed))
    }

    /// Returns the message for a run that failed.
    fn failure(&self, settings: &Settings, seed: u64, outcome: &Outcome) -> String {
        let run = self.run_of(settings, seed);
        let mut text = format!("seed {seed}: {}\n", outcome.verdict);
        let trace = run.play(Keep::Events).trace;
        let lines = timeline::lines(&trace, &Filter { detail: Detail::Story, ..Filter::default() });
        let last = &lines[lines.len().saturating_sub(LAST_EVENTS)..];
        let _ = writeln!(text, "\nThe last events:\n");
        last.iter().for_each(|line| text += &format!("{}\n", line.text));
        let shrunk = if run.faults().is_empty() { None } else { shrink(&run, SHRINK_TRIES) };
        if let Some(shrunk) = &shrunk {
            let _ = write!(text, "\n{}:\n\n{}", shrunk.headline(), shrunk.lines());
        }
        text += "\nThis run again:\n\n";
        for command in ["replay", "explain"] {
            let command = quote(&format!("{command} --seed {seed}"));
            let _ = writeln!(text, "  STORMGLASS={command} cargo test {} -- --exact", self.name);
        }
        if let Some(directory) = variable("STORMGLASS_ARTIFACTS") {
            let directory = PathBuf::from(directory).join(self.name.replace("::", "/"));
            let _ = match write_artifacts(&directory, &run, shrunk) {
                Ok(()) => writeln!(text, "\nThe run file and the plan are in {}", directory.display()),
                Err(error) => writeln!(text, "\nSTORMGLASS_ARTIFACTS: {error}"),
            };
        }
        text
    }

    /// Runs a command of the command line on the scenario, with the test's own settings unless the
    /// command names others.
    fn command(&self, command: &str) {
        let mut words = command.split_whitespace().map(String::from).collect::<Vec<_>>();
        let has =
            |option: &str| words.iter().any(|word| word == option || word.starts_with(&format!("{option}=")));
        let mut own = Vec::new();
        let takes_settings = words.first().is_none_or(|word| word != "list");
        if takes_settings && !has("--profile") {
            own.extend(["--profile".into(), self.what.profile.clone()]);
        }
        if let Some(plan) = self.what.plan.as_ref().filter(|_| takes_settings && !has("--plan")) {
            own.extend(["--plan".into(), plan.clone()]);
        }
        if takes_settings {
            let sets =
                self.what.sets.iter().flat_map(|(key, value)| ["--set".into(), format!("{key}={value}")]);
            own.splice(0..0, sets);
            words.insert(1.min(words.len()), self.scenario().name().into());
        }
        let words = ["stormglass".to_string()].into_iter().chain(words).chain(own);
        let exit = self.app.run(words, &mut Output::of_process());
        assert!(exit == Exit::Held, "{}: STORMGLASS={} ended with {exit:?}", self.name, quote(command));
    }
}

/// Writes the run file and, if the run has faults, the smallest plan found.
fn write_artifacts(directory: &Path, run: &Run<'_>, shrunk: Option<Shrunk>) -> Result<(), CliError> {
    std::fs::create_dir_all(directory)
        .map_err(|source| CliError::Write { file: directory.into(), source })?;
    RunFile::of(run).write(&directory.join("run.toml"))?;
    match shrunk {
        Some(shrunk) => write(&directory.join("plan.toml"), &Plan::of(shrunk.faults).to_toml()),
        None => Ok(()),
    }
}

/// Returns the path of a test in its crate, as `cargo test` names it: for the macro.
#[doc(hidden)]
pub fn test_path(module: &str, function: &str) -> String {
    match module.split_once("::") {
        Some((_, modules)) => format!("{modules}::{function}"),
        None => function.into(),
    }
}

/// Returns what a number of runs without a failure says about the rate of failures: its upper
/// bound at a confidence of 95 %, the p for which (1 - p)ⁿ is 5 %.
fn bound(runs: u64) -> String {
    let percent = (1.0 - 0.05f64.powf(1.0 / runs as f64)) * 100.0;
    format!("the failure rate is below {percent:.1} % (95 % confidence)")
}

/// Returns the number of threads for runs: one per core, unless the tests run one by one.
fn jobs() -> NonZeroUsize {
    let arguments: Vec<String> = std::env::args().collect();
    let option = "--test-threads";
    let follows =
        arguments.iter().position(|word| word == option).and_then(|at| arguments.get(at + 1)).cloned();
    let given = arguments.iter().find_map(|word| word.strip_prefix("--test-threads=")).map(String::from);
    match given.or(follows).or_else(|| variable("RUST_TEST_THREADS")).as_deref() {
        Some("1") => NonZeroUsize::MIN,
        _ => pool::default_jobs(),
    }
}

#[expect(clippy::disallowed_methods, reason = "it says what a test does, and is no input of a run")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
