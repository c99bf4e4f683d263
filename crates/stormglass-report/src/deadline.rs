//! The state of a node at the deadline of a wait: the step it was executing, its status, and the
//! last lines of its log, which the real test harness shows too.

use crate::table::seconds;
use crate::timeline::{Filter, Line, lines};
use indexmap::IndexMap;
use std::fmt::Write;
use std::time::Duration;
use stormglass_core::{Event, Kind, SimTime, Trace, Wait};

/// The number of log lines shown, the same as in Restate's harness.
const LINES: usize = 20;

/// Returns what the wait's node was executing at the deadline, the last reported status of its
/// parts ([`Kind::Status`]), and the last lines of its log. `None` if the wait met its deadline or
/// its node has no events.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::{EventId, Keep, Kind, Length, Recorder, Scope, SimTime, Wait};
///
/// let recorder = Recorder::new(Keep::Events);
/// recorder.enter(Scope { node: recorder.symbol("node-1"), ..Scope::default() });
/// let subject = recorder.symbol("open database");
/// recorder.record(SimTime::from_nanos(1), Kind::Status, recorder.symbol("database: opening"), Duration::ZERO, 0);
/// recorder.record(SimTime::from_nanos(3_000_000_000), Kind::Step, subject, Duration::from_secs(2), 0);
/// let (deadline, length) = (Duration::from_secs(2), Length::Observed(Duration::from_secs(3)));
/// let (name, node) = ("admin".to_string(), "node-1".to_string());
/// let wait = Wait { name, node, began: SimTime::ZERO, deadline, parameter: None, length, end: EventId::START };
/// let text = stormglass_report::deadline::at_deadline(&recorder.finish(), &wait);
/// assert_eq!(
///     text.as_deref(),
///     Some(
///         "\nAt the deadline, 2.000s, node-1 was executing: open database, for 1.000 s, finished after another 1.000 s\n\
///          Its status at that time: database opening\n"
///     )
/// );
/// ```
pub fn at_deadline(trace: &Trace, wait: &Wait) -> Option<String> {
    if !wait.exceeded() {
        return None;
    }
    let deadline = wait.began + wait.deadline;
    let all = lines(trace, &Filter::default());
    let own: Vec<&Line<'_>> = all
        .iter()
        .filter(|line| trace.text(line.event.node) == wait.node)
        .filter(|line| matches!(line.event.kind, Kind::Step | Kind::Note))
        .collect();
    let past: Vec<_> = own.into_iter().filter(|line| line.event.at_nanos <= deadline.as_nanos()).collect();
    let mut text = format!("\nAt the deadline, {deadline}, {}", wait.node);
    match step_at(trace, &wait.node, deadline) {
        Some(step) => {
            let (end, took) = (step.at_nanos, step.took_nanos);
            let since = Duration::from_nanos(deadline.as_nanos() - (end - took));
            let rest = Duration::from_nanos(end - deadline.as_nanos());
            let step = trace.text(step.subject);
            let (since, rest) = (seconds(since), seconds(rest));
            let _ = writeln!(text, " was executing: {step}, for {since} s, finished after another {rest} s");
        }
        None if past.is_empty() => return None,
        None => text += " was executing no step\n",
    }
    text += &statuses(trace, wait, deadline);
    let last = &past[past.len().saturating_sub(LINES)..];
    if !last.is_empty() {
        let _ = writeln!(text, "\nThe last lines of its log at that time:\n");
        last.iter().for_each(|line| text += &format!("{}\n", line.text()));
    }
    Some(text)
}

/// Returns the step that a node was executing at a time, if it ended later.
pub(crate) fn step_at<'a>(trace: &'a Trace, node: &str, at: SimTime) -> Option<&'a Event> {
    let began = |step: &Event| step.at_nanos.saturating_sub(step.took_nanos);
    trace.events.iter().find(|event| {
        event.kind == Kind::Step
            && event.at_nanos > at.as_nanos()
            && began(event) <= at.as_nanos()
            && trace.text(event.node) == node
    })
}

/// Returns the last status of each of the node's parts in one line; empty if it reports none.
fn statuses(trace: &Trace, wait: &Wait, deadline: SimTime) -> String {
    let now = statuses_at(trace, &wait.node, deadline);
    if now.is_empty() {
        return String::new();
    }
    let all: Vec<String> = now.iter().map(|(what, state)| format!("{what} {state}")).collect();
    format!("Its status at that time: {}\n", all.join(", "))
}

/// Returns the last status of each of a node's parts at a time, in the order of their first report.
pub(crate) fn statuses_at(trace: &Trace, node: &str, at: SimTime) -> Vec<(String, String)> {
    let reported = trace.events.iter().filter(|event| {
        event.kind == Kind::Status && event.at_nanos <= at.as_nanos() && trace.text(event.node) == node
    });
    let mut now: IndexMap<&str, &str> = IndexMap::new();
    for event in reported {
        if let Some((what, state)) = trace.text(event.subject).split_once(": ") {
            now.insert(what, state);
        }
    }
    now.into_iter().map(|(what, state)| (what.to_string(), state.to_string())).collect()
}
