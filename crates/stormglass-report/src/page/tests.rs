use super::*;
use expect_test::expect;
use std::time::Duration;
use stormglass_core::fault::{FaultKind, OneShot};
use stormglass_core::identity::Build;
use stormglass_core::{EventId, Keep, Kind, Length, Recorder, Scope, SimTime, Verdict, Wait};

const MS: u64 = 1_000_000;

/// A node whose disk stalls: a step of 100 ms, 4 syncs of 5 ms, one of 900 ms; its wait of 1.1 s
/// has a deadline of 1 s.
fn stalled() -> (Trace, Wait) {
    let recorder = Recorder::new(Keep::Events);
    let scope = Scope { node: recorder.symbol("node-1"), task: recorder.symbol("main"), ..Scope::default() };
    recorder.enter(scope);
    let record = |at: u64, kind, subject: &str, took: u64| {
        let took = Duration::from_millis(took);
        recorder.record(SimTime::from_nanos(at * MS), kind, recorder.symbol(subject), took, 0)
    };
    record(80, Kind::Compute, "boot </script>", 80);
    for sync in 1..=4 {
        record(80 + 5 * sync, Kind::Fsync, "/db/log", 5);
    }
    record(100, Kind::Step, "open database", 100);
    record(100, Kind::Step, "listening", 0);
    record(1_000, Kind::Fsync, "/db/log", 900);
    record(1_000, Kind::Step, "recover", 900);
    let end = record(1_100, Kind::Sleep, "poll", 100);
    let length = Length::Observed(Duration::from_millis(1_100));
    let (deadline, began) = (Duration::from_millis(950), SimTime::ZERO);
    let (name, node) = ("answer".to_string(), "node-1".to_string());
    (recorder.finish(), Wait { name, node, began, deadline, parameter: None, length, end })
}

fn outcome(trace: &Trace, verdict: Verdict, waits: Vec<Wait>) -> Outcome {
    let ended = trace.events.last().map_or(SimTime::ZERO, |event| SimTime::from_nanos(event.at_nanos));
    let (counters, trace_hash) = (trace.counters.clone(), trace.hash);
    let (sometimes, too_few) = Default::default();
    Outcome { verdict, waits, counters, events: trace.count, trace_hash, ended, sometimes, too_few }
}

fn page_of(trace: &Trace, outcome: &Outcome, faults: &[PlannedFault]) -> String {
    let build = Build { commit: "abc".into(), lock_hash: "def".into(), rustc: "rustc".into() };
    let identity = Identity {
        schema: Identity::SCHEMA,
        scenario: "my-service".into(),
        seed: 7,
        branches: Vec::new(),
        model: String::new(),
        profile: "quiet".into(),
        build,
    };
    let (name, command) = ("my-service", "cargo run -- replay my-service --seed 7");
    html(&Shown { name, identity: &identity, command, trace, outcome, faults, wait: None, chance: None })
}

/// Returns the headline of a page: title, reason, and a line for each moment.
fn headline(trace: &Trace, outcome: &Outcome, faults: &[PlannedFault]) -> String {
    let (document, _) = Document::of(trace, outcome, faults, None, None);
    let headline = document.headline;
    let mut text = format!("{}\n{}\n", headline.title, headline.reason);
    for moment in headline.moments {
        let at = SimTime::from_nanos(moment.at);
        text += &format!("{at} {:?}: {}; {}\n", moment.mark, moment.title, moment.detail);
    }
    text
}

