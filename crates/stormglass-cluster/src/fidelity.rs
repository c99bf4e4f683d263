//! Real against simulated: the phases of cold starts and of restarts under injected sync delays.
//!
//! The measurements are data (`data/real-1.7.12.toml`); nothing in the model is fitted to them. A simulated
//! condition is the profile `quiet` with the same delay on every sync, and where there is one with what tracing costs, which is how the real syncs were delayed: read off another
//! recording, without delays.

use crate::phases::{NodeStart, Phase, starts};
use crate::restarts::Restarts;
use crate::runner::Signal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_core::{Keep, Length, Seed};
use stormglass_sim::{Run, Scenario, Settings};

/// The phases that the simulation has to meet within [`TOLERANCE`] where syncs are slow.
pub const JUDGED: [Phase; 5] =
    [Phase::MetadataDbOpen, Phase::LogDbOpen, Phase::Joining, Phase::NodeId, Phase::AdminListening];

/// The phases after the start that cold starts have to meet within [`TOLERANCE`]. After a restart [`Way`]s lead to partitions.
pub const LATER: [Phase; 3] = [Phase::StoreDbOpen, Phase::SelfAlive, Phase::PartitionStarted];

/// How far a simulated median may be from the real one.
pub const TOLERANCE: f64 = 0.15;

/// Whether a node starts for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// On an empty disk, all nodes at once.
    Cold,
    /// On what its disk has kept, while the others run: after SIGKILL and after SIGTERM, as many of each as were measured.
    Restart,
    /// Those after SIGKILL alone.
    Killed,
    /// Those after SIGTERM alone: the databases were closed in order, and their logs have nothing to recover.
    Terminated,
}

/// One condition, and what starts are like under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Which starts.
    pub kind: StartKind,
    /// The delay of every sync, as a setting's value.
    pub sync_delay: String,
    /// For each phase the real and the simulated median, in seconds.
    pub medians: BTreeMap<Phase, (f64, f64)>,
    /// From the 10th to the 90th percentile of `admin_listening`, real and simulated, in seconds.
    pub spread: (f64, f64),
    /// How many of the real starts took longer than 10 s until the harness saw them, and how many there were.
    pub late: (u64, u64),
    /// The share of the simulated starts that did.
    pub late_simulated: f64,
    /// The ways to the first partition, of restarts.
    pub ways: Vec<Way>,
}

/// How a node that was started again comes to run partitions: at once, if the controller has not moved them meanwhile, or when it is trusted again. A median over both would be
/// in the one or the other by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Which one.
    pub name: &'static str,
    /// How many of the real starts took it, and how many there were.
    pub starts: (u64, u64),
    /// The share of the simulated starts that took it.
    pub share_simulated: f64,
    /// The real and the simulated median of [`Phase::StoreDbOpen`] and [`Phase::PartitionStarted`] on it, in seconds, where there are both.
    pub medians: BTreeMap<Phase, (f64, f64)>,
}

#[derive(Deserialize)]
struct Measurements {
    /// What tracing costs, which is how syncs were delayed: settings.
    traced: BTreeMap<String, String>,
    condition: Vec<Condition>,
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
    #[serde(default)]
    at_once: MeasuredWay,
    #[serde(default)]
    when_trusted: MeasuredWay,
}

/// Nobody took it if it is left out.
#[derive(Default, Deserialize)]
struct MeasuredWay {
    starts: u64,
    medians: BTreeMap<String, f64>,
}

/// Plays each measured condition with so many seeds and compares.
///
/// # Panics
///
/// When there are no seeds.
pub fn compare(seeds: u64) -> Vec<Comparison> {
    let measured: Measurements = toml::from_str(include_str!("../data/real-1.7.12.toml"))
        .expect("the measurements are part of the crate");
    let mut played = BTreeMap::new();
    let against_played = |condition: &Condition| {
        let delay = condition.sync_delay.as_str();
        let Played { cold, killed, terminated } =
            played.entry(delay.to_string()).or_insert_with(|| play(&measured.settings(delay), seeds));
        match condition.kind {
            StartKind::Cold => condition.against(cold),
            StartKind::Killed => condition.against(killed),
            StartKind::Terminated => condition.against(terminated),
            StartKind::Restart => {
                let of = |kind| measured.starts(kind, delay) as usize;
                condition.against(&Starts::mixed([
                    (killed, of(StartKind::Killed)),
                    (terminated, of(StartKind::Terminated)),
                ]))
            }
        }
    };
    measured.condition.iter().map(against_played).collect()
}

/// The starts of so many simulated runs.
#[derive(Default)]
struct Played {
    cold: Starts,
    killed: Starts,
    terminated: Starts,
}

/// Simulated starts of one kind.
#[derive(Default)]
struct Starts {
    starts: Vec<NodeStart>,
    /// When the harness saw each healthy, in seconds.
    seen: Vec<f64>,
}

