//! What a trace says about a node at a time: what it leads, the step that it executes, its statuses.

use crate::deadline::{statuses_at, step_at};
use crate::page::leads_at;
use serde::Serialize;
use std::time::Duration;
use stormglass_core::{SimTime, Trace};

/// A node at a time, as the trace of the whole run tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// The components that the node leads, each with its term: `metadata server`.
    pub leads: Vec<(String, u64)>,
    /// The step that it executes, if it ends later.
    pub step: Option<StepNow>,
    /// The last status of each of its parts, in the order of their first report.
    pub statuses: Vec<(String, String)>,
}

/// A step in progress.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepNow {
    /// Its name.
    pub name: String,
    /// How long it has lasted.
    pub lasts: Duration,
    /// How much longer it takes.
    pub left: Duration,
}

impl Moment {
    /// Returns what the trace says about a node at this time.
    pub fn of(trace: &Trace, node: &str, at: SimTime) -> Moment {
        let step = step_at(trace, node, at).map(|step| StepNow {
            name: trace.text(step.subject).to_string(),
            lasts: at.saturating_since(SimTime::from_nanos(step.at_nanos.saturating_sub(step.took_nanos))),
            left: SimTime::from_nanos(step.at_nanos).saturating_since(at),
        });
        Moment { leads: leads_at(trace, node, at), step, statuses: statuses_at(trace, node, at) }
    }
}
