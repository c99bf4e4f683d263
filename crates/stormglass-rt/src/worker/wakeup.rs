//! A wake-up that one task of a process makes for another.

use std::cell::Cell;
use std::fmt;
use std::task::Waker;

/// Work that a task does when it is woken for it.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A wake-up of a task by another task of its process.
pub(crate) enum Wakeup {
    /// Of a simulated task, by its waker.
    Waker(Waker),
    /// Of a task that exists only to do this work; its number, if it has one.
    Task(Option<u64>, Vec<Work>),
}

impl Wakeup {
    /// Adds a later wake-up of the same task. Returns the later one if it is of another task.
    pub(crate) fn merge(&mut self, next: Wakeup) -> Option<Wakeup> {
        match (self, next) {
            (Wakeup::Waker(one), Wakeup::Waker(other)) if one.will_wake(&other) => None,
            (Wakeup::Task(Some(one), works), Wakeup::Task(Some(other), more)) if *one == other => {
                works.extend(more);
                None
            }
            (_, other) => Some(other),
        }
    }

    /// Wakes the task.
    pub(crate) fn deliver(self) {
        match self {
            Wakeup::Waker(waker) => deliver(&waker),
            Wakeup::Task(_, works) => works.into_iter().for_each(|work| work()),
        }
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wakeup::Waker(waker) => f.debug_tuple("Waker").field(waker).finish(),
            Wakeup::Task(number, works) => f.debug_tuple("Task").field(number).field(&works.len()).finish(),
        }
    }
}

thread_local! {
    /// Whether a wake-up is being delivered: it is not queued or delayed any more.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Wakes `waker` without queueing or delaying the wake-up.
pub(crate) fn deliver(waker: &Waker) {
    let before = DELIVERING.replace(true);
    waker.wake_by_ref();
    DELIVERING.set(before);
}

/// Whether a wake-up is being delivered.
pub(crate) fn is_delivering() -> bool {
    DELIVERING.get()
}
