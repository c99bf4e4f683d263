//! Where a wait went, read off the causes.
//!
//! Following causes backwards from the event that ended a wait gives its critical path. Between an event and
//! its cause nothing else was needed, so that stretch of time belongs to the event: to its kind, its node and
//! its subject. The stretches join end to end, so their sum is the whole wait, to the nanosecond.

use crate::event::{Category, EventId, Kind};
use crate::time::SimTime;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::time::Duration;

/// One stretch of a critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins: the cause's time, or the wait's beginning.
    pub from: SimTime,
    /// Where it ends: the event's time.
    pub to: SimTime,
    /// The event that it belongs to.
    pub event: EventId,
}

impl Stretch {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to - self.from
    }
}

/// The critical path from `began` to the event `end`, earliest stretch first. Stretches of no length are left
/// out; the rest join end to end from `began` to the time of `end`.
///
/// Empty if the trace keeps no events.
pub fn critical_path(trace: &Trace, began: SimTime, end: EventId) -> Vec<Stretch> {
    let mut path = Vec::new();
    let mut id = end;
    while let Some(event) = trace.event(id) {
        let to = SimTime::from_nanos(event.at_nanos);
        if to <= began {
            break;
        }
        let from = trace.time_of(event.cause).max(began);
        if from < to {
            path.push(Stretch { from, to, event: id });
        }
        id = event.cause;
    }
    path.reverse();
    path
}

/// A named part of a procedure on one node, from its steps' events: a row of an explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The step's name.
    pub name: String,
    /// Where it begins.
    pub from: SimTime,
    /// Where it ends.
    pub to: SimTime,
    /// The critical path's time inside it, by category.
    pub by_category: BTreeMap<Category, Duration>,
    /// How many syncs lie on the critical path inside it.
    pub syncs: usize,
}

/// The steps that `node` completed between `began` and `ended`, with the critical path's time in each.
///
/// Steps are read in order of time; where one lies inside another the inner one wins nothing: only steps that
/// begin where an earlier one ended, or later, count. What no step covers is added as parts named `between`,
/// the end as `until it was seen`, so the parts join end to end and their times sum to the whole.
pub fn parts(trace: &Trace, node: &str, began: SimTime, ended: SimTime, path: &[Stretch]) -> Vec<Part> {
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
        for stretch in path {
            let overlap = stretch.to.min(part.to).saturating_since(stretch.from.max(part.from));
            if overlap.is_zero() {
                continue;
            }
            let category = trace.event(stretch.event).map_or(Category::Other, |event| event.kind.category());
            *part.by_category.entry(category).or_default() += overlap;
            part.syncs += usize::from(category == Category::Sync && stretch.to <= part.to);
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

    /// Two fsyncs of 20 ms with a 5 ms message between: the path has three stretches, the parts sum to 45 ms.
    #[test]
    fn stretches_and_parts_sum_to_the_wait() {
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
        assert_eq!(path.iter().map(Stretch::length).collect::<Vec<_>>(), [MS(20), MS(5), MS(20)]);
        let parts = parts(&trace, "node-1", SimTime::ZERO, AT(45), &path);
        let names: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.syncs)).collect();
        assert_eq!(names, [("open", 1), ("until it was seen", 1)]);
        let sum: Duration = parts.iter().flat_map(|part| part.by_category.values()).sum();
        assert_eq!(sum, MS(45));
    }

    /// A wait that began in the middle of an fsync counts only what is left of it.
    #[test]
    fn the_first_stretch_is_cut_at_the_waits_beginning() {
        let recorder = Recorder::new(Keep::Events);
        let end = recorder.record(AT(20), Kind::Fsync, Symbol::NONE, MS(20), 0);
        let path = critical_path(&recorder.finish(), AT(15), end);
        assert_eq!(path, [Stretch { from: AT(15), to: AT(20), event: end }]);
    }
}
