//! The kernel's state of a Unix datagram socket (Linux: `net/unix/af_unix.c`).

use super::SocketAddr;
use crate::error::{EAGAIN, ECONNREFUSED, ECONNRESET, EMSGSIZE, ENOTCONN, EPERM, EPIPE, Errno};
use crate::host::Host;
use crate::interest::Ready;
use crate::readiness::Readiness;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use stormglass_core::{EventId, Kind};
use stormglass_rt as rt;
use stormglass_rt::process::Process;

/// How many datagrams may wait in a socket's queue, less one (Linux: `net.unix.max_dgram_qlen`).
const QUEUE: usize = 10;

/// The send buffer in bytes, kernel structures included (Linux: `net.core.wmem_default`).
const SEND_BUFFER: usize = 212_992;

/// A Unix datagram socket.
#[derive(Debug)]
pub(in crate::unix) struct Socket {
    process: Process,
    state: Mutex<State>,
    pub(super) readiness: Readiness,
}

#[derive(Debug, Default)]
struct State {
    address: Option<SocketAddr>,
    peer: Option<(Weak<Socket>, SocketAddr)>,
    queue: VecDeque<Datagram>,
    /// The sockets that are connected to this one and wait for room in its queue.
    waiting: Vec<Weak<Socket>>,
    /// The memory of its datagrams that were not received.
    sent: usize,
    error: Option<Errno>,
    is_read_shut_down: bool,
    is_write_shut_down: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Datagram {
    bytes: Bytes,
    from: SocketAddr,
    sender: Weak<Socket>,
    cause: EventId,
}

/// What a receive returns.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) from: SocketAddr,
}

impl Default for Socket {
    fn default() -> Socket {
        let (process, state) = (Process::current(), Mutex::default());
        Socket { process, state, readiness: Readiness::new(Ready::WRITABLE) }
    }
}

