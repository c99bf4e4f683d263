//! A run's hash does not depend on what is kept, on the process that plays it, or on faults that
//! never apply.

use crate::properties::{record, record_planted};
use proptest::prelude::*;
use sim_restate::MetadataChaos;
use sim_tests::leaks::{Leak, Leaky};
use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use stormglass::proptest::{Case, cases, parameter, parameters, plans, profiles};
use stormglass_core::fault::{DiskFault, LinkFault, OneShot};
use stormglass_core::{Event, Keep, Outcome};
use stormglass_plan::{Fault, Plan};
use stormglass_sim::AnyScenario;

const PROPERTY: &str = "a run: one hash, whatever is kept, in any process, with faults that never apply";

fn drawn() -> impl Strategy<Value = Case> {
    let own = parameters([
        ("chaos.clients", parameter::integers(1..=4)),
        ("chaos.faults", parameter::integers(0..=2)),
        ("raft.trim-threshold", parameter::integers(5..=100)),
    ]);
    let plans = plans(&["node-1", "node-2", "node-3"], 0..5, Duration::from_secs(3), Duration::from_secs(1));
    cases(profiles(&["quiet", "ci-disk"]), own, plans).prop_map(|mut case| {
        case.assignments.push(("chaos.duration".into(), "2s".into()));
        case
    })
}

fn play(scenario: &dyn AnyScenario, case: &Case, plan: &Plan, keep: Keep) -> Outcome {
    let case = Case { plan: plan.clone(), ..case.clone() };
    case.run(scenario).unwrap().play(keep).outcome
}

/// Faults whose time does not come before the run ends.
fn later_faults() -> [(&'static str, Fault); 3] {
    let (day, second) = (Duration::from_secs(86_400), Duration::from_secs(1));
    let kill = OneShot::Kill { node: "node-1".into() };
    let cut = LinkFault::Cut { from: "node-1".into(), to: "*".into(), one_way: false };
    let slow = DiskFault::SlowDisk { node: "*".into(), factor: 9.0 };
    [
        ("a kill after the run", Fault::new(day, second, kill)),
        ("a cut after the run", Fault::new(day, second, cut)),
        ("a slow disk after the run", Fault::new(day, second, slow)),
    ]
}

/// Returns the first event in which a run with another plan differs, with those before it.
fn first_difference(scenario: &dyn AnyScenario, case: &Case, plan: &Plan) -> String {
    let lines = |plan: &Plan| {
        let case = Case { plan: plan.clone(), ..case.clone() };
        let trace = case.run(scenario).unwrap().play(Keep::Events).trace;
        let line = |event: &Event| {
            let (node, task, subject) =
                (trace.text(event.node), trace.text(event.task), trace.text(event.subject));
            let (at, kind) = (event.at_nanos, event.kind);
            format!("{at} ns {node}/{task} {kind:?} {subject} {} {}", event.took_nanos, event.value)
        };
        trace.events.iter().map(line).collect::<Vec<_>>()
    };
    let (one, other) = (lines(&case.plan), lines(plan));
    match one.iter().zip(&other).position(|(one, other)| one != other) {
        Some(at) => {
            let before = one[at.saturating_sub(8)..at].join("\n  ");
            format!("event {at} is `{}` instead of `{}`, after\n  {before}", other[at], one[at])
        }
        None => format!("{} events instead of {}", other.len(), one.len()),
    }
}

/// Compares the hashes of a case. It is interesting if the plan's faults changed the run.
fn hashes_are_equal(scenario: &dyn AnyScenario, case: &Case) -> Result<(bool, String), String> {
    let first = play(scenario, case, &case.plan, Keep::Nothing);
    let with = |fault| Plan::of([case.plan.written.clone(), vec![fault]].concat());
    let mut others = vec![("kept events", case.plan.clone(), Keep::Events)];
    others.extend(later_faults().map(|(what, fault)| (what, with(fault), Keep::Nothing)));
    for (what, plan, keep) in others {
        let other = play(scenario, case, &plan, keep);
        if other != first {
            let (one, other) = (first.trace_hash, other.trace_hash);
            let difference = first_difference(scenario, case, &plan);
            return Err(format!("{what}: the hash is {other} instead of {one}; {difference}"));
        }
    }
    let without = play(scenario, case, &Plan::default(), Keep::Nothing);
    Ok((without.trace_hash != first.trace_hash, first.trace_hash.to_string()))
}

/// The name of the test that a child process runs.
const CHILD: &str = "properties::runs::child_process_prints_hashes";
const FOLDER: &str = "STORMGLASS_PROPERTY_CASES";

/// Prints the hash of each case in the folder, for the process that started this one.
#[test]
fn child_process_prints_hashes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for index in 0.. {
        let file = Path::new(&folder).join(index.to_string()).join("case.toml");
        if !file.exists() {
            return;
        }
        let case = Case::read(&file).unwrap();
        println!("hash {}", play(&MetadataChaos, &case, &case.plan, Keep::Nothing).trace_hash);
    }
}

/// Returns the hashes of the cases as another process of this program computes them.
fn hashes_in_another_process(cases: &[Case]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("property-cases");
    let _ = std::fs::remove_dir_all(&folder);
    for (index, case) in cases.iter().enumerate() {
        case.write(&folder.join(index.to_string())).unwrap();
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args([CHILD, "--exact", "--nocapture"]).env(FOLDER, &folder).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.lines().filter_map(|line| line.split_once("hash ")).map(|(_, hash)| hash.to_string()).collect()
}

#[test]
fn a_run_has_one_hash() {
    let played = RefCell::new((Vec::new(), Vec::new()));
    let tally = stormglass::property!().cases(40).at_least(0.5).check(drawn(), |case| {
        let (reached, hash) = hashes_are_equal(&MetadataChaos, case)?;
        let (cases, hashes) = &mut *played.borrow_mut();
        cases.push(case.clone());
        hashes.push(hash);
        Ok(reached)
    });
    let (cases, hashes) = played.into_inner();
    assert_eq!(hashes_in_another_process(&cases), hashes);
    record(PROPERTY, &tally);
}

#[test]
fn a_leak_changes_the_hash() {
    for (leak, at_most) in [(Leak::Counter, 2), (Leak::UnbiasedSelect, 2), (Leak::Cycles, 2)] {
        let cases = cases(profiles(&["quiet"]), Just(Vec::new()), Just(Plan::default()));
        let property = stormglass::property!().cases(at_most);
        let scenario = Leaky(leak);
        let found =
            property.find_in_runs(&scenario, cases, |case, _| Ok(hashes_are_equal(&scenario, case)?.0));
        record_planted("a run", &format!("a scenario that uses `{leak:?}`"), &found, at_most);
    }
}
