//! The waits of a run, with the explanations of the longest ones.

use crate::explain::{Explanation, Reason};
use crate::lanes::Lanes;
use serde::Serialize;
use std::cmp::Reverse;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Length, SimTime, Trace, Verdict, Wait};

/// How many waits are explained: those that exceeded their deadlines, then the longest.
const EXPLAINED: usize = 64;

/// A wait in the picture.
#[derive(Debug, Serialize)]
pub(super) struct ShownWait {
    pub(super) name: String,
    pub(super) node: String,
    /// The lane of its node, if it has one.
    pub(super) lane: Option<usize>,
    pub(super) began: u64,
    pub(super) deadline: u64,
    pub(super) length: u64,
    /// Whether it ended before the run did.
    pub(super) ended: bool,
    pub(super) exceeded: bool,
    /// The number of the event from which its critical path starts, backwards; 0 for none.
    pub(super) end: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explained: Option<Explained>,
}

/// The critical path of a wait in words.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    pub(super) parts: Vec<ShownPart>,
    pub(super) reasons: Vec<Reason>,
}

/// A row of the table: a step with the time of the critical path in it.
#[derive(Debug, Serialize)]
pub(super) struct ShownPart {
    pub(super) name: String,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Nanoseconds by category, in the order of [`Category::ALL`].
    pub(super) by_category: [u64; Category::ALL.len()],
    pub(super) syncs: usize,
}

impl ShownWait {
    pub(super) fn all(trace: &Trace, waits: &[Wait], lanes: &Lanes) -> Vec<ShownWait> {
        let mut order: Vec<usize> = (0..waits.len()).collect();
        order.sort_by_key(|&index| Reverse((waits[index].exceeded(), waits[index].length.duration())));
        let mut shown: Vec<ShownWait> = waits.iter().map(|wait| ShownWait::of(trace, wait, lanes)).collect();
        for &index in order.iter().take(EXPLAINED) {
            let explanation = Explanation::of(trace, &waits[index]);
            shown[index].explained = explanation.map(|explanation| Explained::of(&explanation));
        }
        shown
    }

    fn of(trace: &Trace, wait: &Wait, lanes: &Lanes) -> ShownWait {
        let ended = matches!(wait.length, Length::Observed(_));
        let nanos = |duration: Duration| SimTime::from(duration).as_nanos();
        ShownWait {
            name: wait.name.clone(),
            node: wait.node.clone(),
            lane: lanes.named(&wait.node),
            began: wait.began.as_nanos(),
            deadline: nanos(wait.deadline),
            length: nanos(wait.length.duration()),
            ended,
            exceeded: wait.exceeded(),
            end: if ended { wait.end.number() } else { last_of(trace, &wait.node) },
            explained: None,
        }
    }
}

/// Returns the number of a node's last event: from there a wait that did not end is explained.
fn last_of(trace: &Trace, node: &str) -> u32 {
    let index = trace.events.iter().rposition(|event| trace.text(event.node) == node);
    index.map_or(0, |index| stormglass_core::EventId::at(index).number())
}

impl Explained {
    fn of(explanation: &Explanation) -> Explained {
        let parts = explanation.parts().iter().map(|part| ShownPart {
            name: part.name.clone(),
            from: part.from.as_nanos(),
            to: part.to.as_nanos(),
            by_category: Category::ALL
                .map(|category| part.by_category.get(&category).map_or(0, |time| time.as_nanos() as u64)),
            syncs: part.syncs,
        });
        Explained { parts: parts.collect(), reasons: explanation.reasons().to_vec() }
    }

    /// Returns the time by category, in the order of [`Category::ALL`].
    pub(super) fn by_category(&self) -> [u64; Category::ALL.len()] {
        let mut sums = [0; Category::ALL.len()];
        for part in &self.parts {
            sums.iter_mut().zip(part.by_category).for_each(|(sum, time)| *sum += time);
        }
        sums
    }
}

/// Returns the index of the wait that the page shows first: the one that the verdict names, else one
/// that exceeded its deadline, else the longest.
pub(super) fn chosen(waits: &[Wait], verdict: &Verdict) -> Option<usize> {
    let named = match verdict {
        Verdict::TimedOut { wait: name, node, waited, .. } => waits.iter().position(|wait| {
            wait.name == *name && wait.node == *node && wait.exceeded() && wait.length.duration() == *waited
        }),
        _ => None,
    };
    let longest = waits.iter().enumerate().max_by_key(|(_, wait)| (wait.exceeded(), wait.length.duration()));
    named.or(longest.map(|(index, _)| index))
}
