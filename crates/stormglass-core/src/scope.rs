//! The scope of a task: its node, its name and the last event that it had to wait for.
//!
//! The recorder has one current scope, that of the task which is being polled, so an event finds
//! its node, task and cause without being passed them. `stormglass_rt::spawn` sets the current
//! scope for each poll.

use crate::event::{Category, EventId, Kind, Symbol};
use crate::trace::pair;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The node and task that run, and the last event that the task had to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The node.
    pub node: Symbol,
    /// The task.
    pub task: Symbol,
    /// The last event that the task had to wait for.
    pub cause: EventId,
    /// The last event of the tasks that have wake_cause this one since: possibly what it waited
    /// for.
    pub wake_cause: WakeCause,
}

/// The last event that the waker of a task had to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakeCause {
    pub(crate) by: EventId,
    /// The time of the wake-up, in nanoseconds: `by` is not later.
    pub(crate) at_nanos: u64,
}

impl WakeCause {
    /// Returns the later one of two.
    #[inline]
    #[must_use]
    pub fn or(self, other: WakeCause) -> WakeCause {
        if other.by > self.by { other } else { self }
    }
}

impl Scope {
    /// Returns the last event that the task had to wait for: the later one of its own cause and
    /// its wake-up's.
    #[inline]
    pub fn last(&self) -> EventId {
        self.cause.max(self.wake_cause.by)
    }

    /// Returns the scope of the same node and task with this cause.
    #[must_use]
    pub fn with_cause(self, cause: EventId) -> Scope {
        Scope { cause, wake_cause: WakeCause::default(), ..self }
    }

    /// Returns the cause of an event of this kind that began at `began_nanos`.
    ///
    /// A disk operation, work on a CPU or a sleep is ended by nothing but itself: it has not
    /// waited for a task that woke its own task in the meantime.
    pub(crate) fn cause_of(&self, kind: Kind, began_nanos: u64) -> EventId {
        let ends_by_itself =
            matches!(kind.category(), Category::Sync | Category::Disk | Category::Cpu | Category::Sleep);
        if ends_by_itself && self.wake_cause.at_nanos > began_nanos { self.cause } else { self.last() }
    }
}

/// The current scope, which changes with every poll of a task. A run polls its tasks on one
/// thread, one after the other, so no lock is needed.
#[derive(Debug, Default)]
pub(crate) struct CurrentScope {
    /// Node and task.
    names: AtomicU64,
    /// The last event that the task had to wait for, and that of its waker.
    causes: AtomicU64,
    wake_nanos: AtomicU64,
}

impl CurrentScope {
    #[inline]
    pub(crate) fn get(&self) -> Scope {
        let halves = |pair: &AtomicU64| {
            let pair = pair.load(Relaxed);
            ((pair >> 32) as u32, pair as u32)
        };
        let ((node, task), (cause, by)) = (halves(&self.names), halves(&self.causes));
        let wake_cause = WakeCause { by: EventId(by), at_nanos: self.wake_nanos.load(Relaxed) };
        Scope { node: Symbol(node), task: Symbol(task), cause: EventId(cause), wake_cause }
    }

    #[inline]
    pub(crate) fn set(&self, scope: Scope) {
        let Scope { node, task, cause, wake_cause } = scope;
        self.names.store(pair(node.0, task.0), Relaxed);
        self.causes.store(pair(cause.0, wake_cause.by.0), Relaxed);
        self.wake_nanos.store(wake_cause.at_nanos, Relaxed);
    }

    #[inline]
    pub(crate) fn replace(&self, scope: Scope) -> Scope {
        let before = self.get();
        self.set(scope);
        before
    }
}
