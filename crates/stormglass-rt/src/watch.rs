//! A shared value, and waiting for it to satisfy a condition.

use crate::coop;
use crate::wakers::Wakers;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use stormglass_core::{EventId, Recorder};

/// A shared value that tasks can wait for; clones share it.
///
/// ```
/// use stormglass_core::{Keep, Recorder};
/// use stormglass_rt::Watch;
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let version = Watch::new(&Recorder::new(Keep::Nothing), 0u64);
///     version.set(3);
///     assert_eq!(version.until(|&version| version >= 2).await, 3);
/// });
/// ```
#[derive(Debug)]
pub struct Watch<T> {
    shared: Arc<Mutex<State<T>>>,
    recorder: Recorder,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    cause: EventId,
    wakers: Wakers,
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Watch<T> {
        Watch { shared: self.shared.clone(), recorder: self.recorder.clone() }
    }
}

impl<T: Clone> Watch<T> {
    /// Creates a watch of this run with its initial value.
    pub fn new(recorder: &Recorder, value: T) -> Watch<T> {
        let state = State { value, cause: recorder.scope().last(), wakers: Wakers::default() };
        Watch { shared: Arc::new(Mutex::new(state)), recorder: recorder.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy of the value.
    pub fn get(&self) -> T {
        self.lock().value.clone()
    }

    /// Calls `read` with a reference to the value and returns its result.
    pub fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.lock().value)
    }

    /// Sets the value and wakes all tasks that wait.
    pub fn set(&self, value: T) {
        self.change(|current| {
            *current = value;
            true
        });
    }

    /// Changes the value in place. If `change` returns true, wakes all tasks that wait.
    pub fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let cause = self.recorder.scope().last();
        let mut state = self.lock();
        if !change(&mut state.value) {
            return;
        }
        state.cause = cause;
        let mut wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.wake_all();
    }

    /// Waits until the value satisfies `accept`, and returns a copy of it.
    pub async fn until(&self, mut accept: impl FnMut(&T) -> bool) -> T {
        poll_fn(|context| self.poll_until(context, &mut accept)).await
    }

    /// As [`Watch::until`], for hand-written selections.
    pub fn poll_until(&self, context: &mut Context<'_>, mut accept: impl FnMut(&T) -> bool) -> Poll<T> {
        let coop = ready!(coop::poll_proceed(context));
        let mut state = self.lock();
        if !accept(&state.value) {
            state.wakers.add(context.waker());
            return Poll::Pending;
        }
        let (value, cause) = (state.value.clone(), state.cause);
        drop(state);
        coop.made_progress();
        self.recorder.join(cause);
        Poll::Ready(value)
    }
}
