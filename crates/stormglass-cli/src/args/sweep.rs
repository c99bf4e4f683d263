//! The arguments of the commands that play many runs and compute statistics.

use super::what::{What, assignment};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use stormglass_sweep::Seeds;
use stormglass_sweep::calibration;
use stormglass_sweep::space::Level;
use stormglass_sweep::stats::stopping::Target;

#[derive(Debug, clap::Args)]
pub(crate) struct Sweep {
    /// A sweep file, or the name of a shipped one (`list sweeps`).
    #[arg(value_name = "SWEEP.toml|NAME")]
    pub(crate) sweep: String,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Store every run in this folder: a journal while the sweep runs, then runs.parquet and
    /// manifest.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Continue an interrupted sweep with the runs in the folder.
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    /// Play part I of N, for `merge`: I/N with I from 0; `auto` takes both from a Slurm array task,
    /// `auto/N` takes I from an indexed Kubernetes job.
    #[arg(long, requires = "out")]
    pub(crate) shard: Option<String>,
    /// Write the progress to this file as OpenMetrics, every 10 s and at the end, for the textfile
    /// collector of the Prometheus node exporter (which reads names that end in `.prom`) or a
    /// Pushgateway.
    #[arg(long, value_name = "FILE.prom")]
    pub(crate) metrics: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Merge {
    /// The folders of all shards.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) shards: Vec<PathBuf>,
    /// The folder for the merged results.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// A results folder.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rare {
    /// The scenario.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) what: What,
    /// The deadline parameter of the waits, for example admin.deadline; the longest wait of a run
    /// counts.
    #[arg(long, value_name = "PARAMETER")]
    pub(crate) wait: String,
    /// The length whose probability of being exceeded is estimated, for example 30s.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) beyond: Duration,
    /// The number of runs at each level.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(20..))]
    pub(crate) effort: u64,
    /// The number of independent repetitions, whose spread gives the confidence interval.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) repeats: u32,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Calibrate {
    /// The folder of logs, one file per process: .jsonl, .json, .log or .txt, also with .gz;
    /// subfolders are searched too.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The meaning of log lines: a shipped mapping (`list mappings`) or a TOML file with a regular
    /// expression for each phase of a start. Default: the first shipped mapping.
    #[arg(long, value_name = "NAME|MAPPING.toml")]
    pub(crate) mapping: Option<String>,
    /// The scenario whose starts are compared. Default: the first one.
    #[arg(long)]
    pub(crate) scenario: Option<String>,
    /// The model. Default: the scenario's first model.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The profile to start from: a shipped one or a TOML file.
    #[arg(long, default_value = "quiet")]
    pub(crate) profile: String,
    /// Set a parameter in all runs. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) sets: Vec<(String, String)>,
    /// A profile parameter to fit, and the range to search. Repeatable.
    #[arg(long = "fit", value_name = "KEY=FROM..TO", value_parser = fit, default_value = "disk.sync.delay=0ms..1s")]
    pub(crate) fits: Vec<calibration::Axis>,
    /// The seeds played for each value: A..B (without B), A..=B, or A.. (up to the largest
    /// seed).
    #[arg(long, default_value = "0..10")]
    pub(crate) seeds: Seeds,
    /// Worker threads. Default: one per core.
    #[arg(long)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Write the fitted profile to this file, for --profile.
    #[arg(long, value_name = "PROFILE.toml")]
    pub(crate) out: Option<PathBuf>,
}

/// The forms of a sweep's report, and the gate.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ReportArgs {
    /// Exit with 1 unless the one-sided upper confidence limit of every cell's failure rate is
    /// below a limit, for example flake<0.001@95%.
    #[arg(long)]
    pub(crate) gate: Option<Gate>,
    /// Print Markdown tables, for a CI summary.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Write an HTML page (works offline): failure rates, survival curves, heat maps, the cost of a
    /// lower failure rate, and the command that explains each failure.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write JUnit XML: one test per cell, failed if its failure rate is above the target, skipped
    /// if that is undecided.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

impl ReportArgs {
    /// Returns the report files to write.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.html.iter().chain(&self.junit)
    }
}

/// A condition on the failure rates of all cells.
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

/// Parses `disk.sync.delay=0ms..1s`.
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
