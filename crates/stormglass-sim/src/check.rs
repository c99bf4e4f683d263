//! The determinism check: playing a run twice gives the same trace.

use crate::leak;
use crate::run::{Logged, Played, Run, Thread};
use std::fmt;
use std::time::Duration;
use stormglass_core::{Draws, Event, LogLine, SimTime, Trace};

/// Plays a run twice, on two new threads in different states, and compares the traces event by
/// event, the random numbers draw by draw, and the outcomes. Failing runs are compared as well.
/// Returns the first run, and the first difference if there is one.
///
/// The second thread has other hash keys, and its allocations are at other addresses. This finds code
/// whose result depends on the order of a `HashMap` or on an address: madsim seeds the keys once per
/// thread, so a plain repetition would not show the dependence.
///
/// If the two runs differ, further runs show on what: see [`Cause`].
pub fn check(run: &Run<'_>) -> (Played, Option<Divergence>) {
    let first = run.play_logged(Thread::default());
    let second = run.play_logged(Thread { has_other_keys: true, has_other_addresses: true });
    let divergence = Difference::first(&first, &second).map(|(difference, event)| {
        let cause = Cause::find(run, &first, &difference);
        Divergence { difference, event, cause }
    });
    (first.played, divergence)
}

/// The first difference between two runs that should be equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The first difference.
    pub difference: Difference,
    /// The first event that differs, if a draw before it differs already.
    pub event: Option<Difference>,
    /// Why the runs differ.
    pub cause: Cause,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An event.
    Event,
    /// A draw of a random number: another stream, or another draw of it. The events before it are
    /// equal.
    Draw,
    /// A name of a node, a task or a subject that no event has: runs with equal events and draws.
    Name,
    /// A line of the log (`run.log`): runs with equal events, draws and names.
    LogLine,
    /// The outcome (verdict, waits): runs with equal events and draws.
    Outcome,
}

/// A difference between two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What differs.
    pub what: What,
    /// The index of the event, the draw or the name, from 0; the length of the shorter run if it is
    /// a prefix of the other.
    pub index: usize,
    /// In the first run, as text.
    pub first: String,
    /// In the second run, as text.
    pub second: String,
    /// What both runs have in common before, as text.
    pub before: String,
    /// The number of events before it.
    events: u64,
}

/// Why two runs differ, as further runs show.
///
/// For each condition of a thread that [`check`] changes, runs with and without that change alone
/// are repeated. If all of one kind are equal, and differ from those of the other kind, the condition
/// is the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The runs differ if and only if the hash keys differ.
    HashOrder,
    /// The runs differ if and only if allocations are at other addresses.
    Address,
    /// Unknown, but the first run made these calls that left the simulation before the difference.
    Calls(Vec<String>),
    /// Unknown: runs differ in equal conditions.
    Unknown,
}

/// The order of runs in which a condition is changed (true) or not. Each kind occurs six times,
/// aperiodically, so that a counter that outlives the runs does not look like the condition.
const CHANGED: [bool; 12] = [true, true, false, true, false, false, true, false, false, true, true, false];

impl Cause {
    fn find(run: &Run<'_>, first: &Logged, difference: &Difference) -> Cause {
        let keys = Thread { has_other_keys: true, ..Thread::default() };
        let addresses = Thread { has_other_addresses: true, ..Thread::default() };
        match depends(run, first, keys) {
            Some(true) => return Cause::HashOrder,
            Some(false) if depends(run, first, addresses) == Some(true) => return Cause::Address,
            _ => {}
        }
        let Played { leaks, trace, .. } = &first.played;
        let before = leaks.iter().filter(|leak| leak.events <= difference.events);
        let calls: Vec<_> = before.map(|call| leak::counted(call, trace)).collect();
        if calls.is_empty() { Cause::Unknown } else { Cause::Calls(calls) }
    }
}

