//! How a connection is made: what it costs, and who takes it.

use crate::fault::{Segment, Sent};
use crate::link::{Link, Passage};
use crate::network::{HostId, Shared};
use crate::ports::Protocol;
use crate::retransmission::{Handshake, Retransmission};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stormglass_core::Kind;
use stormglass_rt as rt;

/// Where a listener's connections arrive.
pub(crate) trait Accepts: Send + Sync + 'static {
    /// Whether so many wait to be taken that the kernel drops whoever asks next.
    fn is_full(&self) -> bool;
}

/// Where somebody wants to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) host: HostId,
    /// The address, for whom there are several.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
}

impl Shared {
    /// What a handshake of `round_trips` more than TCP's own costs, and whether somebody listens: the inbox, or the refusal a
    /// round trip later.
    pub(crate) async fn shake_hands<T: Accepts>(
        &self,
        from: HostId,
        to: Target,
        round_trips: u8,
    ) -> io::Result<Arc<T>> {
        let began = rt::now();
        let (there, back) = (self.link(from, to.host), self.link(to.host, from));
        let result = self.shake(&there, &back, to, round_trips).await;
        let kind = if result.is_ok() { Kind::Connect } else { Kind::Refuse };
        let now = rt::now();
        self.recorder.record(now, kind, there.subject, now - began, u64::from(to.port));
        result
    }

    async fn shake<T: Accepts>(
        &self,
        there: &Arc<Link>,
        back: &Arc<Link>,
        to: Target,
        round_trips: u8,
    ) -> io::Result<Arc<T>> {
        let segment = Segment { bytes: 0, port: to.port };
        let mut patience = Handshake::new();
        let inbox = loop {
            let attempt = rt::now();
            if let Some(Passage { latency, refused, .. }) = there.send(self, Sent::Syn, segment) {
                rt::sleep(latency).await;
                let at = (to.ip, to.port);
                let inbox = if refused { Ok(None) } else { self.inbox::<T>(Protocol::Stream, to.host, at) };
                // A full backlog is silent: whoever asks has to ask again.
                let full = matches!(&inbox, Ok(Some(inbox)) if inbox.is_full());
                if !full && let Some(latency) = back.attempt(self, segment) {
                    rt::sleep(latency).await;
                    break inbox;
                }
            }
            rt::sleep_until(attempt + patience.next()?).await;
        };
        let inbox = inbox?.ok_or(io::ErrorKind::ConnectionRefused)?;
        for _ in 0..round_trips {
            let mut patience = Retransmission::new();
            loop {
                let attempt = rt::now();
                if let (Some(there), Some(back)) = (there.attempt(self, segment), back.attempt(self, segment))
                {
                    rt::sleep(there + back).await;
                    break;
                }
                rt::sleep_until(attempt + patience.next(there.latency_last() * 2)?).await;
            }
        }
        Ok(inbox)
    }
}

/// Connecting to an address that nobody has: nobody answers.
///
/// # Errors
///
/// `TimedOut`, after all that time.
pub(crate) async fn call_into_the_void() -> io::Result<std::convert::Infallible> {
    let mut patience = Handshake::new();
    loop {
        rt::sleep(patience.next()?).await;
    }
}

/// A local port that is taken for a connection, until there is one.
pub(crate) struct LocalPort {
    network: Arc<Shared>,
    host: HostId,
    port: u16,
    remote: SocketAddr,
    kept: bool,
}

impl LocalPort {
    /// Takes this port, or a free one if it is 0.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if it has a connection to the same address, or none is free.
    pub(crate) fn take(
        network: &Arc<Shared>,
        host: HostId,
        port: u16,
        remote: SocketAddr,
    ) -> io::Result<LocalPort> {
        let port = network.lock().ports.connect(host, port, remote, rt::now())?;
        Ok(LocalPort { network: network.clone(), host, port, remote, kept: false })
    }

    /// The port, which is the connection's from now on.
    pub(crate) fn keep(mut self) -> u16 {
        self.kept = true;
        self.port
    }
}

impl Drop for LocalPort {
    fn drop(&mut self) {
        if !self.kept {
            self.network.lock().ports.forget(self.host, self.port, self.remote);
        }
    }
}
