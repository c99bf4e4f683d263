//! Readiness of a socket or pipe, as tokio's I/O driver keeps it: a flag that an event sets and an
//! operation that would block clears.

use crate::cached_readiness::{awaited, try_io};
use crate::interest::{Interest, Ready};
use std::future::poll_fn;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use stormglass_core::SimTime;
use stormglass_rt::{self as rt, Wakers, coop};

/// What one registered socket is ready for. The kernel sets flags ([`Readiness::set`]); an
/// operation that the kernel answers with EAGAIN clears them.
#[derive(Debug)]
pub(crate) struct Readiness(Mutex<State>);

#[derive(Debug)]
struct State {
    ready: Ready,
    readers: Wakers,
    writers: Wakers,
}

impl Readiness {
    pub(crate) fn new(ready: Ready) -> Readiness {
        Readiness(Mutex::new(State { ready, readers: Wakers::default(), writers: Wakers::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets flags, and wakes the tasks that wait for one of them.
    pub(crate) fn set(&self, ready: Ready) {
        self.set_with(ready, |wakers| wakers.wake_all());
    }

    /// Sets flags, and wakes the tasks that wait for one of them at that time.
    pub(crate) fn set_and_wake_at(&self, ready: Ready, at: SimTime) {
        self.set_with(ready, |wakers| wakers.iter().for_each(|waker| rt::wake_at(at, waker)));
    }

    fn set_with(&self, ready: Ready, wake: impl Fn(&mut Wakers)) {
        let mut state = self.lock();
        state.ready |= ready;
        let State { readers, writers, .. } = &mut *state;
        // The wakers are taken out: a waker runs without the lock.
        let (mut readers, mut writers) = (
            if meets(ready, Interest::READABLE) { std::mem::take(readers) } else { Wakers::default() },
            if meets(ready, Interest::WRITABLE) { std::mem::take(writers) } else { Wakers::default() },
        );
        drop(state);
        wake(&mut readers);
        wake(&mut writers);
    }

    /// Clears the flags of an interest: the kernel said that the operation would block. The end of a
    /// direction is final: nothing clears it.
    pub(crate) fn clear(&self, ready: Ready) {
        let mut state = self.lock();
        state.ready = state.ready - (ready & (Ready::READABLE | Ready::WRITABLE | Ready::ERROR));
    }

    /// Waits until one of the flags of an interest is set; returns those that are.
    pub(crate) fn poll_ready(&self, interest: Interest, context: &mut Context<'_>) -> Poll<Ready> {
        coop::poll_within_budget(context, |context| self.poll_awaited(interest, context))
    }

    fn poll_awaited(&self, interest: Interest, context: &mut Context<'_>) -> Poll<Ready> {
        let ready = self.lock().ready & awaited(interest);
        if ready.is_empty() { self.wait(interest, context) } else { Poll::Ready(ready) }
    }

    /// Has the task woken at the next event.
    fn wait<T>(&self, interest: Interest, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        if interest.is_readable() {
            state.readers.add(&stormglass_rt::waker(context));
        }
        if interest.is_writable() {
            state.writers.add(&stormglass_rt::waker(context));
        }
        Poll::Pending
    }

    /// As [`Readiness::poll_ready`].
    pub(crate) async fn ready(&self, interest: Interest) -> Ready {
        // Uses up no budget, as with tokio.
        coop::count_try();
        poll_fn(|context| self.poll_awaited(interest, context)).await
    }

    /// Runs an operation if the socket is ready for it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not; the operation's error. If that is `WouldBlock`, the flag is
    /// cleared.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        coop::count_try();
        let ready = self.lock().ready;
        try_io(interest, ready, |ready| self.clear(ready), operation)
    }

    /// Runs an operation when the socket is ready for it, until it does not block.
    ///
    /// Where the end of a direction makes the socket ready and the operation blocks nevertheless,
    /// tokio's task is polled again and again, until the operation succeeds; here it waits for the
    /// next event.
    pub(crate) fn poll_io<R>(
        &self,
        interest: Interest,
        context: &mut Context<'_>,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        coop::poll_within_budget(context, |context| {
            let ready = ready!(self.poll_awaited(interest, context));
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear(ready);
                    self.wait(interest, context)
                }
                result => Poll::Ready(result),
            }
        })
    }

    /// As [`Readiness::poll_io`].
    pub(crate) async fn io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        poll_fn(|context| self.poll_io(interest, context, &mut operation)).await
    }
}

fn meets(ready: Ready, interest: Interest) -> bool {
    !(ready & awaited(interest)).is_empty()
}
