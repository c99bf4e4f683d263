//! The runtime that hosts the current task, and wakers that reach it from outside.
//!
//! A tokio runtime that the simulation drives does not learn of a wake-up from outside by itself:
//! its thread is not parked, it is not running at all. So whatever of the simulation keeps a waker
//! (a socket, a file, a timer) keeps the one that [`waker`] returns, which wakes the task and the
//! driver of its runtime. For a task that is not hosted it is the task's own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Waker};

/// What hosts tasks.
pub(crate) trait Host {
    /// Returns a waker that wakes `waker`, a task of this host, and the host.
    fn outside_waker(self: Arc<Self>, waker: &Waker) -> Waker;
}

thread_local! {
    /// The host whose tasks run now. A run has one thread.
    static CURRENT: RefCell<Option<Arc<dyn Host>>> = const { RefCell::new(None) };
}

/// Returns the waker to keep for whatever wakes the task of this context from outside its runtime.
/// An implementation of a future that stores `context.waker()` in the simulation calls this
/// instead.
pub fn waker<'a>(context: &Context<'a>) -> Cow<'a, Waker> {
    CURRENT.with_borrow(|host| match host {
        None => Cow::Borrowed(context.waker()),
        Some(host) => Cow::Owned(host.clone().outside_waker(context.waker())),
    })
}

/// Whether the current task runs on a hosted runtime.
pub fn is_hosted() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Makes a host the current one; dropping the guard restores the one before.
pub(crate) struct HostGuard(Option<Arc<dyn Host>>);

impl HostGuard {
    #[cfg(tokio_unstable)]
    pub(crate) fn enter(host: Arc<dyn Host>) -> HostGuard {
        HostGuard(CURRENT.replace(Some(host)))
    }
}

impl Drop for HostGuard {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
