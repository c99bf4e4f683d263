//! What a node was at when a wait for it had been too long: what the real harness shows of it, its last lines, and what it was doing.

use crate::table::seconds;
use crate::timeline::{Filter, Line, lines};
use indexmap::IndexMap;
use std::fmt::Write;
use std::time::Duration;
use stormglass_core::{Kind, SimTime, Trace, Wait};

/// How many lines of a node's log are shown, as Restate's harness does.
const LINES: usize = 20;

/// What the wait's node was doing at the deadline, how its parts were as far as it had told ([`Kind::Status`]), and the last lines of its log until then. Nothing for a wait that was not too long, or whose node has told nothing.
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
///         "\nAt the deadline, 2.000s, node-1 was at: open database, for 1.000 s, done after another 1.000 s\n\
///          Its status then: database opening\n"
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
    let (past, future): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|line| line.event.at_nanos <= deadline.as_nanos());
    let at_work = future.iter().find(|line| {
        let Line { event, .. } = line;
        event.kind == Kind::Step && event.at_nanos - event.took_nanos <= deadline.as_nanos()
    });
    let mut text = format!("\nAt the deadline, {deadline}, {}", wait.node);
    match at_work {
        Some(line) => {
            let (end, took) = (line.event.at_nanos, line.event.took_nanos);
            let since = Duration::from_nanos(deadline.as_nanos() - (end - took));
            let rest = Duration::from_nanos(end - deadline.as_nanos());
            let step = trace.text(line.event.subject);
            let (since, rest) = (seconds(since), seconds(rest));
            let _ = writeln!(text, " was at: {step}, for {since} s, done after another {rest} s");
        }
        None if past.is_empty() => return None,
        None => text += " was at no step of its own\n",
    }
    text += &statuses(trace, wait, deadline);
    let last = &past[past.len().saturating_sub(LINES)..];
    if !last.is_empty() {
        let _ = writeln!(text, "\nThe last lines of its log until then:\n");
        last.iter().for_each(|line| text += &format!("{}\n", line.text));
    }
    Some(text)
}

/// What the node had told of its parts until then, in a line; nothing if it tells nothing.
fn statuses(trace: &Trace, wait: &Wait, deadline: SimTime) -> String {
    let told = trace.events.iter().filter(|event| {
        event.kind == Kind::Status
            && event.at_nanos <= deadline.as_nanos()
            && trace.text(event.node) == wait.node
    });
    // In the order in which they were first heard of.
    let mut now: IndexMap<&str, &str> = IndexMap::new();
    for event in told {
        if let Some((what, state)) = trace.text(event.subject).split_once(": ") {
            now.insert(what, state);
        }
    }
    if now.is_empty() {
        return String::new();
    }
    let all: Vec<String> = now.iter().map(|(what, state)| format!("{what} {state}")).collect();
    format!("Its status then: {}\n", all.join(", "))
}
