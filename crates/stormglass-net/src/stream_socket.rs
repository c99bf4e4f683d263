//! One end of a connection, as a process has it open.

use crate::address::HostId;
use crate::cached_readiness::{Event, Readiness};
use crate::error::Errno;
use crate::keepalive::Keepalive;
use crate::keepalive_probe;
use crate::network::Shared;
use crate::registry::Side;
use crate::socket_pair::{Ends, Packet, ReceiveQueue, SendWindow, Socket, SocketPair, lock};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use stormglass_core::EventId;
use stormglass_rt as rt;

/// One end of a connection, as a process has it open: sends `S`, receives `R`. Dropping it closes
/// it.
pub(crate) struct StreamSocket<S: Send + 'static, R: Send + 'static> {
    pub(crate) pair: Arc<SocketPair>,
    pub(crate) side: Side,
    incoming: ReceiveQueue<R>,
    /// The receive queue of the other end.
    pub(crate) outgoing: ReceiveQueue<S>,
    /// What the process's runtime knows of the socket's readiness.
    pub(crate) cached: Readiness,
    /// Whether the cached readiness to write was cleared because the send window was full: then it
    /// is set again as soon as the window has room.
    pub(crate) window_was_full: AtomicBool,
}

/// What a read returns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    Some(T),
    /// The end of the stream.
    End,
}

/// Makes the client's and the server's socket of an established connection.
pub(crate) fn pair<S: Send + 'static, R: Send + 'static>(
    network: &Arc<Shared>,
    ends: Ends,
) -> (StreamSocket<S, R>, StreamSocket<R, S>) {
    let pair = SocketPair::new(network, ends);
    let (to_server, to_client) = (ReceiveQueue::<S>::default(), ReceiveQueue::<R>::default());
    let server = StreamSocket {
        pair: pair.clone(),
        side: Side::Server,
        incoming: to_server.clone(),
        outgoing: to_client.clone(),
        cached: Readiness::default(),
        window_was_full: AtomicBool::new(false),
    };
    // A client waits until its connection is writable; an accepted stream is assumed to be
    // readable and writable.
    server.cached.assume(Event::Readable);
    server.cached.assume(Event::Writable);
    let client = StreamSocket {
        pair,
        side: Side::Client,
        incoming: to_client,
        outgoing: to_server,
        cached: Readiness::default(),
        window_was_full: AtomicBool::new(false),
    };
    client.cached.assume(Event::Writable);
    (client, server)
}

impl<S: Send + 'static, R: Send + 'static> StreamSocket<S, R> {
    pub(crate) fn socket(&self) -> MutexGuard<'_, Socket> {
        self.pair.socket(self.side)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.pair.addresses[self.side as usize]
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.pair.addresses[self.side.other() as usize]
    }

    pub(crate) fn peer_host(&self) -> HostId {
        self.pair.hosts[self.side.other() as usize]
    }

    /// Sets whether closing sends an RST.
    pub(crate) fn set_zero_linger(&self, zero_linger: bool) {
        self.socket().zero_linger = zero_linger;
    }

    /// Returns the error that no operation has returned yet.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.socket().error.take().map(io::Error::from)
    }

    /// Stores an error that the next operation returns: the reader's interface could not return
    /// it.
    pub(crate) fn store_error(&self, error: &io::Error) {
        self.socket().error = Errno::of(error);
    }

    /// Sets keepalive; `None` for no probes.
    pub(crate) fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        keepalive_probe::set_keepalive(&self.pair, self.side, keepalive);
    }
}

