//! What nodes tell of their roles: in which order, and when the disk fails one.

use expect_test::{Expect, expect};
use stormglass_cluster::ClusterChaos;
use stormglass_core::{Keep, Kind, Seed, Trace, Verdict};
use stormglass_sim::{Played, Run, Settings};

fn play(model: &str, sets: &[(&str, &str)], seed: u64) -> Played {
    let settings = Settings::resolve(&ClusterChaos, Some(model), "quiet", sets).expect("these are right");
    Run::new(&ClusterChaos, settings, Seed(seed)).play(Keep::Events)
}

fn told(trace: &Trace, node: &str) -> Vec<String> {
    let own = trace.events.iter().filter(|event| trace.text(event.node) == node);
    let statuses = own.filter(|event| event.kind == Kind::Status);
    statuses.map(|event| trace.text(event.subject).to_string()).collect()
}

/// First all are unknown, then each begins when something is made of it. In the order in which Restate starts them at both dates.
#[test]
fn roles_start_in_the_order_of_their_model() {
    let check = |model, expected: Expect| {
        let trace = play(model, &[("cluster-chaos.duration", "1s")], 3).trace;
        let mut told = told(&trace, "node-2");
        told.truncate(1 + told.iter().position(|status| status == "node: alive").expect("it starts"));
        let unknown: Vec<String> = told.drain(..7).collect();
        assert!(unknown.iter().all(|status| status.ends_with(": unknown")), "{unknown:?}");
        expected.assert_eq(&(told.join("\n") + "\n"));
    };
    check(
        "restate-m25",
        expect![[r#"
        node: starting up
        metadata server: starting up
        log server: starting up
        worker: starting up
        ingress: starting up
        admin: starting up
        fabric: starting up
        fabric: ready
        metadata server: awaiting provisioning
        metadata server: standby
        metadata server: member
        log server: ready
        admin: ready
        worker: ready
        ingress: ready
        node: alive
    "#]],
    );
    check(
        "restate-1.7",
        expect![[r#"
            node: starting up
            metadata server: starting up
            log server: starting up
            worker: starting up
            ingress: starting up
            admin: starting up
            fabric: starting up
            fabric: ready
            metadata server: awaiting provisioning
            metadata server: standby
            metadata server: member
            log server: ready
            ingress: ready
            worker: ready
            admin: ready
            node: alive
        "#]],
    );
}

/// A kill ends what a node has told; SIGTERM is told before the end.
#[test]
fn a_restart_begins_with_nothing_known() {
    let trace = play("restate-1.7", &[("cluster-chaos.duration", "20s")], 3).trace;
    let all: Vec<String> = (1..=3).flat_map(|number| told(&trace, &format!("node-{number}"))).collect();
    let count = |status: &str| all.iter().filter(|told| *told == status).count();
    assert!(count("node: unknown") > 6);
    assert_eq!(count("node: starting up"), count("node: unknown"));
    assert!(count("node: shutting down") > 1);
    assert_eq!(count("log server: stopping"), count("node: shutting down"));
    assert_eq!(count("log server: failsafe"), 0);
}

/// A log server whose disk fails takes no more records, and no promise is broken: two of three are enough.
#[test]
fn a_log_server_whose_disk_fails_goes_failsafe() {
    let fault = "[{ kind = 'disk-error', node = 'node-2', path = '/data/log-store/*.log', operations = ['fdatasync'], error = 'io', \
                 at = '5s', lasts = '1s' }]";
    let sets = [("plan.fault", fault), ("cluster-chaos.duration", "6s"), ("cluster-chaos.signals", "kill")];
    let mut failed = 0;
    for seed in 0..6 {
        let played = play("restate-1.7", &sets, seed);
        let verdict = played.outcome.verdict;
        assert!(matches!(verdict, Verdict::Passed | Verdict::TimedOut { .. }), "seed {seed}: {verdict}");
        failed += told(&played.trace, "node-2").iter().filter(|told| *told == "log server: failsafe").count();
    }
    assert!(failed > 0, "{failed} in 6 runs");
}
