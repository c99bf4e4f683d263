//! The outcome of a run: verdict, waits, counters and trace hash.

use crate::latency::HumanDuration;
use crate::time::SimTime;
use crate::trace::TraceHash;
use crate::wait::{Length, Wait};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The verdict on a run, and the waits and counters that it is based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Every wait, in the order in which they began.
    pub waits: Vec<Wait>,
    /// How many events there were of each kind.
    pub counters: BTreeMap<String, u64>,
    /// How many events there were in all.
    pub events: u64,
    /// The chained hash of the trace.
    pub trace_hash: TraceHash,
    /// When the run ended.
    pub ended: SimTime,
    /// The properties that have to hold in at least one of many runs, and whether each held in this
    /// one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sometimes: BTreeMap<String, bool>,
    /// The first requirement of a number of waits and checks that the run did not meet. It is the
    /// verdict unless the run failed in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_few: Option<TooFew>,
}

/// Fewer waits and checks of a name than the scenario requires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TooFew {
    /// The name of the waits and checks.
    pub name: String,
    /// How many of them began.
    pub count: u64,
    /// How many are required.
    pub at_least: u64,
    /// The clients that were killed, each with the time, and the nodes that a fault keeps down: a
    /// reason why the rest did not happen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub killed: Vec<String>,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooFew { name, count, at_least, killed } = self;
        write!(f, "too few {name}: {count}, at least {at_least} are required")?;
        if !killed.is_empty() {
            write!(f, "; killed and not started again: {}", killed.join(", "))?;
        }
        Ok(())
    }
}

impl Outcome {
    /// Returns the verdict of the same run with other values of parameters that are only deadlines
    /// of waits.
    ///
    /// A deadline ends nothing, so the run is the same; a verdict that does not follow from the
    /// waits (a violated property, a panic, a stall) does not change.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::time::Duration;
    /// use stormglass_core::{EventId, Length, Outcome, SimTime, TraceHash, Verdict, Wait};
    ///
    /// let wait = Wait {
    ///     name: "admin".into(),
    ///     node: "node-1".into(),
    ///     began: SimTime::ZERO,
    ///     deadline: Duration::from_secs(10),
    ///     parameter: Some("admin.deadline".into()),
    ///     length: Length::Observed(Duration::from_secs(12)),
    ///     end: EventId::START,
    /// };
    /// let waits = vec![wait];
    /// let ended = SimTime::from(Duration::from_secs(12));
    /// let verdict = Verdict::of_waits(&waits, ended);
    /// let (counters, sometimes, trace_hash) = (BTreeMap::new(), BTreeMap::new(), TraceHash::EMPTY);
    /// let outcome = Outcome { verdict, waits, counters, events: 0, trace_hash, ended, sometimes, too_few: None };
    /// assert!(!outcome.verdict.is_passed());
    /// assert!(outcome.with_deadlines(&[("admin.deadline", Duration::from_secs(15))]).is_passed());
    /// ```
    pub fn with_deadlines(&self, deadlines: &[(&str, Duration)]) -> Verdict {
        // A verdict that does not follow from the waits does not depend on their deadlines.
        if self.verdict != Verdict::of_waits(&self.waits, self.ended).or_too_few(self.too_few.as_ref()) {
            return self.verdict.clone();
        }
        let deadline = |wait: &Wait| {
            let given = deadlines.iter().find(|(parameter, _)| wait.parameter.as_deref() == Some(parameter));
            given.map_or(wait.deadline, |(_, deadline)| *deadline)
        };
        Verdict::of_waits_within(&self.waits, deadline, self.ended).or_too_few(self.too_few.as_ref())
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every wait ended before its deadline and every property held.
    Passed,
    /// A wait exceeded its deadline.
    TimedOut {
        /// The name of the wait.
        wait: String,
        /// The node on which it was waited for.
        node: String,
        /// The deadline.
        #[serde(with = "HumanDuration")]
        deadline: Duration,
        /// How long the wait took, or lasted until the run ended.
        #[serde(with = "HumanDuration")]
        waited: Duration,
    },
    /// A property did not hold.
    Violated {
        /// The name of the property.
        property: String,
        /// The observation that contradicts it.
        evidence: String,
    },
    /// Every wait that began ended in time and every property held, but less happened than the
    /// scenario requires.
    TooFew(TooFew),
    /// A wait was open when the run ended, or tasks did not let time pass until their turns were
    /// used up.
    Stalled {
        /// Why the run stalled.
        reason: String,
    },
    /// A task panicked, and no task that joined it received the panic.
    Panicked {
        /// The node it ran on.
        node: String,
        /// The name of the task. Absent for a task that was spawned without a name, such as one of
        /// `madsim::task::spawn`, and in outcomes of earlier builds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// The location of the panic in the source: `file:line:column`. Absent in outcomes of
        /// earlier builds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
        /// The panic's message.
        message: String,
    },
}

impl Verdict {
    /// Returns the verdict that follows from the waits of a run that ended at `ended`: the wait
    /// whose deadline passed first; if none did, a wait that had not ended.
    pub fn of_waits(waits: &[Wait], ended: SimTime) -> Verdict {
        Verdict::of_waits_within(waits, |wait| wait.deadline, ended)
    }

