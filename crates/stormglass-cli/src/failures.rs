//! Failures of runs: in which way a run failed, how often each way occurred, and the smallest plan
//! that still fails in that way.

use humantime::format_duration;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stormglass_core::{Keep, Outcome, Verdict};
use stormglass_sim::Run;
use stormglass_sim::faults::{Fault, shrink as smallest};

/// Returns in which way a run failed: the wait, the property or the panic's message, without the
/// node, lengths and evidence. Runs with the same signature have the same failure.
pub(crate) fn signature(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".into(),
        Verdict::TimedOut { wait, .. } => format!("timed out waiting for {wait}"),
        Verdict::Violated { property, .. } => format!("violated {property}"),
        Verdict::TooFew(too_few) => format!("too few {}", too_few.name),
        Verdict::Stalled { .. } => "stalled".into(),
        Verdict::Panicked { message, .. } => format!("panicked: {}", without_numbers(message)),
    }
}

/// Returns a message with `#` for each number, such as that of a task in the message of a join.
fn without_numbers(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for c in message.chars() {
        match c {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            _ => text.push(c),
        }
    }
    text
}

/// The runs with the same signature.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) count: u64,
    /// The first of them: its number, as it was added, and its verdict.
    pub(crate) number: u64,
    pub(crate) verdict: Verdict,
}

/// The failures of many runs, by signature.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    groups: BTreeMap<String, Group>,
    first: Option<(u64, Outcome)>,
}

impl Failures {
    /// Adds the outcome of a run, unless it passed. `number` tells the runs apart, as their seeds do; they are
    /// added in its order.
    pub(crate) fn add(&mut self, number: u64, outcome: &Outcome) {
        if outcome.verdict.is_passed() {
            return;
        }
        let first = || Group { count: 0, number, verdict: outcome.verdict.clone() };
        self.groups.entry(signature(&outcome.verdict)).or_insert_with(first).count += 1;
        self.first.get_or_insert_with(|| (number, outcome.clone()));
    }

    /// Returns how many runs failed.
    pub(crate) fn count(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }

    /// Returns the first run that failed: its number and outcome.
    pub(crate) fn first(&self) -> Option<&(u64, Outcome)> {
        self.first.as_ref()
    }

    /// Returns a line for each signature of runs that are numbered by their seeds, the most frequent one first.
    pub(crate) fn lines(&self) -> String {
        let line = |(text, group): (&String, &Group)| {
            let Group { count, number: seed, .. } = group;
            format!("{count:>7} {}, first with seed {seed}\n", text.lines().next().unwrap_or_default())
        };
        self.groups().into_iter().map(line).collect()
    }

    /// Returns the signatures with their runs, the most frequent one first.
    pub(crate) fn groups(&self) -> Vec<(&String, &Group)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| (std::cmp::Reverse(group.count), group.number));
        groups
    }
}

/// The smallest plan found that still fails.
#[derive(Debug)]
pub(crate) struct Shrunk {
    pub(crate) faults: Vec<Fault>,
    /// The number of faults of the original plan.
    pub(crate) before: usize,
    /// The number of plans tried.
    pub(crate) tried: u64,
    /// The limit of time, if it ended the search: a smaller plan may fail too.
    pub(crate) stopped_after: Option<Duration>,
    /// The outcome of the run with the smallest plan.
    pub(crate) outcome: Outcome,
}

impl Shrunk {
    /// Returns what was found, and how.
    pub(crate) fn headline(&self) -> String {
        let (before, tried) = (self.before, self.tried);
        let found = match self.stopped_after {
            None => "the smallest plan that still fails".to_string(),
            Some(limit) => {
                format!("the smallest plan that still fails, as found within {}", format_duration(limit))
            }
        };
        format!("{found}, of {before} faults, after trying {tried} plans")
    }

    /// Returns a line for each fault.
    pub(crate) fn lines(&self) -> String {
        if self.faults.is_empty() {
            return "  no faults: the run fails without any\n".into();
        }
        self.faults.iter().map(|fault| format!("  {fault}\n")).collect()
    }
}

/// Searches the smallest plan with which a run still fails in the same way, for at most this time
/// of the machine. Returns `None` if the run passes.
#[expect(clippy::disallowed_methods, reason = "it limits a search, and is no input of a run")]
pub(crate) fn shrink(run: &Run<'_>, limit: Duration) -> Option<Shrunk> {
    let all = run.faults();
    let play = |faults: &[Fault]| run.clone().with_faults(faults.to_vec()).play(Keep::Nothing).outcome;
    let mut outcome = play(&all);
    if outcome.verdict.is_passed() {
        return None;
    }
    let failure = signature(&outcome.verdict);
    let (began, mut tried, mut stopped_after) = (Instant::now(), 0, None);
    let found = smallest(&all, |faults| {
        // The first plan is that of the run.
        if tried > 0 && began.elapsed() >= limit {
            stopped_after = Some(limit);
            return false;
        }
        tried += 1;
        let played = play(faults);
        let fails = signature(&played.verdict) == failure;
        if fails {
            outcome = played;
        }
        fails
    });
    Some(Shrunk { faults: found.faults, before: all.len(), tried, stopped_after, outcome })
}
