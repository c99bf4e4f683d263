//! The command line's grammar.

#[cfg(feature = "sweep")]
mod sweep;
mod what;

#[cfg(feature = "sweep")]
pub(crate) use sweep::{Calibrate, Gate, Merge, Rare, Report, Sweep, Told};

pub(crate) use what::What;

use clap::{Parser, Subcommand, ValueEnum};
use regex_lite::Regex;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use stormglass_core::{Branch, Seed, SimTime};
use stormglass_sweep::seeds::parse_seeds;

/// Replays a cluster's bad day from a seed, names the waits that ate the budget, and says which timeouts hold.
#[derive(Debug, Parser)]
#[command(
    name = "stormglass",
    version,
    after_help = "Exit codes: 0 held, 1 a wait timed out or a property was violated, 2 wrong input, \
                  3 nondeterminism, 4 a defect of Stormglass."
)]
pub(crate) struct Args {
    /// One JSON object per line on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What there is: scenarios, models, profiles, parameters.
    List(List),
    /// Play a scenario with one seed or many, and sum up its waits.
    Run(Run),
    /// Play one run again and show its timeline.
    Replay(Replay),
    /// Say where the longest or the failed wait of a run went, by step and by category.
    Explain(Explain),
    /// Find the smallest plan of faults that still fails a run, and write it down.
    Shrink(Shrink),
    /// Play every seed twice and compare the traces event by event.
    Check(Check),
    /// Play a space of parameters, and say how often what fails and which deadlines would hold.
    #[cfg(feature = "sweep")]
    Sweep(Sweep),
    /// Put the shards of a sweep together.
    #[cfg(feature = "sweep")]
    Merge(Merge),
    /// Tell again what the results of a sweep say.
    #[cfg(feature = "sweep")]
    Report(Report),
    /// Say how likely a wait is to be longer than it hardly ever is, by splitting runs.
    #[cfg(feature = "sweep")]
    Rare(Rare),
    /// Find the profile of a machine from the logs of real starts, and compare them phase by phase.
    #[cfg(feature = "sweep")]
    Calibrate(Calibrate),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// What to list; everything but the parameters if left out.
    #[arg(value_enum)]
    pub(crate) what: Option<Listed>,
    /// The scenario whose parameters are listed; the first one if left out.
    #[arg(long)]
    pub(crate) scenario: Option<String>,
    /// Only what matches this regular expression.
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
    /// Many seeds: A..B without B, or A..=B.
    #[arg(long, value_parser = parse_seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// Worker threads; one for each core if left out.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Write the run, or the first one that failed, to this file for `replay`.
    #[arg(long, value_name = "RUN.toml")]
    pub(crate) save: Option<PathBuf>,
}

/// One run: a scenario and a seed, or a file.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The scenario, a run that has a name (`list exhibits`), or a file that `run --save` wrote.
    #[arg(value_name = "SCENARIO|EXHIBIT|RUN.toml")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The seed; 0 if left out.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// From this time on other draws, as `rare` prints it. Repeatable.
    #[arg(long = "branch", value_name = "TIME:NUMBER", value_parser = branch)]
    pub(crate) branches: Vec<Branch>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) one: One,
    /// Show every event; otherwise steps, notes, waits, back-offs and whatever took 50 ms or longer.
    #[arg(long)]
    pub(crate) all: bool,
    /// Nothing after this simulated time, for example 2s.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) until: Option<Duration>,
    /// Only lines that match this regular expression.
    #[arg(long)]
    pub(crate) grep: Option<Regex>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) one: One,
    /// The node whose wait is explained; the longest wait if left out.
    #[arg(long)]
    pub(crate) node: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Shrink {
    #[command(flatten)]
    pub(crate) one: One,
    /// Write the plan that is left to this file, for --plan.
    #[arg(short, long, value_name = "PLAN.toml")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The scenario.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The seeds: A..B without B, or A..=B.
    #[arg(long, value_parser = parse_seeds, default_value = "0..20")]
    pub(crate) seeds: Range<u64>,
    /// Worker threads; one for each core if left out.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// Reads `3200000000ns:17`.
fn branch(text: &str) -> Result<Branch, String> {
    let form = || "expected TIME:NUMBER, for example 3200000000ns:17".to_string();
    let (at, number) = text.split_once(':').ok_or_else(form)?;
    let at = humantime::parse_duration(at).map_err(|_| form())?;
    let seed = number.parse().ok().filter(|&number| number > 0).ok_or_else(form)?;
    Ok(Branch { at: SimTime::from(at), seed: Seed(seed) })
}