    fn of_waits_within(waits: &[Wait], deadline: impl Fn(&Wait) -> Duration, ended: SimTime) -> Verdict {
        let exceeded = waits.iter().filter(|wait| wait.length.exceeds(deadline(wait)));
        if let Some(wait) = exceeded.min_by_key(|wait| wait.began + deadline(wait)) {
            return Verdict::TimedOut {
                wait: wait.name.clone(),
                node: wait.node.clone(),
                deadline: deadline(wait),
                waited: wait.length.duration(),
            };
        }
        // A wait that was still open, within its deadline, when the run ended neither met nor
        // exceeded the deadline.
        let open = waits.iter().find(|wait| matches!(wait.length, Length::Censored(_)));
        open.map_or(Verdict::Passed, |wait| Verdict::Stalled {
            reason: format!(
                "{} on {} was still waited for when the run ended at {ended}",
                wait.name, wait.node
            ),
        })
    }

    /// Returns the verdict of a run that also has to meet the requirements of a number of waits and
    /// checks: a run that passed otherwise fails with `too_few`.
    #[must_use]
    pub fn or_too_few(self, too_few: Option<&TooFew>) -> Verdict {
        match (self, too_few) {
            (Verdict::Passed, Some(too_few)) => Verdict::TooFew(too_few.clone()),
            (verdict, _) => verdict,
        }
    }

    /// Whether the run passed.
    pub fn is_passed(&self) -> bool {
        *self == Verdict::Passed
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => f.write_str("passed"),
            Verdict::TimedOut { wait, node, deadline, waited } => write!(
                f,
                "timed out waiting for {wait} on {node}: {:.3} s, the deadline is {}",
                waited.as_secs_f64(),
                humantime::format_duration(*deadline),
            ),
            Verdict::Violated { property, evidence } => write!(f, "violated {property}: {evidence}"),
            Verdict::TooFew(too_few) => too_few.fmt(f),
            Verdict::Stalled { reason } => write!(f, "stalled: {reason}"),
            Verdict::Panicked { node, task, location, message } => {
                write!(f, "panicked on {node}")?;
                if let Some(task) = task {
                    write!(f, ", task {task}")?;
                }
                if let Some(location) = location {
                    write!(f, ", at {location}")?;
                }
                write!(f, ": {message}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes of earlier builds have neither a task nor a location.
    #[test]
    fn a_panic_of_an_earlier_build_can_be_read() {
        let old = "kind = \"panicked\"\nnode = \"node-1\"\nmessage = \"boom\"\n";
        let read: Verdict = toml::from_str(old).unwrap();
        let expected =
            Verdict::Panicked { node: "node-1".into(), task: None, location: None, message: "boom".into() };
        assert_eq!(read, expected);
        assert_eq!(toml::to_string(&read).unwrap(), old);
        assert_eq!(read.to_string(), "panicked on node-1: boom");
    }

    #[test]
    fn a_panic_names_node_task_and_location() {
        let verdict = Verdict::Panicked {
            node: "node-1".into(),
            task: Some("main".into()),
            location: Some("src/main.rs:7:5".into()),
            message: "boom".into(),
        };
        let text = toml::to_string(&verdict).unwrap();
        assert_eq!(toml::from_str::<Verdict>(&text).unwrap(), verdict);
        assert_eq!(verdict.to_string(), "panicked on node-1, task main, at src/main.rs:7:5: boom");
    }
}
