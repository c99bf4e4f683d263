//! Whole clusters with logs and partitions: both of Restate's tests from start to end, in both
//! models, and planted bugs that have to be found.

use sim_restate::phases::Phase;
use sim_restate::{ClusterChaos, TrimGap};
use stormglass_core::{Keep, Outcome, Seed, Trace, Verdict};
use stormglass_sim::{AnyScenario, Run, Settings, check};

const MODELS: [&str; 2] = ["restate-1.7", "restate-m25"];

/// Settings with which leaders create snapshots and trim logs by themselves: killed nodes fall
/// behind the trimmed part of the log.
const TRIMMING: [(&str, &str); 3] = [
    ("cluster-chaos.repository", "true"),
    ("partition.snapshot-records", "50"),
    ("partition.trim-delay", "0s"),
];

fn run<'a>(
    scenario: &'a dyn AnyScenario,
    model: &str,
    profile: &str,
    sets: &[(&str, &str)],
    seed: u64,
) -> Run<'a> {
    Run::new(scenario, Settings::resolve(scenario, Some(model), profile, sets).unwrap(), Seed(seed))
}

fn outcome(
    scenario: &dyn AnyScenario,
    model: &str,
    profile: &str,
    sets: &[(&str, &str)],
    seed: u64,
) -> Outcome {
    run(scenario, model, profile, sets, seed).play(Keep::Nothing).outcome
}

#[test]
fn both_tests_pass_on_a_quiet_machine() {
    for model in MODELS {
        for seed in 0..20 {
            let trim_gap = outcome(&TrimGap, model, "quiet", &[], seed);
            assert_eq!(trim_gap.verdict, Verdict::Passed, "trim-gap, {model}, seed {seed}");
        }
        for (sets, seeds) in [(&[][..], 0..4), (&TRIMMING[..], 4..7)] {
            for seed in seeds {
                let chaos = outcome(&ClusterChaos, model, "quiet", sets, seed);
                assert_eq!(chaos.verdict, Verdict::Passed, "cluster-chaos, {model}, seed {seed}");
            }
        }
    }
}

/// The steps of the test are waits with these names, in this order.
#[test]
fn every_step_of_trim_gap_is_a_wait() {
    let names = |model| {
        let waits = outcome(&TrimGap, model, "quiet", &[], 1).waits;
        let own = waits.into_iter().filter(|wait| wait.parameter.as_deref() != Some("admin.deadline"));
        own.map(|wait| format!("{} on {}", wait.name, wait.node)).collect::<Vec<_>>()
    };
    let common = ["partition leader on node-1", "first call on node-1", "snapshot on node-1"];
    let old = [
        &["partition started on node-1", "partition started on node-2"][..],
        &common,
        &["trim gap met on node-3", "snapshot import on node-3", "last call on node-3"],
        &["equal replicas of P0 on cluster"],
    ];
    assert_eq!(names("restate-m25"), old.concat());
    let new = [
        &["provision on node-1", "partition started on node-1"][..],
        &common,
        &["node id on node-2", "trim gap met on node-2", "snapshot import on node-2", "last call on node-2"],
        &["equal replicas of P0 on cluster"],
    ];
    assert_eq!(names("restate-1.7"), new.concat());
}

/// As in the log of a real node-2: the node reaches the gap without a repository, and after its
/// restart reaches the gap again before it fast-forwards.
#[test]
fn a_gap_is_met_twice_before_the_snapshot_is_imported() {
    for model in MODELS {
        let played = run(&TrimGap, model, "quiet", &[], 2).play(Keep::Events);
        let notes: Vec<&str> =
            notes(&played.trace).filter(|note| note.contains("P0") || note.contains("snap")).collect();
        let place = |text: &str| notes.iter().position(|note| note.contains(text));
        let blocked = place("and no snapshot repository is configured");
        let again = place("will fast-forward");
        let import = place("importing snapshot");
        assert!(blocked.is_some() && blocked < again && again < import, "{model}: {notes:?}");
    }
}

fn notes(trace: &Trace) -> impl Iterator<Item = &str> {
    let notes = trace.events.iter().filter(|event| event.kind == stormglass_core::Kind::Note);
    notes.map(|event| trace.text(event.subject))
}

/// The wait for the gap is the wait until the new node is alive: 5 s as suspect, and the time that
/// the controller and the gossip of partitions need. The real wait took 7.0 s on a quiet machine;
/// with 1 s as suspect it is 4 s shorter.
#[test]
fn the_trim_gap_waits_for_failure_detection() {
    let waited = |suspect| {
        let outcome = outcome(&TrimGap, "restate-1.7", "quiet", &[("gossip.suspect", suspect)], 3);
        let wait = outcome.waits.iter().find(|wait| wait.name == "trim gap met").unwrap();
        wait.length.duration().as_secs_f64()
    };
    let (with_5_s, with_1_s) = (waited("5s"), waited("1s"));
    assert!((5.0..8.0).contains(&with_5_s), "{with_5_s}");
    assert!((2.9..5.1).contains(&(with_5_s - with_1_s)), "{with_5_s} {with_1_s}");
}

