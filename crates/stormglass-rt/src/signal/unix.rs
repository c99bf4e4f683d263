//! Unix signals, by the names of `tokio::signal::unix`.

pub use super::kind::{DefaultAction, SignalKind};
use super::listeners::{Listeners, current};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A listener for one kind of signal. Signals that arrive before it is polled are one notification;
/// a signal that arrives after a poll is another one.
#[must_use = "streams do nothing unless polled"]
pub struct Signal {
    listeners: Arc<Listeners>,
    seen: u64,
}

/// Listens for a kind of signal that the current node's process receives. From the first call on
/// the signal's default action is gone for the rest of the process's life, also after the listener
/// is dropped.
///
/// # Errors
///
/// `Other` for a signal that cannot be listened for, as tokio returns it: SIGKILL, SIGSTOP, SIGILL,
/// SIGFPE, SIGSEGV, and numbers outside of 1 to 64. `Unsupported` if the current node's process has
/// no signals.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    if kind.as_raw_value() <= 0 || kind.is_forbidden() {
        return Err(io::Error::other(format!("Refusing to register signal {}", kind.as_raw_value())));
    }
    // SIGRTMAX.
    if kind.as_raw_value() > 64 {
        return Err(io::Error::other("signal too large"));
    }
    let listeners = current()?.listeners(kind);
    let seen = listeners.count();
    Ok(Signal { listeners, seen })
}

impl Signal {
    /// Waits for the next signal. Never returns `None`. If it is dropped before it completes, no
    /// signal is lost.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Polls for the next signal. Never returns `None`.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.listeners.poll_after(&mut self.seen, context).map(Some)
    }
}

impl std::fmt::Debug for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signal").field("seen", &self.seen).finish_non_exhaustive()
    }
}
