//! The handshake of a connection: what it costs, and whether a listener accepts it.

use crate::address::HostId;
use crate::fault::{Segment, Sent};
use crate::link::{Link, Transit};
use crate::network::Shared;
use crate::ports::Protocol;
use crate::retransmission::{RetransmissionTimeout, SynTimeout};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stormglass_core::Kind;
use stormglass_rt as rt;

/// A listener's queue of connections.
pub(crate) trait AcceptQueue: Send + Sync + 'static {
    /// Whether the queue is full, so that the kernel drops the next SYN.
    fn is_full(&self) -> bool;
}

/// The host and port that a client connects to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) host: HostId,
    /// The host's address, where a listener may be bound to one of several.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
}

impl Shared {
    /// Performs a handshake of TCP's round trip and `round_trips` more. Returns the listener's
    /// queue, or the refusal a round trip later.
    pub(crate) async fn handshake<T: AcceptQueue>(
        &self,
        from: HostId,
        to: Target,
        round_trips: u8,
    ) -> io::Result<Arc<T>> {
        let began = rt::now();
        let (there, back) = (self.link(from, to.host), self.link(to.host, from));
        let result = self.handshake_over(&there, &back, to, round_trips).await;
        let kind = if result.is_ok() { Kind::Connect } else { Kind::Refuse };
        let now = rt::now();
        self.recorder.record(now, kind, there.subject, now - began, u64::from(to.port));
        result
    }

    async fn handshake_over<T: AcceptQueue>(
        &self,
        there: &Arc<Link>,
        back: &Arc<Link>,
        to: Target,
        round_trips: u8,
    ) -> io::Result<Arc<T>> {
        let segment = Segment { bytes: 0, port: to.port };
        let mut timeout = SynTimeout::new();
        let queue = loop {
            let attempt = rt::now();
            if let Some(Transit { latency, refused, .. }) = self.send(there, Sent::Syn, segment) {
                rt::Clock::current().sleep(latency).await;
                let at = (to.ip, to.port);
                let queue = if refused { Ok(None) } else { self.inbox::<T>(Protocol::Stream, to.host, at) };
                // A full backlog drops the SYN without an answer: the client retransmits it.
                let full = matches!(&queue, Ok(Some(queue)) if queue.is_full());
                if !full && let Some(latency) = self.send_control(back, segment) {
                    rt::Clock::current().sleep(latency).await;
                    break queue;
                }
            }
            rt::sleep_until(attempt + timeout.next()?).await;
        };
        let queue = queue?.ok_or(io::ErrorKind::ConnectionRefused)?;
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
        let port = network.lock().ports.connect(host, port, remote, rt::now())?;
        Ok(LocalPort { network: network.clone(), host, port, remote, taken: false })
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
            self.network.lock().ports.release(self.host, self.port, self.remote);
        }
    }
}
