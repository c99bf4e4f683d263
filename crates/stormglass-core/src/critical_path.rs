//! The critical path of a wait, computed from the causes of events.
//!
//! Following causes backwards from the event that ended a wait gives its critical path. Between an
//! event and its cause nothing else was needed, so that segment of time belongs to the event: to
//! its kind, its node and its subject. The segments are contiguous, so their sum is the whole
//! wait, to the nanosecond.

use crate::event::{Category, EventId, Kind};
use crate::time::SimTime;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::time::Duration;

/// One segment of a critical path: the time between an event and its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When it begins: the time of the cause, or the beginning of the wait.
    pub from: SimTime,
    /// When it ends: the time of the event.
    pub to: SimTime,
    /// The event that took this time.
    pub event: EventId,
}

impl Segment {
    /// Returns how long it is.
    pub fn length(&self) -> Duration {
        self.to - self.from
    }
}

/// Returns the critical path from `began` to the event `end`, earliest segment first. Segments of
/// no length are left out; the others are contiguous from `began` to the time of `end`.
///
/// Empty if the trace keeps no events.
pub fn critical_path(trace: &Trace, began: SimTime, end: EventId) -> Vec<Segment> {
    let mut path = Vec::new();
    let mut id = end;
    while let Some(event) = trace.event(id) {
        let to = SimTime::from_nanos(event.at_nanos);
        if to <= began {
            break;
        }
        let from = trace.time_of(event.cause).max(began);
        if from < to {
            path.push(Segment { from, to, event: id });
        }
        id = event.cause;
    }
    path.reverse();
    path
}

/// A step of a procedure on one node with the share of the critical path in it: a row of an
/// explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The step's name.
    pub name: String,
    /// When it begins.
    pub from: SimTime,
    /// When it ends.
    pub to: SimTime,
    /// The time of the critical path inside it, by category.
    pub by_category: BTreeMap<Category, Duration>,
    /// How many syncs lie on the critical path inside it.
    pub syncs: usize,
}

/// Returns the steps that `node` completed between `began` and `ended`, with the time of the
/// critical path in each.
///
/// Steps are read in order of time. Only a step that begins when an earlier one ended, or later,
/// counts: nested and overlapping steps are left out. Time outside of all steps is added as parts
/// named `between`, the last one as `until it was seen`, so the parts are contiguous and their
/// times sum to the whole.
pub fn parts(trace: &Trace, node: &str, began: SimTime, ended: SimTime, path: &[Segment]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut reached = began;
    let push = |name: &str, from: SimTime, to: SimTime, parts: &mut Vec<Part>| {
        if from < to {
            let name = name.to_string();
            parts.push(Part { name, from, to, by_category: BTreeMap::new(), syncs: 0 });
        }
    };
    for step in trace.events.iter().filter(|event| event.kind == Kind::Step && trace.text(event.node) == node)
    {
        let to = SimTime::from_nanos(step.at_nanos);
        let from = SimTime::from_nanos(step.at_nanos - step.took_nanos.min(step.at_nanos));
        if from < reached || to > ended {
            continue;
        }
        push("between", reached, from, &mut parts);
        push(trace.text(step.subject), from, to, &mut parts);
        reached = to;
    }
    let rest = if parts.is_empty() { "the whole wait" } else { "until it was seen" };
    push(rest, reached, ended, &mut parts);
    for part in &mut parts {
        for segment in path {
            let overlap = segment.to.min(part.to).saturating_since(segment.from.max(part.from));
            if overlap.is_zero() {
                continue;
            }
            let category = trace.event(segment.event).map_or(Category::Other, |event| event.kind.category());
            *part.by_category.entry(category).or_default() += overlap;
            part.syncs += usize::from(category == Category::Sync && segment.to <= part.to);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keep, Recorder, Symbol};

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    /// Two fsyncs of 20 ms with a 5 ms message between: the path has three segments, the parts sum
    /// to 45 ms.
    #[test]
    fn segments_and_parts_sum_to_the_wait() {
        let recorder = Recorder::new(Keep::Events);
        let node = recorder.symbol("node-1");
        recorder.enter(crate::Scope { node, ..Default::default() });
        let step = recorder.symbol("open");
        recorder.record(AT(20), Kind::Fsync, Symbol::NONE, MS(20), 0);
        recorder.record(AT(20), Kind::Step, step, MS(20), 0);
        recorder.record(AT(25), Kind::Deliver, Symbol::NONE, MS(5), 0);
        let end = recorder.record(AT(45), Kind::Fsync, Symbol::NONE, MS(20), 0);
        let trace = recorder.finish();

        let path = critical_path(&trace, SimTime::ZERO, end);
        assert_eq!(path.iter().map(Segment::length).collect::<Vec<_>>(), [MS(20), MS(5), MS(20)]);
        let parts = parts(&trace, "node-1", SimTime::ZERO, AT(45), &path);
        let names: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.syncs)).collect();
        assert_eq!(names, [("open", 1), ("until it was seen", 1)]);
        let sum: Duration = parts.iter().flat_map(|part| part.by_category.values()).sum();
        assert_eq!(sum, MS(45));
    }

    /// A wait that began during an fsync counts only the rest of the fsync.
    #[test]
    fn the_first_segment_begins_with_the_wait() {
        let recorder = Recorder::new(Keep::Events);
        let end = recorder.record(AT(20), Kind::Fsync, Symbol::NONE, MS(20), 0);
        let path = critical_path(&recorder.finish(), AT(15), end);
        assert_eq!(path, [Segment { from: AT(15), to: AT(20), event: end }]);
    }
}
