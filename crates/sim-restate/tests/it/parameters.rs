//! Every parameter is documented, and the parameters that are marked as observers are only
//! deadlines of waits.

use sim_restate::{
    ClusterChaos, ColdStart, MetadataChaos, MetadataFailover, MetadataReconfiguration, MetadataSmoke,
    Restarts, TrimGap,
};
use std::collections::BTreeSet;
use std::time::Duration;
use stormglass_core::{Keep, Outcome, Seed};
use stormglass_sim::{AnyScenario, Run, Settings, all_parameters};

const SCENARIOS: [&dyn AnyScenario; 8] = [
    &ColdStart,
    &Restarts,
    &TrimGap,
    &ClusterChaos,
    &MetadataSmoke,
    &MetadataFailover,
    &MetadataChaos,
    &MetadataReconfiguration,
];

fn play(scenario: &dyn AnyScenario, profile: &str, sets: &[(&str, &str)], seed: u64) -> Outcome {
    let model = scenario.models().last().unwrap().name;
    let settings = Settings::resolve(scenario, Some(model), profile, sets).unwrap();
    Run::new(scenario, settings, Seed(seed)).play(Keep::Nothing).outcome
}

#[test]
fn every_parameter_has_a_description_and_a_form() {
    for scenario in SCENARIOS {
        let meanings = all_parameters(scenario).meanings();
        for (key, _) in Settings::resolve(scenario, None, "quiet", &[]).unwrap().leaves() {
            let meaning = meanings.get(&key).unwrap_or_else(|| panic!("{}: {key}", scenario.name()));
            assert!(!meaning.about.is_empty() && !meaning.form.is_empty(), "{}: {key}", scenario.name());
            let bounded = ["duration", "latency", "whole number", "number"].contains(&meaning.form.as_str());
            assert!(!bounded || !meaning.range.is_empty(), "{key} has no range");
        }
    }
}

/// A wait's parameter is an observer, and every observer of a test is the limit of one of its
/// waits.
#[test]
fn observers_are_the_limits_of_waits() {
    for scenario in SCENARIOS {
        let meanings = all_parameters(scenario).meanings();
        let observers: BTreeSet<&str> =
            meanings.iter().filter(|(_, meaning)| meaning.observer).map(|(key, _)| key.as_str()).collect();
        let outcomes = if meanings.contains_key("admin.strategy") {
            vec![
                play(scenario, "quiet", &[], 1),
                play(scenario, "quiet", &[("admin.strategy", "progress")], 1),
            ]
        } else {
            vec![play(scenario, "quiet", &[], 1)]
        };
        let limits: BTreeSet<&str> = outcomes
            .iter()
            .flat_map(|outcome| &outcome.waits)
            .filter_map(|wait| wait.parameter.as_deref())
            .collect();
        let strangers: Vec<_> = limits.difference(&observers).collect();
        assert!(strangers.is_empty(), "{}: {strangers:?} are limits and no observers", scenario.name());
        let own = format!("{}.", scenario.name());
        let unused: Vec<_> = observers.difference(&limits).filter(|key| key.starts_with(&own)).collect();
        assert!(unused.is_empty(), "{}: no wait has the limit {unused:?}", scenario.name());
    }
}

/// The verdict that one run gives for another deadline equals the verdict of a run with that
/// deadline, seed by seed.
#[test]
fn one_run_answers_every_deadline() {
    const SEEDS: u64 = 24;
    let cases: [(&dyn AnyScenario, &str, [u64; 3]); 3] = [
        (&ColdStart, "admin.deadline", [7, 8, 12]),
        (&TrimGap, "admin.deadline", [7, 8, 12]),
        (&TrimGap, "trim-gap.import", [1, 2, 5]),
    ];
    for (scenario, parameter, deadlines) in cases {
        let mut changed = 0;
        for seed in 0..SEEDS {
            let once = play(scenario, "ci-2025-03", &[], seed);
            for seconds in deadlines {
                let brute = play(scenario, "ci-2025-03", &[(parameter, &format!("{seconds}s"))], seed);
                let read = once.with_deadlines(&[(parameter, Duration::from_secs(seconds))]);
                assert_eq!(read, brute.verdict, "{} {parameter}={seconds}s seed {seed}", scenario.name());
                changed += usize::from(read != once.verdict);
            }
        }
        assert!(changed > 0, "{}: no deadline of {parameter} changes anything", scenario.name());
    }
}

/// A restarted node finds the progress port free, although its last process has only just ended.
#[test]
fn a_node_whose_steps_are_followed_can_be_restarted() {
    let scenarios: [&dyn AnyScenario; 2] = [&TrimGap, &ClusterChaos];
    for scenario in scenarios {
        for seed in 0..4 {
            let verdict = play(scenario, "quiet", &[("admin.strategy", "progress")], seed).verdict;
            assert!(verdict.is_passed(), "{} seed {seed}: {verdict}", scenario.name());
        }
    }
}