/// Writing.
impl<S: Send + 'static, R: Send + 'static> StreamSocket<S, R> {
    /// Waits until the send window is open; returns how much it allows. Without a context no task
    /// is woken.
    ///
    /// # Errors
    ///
    /// The connection's error, once; `BrokenPipe` if nothing can be sent any more.
    pub(crate) fn poll_send_window(&self, context: Option<&mut Context<'_>>) -> Poll<io::Result<u64>> {
        let mut socket = self.socket();
        let update = match self.pair.send_window(self.side, &mut socket) {
            Ok(SendWindow::Open(counts)) => return Poll::Ready(Ok(counts)),
            Ok(SendWindow::Full(update)) => update,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Some(context) = context {
            socket.writers.add(&rt::waker(context));
            if let Some(at) = update {
                drop(socket);
                rt::wake_at(at, &rt::waker(context));
            }
        }
        Poll::Pending
    }

    /// Sends a value of this size in bytes, whether or not the window allows it; `counts` is what
    /// it takes of the window.
    pub(crate) fn send(&self, value: S, bytes: u64, counts: u64) {
        let counts = self.reserve(counts);
        self.send_reserved(value, bytes, counts);
    }

    /// Reserves this much of the window for a later send, if it is bounded; returns how much is
    /// reserved.
    pub(crate) fn reserve(&self, counts: u64) -> u64 {
        self.pair.reserve(self.side, counts)
    }

    /// Returns a reservation that was not used.
    pub(crate) fn cancel_reservation(&self, counts: u64) {
        self.pair.cancel_reservation(self.side, counts);
    }

    /// Sends a value for which the window was reserved.
    pub(crate) fn send_reserved(&self, value: S, bytes: u64, counts: u64) {
        self.pair.send(self.side, Packet::Data(value, counts), bytes, self.outgoing.clone());
    }

    /// See [`SocketPair::close_number`].
    pub(crate) fn close_number(&self) -> u64 {
        self.pair.close_number(self.side)
    }

    /// Sends a FIN: this end sends no more data. The other direction stays open.
    pub(crate) fn shutdown_write(&self) {
        self.pair.send_fin(self.side, self.outgoing.clone());
    }

    /// As [`StreamSocket::shutdown_write`], for the drop of a write half: while a process ends, the FIN
    /// waits for its turn among those of the process's sockets.
    pub(crate) fn shutdown_write_in_order(&self) {
        let (pair, side, outgoing) = (self.pair.clone(), self.side, self.outgoing.clone());
        rt::close_order::close(pair.close_number(side), move || pair.send_fin(side, outgoing));
    }
}

/// Reading.
impl<S: Send + 'static, R: Send + 'static> StreamSocket<S, R> {
    /// Whether all that has arrived was read.
    pub(crate) fn is_drained(&self) -> bool {
        lock(&self.incoming).is_empty()
    }

    /// Waits until a value has arrived; `take` takes from the queue and returns how much of the
    /// window that was. Without a context no task is woken.
    ///
    /// # Errors
    ///
    /// The connection's error, once.
    pub(crate) fn poll_read<O>(
        &self,
        context: Option<&mut Context<'_>>,
        take: impl FnOnce(&mut VecDeque<(R, EventId)>) -> (O, u64),
    ) -> Poll<io::Result<Read<O>>> {
        let recorder = &self.pair.network.recorder;
        let mut queue = lock(&self.incoming);
        if let Some(&(_, cause)) = queue.front() {
            let (taken, counts) = take(&mut queue);
            drop(queue);
            recorder.join(cause);
            if counts > 0 && !self.pair.is_unbounded(self.side.other()) {
                self.pair.has_read(self.side, counts);
            }
            return Poll::Ready(Ok(Read::Some(taken)));
        }
        drop(queue);
        let mut socket = self.socket();
        let Some(cause) = socket.reset.or(socket.fin_received) else {
            if let Some(context) = context {
                socket.readers.add(&rt::waker(context));
            }
            return Poll::Pending;
        };
        // After a FIN a read returns the end of the stream; an error is left for the next write.
        let error = if socket.fin_received.is_none() { socket.error.take() } else { None };
        drop(socket);
        recorder.join(cause);
        Poll::Ready(error.map_or(Ok(Read::End), |error| Err(error.into())))
    }
}

impl<S: Send + 'static, R: Send + 'static> Drop for StreamSocket<S, R> {
    fn drop(&mut self) {
        // At the end of the simulated world there is no clock, and no peer to notify.
        if !rt::is_in_run() {
            return;
        }
        let unread = !lock(&self.incoming).is_empty();
        let (pair, side, outgoing) = (self.pair.clone(), self.side, self.outgoing.clone());
        rt::close_order::close(pair.close_number(side), move || close(&pair, side, unread, outgoing));
    }
}

/// Closes a socket: with an RST if there is unread data, otherwise with a FIN after what was written.
fn close<S: Send + 'static>(pair: &Arc<SocketPair>, side: Side, unread: bool, outgoing: ReceiveQueue<S>) {
    let mut socket = pair.socket(side);
    socket.closed = true;
    let (rst, reset) = (unread || socket.zero_linger, socket.reset.is_some());
    drop(socket);
    if reset {
    } else if rst {
        pair.send_rst(side, outgoing);
    } else {
        pair.send_fin(side, outgoing);
    }
}

impl<S: Send + 'static, R: Send + 'static> fmt::Debug for StreamSocket<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSocket").field("local", &self.local()).field("peer", &self.peer()).finish()
    }
}
