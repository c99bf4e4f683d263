//! The lines of the log: what the code passed to `tracing`.

use crate::timeline::describe_log;
use serde::Serialize;
use stormglass_core::{LogLine, Trace};

/// A line of the log.
#[derive(Debug, Serialize)]
pub(super) struct ShownLine<'a> {
    at: u64,
    /// The number of the last event before it; 0 for none.
    after: u32,
    /// The number of the last event that its task had to wait for; 0 for none.
    cause: u32,
    /// The symbols of the node and the task.
    node: usize,
    task: usize,
    level: &'static str,
    target: &'a str,
    text: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [(String, String)],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    spans: &'a [String],
    /// How long a span was open; 0 for an event.
    took: u64,
}

impl ShownLine<'_> {
    pub(super) fn all(trace: &Trace) -> Vec<ShownLine<'_>> {
        trace.log.iter().map(ShownLine::of).collect()
    }

    fn of(line: &LogLine) -> ShownLine<'_> {
        ShownLine {
            at: line.at.as_nanos(),
            after: line.after.number(),
            cause: line.cause.number(),
            node: line.node.index(),
            task: line.task.index(),
            level: line.level.name(),
            target: &line.target,
            text: describe_log(line).trim_start().into(),
            fields: &line.fields,
            spans: &line.spans,
            took: u64::try_from(line.kind.took().as_nanos()).unwrap_or(u64::MAX),
        }
    }
}
