//! What a process listens for, and what it has received.

use super::kind::SignalKind;
use crate::mount::{Mount, mount, mounted};
use crate::wakers::Wakers;
use madsim::task::NodeId;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The signals of a node's process: which of them it listens for. Clones are handles to the same
/// ones.
#[derive(Clone, Default)]
pub struct Signals(Arc<Mutex<BTreeMap<SignalKind, Arc<Listeners>>>>);

/// What listens for one signal.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Received>);

#[derive(Default)]
struct Received {
    /// How many signals have been received.
    count: u64,
    waiting: Wakers,
}

impl Signals {
    /// Mounts them on a node: its tasks listen through [`super::ctrl_c`] and [`super::unix::signal`].
    pub fn mount_on(&self, node: NodeId) -> Mount<Signals> {
        mount(node, self.clone())
    }

    /// Sends a signal to the process. Returns whether the process listens for it, or has listened;
    /// otherwise the caller performs the signal's default action.
    pub fn raise(&self, kind: SignalKind) -> bool {
        let Some(listeners) = self.lock().get(&kind).cloned() else { return false };
        let mut received = listeners.lock();
        received.count += 1;
        let mut waiting = std::mem::take(&mut received.waiting);
        drop(received);
        waiting.wake_all();
        true
    }

    /// Returns whether the process has listened for any signal.
    pub fn listens(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Forgets all listeners, when a process ends and the next one begins.
    pub fn reset(&self) {
        let before = std::mem::take(&mut *self.lock());
        drop(before);
    }

    pub(super) fn listeners(&self, kind: SignalKind) -> Arc<Listeners> {
        let new = !self.lock().contains_key(&kind);
        if new && kind == SignalKind::interrupt() {
            // Tells madsim that the process listens: its `Handle::send_ctrl_c` kills a node that
            // does not.
            let poll = pin!(madsim::signal::ctrl_c()).poll(&mut Context::from_waker(Waker::noop()));
            debug_assert!(poll.is_pending());
        }
        self.lock().entry(kind).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SignalKind, Arc<Listeners>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Ready if more than `seen` signals were received; sets `seen` to all of them.
    pub(super) fn poll_after(&self, seen: &mut u64, context: &Context<'_>) -> Poll<()> {
        let mut received = self.lock();
        if received.count > *seen {
            *seen = received.count;
            return Poll::Ready(());
        }
        received.waiting.add(&crate::hosting::waker(context));
        Poll::Pending
    }
}

/// The signals of the current node's process.
pub(super) fn current() -> io::Result<Signals> {
    let none = || io::Error::new(io::ErrorKind::Unsupported, "no process has signals on this node");
    mounted::<Signals>().ok_or_else(none)
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}