/// Returns whether the run depends on this condition alone. `None` if it differs although the
/// condition does not.
fn depends(run: &Run<'_>, first: &Logged, changed: Thread) -> Option<bool> {
    let mut other = None;
    for is_changed in CHANGED {
        let again = run.play_logged(if is_changed { changed } else { Thread::default() });
        let known = if is_changed { other.get_or_insert_with(|| again.clone()) } else { first };
        if Difference::first(known, &again).is_some() {
            return None;
        }
    }
    other.map(|other| Difference::first(first, &other).is_some())
}

impl Difference {
    /// Returns the first difference of two runs; if it is a draw, also the first event that differs.
    fn first(first: &Logged, second: &Logged) -> Option<(Difference, Option<Difference>)> {
        let event = Difference::of_events(&first.played.trace, &second.played.trace);
        let draw = Difference::of_draws(first, second);
        let found = match (draw, event) {
            (Some(draw), Some(event)) if draw.events <= event.events => (draw, Some(event)),
            (_, Some(event)) => (event, None),
            (Some(draw), None) => (draw, None),
            (None, None) => (Difference::of_the_rest(&first.played, &second.played)?, None),
        };
        Some(found)
    }

    /// Returns the first event in which two traces differ, whose events were kept. Names are compared, not
    /// the numbers of symbols.
    pub fn of_events(a: &Trace, b: &Trace) -> Option<Difference> {
        let longest = a.events.len().max(b.events.len());
        let differs = |&index: &usize| event_text(a, index) != event_text(b, index);
        // The names are compared once, not for each event.
        let index = if a.symbols == b.symbols {
            let equal = a.events.iter().zip(&b.events).take_while(|(first, second)| first == second).count();
            Some(equal).filter(|&equal| equal < longest)
        } else {
            (0..longest).find(differs)
        }?;
        Some(Difference {
            what: What::Event,
            index,
            first: event_text(a, index),
            second: event_text(b, index),
            before: event_before(a, index),
            events: index as u64,
        })
    }

    fn of_draws(first: &Logged, second: &Logged) -> Option<Difference> {
        let (a, b) = (&first.draws, &second.draws);
        let key = |draws: &'_ Draws, index: usize| {
            draws.draws.get(index).map(|&draw| (draws.stream(draw).to_string(), draw.index))
        };
        let longest = a.draws.len().max(b.draws.len());
        let index = if a.streams == b.streams {
            let of =
                |draws: &Draws, index: usize| draws.draws.get(index).map(|draw| (draw.stream, draw.index));
            (0..longest).find(|&index| of(a, index) != of(b, index))
        } else {
            (0..longest).find(|&index| key(a, index) != key(b, index))
        }?;
        let events = [a, b].map(|draws| draws.draws.get(index).map(|draw| draw.events));
        let events = events.into_iter().flatten().min().unwrap_or_default();
        Some(Difference {
            what: What::Draw,
            index,
            first: draw_text(first, index),
            second: draw_text(second, index),
            before: event_before(&first.played.trace, events as usize),
            events,
        })
    }

    /// The names and the outcomes of runs with equal events and draws.
    fn of_the_rest(first: &Played, second: &Played) -> Option<Difference> {
        let (a, b) = (&first.trace.symbols, &second.trace.symbols);
        let events = first.trace.count;
        let before = "every event and every draw".to_string();
        if a != b {
            let index = a.iter().zip(b).take_while(|(first, second)| first == second).count();
            let name = |names: &[String]| {
                names.get(index).map_or("no further name".into(), |name| format!("{name:?}"))
            };
            return Some(Difference {
                what: What::Name,
                index,
                first: name(a),
                second: name(b),
                before,
                events,
            });
        }
        if let Some(index) = first_unequal(&first.trace.log, &second.trace.log) {
            let line = |trace: &Trace| trace.log.get(index).map_or("the end of the log".into(), log_text);
            let before = index
                .checked_sub(1)
                .map_or("the start of the log".into(), |index| log_text(&first.trace.log[index]));
            return Some(Difference {
                what: What::LogLine,
                index,
                first: line(&first.trace),
                second: line(&second.trace),
                before,
                events,
            });
        }
        if first.outcome == second.outcome && first.trace == second.trace {
            return None;
        }
        let (a, b) = (&first.outcome, &second.outcome);
        let (first, second) = if a.verdict != b.verdict {
            (a.verdict.to_string(), b.verdict.to_string())
        } else {
            let text = |outcome: &stormglass_core::Outcome| {
                format!("ended at {:#}, waits {:?}", outcome.ended, outcome.waits)
            };
            (text(a), text(b))
        };
        Some(Difference { what: What::Outcome, index: 0, first, second, before, events })
    }
}

