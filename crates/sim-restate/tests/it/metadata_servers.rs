//! Metadata servers under faults: their invariants hold, and planted bugs are found.

use sim_restate::{MetadataChaos, MetadataFailover, MetadataReconfiguration, MetadataSmoke};
use std::time::Duration;
use stormglass_core::{Keep, Outcome, Seed, Verdict};
use stormglass_sim::{AnyScenario, Run, Settings, check};

fn run<'a>(scenario: &'a dyn AnyScenario, sets: &[(&str, &str)], seed: u64) -> Run<'a> {
    let settings = Settings::resolve(scenario, None, "quiet", sets).unwrap();
    Run::new(scenario, settings, Seed(seed))
}

fn play(scenario: &dyn AnyScenario, sets: &[(&str, &str)], seed: u64) -> Outcome {
    run(scenario, sets, seed).play(Keep::Nothing).outcome
}

#[test]
fn scenarios_pass_with_ten_seeds() {
    for seed in 0..10 {
        for scenario in [&MetadataSmoke as &dyn AnyScenario, &MetadataChaos, &MetadataReconfiguration] {
            let outcome = play(scenario, &[], seed);
            assert_eq!(outcome.verdict, Verdict::Passed, "{} with seed {seed}", scenario.name());
        }
    }
}

/// The later of two election timeouts decides an election: the first of two followers that times
/// out has no stream to the other, and its messages are dropped. So the later of two draws from
/// 10 to 19 ticks wins. The median of the larger of two is 17.1 ticks, and the leader's last
/// heartbeat is up to two ticks old.
#[test]
fn the_later_of_two_election_timeouts_decides() {
    let mut lengths = Vec::new();
    for seed in 0..40 {
        let outcome = play(&MetadataFailover, &[], seed);
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}");
        let wait = outcome.waits.iter().find(|wait| wait.name == "another leader").unwrap();
        lengths.push(wait.length.duration().as_millis());
    }
    lengths.sort_unstable();
    assert!((1_450..=1_750).contains(&lengths[20]), "{lengths:?}");
}

/// Faults happen, and clients make progress during them.
#[test]
fn faults_happen_and_clients_make_progress() {
    let outcome = play(&MetadataChaos, &[], 3);
    let count = |kind: &str| outcome.counters.get(kind).copied().unwrap_or_default();
    assert!(count("lose") > 10 && count("refuse") > 10, "{:?}", outcome.counters);
    assert!(count("fact") > 1_000, "{:?}", outcome.counters);
}

#[test]
fn runs_are_deterministic() {
    for scenario in [&MetadataChaos as &dyn AnyScenario, &MetadataReconfiguration] {
        for seed in 0..3 {
            assert_eq!(check(&run(scenario, &[], seed)).1, None, "{} with seed {seed}", scenario.name());
        }
    }
}

/// The first seeds of `docs/canaries.md`: the checker for each bug names it.
#[test]
fn planted_bugs_are_found() {
    for (canary, seed, found_by) in [
        ("acknowledges-before-sync", 0, "applied-is-committed"),
        ("forgets-its-vote", 10, "one-vote-per-term"),
        ("applies-before-commit", 2, "applied-is-committed"),
        ("skips-the-term-check", 32, "applied-equal"),
        ("loses-the-logs-tail", 9, "log-survives"),
        ("ignores-preconditions", 0, "linearizable"),
    ] {
        let verdict = play(&MetadataChaos, &[("raft.canary", canary)], seed).verdict;
        let Verdict::Violated { property, .. } = &verdict else { panic!("{canary}: {verdict:?}") };
        assert_eq!(property, found_by, "{canary}");
    }
}

/// The history is checked at the end of a run; what is reported is the first response that cannot
/// be, and its time.
#[test]
fn a_history_that_is_not_linearizable_is_reported_from_its_first_wrong_response_on() {
    let played = run(&MetadataChaos, &[("raft.canary", "ignores-preconditions")], 0).play(Keep::Nothing);
    let violated = played.violated.expect("the verdict is a violation");
    let verdict = played.outcome.verdict.to_string();
    assert!(violated + Duration::from_secs(1) < played.outcome.ended, "{violated}: {verdict}");
    let named = " explains a read of version 1, write ";
    assert!(verdict.contains(named) && verdict.contains(&format!(" to {violated}")), "{verdict}");
    let passed = run(&MetadataChaos, &[], 0).play(Keep::Nothing);
    assert_eq!((passed.violated, passed.outcome.verdict), (None, Verdict::Passed));
}

/// A power loss can leave a damaged record at the end of the log: in March 2025 the database did
/// not open any more (restatedev/restate#3154), and the fix of April 2025 is a parameter.
#[test]
fn a_torn_log_kept_a_server_from_starting() {
    let settings = |more: &[(&str, &str)]| {
        Settings::resolve(&MetadataChaos, Some("restate-m25"), "ci-disk", more).expect("known parameters")
    };
    let verdict =
        |settings| Run::new(&MetadataChaos, settings, Seed(522)).play(Keep::Nothing).outcome.verdict;
    let Verdict::TimedOut { wait, .. } = verdict(settings(&[])) else { panic!("it starts") };
    assert_eq!(wait, "equal members");
    assert_eq!(verdict(settings(&[("raft.tolerates-torn-log", "true")])), Verdict::Passed);
}

/// Seeds of fixed bugs: a leader that was elected, and paused before it learned of that, lacks
/// the entries that an even later term has committed; a join was answered after its member was
/// removed again.
#[test]
fn regression_seeds_that_failed_pass() {
    assert_eq!(play(&MetadataChaos, &[], 1926).verdict, Verdict::Passed);
    assert_eq!(play(&MetadataReconfiguration, &[], 1728).verdict, Verdict::Passed);
}

/// A server is added, and killed before it learns of that: with too few others the store stalls,
/// and the scenario reports it.
#[test]
fn a_cluster_of_two_can_stall() {
    let verdict = play(&MetadataReconfiguration, &[("chaos.members-least", "1")], 3).verdict;
    let Verdict::TimedOut { wait, .. } = &verdict else { panic!("{verdict:?}") };
    assert_eq!(wait, "all members again");
}

#[test]
fn wrong_parameters_are_refused() {
    for (key, value, problem) in [
        ("raft.election-ticks", "2", "must exceed raft.heartbeat-ticks, which is 2"),
        ("raft.tick-interval", "0s", "the range is 1ms to 60s"),
        ("raft.trim-threshold", "0", "must be at least 1"),
        ("raft.keep-alive-interval", "0s", "must be above 0s"),
        ("raft.status-interval", "0s", "must be above 0s"),
        ("raft.request-queue", "0", "must be at least 1"),
        ("raft.message-queue", "0", "must be at least 1"),
        ("chaos.servers", "0", "the range is 1 to 9"),
        ("chaos.workload", "0+5ms:put 1; 1:get 0", "step 1, `1:get 0`: expected CLIENT+MILLISms:OPERATION"),
        (
            "chaos.workload",
            "0+5ms:set 1",
            "step 0, `0+5ms:set 1`: `set 1` is not `get N`, `put N` or `delete N`",
        ),
        (
            "chaos.workload",
            "0+5ms:put 0; 2+0ms:get 3",
            "step 1 is key 3 by client 2, of 3 keys and 3 clients, from 0",
        ),
        ("raft.canary", "no-such-bug", "unknown variant"),
    ] {
        let error =
            Settings::resolve(&MetadataChaos, None, "quiet", &[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(problem), "{key}: {error}");
    }
}
