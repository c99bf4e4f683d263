//! The statuses of a node's roles: their order, and the status after a disk failure.

use expect_test::{Expect, expect};
use sim_restate::ClusterChaos;
use sim_restate::runner::{Cluster, Signal};
use sim_restate::settings::ClusterSettings;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Limit, Seed, Trace, Verdict};
use stormglass_sim::{Played, Run, Scenario, Settings, World, scenario};

fn play(model: &str, sets: &[(&str, &str)], seed: u64) -> Played {
    let settings = Settings::resolve(&ClusterChaos, Some(model), "quiet", sets).expect("these are right");
    Run::new(&ClusterChaos, settings, Seed(seed)).play(Keep::Events)
}

fn statuses(trace: &Trace, node: &str) -> Vec<String> {
    let own = trace.events.iter().filter(|event| trace.text(event.node) == node);
    let statuses = own.filter(|event| event.kind == Kind::Status);
    statuses.map(|event| trace.text(event.subject).to_string()).collect()
}

/// The statuses of all roles are unknown at first; each role is starting up once its first part
/// is created, in the order in which Restate starts them at both dates.
#[test]
fn roles_start_in_the_order_of_their_model() {
    let check = |model, expected: Expect| {
        let trace = play(model, &[("cluster-chaos.duration", "1s")], 3).trace;
        let mut statuses = statuses(&trace, "node-2");
        statuses.truncate(1 + statuses.iter().position(|status| status == "node: alive").expect("it starts"));
        let unknown: Vec<String> = statuses.drain(..7).collect();
        assert!(unknown.iter().all(|status| status.ends_with(": unknown")), "{unknown:?}");
        expected.assert_eq(&(statuses.join("\n") + "\n"));
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

/// Reads the statuses of a cluster's roles before it has started, after it has, and after a
/// restart.
struct ReadStatuses;

#[scenario(name = "asks", about = "reads the statuses of nodes' roles")]
impl Scenario for ReadStatuses {
    async fn play(&self, world: World, settings: ClusterSettings) {
        let limit: Limit = Duration::from_secs(60).into();
        let mut cluster = Cluster::start(&world, settings);
        let note = |cluster: &Cluster, place| world.note(&format!("told: {}", cluster.statuses(place)));
        note(&cluster, 0);
        cluster.wait_provisioned().await;
        cluster.wait_healthy(limit).await;
        note(&cluster, 0);
        cluster.restart(1, Signal::Kill).await;
        note(&cluster, 1);
        cluster.wait_healthy(limit).await;
        note(&cluster, 1);
    }
}

/// The statuses of all roles can be read, also the metadata server's, which has a status of its
/// own.
#[test]
fn statuses_of_all_roles_can_be_read() {
    let settings =
        Settings::resolve(&ReadStatuses, Some("restate-1.7"), "quiet", &[]).expect("these are right");
    let played = Run::new(&ReadStatuses, settings, Seed(3)).play(Keep::Events);
    assert_eq!(played.outcome.verdict, Verdict::Passed);
    let notes = played.trace.events.iter().map(|event| played.trace.text(event.subject));
    let statuses: String =
        notes.filter_map(|text| text.strip_prefix("told: ")).map(|text| format!("{text}\n")).collect();
    expect![[r#"
        node unknown, fabric unknown, metadata server unknown, log server unknown, worker unknown, admin unknown, ingress unknown
        node alive, fabric ready, metadata server member, log server ready, worker ready, admin ready, ingress ready
        node unknown, fabric unknown, metadata server unknown, log server unknown, worker unknown, admin unknown, ingress unknown
        node alive, fabric ready, metadata server member, log server ready, worker ready, admin ready, ingress ready
    "#]].assert_eq(&statuses);
}

/// A kill makes the statuses unknown; a node that receives SIGTERM reports that before it ends.
#[test]
fn statuses_are_unknown_after_a_restart() {
    let trace = play("restate-1.7", &[("cluster-chaos.duration", "20s")], 3).trace;
    let all: Vec<String> = (1..=3).flat_map(|number| statuses(&trace, &format!("node-{number}"))).collect();
    let count = |status: &str| all.iter().filter(|statuses| *statuses == status).count();
    assert!(count("node: unknown") > 6);
    assert_eq!(count("node: starting up"), count("node: unknown"));
    assert!(count("node: shutting down") > 1);
    assert_eq!(count("log server: stopping"), count("node: shutting down"));
    assert_eq!(count("log server: failsafe"), 0);
}

/// A log server whose disk fails stores no more records, and no invariant is violated. The two
/// others are enough, unless one of them is just being restarted: a segment that begins then has
/// one log server that stores, and a log that needs two stalls until the test ends.
#[test]
fn a_log_server_whose_disk_fails_goes_failsafe() {
    let fault = "[{ kind = 'disk-error', node = 'node-2', path = '/data/log-store/*.log', operations = ['fdatasync'], error = 'io', \
                 at = '8s', lasts = '1s' }]";
    let sets = [("plan.fault", fault), ("cluster-chaos.duration", "9s"), ("cluster-chaos.signals", "kill")];
    let (mut failed, mut enough) = (0, 0);
    for seed in 0..6 {
        let played = play("restate-1.7", &sets, seed);
        let verdict = played.outcome.verdict;
        assert!(matches!(verdict, Verdict::Passed | Verdict::TimedOut { .. }), "seed {seed}: {verdict}");
        let statuses = statuses(&played.trace, "node-2");
        let failsafe = statuses.iter().filter(|statuses| *statuses == "log server: failsafe").count();
        failed += failsafe;
        enough += usize::from(failsafe > 0 && verdict.is_passed());
    }
    assert!(failed > 0, "{failed} in 6 runs");
    assert!(enough > 0, "{enough} in 6 runs");
}