/// Returns the index of the first element that only one list has, or that differs.
fn first_unequal<T: PartialEq>(a: &[T], b: &[T]) -> Option<usize> {
    let equal = a.iter().zip(b).take_while(|(first, second)| first == second).count();
    Some(equal).filter(|&equal| equal < a.len().max(b.len()))
}

/// Returns one log line as text.
fn log_text(line: &LogLine) -> String {
    let (at, level, target, after) = (line.at, line.level, &line.target, line.after.number());
    format!("{at:#} {level} {target}: {} after event {after}", line.text())
}

/// Returns one event as a line of text.
fn event_text(trace: &Trace, index: usize) -> String {
    let Some(Event { at_nanos, took_nanos, value, cause, subject, node, task, kind }) =
        trace.events.get(index).copied()
    else {
        return "the end of the run".into();
    };
    let at = SimTime::from_nanos(at_nanos);
    let took = Duration::from_nanos(took_nanos);
    let (node, task) = (trace.text(node), trace.text(task));
    let subject = trace.text(subject);
    let cause = cause.number();
    format!("{at:#} {node}/{task} {kind} {subject:?} took {took:?} value {value} after event {cause}")
}

fn event_before(trace: &Trace, index: usize) -> String {
    if index == 0 { "the start of the run".into() } else { event_text(trace, index - 1) }
}

/// Returns one draw as a line of text.
fn draw_text(logged: &Logged, index: usize) -> String {
    let Logged { played: Played { trace, .. }, draws } = logged;
    let Some(&draw) = draws.draws.get(index) else { return "no further draw".into() };
    let (node, task) = (trace.text(draw.node), trace.text(draw.task));
    let (stream, nth, events) = (draws.stream(draw), draw.index, draw.events);
    format!("draw {nth} of stream {stream}, by {node}/{task} after event {events}")
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::HashOrder => f.write_str(
                "the run depends on the order of a std HashMap or HashSet: use a BTreeMap or an IndexMap",
            ),
            Cause::Address => f.write_str(
                "the run depends on addresses in memory: compare or hash what a pointer refers to, not \
                 the pointer",
            ),
            Cause::Calls(calls) => {
                f.write_str("unknown; before the difference these calls left the simulation:")?;
                calls.iter().try_for_each(|call| write!(f, "\n               {call}"))
            }
            Cause::Unknown => f.write_str(
                "unknown: runs differ although hash keys are equal, and no call was seen to leave the \
                 simulation. What is not seen: a static that outlives the run, such as a counter or the \
                 generator of `futures::select!`, or of `tokio::select!` outside a hosted process; an \
                 address in memory; a processor's clock (rdtsc); a variable of the environment",
            ),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Event => "event",
            What::Draw => "draw",
            What::Name => "name",
            What::LogLine => "log line",
            What::Outcome => "outcome",
        };
        match self.what {
            What::Outcome => writeln!(f, "at the outcome:")?,
            _ => writeln!(f, "at {what} {}:", self.index)?,
        }
        writeln!(f, "  both         {}", self.before)?;
        writeln!(f, "  first run    {}", self.first)?;
        writeln!(f, "  second run   {}", self.second)
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "first difference {}", self.difference)?;
        if let Some(event) = &self.event {
            write!(f, "first event that differs {event}")?;
        }
        write!(f, "  cause        {}", self.cause)
    }
}
