//! The wakers of tasks that wait for one condition.

use std::task::Waker;

/// The wakers of the tasks that wait for one condition, each task once.
///
/// ```
/// use std::task::Waker;
///
/// let mut wakers = stormglass_rt::Wakers::default();
/// wakers.add(Waker::noop());
/// wakers.wake_all();
/// assert!(wakers.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Wakers(Vec<Waker>);

impl Wakers {
    /// Adds a waker, unless it would wake a task that is there already: a selection polls
    /// repeatedly while other branches make progress.
    pub fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|other| other.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    /// Wakes all tasks in the order in which they were added, and removes them.
    pub fn wake_all(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }

    /// Whether no task waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the wakers, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Waker> {
        self.0.iter()
    }
}
