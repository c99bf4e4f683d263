//! What each remedy for the bad day of March 2025 is worth: the table of `docs/incident-2973.md`.
//!
//! The same seeds for every remedy, so the same random environment (common random numbers): a run
//! that fails with the remedy and passes without it fails because of the remedy.

use sim_restate::ColdStart;
use std::ops::ControlFlow;
use stormglass_core::{Keep, Seed};
use stormglass_sim::{Run, Settings};
use stormglass_sweep::{clopper_pearson, in_order, mcnemar, pool};

const SEEDS: u64 = 10_000;

/// Two nodes of `restate-m25` start on the machine of March 2025.
const BEFORE: &[(&str, &str)] = &[("cluster.nodes", "2")];

/// The start without the databases that no step needs yet, as since September 2025.
const LAZY: &str = r#"["boot", "cluster-marker", "open-metadata-store", "open-log-store", "build-roles", "bind-fabric",
    "serve-fabric", "start-metadata-server", "join", "mark-provisioned", "node-id", "sync-metadata", "start-bifrost", "log-server",
    "bind-admin", "admin", "worker", "ingress"]"#;

/// The same databases, and the sockets bound before them, as since October 2025.
const SOCKETS_FIRST: &str = r#"["boot", "bind-sockets", "cluster-marker", "open-metadata-store", "open-log-store",
    "open-partition-store", "build-roles", "serve-fabric", "start-metadata-server", "join", "mark-provisioned", "node-id",
    "sync-metadata", "start-bifrost", "open-local-loglet", "log-server", "admin", "worker", "ingress"]"#;

const REMEDIES: &[(&str, &[(&str, &str)])] = &[
    ("baseline", &[]),
    ("election tick 20 → 10", &[("raft.election-ticks", "10")]),
    ("election tick 20 → 5", &[("raft.election-ticks", "5")]),
    ("join retry cap 5 s → 1 s", &[("node.join-retry.max", "1s")]),
    ("metadata addresses of all nodes", &[("node.metadata-addresses", "all")]),
    ("sockets bound first", &[("node.startup", SOCKETS_FIRST)]),
    ("two databases opened when needed", &[("node.startup", LAZY)]),
    (
        "metadata addresses of all nodes, in turn",
        &[("node.metadata-addresses", "all"), ("metadata-client.next-endpoint", "round-robin")],
    ),
    (
        "databases when needed, join retry cap 1 s, addresses in turn",
        &[
            ("node.startup", LAZY),
            ("node.join-retry.max", "1s"),
            ("node.metadata-addresses", "all"),
            ("metadata-client.next-endpoint", "round-robin"),
        ],
    ),
    ("health check with back-off", &[("admin.strategy", "back-off")]),
    ("health check step by step, 10 s each", &[("admin.strategy", "progress")]),
    ("health check step by step, 30 s each", &[("admin.strategy", "progress"), ("admin.step-budget", "30s")]),
    ("admin deadline 10 s → 30 s", &[("admin.deadline", "30s")]),
    ("admin deadline 10 s → 60 s", &[("admin.deadline", "60s")]),
];

fn main() {
    println!("| remedy | failed | rate, 95 % | no longer fail | fail now | p |");
    println!("| --- | ---: | --- | ---: | ---: | ---: |");
    let mut before: Option<Vec<bool>> = None;
    for (remedy, sets) in REMEDIES {
        let failed = failures(sets);
        let count = failed.iter().filter(|failed| **failed).count() as u64;
        let rate = clopper_pearson(count, SEEDS, 0.95);
        let percent = |rate: f64| format!("{:.2}", rate * 100.0);
        let interval = format!("{} to {} %", percent(*rate.start()), percent(*rate.end()));
        let before = before.get_or_insert_with(|| failed.clone());
        let only = |here: &[bool], there: &[bool]| {
            here.iter().zip(there).filter(|(here, there)| **here && !**there).count() as u64
        };
        let (better, worse) = (only(before, &failed), only(&failed, before));
        let p = mcnemar(better, worse);
        let p = if p < 0.001 { "< 0.001".to_string() } else { format!("{p:.3}") };
        println!("| {remedy} | {count} | {interval} | {better} | {worse} | {p} |");
    }
}

/// Which seeds fail.
fn failures(sets: &[(&str, &str)]) -> Vec<bool> {
    let sets: Vec<(&str, &str)> = BEFORE.iter().chain(sets).copied().collect();
    let settings =
        Settings::resolve(&ColdStart, Some("restate-m25"), "ci-2025-03", &sets).expect("known parameters");
    let work = |seed| {
        let played = Run::new(&ColdStart, settings.clone(), Seed(seed)).play(Keep::Nothing);
        !played.outcome.verdict.is_passed()
    };
    let mut failed = Vec::new();
    in_order(0..SEEDS, pool::default_jobs(), work, |_, this| {
        failed.push(this);
        ControlFlow::Continue(())
    });
    failed
}
