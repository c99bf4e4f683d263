//! Real against simulated: the waits of the trim-gap test.

use super::{Experiment, Measurements, quantile};
use crate::trim_gap::TrimGap;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_core::{Keep, Outcome, Seed, SimTime, Verdict};
use stormglass_sim::Run;

/// A wait of the test. At first there is one node, with every role; the second one has the roles
/// worker and ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// From the start of the first node, on an empty disk, until its partition has started.
    PartitionStarted,
    /// From the start of the second node, on an empty disk, until it logs its id.
    NodeId,
    /// From the change of the partition's replication until the second node meets the gap.
    GapMet,
    /// From the second start of the second node, with the repository, until it imports the
    /// snapshot.
    Import,
}

impl Wait {
    /// Returns its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Wait::PartitionStarted => "start of node-1 until its partition has started",
            Wait::NodeId => "start of node-2 until it has an id",
            Wait::GapMet => "change of the replication until the gap is met",
            Wait::Import => "second start of node-2 until it imports the snapshot",
        }
    }
}

/// The real and the simulated length of a wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The wait.
    pub wait: Wait,
    /// The delay of every sync, as a setting's value.
    pub sync_delay: String,
    /// Its length in each real run, in seconds.
    pub real: Vec<f64>,
    /// The simulated median, in seconds.
    pub simulated: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Flow {
    sync_delay: String,
    waits: BTreeMap<Wait, Vec<f64>>,
}

/// Plays the test with `seeds` seeds under each measured delay and compares.
///
/// # Panics
///
/// If `seeds` is 0.
pub fn compare(seeds: u64) -> Vec<Comparison> {
    let measured = Measurements::read();
    let against_played = |flow: &Flow| {
        let played = play(&measured.played[&flow.sync_delay], seeds);
        let comparison = |(wait, real): (&Wait, &Vec<f64>)| {
            let mut simulated: Vec<f64> = played.iter().map(|waits| waits[wait]).collect();
            simulated.sort_by(f64::total_cmp);
            let (sync_delay, simulated) = (flow.sync_delay.clone(), quantile(&simulated, 0.5));
            Comparison { wait: *wait, sync_delay, real: real.clone(), simulated }
        };
        flow.waits.iter().map(comparison).collect::<Vec<_>>()
    };
    measured.trim_gap.iter().flat_map(against_played).collect()
}

fn play(experiment: &Experiment, seeds: u64) -> Vec<BTreeMap<Wait, f64>> {
    let settings = experiment.resolve(&TrimGap, &[]);
    (0..seeds)
        .map(|seed| waits(&Run::new(&TrimGap, settings.clone(), Seed(seed)).play(Keep::Nothing).outcome))
        .collect()
}

/// Returns the lengths of the waits, in seconds.
fn waits(outcome: &Outcome) -> BTreeMap<Wait, f64> {
    assert_eq!(outcome.verdict, Verdict::Passed, "no machine was too slow for the real test");
    let wait = |name| outcome.waits.iter().find(|wait| wait.name == name).expect("the test has it");
    let length = |name| wait(name).length.duration();
    let started = wait("partition started");
    // The first node is started when the run begins; every other wait begins when the real one
    // did.
    let since_its_start = started.began - SimTime::ZERO + started.length.duration();
    let waits = [
        (Wait::PartitionStarted, since_its_start),
        (Wait::NodeId, length("node id")),
        (Wait::GapMet, length("trim gap met")),
        (Wait::Import, length("snapshot import")),
    ];
    waits.into_iter().map(|(wait, length)| (wait, length.as_secs_f64())).collect()
}

/// Returns the comparisons as a Markdown table.
pub fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "| the trim-gap test | sync delay | real, s | simulated, s |\n| --- | --- | ---: | ---: |\n",
    );
    for Comparison { wait, sync_delay, real, simulated } in comparisons {
        let real: Vec<String> = real.iter().map(|real| format!("{real:.3}")).collect();
        let _ = writeln!(text, "| {} | {sync_delay} | {} | {simulated:.3} |", wait.name(), real.join(", "));
    }
    text
}
