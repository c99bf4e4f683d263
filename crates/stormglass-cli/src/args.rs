//! The arguments of the command line.

#[cfg(feature = "debug")]
mod debug;
#[cfg(feature = "sweep")]
mod sweep;
#[cfg(feature = "tools")]
mod tools;
mod what;

#[cfg(feature = "debug")]
pub(crate) use debug::Debug;
#[cfg(feature = "sweep")]
pub(crate) use sweep::{Calibrate, Gate, Merge, Rare, Report, ReportArgs, Sweep};

#[cfg(feature = "tools")]
pub(crate) use tools::{Completions, Format, Man, New, Schema};
pub(crate) use what::{NO_PLAN, What};

use clap::{Parser, Subcommand, ValueEnum};
use regex_lite::Regex;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use stormglass_core::fault::{Loss, Pattern};
use stormglass_core::{Branch, Kind, LogLevel, Seed, SimTime};
use stormglass_sim::AnyScenario;
use stormglass_sim::crash;
use stormglass_sim::faults::{Fault, Plan};
use stormglass_sweep::Seeds;

/// Simulates clusters deterministically: replays a failure from its seed, explains which waits took
/// the time, and computes which timeouts hold.
#[derive(Debug, Parser)]
#[command(
    name = "stormglass",
    version,
    after_help = "Exit codes: 0 passed, 1 a wait timed out or a property was violated, 2 invalid input, \
                  3 nondeterminism, 4 a defect of Stormglass."
)]
pub(crate) struct Args {
    /// Print results as JSON, one object per line, on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Show no progress on standard error.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Say on standard error what is played (scenario, model, profile, plan, parameters that are set,
    /// seeds, worker threads), each case or shard as it is complete, and where the real time goes: runs
    /// per second, the slowest run, the parts that take most.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List scenarios, exhibits, models, profiles, plans, sweeps, mappings and parameters.
    List(List),
    /// Play a scenario with one or many seeds and summarize its waits.
    Run(Run),
    /// Replay one run and show its timeline.
    Replay(Replay),
    /// Explain the failed or longest wait of a run: its critical path by step and category.
    Explain(Explain),
    /// Find what tipped a failed run over: the chance of failing before and after each event.
    #[cfg(feature = "sweep")]
    Blame(Blame),
    /// Step through a run in a terminal: event by event, forward and backward, with the state beside.
    #[cfg(feature = "debug")]
    Debug(Debug),
    /// Compare two runs: the first event that differs, the waits side by side, where the time went.
    Diff(Diff),
    /// Find the smallest fault plan with which a run still fails.
    Shrink(Shrink),
    /// Crash a node before and after each of its operations, in a run each: what a crash at that moment leaves.
    Crash(Crash),
    /// Check determinism: play every seed twice and compare the traces event by event.
    Check(Check),
    /// Play a parameter space: failure rates with confidence intervals, and the deadlines that
    /// would hold.
    #[cfg(feature = "sweep")]
    Sweep(Sweep),
    /// Merge the shards of a sweep.
    #[cfg(feature = "sweep")]
    Merge(Merge),
    /// Print the report of a sweep's results again.
    #[cfg(feature = "sweep")]
    Report(Report),
    /// Estimate the probability of a rare long wait by importance splitting.
    #[cfg(feature = "sweep")]
    Rare(Rare),
    /// Fit a machine profile to the logs of real starts, and compare real and simulated starts
    /// phase by phase.
    #[cfg(feature = "sweep")]
    Calibrate(Calibrate),
    /// Lay out a crate with a service and its test in a new folder.
    #[cfg(feature = "tools")]
    New(New),
    /// Print the JSON schema of a file format, for editors.
    #[cfg(feature = "tools")]
    Schema(Schema),
    /// Print the completions of a shell.
    #[cfg(feature = "tools")]
    Completions(Completions),
    /// Write the man pages of all commands to a folder.
    #[cfg(feature = "tools")]
    Man(Man),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// What to list. Default: everything but parameters.
    #[arg(value_enum)]
    pub(crate) what: Option<Listed>,
    /// The scenario whose parameters are listed. Default: the first one.
    #[arg(long)]
    pub(crate) scenario: Option<String>,
    /// Show only entries that match this regular expression.
    #[arg(long)]
    pub(crate) grep: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    Scenarios,
    Exhibits,
    Models,
    Profiles,
    Plans,
    Sweeps,
    Mappings,
    Parameters,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The scenario.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// Several seeds: A..B (without B), A..=B, or A.. (up to the largest seed).
    #[arg(long)]
    pub(crate) seeds: Option<Seeds>,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Write the first failed run (or the first run) to this file, for `replay` and `explain`.
    #[arg(long, value_name = "RUN.toml")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) annotations: Annotations,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
}