/// The reported flake: on the CI machine of March 2025 some of the seeds fail, at a named wait,
/// and most pass.
#[test]
fn the_tests_are_flaky_on_the_ci_machine_of_march_2025() {
    let failed = |scenario: &dyn AnyScenario, seeds: u64| {
        let verdicts =
            (0..seeds).map(|seed| outcome(scenario, "restate-m25", "ci-2025-03", &[], seed).verdict);
        verdicts.filter(|verdict| *verdict != Verdict::Passed).count()
    };
    let trim_gap = failed(&TrimGap, 300);
    assert!((2..60).contains(&trim_gap), "{trim_gap} of 300");
    let chaos = failed(&ClusterChaos, 60);
    assert!((1..12).contains(&chaos), "{chaos} of 60");
}

#[test]
fn runs_are_deterministic() {
    for model in MODELS {
        // Seed 22 times out in the older model.
        for seed in [0, 22] {
            let trim_gap = run(&TrimGap, model, "ci-2025-03", &[], seed);
            assert_eq!(check(&trim_gap).1, None, "trim-gap, {model}, seed {seed}");
        }
        let chaos = run(&ClusterChaos, model, "ci-2025-03", &TRIMMING, 1);
        assert_eq!(check(&chaos).1, None, "cluster-chaos, {model}");
    }
}

/// The oracle for each bug finds it within a few seeds. (Some bugs first appear as a wait that
/// times out.)
#[test]
fn planted_bugs_are_found() {
    for (canary, seeds, found_by) in [
        ("forgets-idempotency-keys", 2, "state-follows-from-the-log"),
        ("acknowledges-before-the-quorum", 4, "log-agreement"),
        ("snapshots-are-ahead", 4, "state-follows-from-the-log replicas-agree applied-within-the-log"),
        ("trims-beyond-the-snapshot", 8, "trimmed-needs-a-snapshot"),
        ("stores-after-the-seal", 24, "log-agreement"),
        ("obeys-old-leaders", 8, "state-follows-from-the-log"),
    ] {
        let mut sets = TRIMMING.to_vec();
        sets.push(("cluster.canary", canary));
        let mut verdicts =
            (0..seeds).map(|seed| outcome(&ClusterChaos, "restate-1.7", "quiet", &sets, seed).verdict);
        let found = verdicts.find(|verdict| matches!(verdict, Verdict::Violated { .. }));
        let Some(Verdict::Violated { property, .. }) = &found else { panic!("{canary}: {found:?}") };
        assert!(found_by.contains(property), "{canary}: {property}");
    }
}

/// The node that sealed a segment reported its tail to readers before the chain determined the
/// valid tail: the readers read records that were never in the log.
#[test]
fn regression_only_the_chain_determines_the_end_of_a_segment() {
    for (model, seed) in [("restate-1.7", 178), ("restate-m25", 107)] {
        let verdict = outcome(&ClusterChaos, model, "ci-2025-03", &[], seed).verdict;
        assert!(!matches!(verdict, Verdict::Violated { .. }), "{model}, seed {seed}: {verdict}");
    }
}

/// An aborted append left a hole in its sequencer's offsets, and all later appends waited behind
/// it for ever (seed 2); a reader never saw the last record of a segment whose sequencer was gone,
/// and an old leader stayed leader (135).
#[test]
fn regression_appends_and_reads_do_not_wait_for_ever() {
    for (model, seed) in [("restate-m25", 2), ("restate-1.7", 135), ("restate-1.7", 140)] {
        let verdict = outcome(&ClusterChaos, model, "quiet", &[], seed).verdict;
        assert_eq!(verdict, Verdict::Passed, "{model}, seed {seed}");
    }
}

/// A leader whose successor was gone before its announcement could be read stayed leader in its
/// own view alone (seed 87); a replica asked the same two of three log servers again and again for
/// the tail, and one of them had missed the last record (127); replicas waited at the end of a
/// segment that a node had sealed at its shutdown, and no leader had anything to append, which
/// would have opened the next segment (947).
#[test]
fn regression_partitions_recover_from_a_leader_that_is_gone() {
    for (profile, seed) in [("ci-2025-03", 87), ("ci-2025-03", 127), ("quiet", 947)] {
        let verdict = outcome(&ClusterChaos, "restate-1.7", profile, &[], seed).verdict;
        assert_eq!(verdict, Verdict::Passed, "seed {seed}");
    }
}

