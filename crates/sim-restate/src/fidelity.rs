//! Real against simulated: the phases of cold starts and of restarts under injected sync delays.
//!
//! The measurements are data (`data/real-1.7.12.toml`); nothing in the model is fitted to them. A
//! simulated condition is the profile `quiet` with the settings of the experiment: the same delay
//! on every sync; the cost of tracing, which is how the real syncs were delayed (taken from
//! another recording, without delays); and the restarts of the real runs, with the same pauses,
//! nodes and signals.

pub mod trim_gap;

use crate::phases::{NodeStart, Phase, starts};
use crate::restarts::Restarts;
use crate::settings::ScriptedRestart;
use crate::signal::Signal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use stormglass_core::latency::HumanDuration;
use stormglass_core::{Keep, Length, Seed};
use stormglass_sim::{AnyScenario, Played, Run, Settings};

/// The phases whose simulated medians have to be within [`TOLERANCE`] where syncs are slow.
pub const JUDGED: [Phase; 5] =
    [Phase::MetadataDbOpen, Phase::LogDbOpen, Phase::Joining, Phase::NodeId, Phase::AdminListening];

/// The phases after the start whose medians have to be within [`TOLERANCE`] for cold starts. After
/// a restart, partitions are reached on several [`RecoveryPath`]s.
pub const LATER: [Phase; 3] = [Phase::StoreDbOpen, Phase::SelfAlive, Phase::PartitionStarted];

/// The largest relative difference of a simulated median from the real one.
pub const TOLERANCE: f64 = 0.15;

/// The kind of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// Cold starts: on empty disks, all nodes at the same time.
    Cold,
    /// Restarts with the data on the node's disk while the other nodes run: after SIGKILL and
    /// after SIGTERM.
    Restart,
    /// Restarts after SIGKILL alone.
    Killed,
    /// Restarts after SIGTERM alone: the databases were closed in order, and their logs have
    /// nothing to recover.
    Terminated,
}

/// One condition, with the real and the simulated starts under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The kind of the starts.
    pub kind: StartKind,
    /// The delay of every sync, as a setting's value.
    pub sync_delay: String,
    /// For each phase the real and the simulated median, in seconds.
    pub medians: BTreeMap<Phase, (f64, f64)>,
    /// From the 10th to the 90th percentile of `admin_listening`, real and simulated, in seconds.
    pub spread: (f64, f64),
    /// The number of real starts that took longer than 10 s until the harness saw them healthy,
    /// and the number of all real starts.
    pub late: (u64, u64),
    /// The share of such starts in the simulation.
    pub late_simulated: f64,
    /// The recovery paths of restarts to the first partition.
    pub recovery_paths: Vec<RecoveryPath>,
}

