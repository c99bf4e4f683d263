//! Restate's two tests under plans and parameters that proptest draws: whatever happens to nodes,
//! links and disks, the oracles hold, and each wait ends or is reported.

use crate::properties::{record, record_planted};
use proptest::prelude::*;
use sim_restate::{ClusterChaos, TrimGap};
use std::time::Duration;
use stormglass::proptest::{Assignments, Case, cases, parameter, parameters, plans, profiles};
use stormglass_core::{SimTime, Verdict};
use stormglass_sim::{Played, Preset};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// What the real tests assert of a step that faults may prevent: no oracle.
const ASSERTIONS: [&str; 5] =
    ["deployment-accepted", "first-call", "last-call", "snapshot-created", "progress"];

/// The property: every oracle holds. A wait that takes too long, or is open at the end, is an
/// outcome that names it; a wait that is lost without that is a failure.
fn oracles_hold(played: &Played) -> Result<(), String> {
    let outcome = &played.outcome;
    match &outcome.verdict {
        Verdict::Violated { property, .. } if ASSERTIONS.contains(&property.as_str()) => Ok(()),
        Verdict::Passed => {
            let late = outcome.waits.iter().find(|wait| wait.length.exceeds(wait.deadline));
            late.map_or(Ok(()), |wait| Err(format!("a wait is not reported: {wait:?}")))
        }
        Verdict::TimedOut { .. } | Verdict::TooFew(_) => Ok(()),
        Verdict::Stalled { reason } if reason.starts_with("waiting for ") => Ok(()),
        failure => Err(failure.to_string()),
    }
}

/// Whether a fault of the plan begins before the run ends.
fn has_faults(case: &Case, played: &Played) -> bool {
    case.plan.written.iter().any(|fault| SimTime::ZERO + fault.at < played.outcome.ended)
}

fn with_models(cases: impl Strategy<Value = Case>, models: &'static [Preset]) -> impl Strategy<Value = Case> {
    (cases, prop::sample::select(models))
        .prop_map(|(case, model)| Case { model: Some(model.name.into()), ..case })
}

/// Logs are trimmed by themselves, so that nodes which were killed fall behind.
fn trimming() -> Assignments {
    let sets = [
        ("cluster-chaos.repository", "true"),
        ("partition.snapshot-records", "50"),
        ("partition.trim-delay", "0s"),
        ("cluster-chaos.duration", "8s"),
        ("run.horizon", "90s"),
    ];
    sets.map(|(key, value)| (key.to_string(), value.to_string())).into()
}

fn chaos_cases() -> impl Strategy<Value = Case> {
    let own = parameters([
        ("cluster-chaos.repository", parameter::flags()),
        ("cluster-chaos.signals", parameter::one_of(&["kill", "both"])),
        ("cluster-chaos.request-timeout", parameter::durations(200..=5_000)),
        ("partition.snapshot-records", parameter::integers(20..=200)),
        ("gossip.suspect", parameter::durations(500..=5_000)),
    ]);
    let plans = plans(&NODES, 0..5, Duration::from_secs(25), Duration::from_secs(3));
    cases(profiles(&["quiet", "ci-disk"]), own, plans).prop_map(|mut case| {
        let mut all = trimming();
        all.append(&mut case.assignments);
        case.assignments = all;
        case
    })
}

fn gap_cases() -> impl Strategy<Value = Case> {
    let own = parameters([
        ("gossip.suspect", parameter::durations(500..=5_000)),
        ("trim-gap.starts-with-repository", parameter::one_of(&["true"])),
    ]);
    let plans = plans(&NODES, 0..4, Duration::from_secs(30), Duration::from_secs(2));
    cases(profiles(&["quiet", "ci-disk"]), own, plans)
}

const MODELS: &[Preset] =
    &[Preset { name: "restate-1.7", layers: &[] }, Preset { name: "restate-m25", layers: &[] }];

const CHAOS: &str = "cluster chaos: acknowledged adds stay, one leader an epoch, replicas agree";
const GAP: &str = "trim gap: the log is trimmed behind a snapshot only, replicas agree";

/// The interesting cases have a fault, and an acknowledged add after a restart.
#[test]
fn cluster_chaos_keeps_what_it_acknowledged() {
    let property = stormglass::property!().cases(40).at_least(0.4);
    let cases = with_models(chaos_cases(), MODELS);
    let tally = property.check_runs(&ClusterChaos, cases, |case, played| {
        oracles_hold(played)?;
        let is_acknowledged = played.outcome.waits.iter().any(|wait| wait.name == "a new success");
        Ok(is_acknowledged && has_faults(case, played))
    });
    record(CHAOS, &tally);
}

/// The interesting cases passed the gap: the new node imported the snapshot.
#[test]
fn trim_gap_is_passed_or_its_wait_is_reported() {
    let property = stormglass::property!().cases(40).at_least(0.3);
    let tally = property.check_runs(&TrimGap, with_models(gap_cases(), MODELS), |case, played| {
        oracles_hold(played)?;
        let is_passed = played.outcome.waits.iter().any(|wait| wait.name == "last call");
        Ok(is_passed && has_faults(case, played))
    });
    record(GAP, &tally);
}

#[test]
fn planted_defects_of_the_cluster_are_found() {
    for (canary, at_most) in [
        ("forgets-idempotency-keys", 10),
        ("acknowledges-before-the-quorum", 60),
        ("snapshots-are-ahead", 10),
        ("trims-beyond-the-snapshot", 60),
        ("stores-after-the-seal", 60),
        ("obeys-old-leaders", 60),
    ] {
        let cases = chaos_cases().prop_map(move |mut case| {
            case.assignments.push(("cluster-chaos.repository".into(), "true".into()));
            case.assignments.push(("cluster.canary".into(), canary.into()));
            // Enough adds for several snapshots and trims.
            case.assignments.push(("cluster-chaos.duration".into(), "25s".into()));
            case.assignments.push(("partition.snapshot-records".into(), "50".into()));
            case
        });
        let property = stormglass::property!().cases(at_most);
        let found =
            property.find_in_runs(&ClusterChaos, cases, |_, played| oracles_hold(played).map(|()| true));
        record_planted("cluster chaos", &format!("`{canary}`"), &found, at_most);
    }
}

/// The other bugs of clusters need a change of leaders, or trims of the servers' own: this test stops
/// one follower, and trims once.
#[test]
fn a_planted_defect_of_snapshots_is_found_at_the_gap() {
    let (canary, at_most) = ("snapshots-are-ahead", 20);
    let cases = with_models(gap_cases(), MODELS).prop_map(move |mut case| {
        case.assignments.push(("cluster.canary".into(), canary.into()));
        case
    });
    let property = stormglass::property!().cases(at_most);
    let found = property.find_in_runs(&TrimGap, cases, |_, played| oracles_hold(played).map(|()| true));
    record_planted("trim gap", &format!("`{canary}`"), &found, at_most);
}
