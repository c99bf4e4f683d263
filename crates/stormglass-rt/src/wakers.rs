//! Those who wait for one thing.

use std::task::Waker;

/// The tasks that wait for one thing, each once.
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
    /// Adds a task, unless it is there: a selection asks again and again while others make progress.
    pub fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|other| other.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    /// Wakes all, in the order in which they came.
    pub fn wake_all(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those who wait.
    pub fn iter(&self) -> impl Iterator<Item = &Waker> {
        self.0.iter()
    }
}
