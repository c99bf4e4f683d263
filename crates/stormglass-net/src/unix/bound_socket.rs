//! What a name of a stream socket refers to: the listener to connect to, and its backlog.

use super::address::{SocketAddr, UCred};
use crate::accept_descriptor::AcceptDescriptors;
use crate::byte_stream::ByteStream;
use crate::error::{EAGAIN, ECONNREFUSED};
use crate::host::Host;
use crate::inbox::Inbox;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::EventId;

/// A stream socket that is bound to a name.
#[derive(Debug, Default)]
pub(super) struct BoundSocket(Mutex<Option<Listening>>);

#[derive(Clone, Debug)]
pub(super) struct Listening {
    pub(super) host: Host,
    pub(super) address: SocketAddr,
    /// The credentials that the process had when it called `listen`.
    pub(super) credentials: UCred,
    pub(super) backlog: Arc<Backlog>,
}

impl BoundSocket {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Listening>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the listener to connect to.
    ///
    /// # Errors
    ///
    /// ECONNREFUSED if the socket does not listen; EAGAIN if the backlog is full.
    pub(super) fn listening(&self) -> io::Result<Listening> {
        let listening = self.lock().clone().ok_or(ECONNREFUSED)?;
        // Linux accepts one connection more than the length that was asked for.
        if listening.backlog.incoming.len() > listening.backlog.limit {
            return Err(EAGAIN.into());
        }
        Ok(listening)
    }
}

impl Listening {
    /// Adds an established connection: the server's socket, and the name and credentials of the
    /// client.
    pub(super) fn add(&self, socket: ByteStream, peer: SocketAddr, credentials: UCred, cause: EventId) {
        let added = self.backlog.incoming.push(Incoming { socket, peer, credentials }, cause);
        assert!(added.is_ok(), "a listener that was just found has closed its backlog");
    }
}

/// Established connections that wait for `accept`.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) incoming: Inbox<Incoming>,
    pub(super) limit: usize,
    pub(super) descriptors: AcceptDescriptors,
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) socket: ByteStream,
    pub(super) peer: SocketAddr,
    pub(super) credentials: UCred,
}