impl Socket {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::unix) fn set_address(&self, address: &SocketAddr) {
        self.state().address = Some(address.clone());
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.state().address.clone().unwrap_or_else(SocketAddr::unnamed)
    }

    pub(super) fn set_peer(&self, peer: &Arc<Socket>) {
        let address = peer.address();
        self.state().peer = Some((Arc::downgrade(peer), address));
    }

    pub(super) fn peer_address(&self) -> io::Result<SocketAddr> {
        let state = self.state();
        Ok(state.peer.as_ref().ok_or(ENOTCONN)?.1.clone())
    }

    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.state().error.take().map(io::Error::from)
    }

    /// The socket that this one is connected to.
    fn peer(&self) -> Option<Weak<Socket>> {
        Some(self.state().peer.as_ref()?.0.clone())
    }

    /// Whether this socket accepts datagrams of another one (Linux: `unix_may_send`).
    fn accepts(&self, sender: &Arc<Socket>) -> bool {
        self.peer().is_none_or(|peer| peer.as_ptr() == Arc::as_ptr(sender))
    }

    pub(super) fn connect(self: &Arc<Socket>, other: &Arc<Socket>) -> io::Result<()> {
        if !other.accepts(self) {
            return Err(EPERM.into());
        }
        let before = self.peer();
        self.set_peer(other);
        if let Some(before) = before.filter(|before| before.as_ptr() != Arc::as_ptr(other)) {
            self.disconnected(&before);
        }
        Ok(())
    }

    /// Drops what was received from a peer that this socket is no longer connected to, and tells it
    /// (Linux: `unix_dgram_disconnected`).
    fn disconnected(self: &Arc<Socket>, before: &Weak<Socket>) {
        let dropped = std::mem::take(&mut self.state().queue);
        if dropped.is_empty() {
            return;
        }
        dropped.iter().for_each(Datagram::release);
        self.wake_waiting();
        if let Some(peer) = before.upgrade()
            && peer.peer().is_some_and(|peer| peer.as_ptr() == Arc::as_ptr(self))
        {
            peer.state().error = Some(ECONNRESET);
            peer.readiness.set(Ready::READABLE | Ready::WRITABLE | Ready::ERROR);
        }
    }

    /// Sends a datagram to a target, or else to the peer (Linux: `unix_dgram_sendmsg`).
    pub(super) fn send(
        self: &Arc<Socket>,
        host: &Host,
        bytes: &[u8],
        target: Option<impl FnOnce() -> io::Result<Arc<Socket>>>,
    ) -> io::Result<usize> {
        let (peer, to_peer) = (self.peer(), target.is_none());
        if to_peer && peer.is_none() {
            return Err(ENOTCONN.into());
        }
        if bytes.len() > SEND_BUFFER - 32 {
            return Err(EMSGSIZE.into());
        }
        self.check_writable()?;
        let other = match target {
            Some(target) => target()?,
            None => self.living_peer(peer)?,
        };
        if !other.accepts(self) {
            return Err(EPERM.into());
        }
        let is_self = Arc::ptr_eq(&other, self);
        let mut state = other.state();
        if state.is_read_shut_down {
            return Err(EPIPE.into());
        }
        let is_mutual = state.peer.as_ref().is_some_and(|(peer, _)| peer.as_ptr() == Arc::as_ptr(self));
        if !is_self && !is_mutual && state.queue.len() > QUEUE {
            if to_peer {
                state.waiting.push(Arc::downgrade(self));
            }
            return Err(EAGAIN.into());
        }
        let shared = host.shared();
        let (recorder, link) = (&shared.recorder, shared.link(host.id, host.id));
        let latency = link.draw_latency();
        let now = rt::now();
        let cause = recorder.record(now, Kind::Send, link.subject, latency, bytes.len() as u64);
        let from = if is_self { state.address.clone() } else { self.state().address.clone() };
        state.queue.push_back(Datagram {
            bytes: Bytes::copy_from_slice(bytes),
            from: from.unwrap_or_else(SocketAddr::unnamed),
            sender: Arc::downgrade(self),
            cause,
        });
        drop(state);
        self.state().sent += memory(bytes.len());
        other.readiness.set_and_wake_at(Ready::READABLE, now + latency);
        Ok(bytes.len())
    }

    fn check_writable(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(error) = state.error.take() {
            return Err(error.into());
        }
        if state.is_write_shut_down {
            return Err(EPIPE.into());
        }
        if state.sent >= SEND_BUFFER { Err(EAGAIN.into()) } else { Ok(()) }
    }

    /// Returns the peer. If it is closed, the socket has no peer from now on.
    fn living_peer(self: &Arc<Socket>, peer: Option<Weak<Socket>>) -> io::Result<Arc<Socket>> {
        let living = peer.and_then(|peer| peer.upgrade());
        if let Some(peer) = living.filter(|peer| !peer.state().is_closed && !peer.process.has_ended()) {
            return Ok(peer);
        }
        let before = self.state().peer.take();
        if let Some((before, _)) = before {
            self.disconnected(&before);
        }
        Err(ECONNREFUSED.into())
    }

    /// Receives the next datagram (Linux: `__unix_dgram_recvmsg`).
    pub(super) fn receive(&self, host: &Host) -> io::Result<Received> {
        let mut state = self.state();
        if let Some(error) = state.error.take() {
            return Err(error.into());
        }
        let Some(datagram) = state.queue.pop_front() else {
            // Also after a shutdown: only a blocking socket, or one of packets, returns 0 bytes then.
            return Err(EAGAIN.into());
        };
        drop(state);
        datagram.release();
        self.wake_waiting();
        let Datagram { bytes, from, cause, .. } = datagram;
        host.shared().recorder.join(cause);
        Ok(Received { bytes, from })
    }

    pub(super) fn shutdown(&self, how: Shutdown) {
        let mut state = self.state();
        state.is_read_shut_down |= how != Shutdown::Write;
        state.is_write_shut_down |= how != Shutdown::Read;
        let (read, write) = (state.is_read_shut_down, state.is_write_shut_down);
        drop(state);
        if read {
            self.readiness.set(Ready::READABLE | Ready::READ_CLOSED);
        }
        if read && write {
            self.readiness.set(Ready::READ_CLOSED | Ready::WRITE_CLOSED);
        }
    }

    /// The process closes the socket: what was not received is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.queue);
        drop(state);
        dropped.iter().for_each(Datagram::release);
        self.wake_waiting();
    }

    /// Wakes the sockets that wait for room in the queue.
    fn wake_waiting(&self) {
        let waiting = std::mem::take(&mut self.state().waiting);
        waiting.iter().filter_map(Weak::upgrade).for_each(|socket| socket.readiness.set(Ready::WRITABLE));
    }
}

impl Datagram {
    /// Returns the memory to the sender. It can send again when three quarters of its buffer are
    /// free (Linux: `unix_writable`).
    fn release(&self) {
        let Some(sender) = self.sender.upgrade() else { return };
        let mut state = sender.state();
        state.sent -= memory(self.bytes.len());
        let can_send = state.sent * 4 <= SEND_BUFFER;
        drop(state);
        if can_send {
            sender.readiness.set(Ready::WRITABLE);
        }
    }
}

/// The memory of a datagram in bytes: `struct sk_buff`; the data with `struct skb_shared_info`, in
/// an allocation of the next size of slab; and pages for what is long (Linux: `unix_dgram_sendmsg`,
/// `SKB_TRUESIZE`).
fn memory(len: usize) -> usize {
    const SK_BUFF: usize = 256;
    const SHARED_INFO: usize = 320;
    const PAGE: usize = 4096;
    /// Linux: `SKB_MAX_ALLOC`.
    const LINEAR_MAX: usize = 4 * PAGE - SHARED_INFO;
    /// Linux: `MAX_SKB_FRAGS`.
    const PAGES_MAX: usize = 17;
    let pages = len.saturating_sub(LINEAR_MAX).min(PAGES_MAX * PAGE).next_multiple_of(PAGE);
    let linear = (len - pages).next_multiple_of(64) + SHARED_INFO;
    SK_BUFF + linear.next_power_of_two() + pages
}
