//! How a run ended, as data.

use crate::latency::human_duration;
use crate::time::SimTime;
use crate::trace::TraceHash;
use crate::wait::Wait;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The verdict on a run and what it is based on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// How it ended.
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
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every wait was over before its deadline and every property held.
    Passed,
    /// A wait outlasted its deadline.
    TimedOut {
        /// What was waited for.
        wait: String,
        /// On which node.
        node: String,
        /// How long the observer allows.
        #[serde(with = "human_duration")]
        deadline: Duration,
        /// How long it took, or the horizon if it never ended.
        #[serde(with = "human_duration")]
        waited: Duration,
    },
    /// A property did not hold.
    Violated {
        /// Its name.
        property: String,
        /// What was seen.
        evidence: String,
    },
    /// Nothing was left to happen, or nothing but idle turns of a task.
    Stalled {
        /// What stood still.
        reason: String,
    },
    /// A task panicked.
    Panicked {
        /// The node it ran on.
        node: String,
        /// The panic's message.
        message: String,
    },
}

impl Verdict {
    /// Whether the run held.
    pub fn held(&self) -> bool {
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
            Verdict::Stalled { reason } => write!(f, "stalled: {reason}"),
            Verdict::Panicked { node, message } => write!(f, "panicked on {node}: {message}"),
        }
    }
}