#[test]
fn the_headline_of_a_timeout_says_why_and_when() {
    let (trace, wait) = stalled();
    let verdict = Verdict::of_waits(std::slice::from_ref(&wait), SimTime::from_nanos(1_100 * MS));
    let outcome = outcome(&trace, verdict, vec![wait]);
    expect![[r#"
        Timed out: answer on node-1 took 1.100 s, 0.150 s longer than its deadline of 0.950 s
        84 % of that time, 0.920 s, went to fsync: waiting until the disk has made data durable. The longest part: 0.900 s in “recover”. The disk of node-1 stalled: one fsync took 0.900 s, from 0.100 s on; half of all syncs took at most 5 ms. No fault was active there: it comes from the profile of the disk.
        0.000s Start: wait begins; for answer on node-1, at most 0.950 s
        0.100s Milestone: listening; node-1 reaches it after “open database”, which took 0.100 s
        0.100s Milestone: longest fsync; 0.900 s on node-1; half of all take at most 5 ms
        0.950s Deadline: deadline; node-1 is executing “recover”, for 0.850 s now
        1.100s End: wait ends; its condition is met, 0.150 s too late
    "#]]
    .assert_eq(&headline(&trace, &outcome, &[]));
}

#[test]
fn the_headline_of_a_violation_names_the_fault() {
    let recorder = Recorder::new(Keep::Events);
    recorder.enter(Scope { node: recorder.symbol("node-1"), ..Scope::default() });
    let verdict = Verdict::Violated { property: "lines stay".into(), evidence: "3 of 4".into() };
    let subject = recorder.symbol(&verdict.to_string());
    recorder.record(SimTime::from_nanos(50 * MS), Kind::Note, subject, Duration::ZERO, 0);
    let trace = recorder.finish();
    let outcome = outcome(&trace, verdict, Vec::new());
    let fault = PlannedFault {
        at: SimTime::from_nanos(40 * MS),
        end: None,
        kind: FaultKind::OneShot(OneShot::Pause { node: "node-1".into() }),
    };
    expect![[r#"
        Violated lines stay: 3 of 4
        That was at 0.050 s on node-1. One fault was active then: pause node-1.
        0.000s Start: the run begins; 
        0.040s Fault: pause node-1; a fault on node-1
        0.050s Failure: the property is violated; on node-1
    "#]]
    .assert_eq(&headline(&trace, &outcome, &[fault]));
}

#[test]
fn the_headline_of_a_run_that_passed_says_what_its_longest_wait_was_spent_on() {
    let (trace, wait) = stalled();
    let wait = Wait { deadline: Duration::from_secs(2), ..wait };
    let text = headline(&trace, &outcome(&trace, Verdict::Passed, vec![wait]), &[]);
    assert!(text.starts_with("Passed: the wait ended before its deadline\nThe longest wait, answer on node-1, took 1.100 s of 2.000 s. 84 %"), "{text}");
    let (trace, _) = stalled();
    let text = headline(&trace, &outcome(&trace, Verdict::Passed, Vec::new()), &[]);
    assert!(text.starts_with("Passed: every property held\nThe run ended after 1.100s.\n"), "{text}");
}

#[test]
fn what_the_run_says_cannot_end_the_script() {
    let (trace, wait) = stalled();
    let page = page_of(&trace, &outcome(&trace, Verdict::Passed, vec![wait]), &[]);
    // The page's own three scripts, and nothing of the subject `boot </script>`.
    assert_eq!(page.matches("</script>").count(), 3);
    assert!(page.contains("boot \\u003c/script>"));
}

#[test]
fn the_page_names_no_other_file() {
    let (trace, wait) = stalled();
    let page = page_of(&trace, &outcome(&trace, Verdict::Passed, vec![wait]), &[]);
    for reference in ["http:", "https:", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn a_page_of_200000_events_is_under_5_mb() {
    let recorder = Recorder::new(Keep::Events);
    let subjects: Vec<_> =
        (0..3_000).map(|file| recorder.symbol(&format!("/data/database/{file}.log"))).collect();
    let scopes = ["node-1", "node-2", "node-3"].map(|node| recorder.symbol(node));
    let task = recorder.symbol("main");
    for number in 0..200_000u64 {
        let cause = EventId::at((number.saturating_sub(number % 40)) as usize);
        let node = scopes[number as usize % 3];
        let cause = if number == 0 { EventId::START } else { cause.min(EventId::at(number as usize - 1)) };
        let scope = Scope { node, task, cause, ..Scope::default() };
        let (at, took) =
            (SimTime::from_nanos(number * 314_159), Duration::from_nanos(number * 7_919 % 9_999_991));
        recorder.record_in(
            scope,
            at,
            Kind::Write,
            subjects[number as usize * 7 % 3_000],
            took,
            number % 65_536,
        );
    }
    let trace = recorder.finish();
    let page = page_of(&trace, &outcome(&trace, Verdict::Passed, Vec::new()), &[]);
    assert!((1_000_000..5_000_000).contains(&page.len()), "{} bytes", page.len());
}

#[test]
fn a_scenario_without_models_names_none() {
    let (trace, wait) = stalled();
    let page = page_of(&trace, &outcome(&trace, Verdict::Passed, vec![wait]), &[]);
    assert!(page.contains("<span>my-service, seed 7</span><span>profile quiet</span>"));
}

#[test]
fn a_run_without_events_has_a_page() {
    let trace = Recorder::new(Keep::Events).finish();
    let page = page_of(&trace, &outcome(&trace, Verdict::Passed, Vec::new()), &[]);
    assert!(page.contains("<h1>Passed: every property held</h1>"));
}

#[test]
fn values_are_not_filled_again() {
    assert_eq!(fill("<{{a}} {{b}}>", &[("a", "{{b}}"), ("b", "2")]), "<{{b}} 2>");
}