/// Power was lost before the first documents were written, and again when node-1 had recorded
/// that the cluster is provisioned: the harness could not send a request to any node any more,
/// and no node wrote the remaining documents.
#[test]
fn regression_provisioning_is_answered_after_a_restart() {
    let plan = "[{ kind = 'power-loss', node = 'node-1', loss = 'suffix', at = '250ms', lasts = '710ms' }, \
                { kind = 'power-loss', node = 'node-1', loss = 'suffix', at = '1900ms', lasts = '1ms' }]";
    let verdict = outcome(&TrimGap, "restate-1.7", "quiet", &[("plan.fault", plan)], 19).verdict;
    assert_eq!(verdict, Verdict::Passed);
}

/// Kills, power losses, pauses, cuts and slow disks beside the test's own restarts: waits may time
/// out, and no invariant is violated.
#[test]
fn a_storm_violates_no_invariant() {
    for model in MODELS {
        let verdicts =
            (0..25).map(|seed| outcome(&ClusterChaos, model, "quiet", &[("plan", "storm")], seed).verdict);
        let broken: Vec<Verdict> = verdicts
            .filter(|verdict| matches!(verdict, Verdict::Violated { .. } | Verdict::Panicked { .. }))
            .collect();
        assert!(broken.is_empty(), "{model}: {broken:?}");
    }
}

/// A partition that was being stopped, alone or with its node, and its successor created the same
/// column family.
#[test]
fn regression_a_partition_starts_when_the_one_before_it_has_stopped() {
    for seed in [246, 859, 941] {
        // Seed 859 has a start on a slow disk that takes longer than the 10 s of the test; that
        // start is correct.
        let sets = [("cluster-chaos.healthy", "30s")];
        let played = run(&ClusterChaos, "restate-1.7", "ci-2025-03", &sets, seed).play(Keep::Events);
        assert_eq!(played.outcome.verdict, Verdict::Passed, "seed {seed}");
        let mut texts = played.trace.events.iter().map(|event| played.trace.text(event.subject));
        assert!(!texts.any(|text| text.contains("does not start")), "seed {seed}");
    }
}

/// Clusters that start in parallel on one machine slow each other down; so does background load on
/// its cores; a quieter log slows no node down.
#[test]
fn clusters_and_load_on_the_same_machine_cost_time() {
    let booted = |sets: &[(&str, &str)]| {
        let starts = (0..6).flat_map(|seed| {
            let played = run(&TrimGap, "restate-m25", "quiet", sets, seed).play(Keep::Events);
            sim_restate::phases::starts(&played.trace)
        });
        // Nodes without a metadata server do not reach this phase.
        let joining = starts.filter_map(|start| start.reached.get(&Phase::Joining).copied());
        joining.sum::<std::time::Duration>().as_secs_f64()
    };
    let alone = booted(&[]);
    let (crowded, loaded) = (booted(&[("cluster.side-by-side", "8")]), booted(&[("cpu.background", "8")]));
    assert!(crowded > 2.0 * alone && loaded > 2.0 * alone, "{alone} {crowded} {loaded}");
    let quiet = booted(&[("node.log-level", "warn")]);
    assert!(0.9 * alone < quiet && quiet < alone, "{alone} {quiet}");
}

#[test]
fn wrong_values_are_refused_by_key() {
    for (scenario, sets, problem) in [
        (
            &TrimGap as &dyn AnyScenario,
            ("log.replication", "2"),
            "`log.replication`: is 2, and there are 1 nodes",
        ),
        (&TrimGap, ("partition.count", "0"), "`partition.count`: the range is 1 to 1024"),
        (
            &TrimGap,
            ("partition.replication", "some"),
            "`partition.replication`: expected \"everywhere\" or a number",
        ),
        (&TrimGap, ("gossip.tick", "0s"), "`gossip.tick`: must be above 0s"),
        (&TrimGap, ("trim-gap.imports", "1s"), "did you mean `trim-gap.import`?"),
        (&ClusterChaos, ("cluster-chaos.signals", "term"), "unknown variant `term`"),
        (&ClusterChaos, ("cpu.background", "-1"), "`cpu.background`: is -1, the range is 0 to 1024"),
        (&ClusterChaos, ("cluster.side-by-side", "99"), "`cluster.side-by-side`: the range is 0 to 15"),
    ] {
        let error = Settings::resolve(scenario, None, "quiet", &[sets]).unwrap_err().to_string();
        assert!(error.contains(problem), "{sets:?}: {error}");
    }
}
