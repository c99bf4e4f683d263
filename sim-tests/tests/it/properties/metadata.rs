//! The Raft metadata servers under plans, parameters and workloads that proptest draws: the clients'
//! history is linearizable, and what members report is consistent.

use crate::properties::{record, record_planted};
use proptest::prelude::*;
use sim_restate::{KeyOperation, MetadataChaos};
use std::ops::Range;
use std::time::Duration;
use stormglass::proptest::{Case, cases, parameter, parameters, plans, profiles, workloads};
use stormglass_core::Verdict;
use stormglass_sim::Played;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const PROPERTY: &str = "Raft metadata servers: linearizable, one leader a term, what is applied is committed";

const CLIENTS: u32 = 4;

fn operations() -> impl Strategy<Value = KeyOperation> {
    (0u32..2).prop_flat_map(|key| {
        prop_oneof![
            4 => Just(KeyOperation::Get(key)),
            5 => Just(KeyOperation::Put(key)),
            1 => Just(KeyOperation::Delete(key)),
        ]
    })
}

/// The workload: what each client does on two keys, step by step, and time limits. The faults: those
/// of a plan, and those that the scenario injects itself, which include failed syncs and orderly stops.
fn drawn(steps: Range<usize>) -> impl Strategy<Value = Case> {
    let own = parameters([
        ("chaos.servers", parameter::one_of(&["3", "5"])),
        ("chaos.faults", parameter::integers(0..=3)),
        ("chaos.fault-longest", parameter::durations(100..=3_000)),
        ("chaos.calm-longest", parameter::durations(10..=1_000)),
        ("chaos.request-timeout", parameter::durations(100..=2_000)),
        ("raft.election-ticks", parameter::integers(3..=10)),
        ("raft.trim-threshold", parameter::integers(5..=100)),
    ]);
    let plans = plans(&NODES, 0..6, Duration::from_secs(6), Duration::from_secs(2));
    let cases = cases(profiles(&["quiet", "ci-disk"]), own, plans);
    let workloads = workloads(operations(), CLIENTS, steps, Duration::from_millis(200));
    (cases, workloads).prop_map(|(mut case, workload)| {
        for (key, value) in [
            ("chaos.duration", "6s".to_string()),
            ("chaos.clients", CLIENTS.to_string()),
            ("chaos.workload", workload.to_string()),
        ] {
            case.assignments.push((key.into(), value));
        }
        case
    })
}

/// Waits may take too long: with the plan's faults a majority may be down for as long as they last.
fn is_consistent(played: &Played) -> Result<(), String> {
    match &played.outcome.verdict {
        Verdict::Passed | Verdict::TimedOut { .. } => Ok(()),
        failure => Err(failure.to_string()),
    }
}

/// The interesting cases have messages lost or refused, and reach the write after the last fault.
fn is_disturbed(played: &Played) -> bool {
    let count = |kind: &str| played.outcome.counters.get(kind).copied().unwrap_or_default();
    count("lose") + count("refuse") > 0 && played.outcome.waits.iter().any(|wait| wait.name == "a write")
}

#[test]
fn metadata_servers_are_linearizable() {
    let tally = stormglass::property!().cases(100).at_least(0.5).check_runs(
        &MetadataChaos,
        drawn(1..200),
        |_, played| {
            is_consistent(played)?;
            Ok(is_disturbed(played))
        },
    );
    record(PROPERTY, &tally);
}

#[test]
fn planted_defects_of_the_metadata_servers_are_found() {
    for (canary, at_most) in [
        ("acknowledges-before-sync", 20),
        ("forgets-its-vote", 200),
        ("applies-before-commit", 20),
        ("skips-the-term-check", 200),
        ("loses-the-logs-tail", 20),
        ("ignores-preconditions", 20),
    ] {
        let cases = drawn(200..600).prop_map(move |mut case| {
            case.assignments.push(("raft.canary".into(), canary.into()));
            // Rare ones need many elections.
            case.assignments.push(("chaos.duration".into(), "20s".into()));
            case.assignments.push(("chaos.faults".into(), "2".into()));
            case.assignments.push(("raft.election-ticks".into(), "5".into()));
            case
        });
        let property = stormglass::property!().cases(at_most);
        let found =
            property.find_in_runs(&MetadataChaos, cases, |_, played| is_consistent(played).map(|()| true));
        record_planted("Raft metadata servers", &format!("`{canary}`"), &found, at_most);
    }
}
