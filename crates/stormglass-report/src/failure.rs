//! The explanation of a failure that is no wait: a violated property, a panic, a stall. It shows the
//! events that led to it.

use crate::timeline;
use std::fmt::Write;
use stormglass_core::{Event, Kind, SimTime, Trace, Verdict};

/// How many events of the chain of causes, and of each node, are shown.
const SHOWN: usize = 12;

/// Explains a verdict that is no wait's: what failed, when and on which node; the chain of causes
/// of that event; the last events of the node; `active`, the faults that were active then, with
/// their texts by [start, end). Returns `None` for a run that passed or timed out.
pub fn explain(
    trace: &Trace,
    verdict: &Verdict,
    ended: SimTime,
    active: impl Fn(SimTime) -> Vec<String>,
) -> Option<String> {
    let (event, node) = match verdict {
        Verdict::Passed | Verdict::TimedOut { .. } => return None,
        Verdict::Violated { .. } => {
            let index = report_of(trace, verdict);
            (index, index.map(|index| trace.text(trace.events[index].node).to_string()))
        }
        Verdict::Panicked { node, .. } => (None, Some(node.clone())),
        Verdict::TooFew(_) | Verdict::Stalled { .. } => (None, None),
    };
    let at = event.map_or(ended, |index| at(&trace.events[index]));
    let on = node
        .as_deref()
        .filter(|node| !node.is_empty())
        .map_or_else(String::new, |node| format!(" on {node}"));
    let mut text = format!("{verdict}\n\nThat was at {at}{on}.\n");
    let faults = active(at);
    if !faults.is_empty() {
        text += "\nFaults that were active then:\n\n";
        faults.iter().for_each(|fault| text += &format!("  {fault}\n"));
    }
    if let Some(index) = event {
        let chain = chain(trace, index);
        let _ = writeln!(text, "\nWhat led to it, each event the cause of the next one:\n");
        text += &timeline::of_events(trace, &chain);
    }
    let last = last_events(trace, node.as_deref(), event.unwrap_or(trace.events.len()));
    if !last.is_empty() {
        let of = node
            .filter(|node| !node.is_empty())
            .map_or_else(|| "of the run".into(), |node| format!("of {node}"));
        let _ = writeln!(text, "\nThe last events {of} before it:\n");
        text += &timeline::of_events(trace, &last);
    }
    Some(text)
}

/// Returns which clients were killed and do not start again, each with the time; empty if there are
/// none. What waits for them waits for ever.
pub fn killed(trace: &Trace) -> String {
    let is_of_it = |event: &&Event| {
        event.kind == Kind::Note && trace.text(event.subject).ends_with("does not start again")
    };
    let lines = trace.events.iter().filter(is_of_it);
    lines.map(|event| format!("\nAt {}, {}.\n", at(event), trace.text(event.subject))).collect()
}

fn at(event: &Event) -> SimTime {
    SimTime::from_nanos(event.at_nanos)
}

/// Returns the index of the event that reports a violation: a note with the verdict's text.
pub(crate) fn report_of(trace: &Trace, verdict: &Verdict) -> Option<usize> {
    let text = verdict.to_string();
    trace.events.iter().position(|event| event.kind == Kind::Note && trace.text(event.subject) == text)
}

/// Returns the last events of the chain of causes that ends with this event, the earliest first.
fn chain(trace: &Trace, last: usize) -> Vec<usize> {
    let causes = std::iter::successors(Some(last), |&index| trace.events[index].cause.index());
    let mut chain: Vec<usize> = causes.take(SHOWN).collect();
    chain.reverse();
    chain
}

/// Returns the last events of a node, or of all nodes, before this index.
fn last_events(trace: &Trace, node: Option<&str>, before: usize) -> Vec<usize> {
    let is_of = |event: &Event| node.is_none_or(|node| trace.text(event.node) == node);
    let indices = (0..before).rev().filter(|&index| is_of(&trace.events[index]));
    let mut last: Vec<usize> = indices.take(SHOWN).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::time::Duration;
    use stormglass_core::{Keep, Recorder, Scope};

    #[test]
    fn a_violation_is_told_with_its_causes() {
        let recorder = Recorder::new(Keep::Events);
        let record = |node: &str, at: u64, kind, subject: &str| {
            let scope =
                Scope { node: recorder.symbol(node), cause: recorder.scope().last(), ..Scope::default() };
            recorder.enter(scope);
            let at = SimTime::from_nanos(at * 1_000_000);
            recorder.record(at, kind, recorder.symbol(subject), Duration::from_millis(1), 0);
        };
        record("store", 5, Kind::Write, "/log");
        record("client", 7, Kind::Deliver, "store -> client");
        record("client", 9, Kind::Note, "violated lines stay: on client");
        let verdict = Verdict::Violated { property: "lines stay".into(), evidence: "on client".into() };
        let active = |at: SimTime| vec![format!("a fault at {at}")];
        let text = explain(&recorder.finish(), &verdict, SimTime::from_nanos(10_000_000), active).unwrap();
        expect![[r#"
            violated lines stay: on client

            That was at 0.009s on client.

            Faults that were active then:

              a fault at 0.009s

            What led to it, each event the cause of the next one:

                 time  node     what                                                            took
               0.005s  store      write /log                                                  0.001s
               0.007s  client     deliver store -> client                                     0.001s
               0.009s  client   ✗ violated lines stay: on client                              0.001s

            The last events of client before it:

                 time  node     what                                                            took
               0.007s  client     deliver store -> client                                     0.001s
        "#]]
        .assert_eq(&text);
    }
}
