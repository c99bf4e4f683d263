//! Branches of a run, and importance splitting (`rare`).

use crate::console::{refused, stormglass};
use expect_test::expect;
use sim_restate::ColdStart;
use std::num::NonZeroUsize;
use std::time::Duration;
use stormglass_cli::Exit;
use stormglass_core::{Branch, Keep, Outcome, Seed, SimTime, Trace};
use stormglass_sim::{Run, Settings, check};
use stormglass_sweep::clopper_pearson;
use stormglass_sweep::splitting::{Path, Question, split};

fn run(settings: &Settings, path: &Path) -> Run<'static> {
    Run::new(&ColdStart, settings.clone(), Seed(path.seed)).branching(path.branches.clone())
}

fn settings() -> Settings {
    Settings::resolve(&ColdStart, Some("restate-m25"), "ci-2025-03", &[]).unwrap()
}

/// Branches have the same events until the branch time and different ones after it, and none of
/// them diverges between two runs.
#[test]
fn branches_share_the_events_before_the_branch_time() {
    let (settings, at) = (settings(), SimTime::from(Duration::from_millis(400)));
    let branch = |numbers: &[u64]| {
        let branches = numbers.iter().map(|&number| Branch { at, seed: Seed(number) }).collect();
        let run = run(&settings, &Path { seed: 5, branches });
        assert_eq!(check(&run).1, None);
        run.play(Keep::Events).trace
    };
    let (trunk, one, other) = (branch(&[]), branch(&[1]), branch(&[2]));
    let past = |trace: &Trace| {
        trace.events.iter().filter(|event| event.at_nanos < at.as_nanos()).cloned().collect::<Vec<_>>()
    };
    assert!(past(&trunk).len() > 50);
    assert_eq!(past(&trunk), past(&one));
    assert_eq!(past(&one), past(&other));
    assert!(trunk.hash != one.hash && one.hash != other.hash);
    assert_eq!(branch(&[1, 2]).hash, branch(&[1, 2]).hash);
}

/// The probability that the longest wait of a cold start exceeds 8 s on the CI machine of March
/// 2025: the confidence intervals of splitting and of 1,500 independent runs overlap.
#[test]
fn splitting_agrees_with_brute_force() {
    let settings = settings();
    let play = |path: &Path| -> Outcome { run(&settings, path).play(Keep::Nothing).outcome };
    let (parameter, beyond) = ("admin.deadline".to_string(), Duration::from_secs(8));
    let question = Question { parameter, beyond, effort: 80, repeats: 6, seed: 1_000 };
    let rare = split(&question, NonZeroUsize::new(2).unwrap(), play);
    assert!(rare.levels.len() >= 2, "{rare:?}");
    let mut exceeded = 0;
    stormglass_sweep::in_order(
        0..1_500,
        NonZeroUsize::new(2).unwrap(),
        |seed| play(&Path { seed, branches: Vec::new() }),
        |_, outcome| {
            exceeded += u64::from(outcome.waits.iter().any(|wait| wait.length.exceeds(beyond)));
            std::ops::ControlFlow::Continue(())
        },
    );
    let counted = clopper_pearson(exceeded, 1_500, 0.95);
    assert!(rare.low <= *counted.end() && rare.high >= *counted.start(), "{rare:?} {counted:?}");
    let example = play(&rare.example.clone().unwrap());
    assert!(
        example.waits.iter().any(|wait| wait.length.exceeds(beyond)),
        "the example's wait exceeds the length"
    );
}

/// The printed command explains a run whose wait exceeds the length.
#[test]
fn printed_command_explains_a_rare_run() {
    let what =
        ["--model", "restate-m25", "--profile", "ci-2025-03", "--wait", "admin.deadline", "--beyond", "5s"];
    let (exit, out, err) =
        stormglass(&[&["rare", "cold-start"][..], &what, &["--effort", "40", "--repeats", "2"]].concat());
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    assert!(out.contains("admin.deadline: a wait is longer than 5s with probability "), "{out}");
    let line = out.lines().rfind(|line| line.contains(" explain ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "explain").collect();
    assert!(words.contains(&"--branch"), "{line}");
    let (_, out, _) = stormglass(&words);
    let took = out.split(" took ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(took.parse::<f64>().unwrap() > 5.0, "{out}");
}

#[test]
fn invalid_arguments_are_rejected_with_a_remedy() {
    refused(
        &["rare", "cold-start", "--wait", "admin.dedline", "--beyond", "5s"],
        expect!["error: --wait: unknown deadline `admin.dedline`; did you mean `admin.deadline`?"],
    );
    refused(
        &["rare", "cold-start", "--wait", "raft.election-ticks", "--beyond", "5s"],
        expect![
            "error: --wait: unknown deadline `raft.election-ticks` (known: admin.deadline, admin.step-budget, cluster.provision-deadline)"
        ],
    );
    refused(
        &["explain", "cold-start", "--branch", "3s:0"],
        expect![[r#"
        error: invalid value '3s:0' for '--branch <TIME:NUMBER>': expected TIME:NUMBER, for example 3200000000ns:17

        For more information, try '--help'."#]],
    );
}
