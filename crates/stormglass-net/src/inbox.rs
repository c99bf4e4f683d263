//! A queue of values that have arrived at a socket; any number of tasks may wait for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use stormglass_core::{EventId, Recorder};
use stormglass_rt::Wakers;

/// A queue of values, each with the event of its arrival.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<(T, EventId)>,
    wakers: Wakers,
    closed: bool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Inbox<T> {
        Inbox(Mutex::new(State { queue: VecDeque::new(), wakers: Wakers::default(), closed: false }))
    }
}

impl<T> Inbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// The value itself, if the inbox is closed.
    pub(crate) fn push(&self, value: T, cause: EventId) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed {
            return Err(value);
        }
        state.queue.push_back((value, cause));
        state.wakers.wake_all();
        Ok(())
    }

    /// Waits until there is a value; `take` takes from the queue, or leaves the value there (a
    /// peek).
    pub(crate) fn poll<O>(
        &self,
        context: Option<&mut Context<'_>>,
        recorder: &Recorder,
        take: impl FnOnce(&mut VecDeque<(T, EventId)>) -> O,
    ) -> Poll<O> {
        let mut state = self.lock();
        let Some(&(_, cause)) = state.queue.front() else {
            if let Some(context) = context {
                state.wakers.add(&stormglass_rt::waker(context));
            }
            return Poll::Pending;
        };
        let taken = take(&mut state.queue);
        drop(state);
        recorder.join(cause);
        Poll::Ready(taken)
    }

    /// Has the task woken at the next value or event, whether or not there is a value already.
    pub(crate) fn wait(&self, context: &mut Context<'_>) {
        self.lock().wakers.add(&stormglass_rt::waker(context));
    }

    /// Wakes the waiting tasks, for an event that adds no value.
    pub(crate) fn wake_all(&self) {
        self.lock().wakers.wake_all();
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Closes the inbox; returns the values that are left.
    pub(crate) fn close(&self) -> VecDeque<(T, EventId)> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.queue)
    }
}