fn play(settings: &[(&str, &str)], seeds: u64) -> Played {
    let scenario = &Restarts as &dyn Scenario;
    let settings = Settings::resolve(scenario, Some("restate-1.7"), "quiet", settings)
        .expect("shipped model and profile are valid");
    let mut played = Played::default();
    for seed in 0..seeds {
        let run = Run::new(scenario, settings.clone(), Seed(seed)).play(Keep::Events);
        // As many waits as starts, in the same order: first the nodes all at once, then one after the other.
        let mut waits = run.outcome.waits.into_iter().filter(|wait| wait.name.starts_with("admin"));
        for start in starts(&run.trace) {
            let group = match start.after {
                None => &mut played.cold,
                Some(Signal::Kill) => &mut played.killed,
                Some(Signal::Term) => &mut played.terminated,
            };
            group.starts.push(start);
            group.seen.extend(waits.next().map(|wait| match wait.length {
                Length::Observed(length) => length.as_secs_f64(),
                Length::Censored(_) => f64::INFINITY,
            }));
        }
    }
    played
}

impl Starts {
    /// As many of each as were measured of it, or a multiple of that.
    fn mixed(parts: [(&Starts, usize); 2]) -> Starts {
        let times = parts.iter().map(|(part, share)| part.starts.len() / share).min().unwrap_or(0);
        let mut mixed = Starts::default();
        for (part, share) in parts {
            mixed.starts.extend(part.starts.iter().take(share * times).cloned());
            mixed.seen.extend(part.seen.iter().take(share * times));
        }
        mixed
    }

    fn times<'a>(starts: impl IntoIterator<Item = &'a NodeStart>) -> Times {
        let mut times = Times::default();
        starts.into_iter().for_each(|start| times.add(start));
        times
    }
}

impl Measurements {
    /// A condition as it is simulated.
    fn settings<'a>(&'a self, sync_delay: &'a str) -> Vec<(&'a str, &'a str)> {
        let traced = self.traced.iter().filter(|_| sync_delay != "0s");
        let traced = traced.map(|(key, value)| (key.as_str(), value.as_str()));
        [("disk.sync.delay", sync_delay)].into_iter().chain(traced).collect()
    }

    /// How many starts of a kind were measured.
    fn starts(&self, kind: StartKind, sync_delay: &str) -> u64 {
        let of = |condition: &&Condition| condition.kind == kind && condition.sync_delay == sync_delay;
        self.condition.iter().filter(of).map(|condition| condition.starts).sum()
    }
}

impl Condition {
    fn against(&self, starts: &Starts) -> Comparison {
        let all = Starts::times(&starts.starts);
        let admin = all.sorted(Phase::AdminListening);
        let late = starts.seen.iter().filter(|seconds| **seconds > 10.0).count();
        Comparison {
            kind: self.kind,
            sync_delay: self.sync_delay.clone(),
            spread: (self.p90 - self.p10, quantile(&admin, 0.9) - quantile(&admin, 0.1)),
            late: (self.late, self.starts),
            late_simulated: late as f64 / starts.seen.len() as f64,
            medians: all.against(&self.medians),
            ways: match self.kind {
                StartKind::Restart => self.ways(&starts.starts),
                _ => Vec::new(),
            },
        }
    }

    fn ways(&self, simulated: &[NodeStart]) -> Vec<Way> {
        let opens = |start: &&NodeStart| start.reached.get(&Phase::StoreDbOpen).copied();
        let trusted = |start: &&NodeStart| {
            opens(start)
                .is_some_and(|open| start.reached.get(&Phase::SelfAlive).is_some_and(|alive| *alive < open))
        };
        let (when_trusted, at_once): (Vec<_>, Vec<_>) =
            simulated.iter().filter(|start| opens(start).is_some()).partition(trusted);
        let (at_once, when_trusted) = (Starts::times(at_once), Starts::times(when_trusted));
        let starts = self.at_once.starts + self.when_trusted.starts;
        let played = (at_once.starts + when_trusted.starts) as f64;
        let way = |name, real: &MeasuredWay, simulated: &Times| Way {
            name,
            starts: (real.starts, starts),
            share_simulated: simulated.starts as f64 / played,
            medians: simulated.against(&real.medians),
        };
        vec![way("at once", &self.at_once, &at_once), way("when trusted", &self.when_trusted, &when_trusted)]
    }
}

/// When simulated starts reached their phases, in seconds.
#[derive(Default)]
struct Times {
    starts: usize,
    reached: BTreeMap<Phase, Vec<f64>>,
}

impl Times {
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

    /// The real medians and these, where there are both.
    fn against(&self, real: &BTreeMap<String, f64>) -> BTreeMap<Phase, (f64, f64)> {
        let both = |phase: Phase| {
            let (real, times) = (*real.get(phase.name())?, self.sorted(phase));
            (!times.is_empty()).then(|| (phase, (real, quantile(&times, 0.5))))
        };
        Phase::ALL.into_iter().filter_map(both).collect()
    }
}

/// Between the two that are nearest, of a list that is sorted (Hyndman and Fan's type 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The comparisons as Markdown tables.
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
        for Way { name, starts: (taken, of), share_simulated, medians } in &comparison.ways {
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
