//! The determinism check: playing a run twice gives the same trace.

use crate::run::{Played, Run, Thread};
use std::fmt;
use std::time::Duration;
use stormglass_core::{Event, Keep, SimTime, Trace};

/// Plays a run twice, on two new threads in different states, and compares the traces event by
/// event, and the outcomes. Failing runs are compared as well. Returns the first run, and the
/// first difference if there is one.
///
/// The second thread has hash keys from the operating system. This finds code whose result depends
/// on the order of a `HashMap`: madsim seeds these keys once per thread, so a plain repetition
/// would not show the dependence. If the two runs differ, a third run like the first one shows
/// whether hash order or another source of nondeterminism is the cause.
pub fn check(run: &Run<'_>) -> (Played, Option<Divergence>) {
    let first = run.play_on(Thread::Fresh, Keep::Events);
    let second = run.play_on(Thread::ForeignHashKeys, Keep::Events);
    if first == second {
        return (first, None);
    }
    let suspect = match run.play_on(Thread::Fresh, Keep::Events) {
        third if third == first => Suspect::HashOrder,
        _ => Suspect::Ambient,
    };
    let divergence = Divergence::between(&first, &second, suspect);
    (first, Some(divergence))
}

/// The first difference between two runs that should be equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The index of the first event that differs, from 0; the length of the shorter trace if it is
    /// a prefix of the other.
    pub index: usize,
    /// The event in the first run, as text.
    pub first: String,
    /// The event in the second run, as text.
    pub second: String,
    /// The last event that both runs have in common, as text.
    pub before: String,
    /// The kind of leak that explains the difference.
    pub suspect: Suspect,
}

/// The kind of leak that makes two runs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// The runs differ only if the hash keys differ.
    HashOrder,
    /// The runs differ intermittently, even with the same hash keys.
    Ambient,
}

impl Divergence {
    fn between(first: &Played, second: &Played, suspect: Suspect) -> Divergence {
        let (a, b) = (&first.trace, &second.trace);
        let texts = |index: usize| (text(a, index), text(b, index));
        let longest = a.events.len().max(b.events.len());
        let index = (0..longest).find(|&index| {
            let (first, second) = texts(index);
            first != second
        });
        match index {
            Some(index) => {
                let before = if index == 0 { "the start of the run".into() } else { text(a, index - 1) };
                let (first, second) = texts(index);
                Divergence { index, first, second, before, suspect }
            }
            None => Divergence {
                index: longest,
                first: first.outcome.verdict.to_string(),
                second: second.outcome.verdict.to_string(),
                before: "every event".into(),
                suspect,
            },
        }
    }
}

/// Returns one event as a line of text.
fn text(trace: &Trace, index: usize) -> String {
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

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suspect::HashOrder => {
                "the run depends on the order of a std HashMap or HashSet: use a BTreeMap or an IndexMap"
            }
            Suspect::Ambient => {
                "the run depends on something outside of the seed: rand::thread_rng, tokio::select! without `biased`, a real \
                 clock, a static that outlives the run"
            }
        })
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "first difference at event {}:", self.index)?;
        writeln!(f, "  both         {}", self.before)?;
        writeln!(f, "  first run    {}", self.first)?;
        writeln!(f, "  second run   {}", self.second)?;
        write!(f, "  suspect      {}", self.suspect)
    }
}