/// The reports of failures for CI.
#[derive(Debug, clap::Args)]
pub(crate) struct Annotations {
    /// Print each kind of failure also as an annotation of GitHub Actions.
    #[arg(long)]
    pub(crate) github: bool,
    /// Write the failures to this file as SARIF 2.1.0, for code scanning and editors: one result for
    /// each kind of failure, none if all runs passed.
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
}

/// The pictures of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct Pictures {
    /// Write a page that shows the run to this file. Of many runs: the first that failed, or the
    /// first.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the run's trace to this file, for ui.perfetto.dev.
    #[arg(long, value_name = "FILE")]
    pub(crate) perfetto: Option<PathBuf>,
}

impl Pictures {
    /// Whether no picture is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.html.is_none() && self.perfetto.is_none()
    }
}

/// One run: a scenario and a seed, or a file.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct One {
    /// A scenario, an exhibit (`list exhibits`), or a file that `run --save` wrote.
    #[arg(value_name = "SCENARIO|EXHIBIT|RUN.toml")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The seed. Default: 0.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// From this simulated time on, use other random draws, as `rare` prints it. Repeatable.
    #[arg(long = "branch", value_name = "TIME:NUMBER", value_parser = branch)]
    pub(crate) branches: Vec<Branch>,
}

impl One {
    /// Returns the run of a scenario with a seed, with everything that defines it.
    pub(crate) fn of(scenario: &dyn AnyScenario, what: &What, seed: Seed) -> One {
        let (run, what) = (scenario.name().into(), what.with_profile_of(scenario));
        One { run, what, seed: Some(seed.0), branches: Vec::new() }
    }

    /// Returns the run with these faults instead of those of its plan. `is_generating` says whether the plan
    /// draws faults.
    pub(crate) fn with_faults(self, faults: &[Fault], is_generating: bool) -> One {
        let mut one = self.with_plan(NO_PLAN.into());
        if is_generating {
            // Whatever has set the generator.
            one.what.sets.push(("plan.generate.count".into(), "0".into()));
        }
        let plan: toml::Table = Plan::of(faults.to_vec()).to_toml().parse().expect("a plan is a table");
        let assignments = plan.into_iter().map(|(key, value)| (format!("plan.{key}"), value.to_string()));
        one.what.sets.extend(assignments);
        one
    }

    /// Returns the run with this plan, whatever was set of its own one.
    pub(crate) fn with_plan(mut self, plan: String) -> One {
        self.what.sets.retain(|(key, _)| key != "plan" && !key.starts_with("plan."));
        self.what.plan = Some(plan);
        self
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) one: One,
    /// Show every event. Default: steps, notes, waits, back-offs and events that took 50 ms or
    /// longer.
    #[arg(long)]
    pub(crate) all: bool,
    /// Show each repetition of what repeats, such as a poll that is refused. Default: four or more
    /// are one line.
    #[arg(long)]
    pub(crate) unfold: bool,
    /// Show only events of this node. Repeatable.
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    /// Show only events of this kind, for example fsync, whatever their length; `log` for the lines of
    /// the log. Repeatable.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    pub(crate) kinds: Vec<Selected>,
    /// Show no log lines that are less severe: error, warn, info, debug or trace.
    #[arg(long)]
    pub(crate) level: Option<LogLevel>,
    /// Show what is near this event, in any detail: the 15 events before it and after it. Events are
    /// numbered from 1, as `--json` and the page do.
    #[arg(long, value_name = "EVENT")]
    pub(crate) around: Option<NonZeroUsize>,
    /// Show nothing before this simulated time, for example 1s.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) from: Option<Duration>,
    /// Show nothing after this simulated time, for example 2s.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) until: Option<Duration>,
    /// Show only lines that match this regular expression.
    #[arg(long)]
    pub(crate) grep: Option<Regex>,
    /// Show the state at this simulated time instead, for example 7.3s: of each node its process, role,
    /// disk, ports, connections and links; open waits; and what the scenario adds.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration,
          conflicts_with_all = ["all", "unfold", "kinds", "from", "until", "grep"])]
    pub(crate) at: Option<Duration>,
    #[command(flatten)]
    pub(crate) terminal: Terminal,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
}

/// What the terminal shows.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Terminal {
    /// Shorten descriptions so that lines have at most so many columns; 0: do not. Default: the width of
    /// the terminal, if the output goes to one.
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) width: Option<usize>,
    /// Colours. `auto`: if the output goes to a terminal and the variable NO_COLOR is not set.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

