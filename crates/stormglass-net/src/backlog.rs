//! A listener's backlog: established connections that wait for `accept`.

use crate::handshake::AcceptQueue;
use crate::inbox::Inbox;
use crate::network::Shared;
use crate::registry::Side;
use crate::socket_pair::{Ends, Packet};
use crate::stream_socket::{StreamSocket, pair};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_core::Recorder;

/// Established connections that wait for `accept`.
pub(crate) struct Backlog<S: Send + 'static, R: Send + 'static> {
    incoming: Inbox<StreamSocket<S, R>>,
    /// The length that was asked for. Linux accepts one connection more.
    limit: usize,
    /// How many bytes the accepted sockets send and receive without the other side reading, if the
    /// listener has set that.
    pub(crate) buffers: (Option<u32>, Option<u32>),
}

impl<S: Send + 'static, R: Send + 'static> Backlog<S, R> {
    pub(crate) fn new(limit: usize) -> Arc<Backlog<S, R>> {
        Backlog::with_buffers(limit, (None, None))
    }

    /// As [`Backlog::new`], with the sizes of the accepted sockets' send and receive buffers.
    pub(crate) fn with_buffers(limit: usize, buffers: (Option<u32>, Option<u32>)) -> Arc<Backlog<S, R>> {
        Arc::new(Backlog { incoming: Inbox::default(), limit, buffers })
    }

    /// Waits for the next connection.
    pub(crate) fn poll_accept(
        &self,
        context: &mut Context<'_>,
        recorder: &Recorder,
    ) -> Poll<StreamSocket<S, R>> {
        let first = self.incoming.poll(Some(context), recorder, VecDeque::pop_front);
        first.map(|first| first.expect("polled").0)
    }

    /// Whether a connection waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.incoming.len() > 0
    }

    /// Closes the backlog: resets the connections that wait, and those that arrive later.
    pub(crate) fn close(&self) {
        for (socket, _) in self.incoming.close() {
            socket.set_zero_linger(true);
        }
    }
}

impl<S: Send + 'static, R: Send + 'static> AcceptQueue for Backlog<S, R> {
    fn is_full(&self) -> bool {
        self.incoming.len() > self.limit
    }
}

/// Makes a connection whose handshake is complete for the client. The server's socket enters the
/// backlog when the client's last segment of the handshake arrives.
pub(crate) fn establish<S: Send + 'static, R: Send + 'static>(
    network: &Arc<Shared>,
    ends: Ends,
    backlog: Arc<Backlog<R, S>>,
) -> StreamSocket<S, R> {
    let (client, server) = pair(network, ends);
    let established = Packet::Established(Box::new(move |cause| {
        if let Err(refused) = backlog.incoming.push(server, cause) {
            // The listener is closed meanwhile. This is a timer's callback, which must not drop a
            // socket.
            refused.set_zero_linger(true);
            let pair = refused.pair.clone();
            pair.network.drop_later(refused);
            pair.answer_with_rst(Side::Server, cause);
        }
    }));
    client.pair.send(Side::Client, established, 0, client.outgoing.clone());
    client
}

impl<S: Send + 'static, R: Send + 'static> fmt::Debug for Backlog<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog").field("waiting", &self.incoming.len()).finish_non_exhaustive()
    }
}