/// A recovery path on which a restarted node starts to run partitions: immediately, if the
/// controller has not moved them meanwhile, or after failure detection, when the node is alive
/// again. A median over both paths would fall into one or the other by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryPath {
    /// The name of the path.
    pub name: &'static str,
    /// The number of real starts on this path, and the number of all real starts.
    pub starts: (u64, u64),
    /// The share of simulated starts on this path.
    pub share_simulated: f64,
    /// The real and the simulated median of [`Phase::StoreDbOpen`] and [`Phase::PartitionStarted`]
    /// on this path, in seconds, where there are both.
    pub medians: BTreeMap<Phase, (f64, f64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Measurements {
    /// The experiments, by the delay of syncs.
    played: BTreeMap<String, Experiment>,
    condition: Vec<Condition>,
    trim_gap: Vec<trim_gap::Flow>,
}

impl Measurements {
    fn read() -> Measurements {
        toml::from_str(include_str!("../data/real-1.7.12.toml"))
            .expect("the measurements are part of the crate")
    }
}

/// The settings of an experiment, without any of its results.
#[derive(Deserialize)]
struct Experiment {
    /// The delay of syncs, and the cost of tracing, which is how they were delayed.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// The restarts of each run.
    runs: Vec<Vec<Restarted>>,
}

#[derive(Deserialize)]
struct Restarted {
    #[serde(with = "HumanDuration")]
    pause: Duration,
    node: String,
    signal: Signal,
    /// Whether the log of this start was not kept.
    #[serde(default)]
    unlogged: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Condition {
    kind: StartKind,
    sync_delay: String,
    starts: u64,
    late: u64,
    p10: f64,
    p90: f64,
    medians: BTreeMap<String, f64>,
    #[serde(default, rename = "at-once")]
    immediate: MeasuredPath,
    #[serde(default, rename = "when-trusted")]
    after_detection: MeasuredPath,
}

/// The measured starts on one recovery path; the data omits a path that no real start took.
#[derive(Default, Deserialize)]
struct MeasuredPath {
    starts: u64,
    medians: BTreeMap<String, f64>,
}

/// Simulates each measured condition with `seeds` seeds and compares it with the measurements.
///
/// # Panics
///
/// If there are fewer seeds than runs of a measured experiment, of which there are up to five.
pub fn compare(seeds: u64) -> Vec<Comparison> {
    let measured = Measurements::read();
    let played = measured.played.iter().map(|(delay, experiment)| (delay.as_str(), experiment.play(seeds)));
    let played: BTreeMap<&str, Vec<Start>> = played.collect();
    let against_played = |condition: &Condition| {
        let of_kind = |start: &&Start| match condition.kind {
            StartKind::Cold => start.start.after.is_none(),
            StartKind::Restart => start.start.after.is_some(),
            StartKind::Killed => start.start.after == Some(Signal::Kill),
            StartKind::Terminated => start.start.after == Some(Signal::Term),
        };
        let starts = played[condition.sync_delay.as_str()].iter().filter(of_kind);
        condition.against(&starts.collect::<Vec<_>>())
    };
    measured.condition.iter().map(against_played).collect()
}

/// A simulated start.
struct Start {
    start: NodeStart,
    /// When the harness saw it healthy, in seconds.
    seen: f64,
}

impl Experiment {
    /// Repeats the experiment with `seeds` seeds, one for each of its runs.
    fn play(&self, seeds: u64) -> Vec<Start> {
        let runs: Vec<_> = self.runs.iter().map(|run| (run, self.settings(run))).collect();
        let seeds: Vec<u64> = (0..seeds).collect();
        let repetitions = seeds.chunks_exact(runs.len());
        let played = repetitions.flat_map(|seeds| runs.iter().zip(seeds));
        played.flat_map(|((run, settings), seed)| starts_of(run, settings, *seed)).collect()
    }

    fn settings(&self, run: &[Restarted]) -> Settings {
        let script: Vec<ScriptedRestart> = run.iter().map(Restarted::scripted).collect();
        let script = toml::Value::try_from(script).expect("a list of tables").to_string();
        self.resolve(&Restarts, &[("cluster.script", &script)])
    }

    fn resolve(&self, scenario: &dyn AnyScenario, more: &[(&str, &str)]) -> Settings {
        let settings = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let settings: Vec<_> = settings.chain(more.iter().copied()).collect();
        Settings::resolve(scenario, Some("restate-1.7"), "quiet", &settings)
            .expect("the shipped model and profile are valid")
    }
}

impl Restarted {
    fn scripted(&self) -> ScriptedRestart {
        ScriptedRestart { pause: self.pause, node: self.node.clone(), signal: self.signal }
    }
}

/// Returns the starts of a run, without those whose real counterparts were not logged.
fn starts_of(run: &[Restarted], settings: &Settings, seed: u64) -> Vec<Start> {
    let Played { outcome, trace, .. } = Run::new(&Restarts, settings.clone(), Seed(seed)).play(Keep::Events);
    // As many waits as starts, in the same order: first all nodes at once, then one after the
    // other.
    let waits = outcome.waits.into_iter().filter(|wait| wait.name.starts_with("admin"));
    let seen = waits.map(|wait| match wait.length {
        Length::Observed(length) => length.as_secs_f64(),
        Length::Censored(_) => f64::INFINITY,
    });
    let starts: Vec<Start> =
        starts(&trace).into_iter().zip(seen).map(|(start, seen)| Start { start, seen }).collect();
    let cold = starts.len() - run.len();
    let known = |place: usize| place.checked_sub(cold).is_none_or(|restart| !run[restart].unlogged);
    starts.into_iter().enumerate().filter(|(place, _)| known(*place)).map(|(_, start)| start).collect()
}

impl Condition {
    fn against(&self, starts: &[&Start]) -> Comparison {
        let all = Times::of(starts.iter().map(|start| &start.start));
        let admin = all.sorted(Phase::AdminListening);
        let late = starts.iter().filter(|start| start.seen > 10.0).count();
        Comparison {
            kind: self.kind,
            sync_delay: self.sync_delay.clone(),
            spread: (self.p90 - self.p10, quantile(&admin, 0.9) - quantile(&admin, 0.1)),
            late: (self.late, self.starts),
            late_simulated: late as f64 / starts.len() as f64,
            medians: all.against(&self.medians),
            recovery_paths: match self.kind {
                StartKind::Restart => self.recovery_paths(starts),
                _ => Vec::new(),
            },
        }
    }

    fn recovery_paths(&self, simulated: &[&Start]) -> Vec<RecoveryPath> {
        let opens = |start: &&NodeStart| start.reached.get(&Phase::StoreDbOpen).copied();
        let detected = |start: &&NodeStart| {
            opens(start)
                .is_some_and(|open| start.reached.get(&Phase::SelfAlive).is_some_and(|alive| *alive < open))
        };
        let opened = simulated.iter().map(|start| &start.start).filter(|start| opens(start).is_some());
        let (after_detection, immediate): (Vec<_>, Vec<_>) = opened.partition(detected);
        let (immediate, after_detection) = (Times::of(immediate), Times::of(after_detection));
        let starts = self.immediate.starts + self.after_detection.starts;
        let played = (immediate.starts + after_detection.starts) as f64;
        let path = |name, real: &MeasuredPath, simulated: &Times| RecoveryPath {
            name,
            starts: (real.starts, starts),
            share_simulated: simulated.starts as f64 / played,
            medians: simulated.against(&real.medians),
        };
        vec![
            path("immediate", &self.immediate, &immediate),
            path("after failure detection", &self.after_detection, &after_detection),
        ]
    }
}

/// The times at which simulated starts reached their phases, in seconds.
#[derive(Default)]
struct Times {
    starts: usize,
    reached: BTreeMap<Phase, Vec<f64>>,
}

impl Times {
    fn of<'a>(starts: impl IntoIterator<Item = &'a NodeStart>) -> Times {
        let mut times = Times::default();
        starts.into_iter().for_each(|start| times.add(start));
        times
    }

    fn add(&mut self, start: &NodeStart) {
        self.starts += 1;
        for (phase, after) in &start.reached {
            self.reached.entry(*phase).or_default().push(after.as_secs_f64());
        }
    }

    fn sorted(&self, phase: Phase) -> Vec<f64> {
        let mut times = self.reached.get(&phase).cloned().unwrap_or_default();
        times.sort_by(f64::total_cmp);
        times
    }

    /// Returns the real medians and those of these starts, for the phases that have both.
    fn against(&self, real: &BTreeMap<String, f64>) -> BTreeMap<Phase, (f64, f64)> {
        let both = |phase: Phase| {
            let (real, times) = (*real.get(phase.name())?, self.sorted(phase));
            (!times.is_empty()).then(|| (phase, (real, quantile(&times, 0.5))))
        };
        Phase::ALL.into_iter().filter_map(both).collect()
    }
}

/// Interpolates between the two nearest values of a sorted list (Hyndman and Fan's type 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Returns the comparisons as Markdown tables.
pub fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "| start | sync delay | phase | real, s | simulated, s | difference |\n| --- | --- | --- | ---: | ---: | ---: |\n",
    );
    for comparison in comparisons {
        for (phase, (real, simulated)) in &comparison.medians {
            let difference = (simulated / real - 1.0) * 100.0;
            let Comparison { kind, sync_delay: delay, .. } = comparison;
            let _ = writeln!(
                text,
                "| {kind:?} | {delay} | {} | {real:.3} | {simulated:.3} | {difference:+.1} % |",
                phase.name()
            );
        }
    }
    text +=
        "\n| start | sync delay | p10 to p90, real, s | simulated, s | later than 10 s, real | simulated |\n";
    text += "| --- | --- | ---: | ---: | ---: | ---: |\n";
    for Comparison { kind, sync_delay, spread, late, late_simulated, .. } in comparisons {
        let _ = writeln!(
            text,
            "| {kind:?} | {sync_delay} | {:.3} | {:.3} | {} of {} | {:.1} % |",
            spread.0,
            spread.1,
            late.0,
            late.1,
            late_simulated * 100.0
        );
    }
    text += "\n| restart, sync delay | partitions start | share, real | simulated | phase | real, s | simulated, s | difference |\n";
    text += "| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |\n";
    for comparison in comparisons {
        for RecoveryPath { name, starts: (taken, of), share_simulated, medians } in &comparison.recovery_paths
        {
            for (phase, (real, simulated)) in medians {
                let _ = writeln!(
                    text,
                    "| {} | {name} | {taken} of {of} | {:.0} % | {} | {real:.3} | {simulated:.3} | {:+.1} % |",
                    comparison.sync_delay,
                    share_simulated * 100.0,
                    phase.name(),
                    (simulated / real - 1.0) * 100.0,
                );
            }
        }
    }
    text
}
