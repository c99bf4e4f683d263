//! Real against simulated: the phases of a cold start under injected sync delays.
//!
//! The measurements are data (`data/real-1.7.12-cold.toml`); nothing in the model is fitted to them. A simulated
//! condition is the profile `quiet` with the same delay on every sync.

use crate::cold_start::ColdStart;
use crate::phases::{Phase, phases};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_core::{Keep, Seed};
use stormglass_sim::{Run, Settings};

/// The phases that the simulation has to meet within [`TOLERANCE`] where syncs are slow.
pub const JUDGED: [Phase; 5] =
    [Phase::MetadataDbOpen, Phase::LogDbOpen, Phase::Joining, Phase::NodeId, Phase::AdminListening];

/// How far a simulated median may be from the real one.
pub const TOLERANCE: f64 = 0.20;

/// One condition and the medians under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The delay of every sync, as a setting's value.
    pub sync_delay: String,
    /// For each phase the real and the simulated median, in seconds.
    pub medians: BTreeMap<Phase, (f64, f64)>,
}

#[derive(Deserialize)]
struct Measurements {
    condition: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Condition {
    sync_delay: String,
    #[serde(flatten)]
    medians: BTreeMap<String, toml::Value>,
}

/// Plays each measured condition with so many seeds and compares the medians.
///
/// # Panics
///
/// When there are no seeds.
pub fn compare(seeds: u64) -> Vec<Comparison> {
    let measured: Measurements = toml::from_str(include_str!("../data/real-1.7.12-cold.toml"))
        .expect("the measurements are part of the crate");
    measured.condition.iter().map(|condition| compare_condition(condition, seeds)).collect()
}

fn compare_condition(condition: &Condition, seeds: u64) -> Comparison {
    let delay = ("disk.sync.delay", condition.sync_delay.as_str());
    let settings = Settings::resolve(&ColdStart, Some("restate-1.7"), "quiet", &[delay])
        .expect("shipped model and profile are valid");
    let mut times: BTreeMap<Phase, Vec<f64>> = BTreeMap::new();
    for seed in 0..seeds {
        let played = Run::new(&ColdStart, settings.clone(), Seed(seed)).play(Keep::Events);
        for (phase, nodes) in phases(&played.trace) {
            times.entry(phase).or_default().extend(nodes.values().map(|time| time.as_secs_f64()));
        }
    }
    let medians = Phase::ALL.into_iter().filter_map(|phase| {
        let real = condition.medians.get(phase.name())?.as_float()?;
        Some((phase, (real, median(times.remove(&phase)?))))
    });
    Comparison { sync_delay: condition.sync_delay.clone(), medians: medians.collect() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The comparisons as a Markdown table.
pub fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "| sync delay | phase | real, s | simulated, s | difference |\n| --- | --- | ---: | ---: | ---: |\n",
    );
    for comparison in comparisons {
        for (phase, (real, simulated)) in &comparison.medians {
            let difference = (simulated / real - 1.0) * 100.0;
            let delay = &comparison.sync_delay;
            let _ = writeln!(
                text,
                "| {delay} | {} | {real:.3} | {simulated:.3} | {difference:+.1} % |",
                phase.name()
            );
        }
    }
    text
}
