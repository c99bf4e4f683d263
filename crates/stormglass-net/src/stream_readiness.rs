//! The readiness of a stream's socket: the kernel's state as tokio knows it.

use crate::cached_readiness::{Event, Events, awaited};
use crate::interest::{Interest, Ready};
use crate::stream_socket::StreamSocket;
use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use stormglass_rt::coop;

impl<S: Send + 'static, R: Send + 'static> StreamSocket<S, R> {
    fn events(&self) -> &Events {
        &self.pair.events[self.side as usize]
    }

    /// Whether a read asks the kernel.
    pub(crate) fn is_read_ready(&self) -> bool {
        self.cached.is_set(Event::Readable, self.events()) || {
            let socket = self.socket();
            socket.reset.is_some() || socket.fin_received.is_some()
        }
    }

    /// Whether a write asks the kernel.
    pub(crate) fn is_write_ready(&self) -> bool {
        self.cached.is_set(Event::Writable, self.events())
            || self.is_write_closed()
            || self.window_has_opened()
    }

    fn is_write_closed(&self) -> bool {
        let socket = self.socket();
        socket.reset.is_some() || socket.fin_sent && socket.fin_received.is_some()
    }

    /// Whether the window has room again, after it was full.
    fn window_has_opened(&self) -> bool {
        if !self.window_was_full.load(Ordering::Relaxed) {
            return false;
        }
        let is_open = self.pair.is_window_open(self.side, &mut self.socket());
        if is_open {
            self.window_was_full.store(false, Ordering::Relaxed);
            self.cached.assume(Event::Writable);
        }
        is_open
    }

    /// The cached readiness.
    pub(crate) fn readiness(&self) -> Ready {
        self.window_has_opened();
        let mut ready = self.cached.ready(self.events());
        let socket = self.socket();
        if socket.reset.is_some() || socket.fin_received.is_some() {
            ready |= Ready::READ_CLOSED;
        }
        drop(socket);
        if self.is_write_closed() {
            ready |= Ready::WRITE_CLOSED;
        }
        ready
    }

    /// Clears cached readiness that turned out to be wrong.
    pub(crate) fn clear_readiness(&self, ready: Ready) {
        self.cached.clear_all(ready, self.events());
        if !(ready & Ready::WRITABLE).is_empty() {
            let is_full = !self.pair.is_window_open(self.side, &mut self.socket());
            self.window_was_full.store(is_full, Ordering::Relaxed);
        }
    }

    /// Waits until the socket is ready for any of this, within the budget.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>, interest: Interest) -> Poll<Ready> {
        coop::poll_within_budget(context, |context| self.poll_awaited(context, interest))
    }

    /// As [`StreamSocket::poll_ready`], without the budget.
    pub(crate) fn poll_awaited(&self, context: &mut Context<'_>, interest: Interest) -> Poll<Ready> {
        let awaited = awaited(interest);
        let ready = self.readiness() & awaited;
        if !ready.is_empty() {
            return Poll::Ready(ready);
        }
        if interest != Interest::WRITABLE {
            self.wait_to_read(Some(context));
        }
        if interest.is_writable() || interest.is_error() {
            // The window is full, or it was: an error would be readiness.
            let _ = self.wait_to_write(Some(context));
        }
        Poll::Pending
    }

    /// Has the task woken at the next event of what is received. Without a context no task is
    /// woken.
    pub(crate) fn wait_to_read(&self, context: Option<&mut Context<'_>>) {
        if let Some(context) = context {
            self.socket().readers.add(context.waker());
        }
    }

    /// Has the task woken when the socket may be ready to write. Without a context no task is
    /// woken.
    ///
    /// # Errors
    ///
    /// The connection's error, once, and `BrokenPipe`.
    pub(crate) fn wait_to_write(&self, context: Option<&mut Context<'_>>) -> Poll<io::Result<u64>> {
        if self.window_was_full.load(Ordering::Relaxed) {
            return self.poll_send_window(context);
        }
        if let Some(context) = context {
            // The next event reports that the socket can be written to, whatever it is.
            let mut socket = self.socket();
            socket.writers.add(context.waker());
            socket.readers.add(context.waker());
        }
        Poll::Pending
    }
}
