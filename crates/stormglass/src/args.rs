//! The command line's grammar.

use clap::{Parser, Subcommand, ValueEnum};
use regex_lite::Regex;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use stormglass_core::{Branch, Seed, SimTime};
use stormglass_sweep::calibration;
use stormglass_sweep::space::{Level, parse_seeds};
use stormglass_sweep::stats::stopping::Target;

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
    Sweep(Sweep),
    /// Put the shards of a sweep together.
    Merge(Merge),
    /// Tell again what the results of a sweep say.
    Report(Report),
    /// Say how likely a wait is to be longer than it hardly ever is, by splitting runs.
    Rare(Rare),
    /// Find the profile of a machine from the logs of real starts, and compare them phase by phase.
    Calibrate(Calibrate),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// What to list; everything but the parameters if left out.
    #[arg(value_enum)]
    pub(crate) what: Option<Listed>,
    /// The scenario whose parameters are listed.
    #[arg(long, default_value = "cold-start")]
    pub(crate) scenario: String,
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
    Parameters,
}

/// What is played: the inputs of a run but its seed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct What {
    /// Which version of the system: a shipped model or a TOML file. The scenario's first if left out.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// How fast disks, links and CPUs are: a shipped profile or a TOML file.
    #[arg(long, default_value = "ci-disk")]
    pub(crate) profile: String,
    /// What breaks, and when: a shipped plan or a TOML file of faults, written down or for each seed to choose.
    #[arg(long)]
    pub(crate) plan: Option<String>,
    /// Set one parameter, for example disk.sync.delay=200ms; `list parameters` names them all. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) sets: Vec<(String, String)>,
}

impl What {
    /// Everything that is set, in order: the plan is a parameter too.
    pub(crate) fn assignments(&self) -> Vec<(&str, &str)> {
        let plan = self.plan.iter().map(|file| ("plan", file.as_str()));
        plan.chain(self.sets.iter().map(|(key, value)| (key.as_str(), value.as_str()))).collect()
    }
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

#[derive(Debug, clap::Args)]
pub(crate) struct Sweep {
    /// A sweep file, or the name of a shipped one (`list sweeps`).
    #[arg(value_name = "SWEEP.toml|NAME")]
    pub(crate) sweep: String,
    /// Worker threads; one for each core if left out.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Keep every run in this folder: a journal while the sweep runs, then runs.parquet and manifest.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with what is in the folder.
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    /// Play one part of N, for `merge`: I/N with I from 0, or `auto` (a Slurm array's task), or `auto/N` (an indexed Kubernetes job's).
    #[arg(long, requires = "out")]
    pub(crate) shard: Option<String>,
    #[command(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Merge {
    /// The shards' folders.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) shards: Vec<PathBuf>,
    /// Where the whole goes.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// A folder of results.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rare {
    /// The scenario.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The deadline whose waits are meant, for example admin.deadline; the longest wait of a run counts.
    #[arg(long, value_name = "PARAMETER")]
    pub(crate) wait: String,
    /// How long they shall hardly ever take, for example 30s.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) beyond: Duration,
    /// Runs at each level.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(20..))]
    pub(crate) effort: u64,
    /// How often all of it is done anew, which says how sure the answer is.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) repeats: u32,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Worker threads; one for each core if left out.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Calibrate {
    /// The logs: files that end in .jsonl, .json, .log or .txt, also with .gz, one for each process; folders in it are searched too.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// What lines mean: a TOML file with a regular expression for each phase of a start. A Restate node's JSON log if left out.
    #[arg(long, value_name = "MAPPING.toml")]
    pub(crate) mapping: Option<PathBuf>,
    /// The scenario whose starts are compared.
    #[arg(long, default_value = "cold-start")]
    pub(crate) scenario: String,
    /// The model; the scenario's first if left out.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The profile to begin with: a shipped one or a TOML file.
    #[arg(long, default_value = "quiet")]
    pub(crate) profile: String,
    /// Set one parameter for all runs. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) sets: Vec<(String, String)>,
    /// A parameter of the profile to look for, and between which values. Repeatable.
    #[arg(long = "fit", value_name = "KEY=FROM..TO", value_parser = fit, default_value = "disk.sync.delay=0ms..1s")]
    pub(crate) fits: Vec<calibration::Axis>,
    /// The seeds that each value is tried with: A..B without B, or A..=B.
    #[arg(long, value_parser = parse_seeds, default_value = "0..10")]
    pub(crate) seeds: Range<u64>,
    /// Worker threads; one for each core if left out.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Write the profile that was found to this file, for --profile.
    #[arg(long, value_name = "PROFILE.toml")]
    pub(crate) out: Option<PathBuf>,
}

/// How findings are told, and what is asked of them.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Told {
    /// Exit with 1 unless every cell's flake rate is surely below this, for example flake<0.001@95%.
    #[arg(long)]
    pub(crate) gate: Option<Gate>,
    /// Markdown instead of plain tables, for a CI summary.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Write a page as well: heat maps, survival curves, what a lower flake rate costs, and the command behind each failure. It opens offline.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write JUnit XML as well: a test for each cell, which fails if its flake rate is surely above the target and is skipped if that is not known.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

impl Told {
    /// The files that are asked for.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.html.iter().chain(&self.junit)
    }
}

/// A condition on flake rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gate(pub(crate) Target);

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Gate, String> {
        let form = || "expected flake<RATE@CONFIDENCE%, for example flake<0.001@95%".to_string();
        let (flake, confidence) = text
            .strip_prefix("flake<")
            .and_then(|rest| rest.strip_suffix('%')?.split_once('@'))
            .ok_or_else(form)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| form());
        let target = Target { flake: number(flake)?, confidence: number(confidence)? / 100.0, margin: None };
        target.check().map_err(|problem| format!("{problem}; {}", form()))?;
        Ok(Gate(target))
    }
}

/// Reads `disk.sync.delay=0ms..1s`.
fn fit(text: &str) -> Result<calibration::Axis, String> {
    let form = || "expected KEY=FROM..TO, for example disk.sync.delay=0ms..1s".to_string();
    let (key, range) = text.split_once('=').ok_or_else(form)?;
    let (from, to) = range.split_once("..").ok_or_else(form)?;
    let [from, to] = [from, to].map(|text| {
        let number =
            || text.parse().map(toml::Value::Integer).or_else(|_| text.parse().map(toml::Value::Float));
        Level::of(&number().unwrap_or_else(|_| toml::Value::String(text.into())))
    });
    match (from.size(), to.size()) {
        (Some(low), Some(high))
            if low < high && std::mem::discriminant(&from) == std::mem::discriminant(&to) =>
        {
            Ok(calibration::Axis { key: key.into(), from, to })
        }
        _ => Err(form()),
    }
}

/// Reads `3200000000ns:17`.
fn branch(text: &str) -> Result<Branch, String> {
    let form = || "expected TIME:NUMBER, for example 3200000000ns:17".to_string();
    let (at, number) = text.split_once(':').ok_or_else(form)?;
    let at = humantime::parse_duration(at).map_err(|_| form())?;
    let seed = number.parse().ok().filter(|&number| number > 0).ok_or_else(form)?;
    Ok(Branch { at: SimTime::from(at), seed: Seed(seed) })
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or("expected KEY=VALUE, for example disk.sync.delay=200ms".to_string())?;
    if key.is_empty() {
        return Err("the key before = is missing; `list parameters` names them all".into());
    }
    Ok((key.trim().into(), value.trim().into()))
}