/// What a timeline may be restricted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    Kind(Kind),
    Log,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) one: One,
    /// The node whose wait is explained. Default: the node with the longest exceeded wait.
    #[arg(long)]
    pub(crate) node: Option<String>,
    /// Play the run again in the same random environment with this parameter changed, and compare: the
    /// waits before and after, and the first event that differs. Repeatable.
    #[arg(long = "what-if", value_name = "KEY=VALUE", value_parser = what::assignment)]
    pub(crate) what_if: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) one: One,
    /// The second run. Default: the first one, with --other-seed or --what-if.
    #[arg(value_name = "OTHER")]
    pub(crate) other: Option<String>,
    /// The seed of the second run. Default: that of the first one.
    #[arg(long, value_name = "SEED")]
    pub(crate) other_seed: Option<u64>,
    /// Change this parameter in the second run. Repeatable.
    #[arg(long = "what-if", value_name = "KEY=VALUE", value_parser = what::assignment)]
    pub(crate) what_if: Vec<(String, String)>,
    /// Write a page with both runs, one below the other, to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[cfg(feature = "sweep")]
#[derive(Debug, clap::Args)]
pub(crate) struct Blame {
    #[command(flatten)]
    pub(crate) one: One,
    /// The number of runs to play, about. More runs make the intervals narrower.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) runs: u64,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Shrink {
    #[command(flatten)]
    pub(crate) one: One,
    /// Write the smallest plan to this file, for --plan.
    #[arg(short, long, value_name = "PLAN.toml")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Crash {
    /// The scenario.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The seeds: A..B (without B), A..=B, or A.. (up to the largest seed).
    #[arg(long, default_value = "0..1")]
    pub(crate) seeds: Seeds,
    /// The nodes that crash, one in each run: a pattern of shell wildcards. Repeatable. Default: those that
    /// `plan.generate` chooses from; if the scenario names none, those that change their disks.
    #[arg(long = "node", value_name = "PATTERN", value_parser = pattern)]
    pub(crate) nodes: Vec<Pattern>,
    /// How it crashes: a kill, or a power loss that takes this of what was not synced. Repeatable, or
    /// separated by commas. Default: all.
    #[arg(long = "kind", value_enum, value_delimiter = ',', value_name = "KIND")]
    pub(crate) kinds: Vec<CrashKind>,
    /// How long it stays down.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) down: Duration,
    /// The most crash points of a seed: of more, so many are played, evenly spread.
    #[arg(long, default_value_t = NonZeroUsize::new(2_000).expect("not 0"))]
    pub(crate) points: NonZeroUsize,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) annotations: Annotations,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
}

/// How a node crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CrashKind {
    /// SIGKILL: what was written stays.
    Kill,
    /// A power loss that takes all that was not synced.
    Everything,
    /// A power loss that takes the newest writes of each file.
    Suffix,
    /// A power loss that takes any of the writes.
    Subset,
    /// A power loss that takes any sectors of the writes.
    Torn,
}

impl Crash {
    /// Returns how a node crashes.
    pub(crate) fn crashes(&self) -> Vec<crash::Crash> {
        let is_chosen = |crash: &crash::Crash| {
            self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.crash() == *crash)
        };
        crash::Crash::ALL.into_iter().filter(is_chosen).collect()
    }
}

impl CrashKind {
    fn crash(self) -> crash::Crash {
        match self {
            CrashKind::Kill => crash::Crash::Kill,
            CrashKind::Everything => crash::Crash::PowerLoss(Loss::Everything),
            CrashKind::Suffix => crash::Crash::PowerLoss(Loss::Suffix),
            CrashKind::Subset => crash::Crash::PowerLoss(Loss::Subset),
            CrashKind::Torn => crash::Crash::PowerLoss(Loss::Torn),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The scenario.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The seeds: A..B (without B), A..=B, or A.. (up to the largest seed).
    #[arg(long, default_value = "0..20")]
    pub(crate) seeds: Seeds,
    #[command(flatten)]
    pub(crate) annotations: Annotations,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// Parses a pattern of shell wildcards.
fn pattern(text: &str) -> Result<Pattern, String> {
    let pattern = Pattern::new(text);
    pattern.check().map(|()| pattern)
}

/// Parses the name of a kind of event, or `log`.
fn kind(text: &str) -> Result<Selected, String> {
    if text == "log" {
        return Ok(Selected::Log);
    }
    let names = || Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let kind = Kind::ALL.iter().find(|kind| kind.name() == text).copied();
    let kind = kind.map(Selected::Kind);
    kind.ok_or_else(|| format!("no kind of event has this name; they are {}, and log", names()))
}

/// Parses `3200000000ns:17`.
fn branch(text: &str) -> Result<Branch, String> {
    let form = || "expected TIME:NUMBER, for example 3200000000ns:17".to_string();
    let (at, number) = text.split_once(':').ok_or_else(form)?;
    let at = humantime::parse_duration(at).map_err(|_| form())?;
    let seed = number.parse().ok().filter(|&number| number > 0).ok_or_else(form)?;
    Ok(Branch { at: SimTime::from(at), seed: Seed(seed) })
}
