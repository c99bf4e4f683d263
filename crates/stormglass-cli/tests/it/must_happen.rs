//! What a scenario requires to happen: in each run (`at_least`), and in one of many (`sometimes`).

use crate::console;
#[cfg(feature = "sweep")]
use crate::console::folder;
use std::time::Duration;
use stormglass_cli::{App, Exit};
use stormglass_core::{Keep, Outcome, Seed, Verdict};
use stormglass_sim::{Parameters, Run, RunDefaults, Scenario, Settings, World, scenario};

/// A client asks a service that answers at once, every second.
struct Asks;

#[derive(Clone, Parameters)]
#[parameters(crate = "stormglass_sim")]
struct AskSettings {
    /// How many answers a run must have. 0: any number.
    #[parameter(default = 5)]
    required: u64,
    /// The seed from which on the client tries again.
    #[parameter(default = 3)]
    retries_from: u64,
    /// How long the answer may take.
    #[parameter(default = "1s")]
    deadline: stormglass_core::Limit,
}

#[scenario(about = "a client asks five times")]
impl Scenario for Asks {
    fn run_defaults(&self) -> RunDefaults {
        RunDefaults { profile: "quiet", ..RunDefaults::default() }
    }

    async fn play(&self, world: World, settings: AskSettings) {
        world.at_least(settings.required, "answer");
        let retries = world.seed().0 >= settings.retries_from;
        let (client, asking) = (world.client("client"), world.clone());
        let asks = client.run(async move |client| {
            for _ in 0..5 {
                let answer = stormglass_rt::sleep(Duration::from_millis(100));
                asking.wait("answer", "client", settings.deadline, answer).await;
                client.check("the answer is right", true);
                client.sometimes("a request is tried again", retries);
                stormglass_rt::sleep(Duration::from_secs(1)).await;
            }
        });
        // The scenario does not insist on the client's end, as tests do that only check safety.
        stormglass_rt::timeout(Duration::from_secs(20), asks).await;
    }
}

const KILLED: &str = "[{ kind = 'kill', node = 'client', at = '3s', lasts = '1s' }]";

fn play(sets: &[(&str, &str)]) -> Outcome {
    let settings = Settings::resolve(&Asks, None, "quiet", sets).unwrap();
    Run::new(&Asks, settings, Seed(1)).play(Keep::Nothing).outcome
}

/// Asks at 0, 1.1 and 2.2 s; the fourth time would be at 3.3 s.
#[test]
fn a_client_that_a_fault_has_killed_does_not_leave_a_run_passed() {
    let outcome = play(&[("plan.fault", KILLED)]);
    let text = outcome.verdict.to_string();
    assert!(
        text.starts_with(
            "too few answer: 3, at least 5 are required; killed and not started again: client at 3.0"
        ),
        "{text}"
    );
    assert_eq!(play(&[]).verdict, Verdict::Passed, "nothing is missing without the fault");
    let unrequired = play(&[("plan.fault", KILLED), ("ask.required", "0")]);
    assert_eq!(unrequired.verdict, Verdict::Passed, "nothing is required");
}

#[test]
fn a_requirement_changes_no_trace() {
    let hash = |required| play(&[("ask.required", required)]).trace_hash;
    assert_eq!(hash("0"), hash("5"));
}

#[test]
fn a_wait_that_is_too_long_is_the_verdict_before_too_few() {
    let sets = [("plan.fault", KILLED), ("ask.deadline", "50ms")];
    assert!(matches!(play(&sets).verdict, Verdict::TimedOut { .. }));
}

/// One run answers every deadline, with requirements too.
#[test]
fn other_deadlines_give_the_verdicts_of_runs_with_them() {
    for (set, other) in [("1s", "50ms"), ("50ms", "1s")] {
        let run = |deadline| play(&[("plan.fault", KILLED), ("ask.deadline", deadline)]);
        let parsed = if other == "1s" { Duration::from_secs(1) } else { Duration::from_millis(50) };
        assert_eq!(run(set).with_deadlines(&[("ask.deadline", parsed)]), run(other).verdict);
    }
}

fn command(arguments: &[&str]) -> (Exit, String) {
    console::command(&App::default().with_scenario(Asks), arguments)
}

#[test]
fn run_reports_too_few_as_a_failure_of_its_own_kind() {
    let set = format!("plan.fault={KILLED}");
    let (exit, out) = command(&["run", "asks", "--seeds", "0..4", "--set", &set]);
    assert_eq!(exit, Exit::Failed);
    assert!(out.starts_with("asks: 4 runs, 4 too few\n"), "{out}");
    assert!(out.contains("      4 too few answer, first with seed 0\n"), "{out}");
    let (exit, out) = command(&["explain", "asks", "--seed", "1", "--set", &set]);
    assert_eq!(exit, Exit::Failed);
    assert!(out.starts_with("too few answer: 3, at least 5 are required"), "{out}");
    assert!(out.contains(", client was killed and does not start again.\n"), "{out}");
}

/// Seeds 3 and 4 of 0..5 try again.
#[test]
fn run_fails_if_a_property_held_in_none_of_many_runs() {
    let (exit, out) = command(&["run", "asks", "--seeds", "0..5"]);
    assert_eq!(exit, Exit::Held, "{out}");
    assert!(out.ends_with("\nsometimes a request is tried again: in 2 of 5 runs\n"), "{out}");
    let (exit, out) = command(&["run", "asks", "--seeds", "0..3"]);
    assert_eq!(exit, Exit::Failed);
    assert!(
        out.ends_with("\nnever a request is tried again: it has to hold in at least one of 3 runs\n"),
        "{out}"
    );
    let (exit, _) = command(&["run", "asks", "--seed", "0"]);
    assert_eq!(exit, Exit::Held, "one run is not required to show everything");
}

#[test]
fn the_first_time_that_a_property_holds_is_in_the_timeline() {
    let (_, out) = command(&["replay", "asks", "--seed", "3"]);
    assert_eq!(out.matches("sometimes a request is tried again").count(), 1, "{out}");
}

#[cfg(feature = "sweep")]
#[test]
fn a_sweep_fails_if_a_property_held_in_no_run_of_a_case() {
    let sweep = |name: &str, seeds: &str| {
        let text = format!(
            "scenario = 'asks'\nprofile = 'quiet'\nseeds = '{seeds}'\n[[parameter]]\nkey = 'ask.deadline'\nvalues = ['1s', '2s']\n"
        );
        let file = folder().join(name);
        std::fs::write(&file, text).unwrap();
        let out = folder().join(name).with_extension("results");
        let _ = std::fs::remove_dir_all(&out);
        let out = out.to_str().unwrap();
        let played = command(&["sweep", file.to_str().unwrap(), "--out", out]);
        // The stored rows have what is needed.
        let (exit, again) = command(&["report", out]);
        assert_eq!(exit, played.0, "{again}");
        assert!(played.1.ends_with(&again), "{}\n---\n{again}", played.1);
        played
    };
    let (exit, out) = sweep("sometimes.toml", "0..5");
    assert_eq!(exit, Exit::Held, "{out}");
    assert!(out.contains("\nasks:\nsometimes a request is tried again: in 2 of 5 runs\n"), "{out}");
    let (exit, out) = sweep("never.toml", "0..3");
    assert_eq!(exit, Exit::Failed, "{out}");
    assert!(
        out.contains("\nasks:\nnever a request is tried again: it has to hold in at least one of 3 runs\n")
    );
}
