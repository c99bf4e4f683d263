//! The handshake of a connection: what it costs, and whether a listener accepts it.

use crate::address::HostId;
use crate::error::ECONNREFUSED;
use crate::fault::{Segment, Sent};
use crate::link::{Link, Transit};
use crate::network::Shared;
use crate::ports::{At, Protocol};
use crate::retransmission::{RetransmissionTimeout, SynTimeout};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use stormglass_core::Kind;
use stormglass_rt as rt;

/// A listener's queue of connections.
pub(crate) trait AcceptQueue: Send + Sync + 'static {
    /// Whether the queue is full, so that the kernel drops the next SYN.
    fn is_full(&self) -> bool;
}

/// The host and port that a client connects to. Another host of the same namespace may have bound
/// the port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) host: HostId,
    /// The host's addresses at which the listener is reached.
    pub(crate) at: At,
    pub(crate) port: u16,
    /// Selects one of listeners that share the port.
    pub(crate) flow: u64,
}

/// The way to the host that has bound the port.
struct Path {
    host: HostId,
    there: Arc<Link>,
    back: Arc<Link>,
}

impl Shared {
    /// Performs a handshake of TCP's round trip and `round_trips` more. Returns the listener's host
    /// and its queue, or the refusal a round trip later.
    pub(crate) async fn handshake<T: AcceptQueue>(
        &self,
        from: HostId,
        to: Target,
        round_trips: u8,
    ) -> io::Result<(HostId, Arc<T>)> {
        let began = rt::now();
        let host = self.receiver_of_flow(Protocol::Stream, to.host, to.at, to.port, to.flow);
        let mut path = Path { host, there: self.link(from, host), back: self.link(host, from) };
        let result = self.handshake_over(from, &mut path, to, round_trips).await;
        let Path { host, there, .. } = path;
        let kind = if result.is_ok() { Kind::Connect } else { Kind::Refuse };
        let now = rt::now();
        self.recorder.record(now, kind, there.subject, now - began, u64::from(to.port));
        Ok((host, result?))
    }

    async fn handshake_over<T: AcceptQueue>(
        &self,
        from: HostId,
        path: &mut Path,
        to: Target,
        round_trips: u8,
    ) -> io::Result<Arc<T>> {
        let segment = Segment { bytes: 0, port: to.port };
        let mut timeout = SynTimeout::new();
        let queue = loop {
            let attempt = rt::now();
            if let Some(Transit { latency, refused, .. }) = self.send(&path.there, Sent::Syn, segment) {
                rt::Clock::current().sleep(latency).await;
                let queue = match refused {
                    true => Ok(None),
                    false => self.inbox_of::<T>(Protocol::Stream, to.host, to.at, to.port, to.flow),
                };
                // A full backlog drops the SYN without an answer: the client retransmits it.
                let full = matches!(&queue, Ok(Some(queue)) if queue.is_full());
                if !full && let Some(latency) = self.send_control(&path.back, segment) {
                    rt::Clock::current().sleep(latency).await;
                    break queue;
                }
            }
            rt::sleep_until(attempt + timeout.next()?).await;
            let host = self.receiver_of_flow(Protocol::Stream, to.host, to.at, to.port, to.flow);
            if host != path.host {
                *path = Path { host, there: self.link(from, host), back: self.link(host, from) };
            }
        };
        let Path { there, back, .. } = path;
        let queue = queue?.ok_or(ECONNREFUSED)?;
        for _ in 0..round_trips {
            let mut timeout = RetransmissionTimeout::new();
            loop {
                let attempt = rt::now();
                if let (Some(there), Some(back)) =
                    (self.send_control(there, segment), self.send_control(back, segment))
                {
                    rt::Clock::current().sleep(there + back).await;
                    break;
                }
                rt::sleep_until(attempt + timeout.next(there.latency_last() * 2)?).await;
            }
        }
        Ok(queue)
    }
}

/// Connects to an address that no host has: every SYN is lost.
///
/// # Errors
///
/// `TimedOut`, after all SYN retransmissions.
pub(crate) async fn connect_to_unused_address() -> io::Result<std::convert::Infallible> {
    let mut timeout = SynTimeout::new();
    loop {
        rt::Clock::current().sleep(timeout.next()?).await;
    }
}

/// A local port that is reserved for a connection; dropping it releases the port, unless the
/// connection took it.
pub(crate) struct LocalPort {
    network: Arc<Shared>,
    host: HostId,
    port: u16,
    remote: SocketAddr,
    taken: bool,
}

impl LocalPort {
    /// Reserves this port, or an ephemeral one if it is 0.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if the port has a connection to the same address, or no ephemeral port
    /// is free.
    pub(crate) fn reserve(
        network: &Arc<Shared>,
        host: HostId,
        port: u16,
        remote: SocketAddr,
    ) -> io::Result<LocalPort> {
        let mut state = network.lock();
        let namespace = state.namespace(host);
        let port = state.ports.connect((namespace, host), port, remote, rt::now())?;
        drop(state);
        Ok(LocalPort { network: network.clone(), host, port, remote, taken: false })
    }

    /// A number of the flow from this port: the same whenever the host uses it.
    pub(crate) fn flow(&self) -> u64 {
        u64::from(self.host.0) << 16 | u64::from(self.port)
    }

    /// Gives the port to the established connection.
    pub(crate) fn take(mut self) -> u16 {
        self.taken = true;
        self.port
    }
}

impl Drop for LocalPort {
    fn drop(&mut self) {
        if !self.taken {
            let mut state = self.network.lock();
            let namespace = state.namespace(self.host);
            state.ports.release(namespace, self.port, self.remote);
        }
    }
}
