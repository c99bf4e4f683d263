//! The ports of all hosts: bound, used by connections, in TIME_WAIT. Plain data without clock.

use crate::address::HostId;
use crate::error::{EADDRINUSE, EADDRNOTAVAIL};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::SimTime;

/// The kind of socket that a port belongs to. Each kind has its own port numbers, as UDP and TCP
/// do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Protocol {
    Datagram,
    Stream,
}

/// The owner of a port: an inbox, downcast to its type.
pub(crate) type Owner = Arc<dyn Any + Send + Sync>;

/// The owner of a port that is bound and does not listen.
pub(crate) struct Reserved;

/// Splits an address into the only IP address that is served (`None` for all) and the port.
pub(crate) fn bound_to(address: SocketAddr) -> (Option<IpAddr>, u16) {
    ((!address.ip().is_unspecified()).then_some(address.ip()), address.port())
}

/// The ports that a kernel chooses from (Linux: `net.ipv4.ip_local_port_range`).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// How long a connection that was closed keeps its ports (Linux: `TCP_TIMEWAIT_LEN`).
pub(crate) const TIME_WAIT: Duration = Duration::from_secs(60);

/// The ports of all hosts.
#[derive(Default)]
pub(crate) struct Ports {
    bound: IndexMap<(Protocol, HostId, u16), Vec<Bound>, FxBuildHasher>,
    connections: BTreeMap<(HostId, u16, SocketAddr), Use>,
    last: BTreeMap<HostId, u16>,
}

struct Bound {
    /// The only IP address at which the port is reached; `None` for all.
    ip: Option<IpAddr>,
    owner: Owner,
}

/// How a connection uses a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Open,
    /// The connection is closed, and no other one gets the same pair of ports before this time.
    TimeWait(SimTime),
}

impl Use {
    fn is_over(self, now: SimTime) -> bool {
        matches!(self, Use::TimeWait(end) if end <= now)
    }
}

impl Ports {
    /// Binds a port, or an ephemeral one if it is 0. With `reuse`, connections on the port do not
    /// prevent that (`SO_REUSEADDR`). Returns the port.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub(crate) fn bind(
        &mut self,
        protocol: Protocol,
        host: HostId,
        (ip, port): (Option<IpAddr>, u16),
        reuse: bool,
        now: SimTime,
        owner: Owner,
    ) -> io::Result<u16> {
        let port = match port {
            0 => self
                .ephemeral(host, |ports, port| !ports.bound.contains_key(&(protocol, host, port)))
                .ok_or(EADDRINUSE)?,
            port => port,
        };
        let first = (host, port, SocketAddr::from(([0; 4], 0)));
        let mut connections =
            self.connections.range(first..).take_while(|(key, _)| (key.0, key.1) == (host, port));
        let in_connection =
            protocol == Protocol::Stream && !reuse && connections.any(|(_, used)| !used.is_over(now));
        let bound = self.bound.entry((protocol, host, port)).or_default();
        let taken = bound.iter().any(|bound| bound.ip.is_none() || ip.is_none() || bound.ip == ip);
        if in_connection || taken {
            return Err(EADDRINUSE.into());
        }
        bound.push(Bound { ip, owner });
        Ok(port)
    }

    /// Unbinds a port.
    pub(crate) fn unbind(&mut self, protocol: Protocol, host: HostId, (ip, port): (Option<IpAddr>, u16)) {
        if let Some(bound) = self.bound.get_mut(&(protocol, host, port)) {
            bound.retain(|bound| bound.ip != ip);
            if bound.is_empty() {
                self.bound.swap_remove(&(protocol, host, port));
            }
        }
    }

    /// Returns the owner of a port, bound to this IP address if the sender names one.
    pub(crate) fn owner(
        &self,
        protocol: Protocol,
        host: HostId,
        (ip, port): (Option<IpAddr>, u16),
    ) -> Option<&Owner> {
        let bound = self.bound.get(&(protocol, host, port))?;
        let bound = bound.iter().find(|bound| bound.ip.is_none() || ip.is_none() || bound.ip == ip)?;
        Some(&bound.owner)
    }

    /// Reserves a local port for a connection to a remote address: this port, or an ephemeral one
    /// if it is 0. Returns the port.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if it has a connection to the same address, or no ephemeral port is
    /// free.
    pub(crate) fn connect(
        &mut self,
        host: HostId,
        port: u16,
        remote: SocketAddr,
        now: SimTime,
    ) -> io::Result<u16> {
        let free = |ports: &Ports, port: u16| {
            ports.connections.get(&(host, port, remote)).is_none_or(|used| used.is_over(now))
        };
        let port = match port {
            0 => self.ephemeral(host, |ports, port| {
                !ports.bound.contains_key(&(Protocol::Stream, host, port)) && free(ports, port)
            }),
            port => free(self, port).then_some(port),
        };
        let port = port.ok_or(EADDRNOTAVAIL)?;
        self.connections.insert((host, port, remote), Use::Open);
        Ok(port)
    }

    /// Releases a connection's use of a port, unless the port is in TIME_WAIT.
    pub(crate) fn release(&mut self, host: HostId, port: u16, remote: SocketAddr) {
        if self.connections.get(&(host, port, remote)) == Some(&Use::Open) {
            self.connections.remove(&(host, port, remote));
        }
    }

    /// Keeps the port of a closed connection in TIME_WAIT until then.
    pub(crate) fn time_wait(&mut self, host: HostId, port: u16, remote: SocketAddr, until: SimTime) {
        self.connections.insert((host, port, remote), Use::TimeWait(until));
    }

    /// Every bound port in order, with the IP address that it is bound to.
    pub(crate) fn bound(&self) -> impl Iterator<Item = (Protocol, HostId, u16, Option<IpAddr>)> {
        let mut all: Vec<_> = self.bound.iter().collect();
        all.sort_unstable_by_key(|&(at, _)| at);
        all.into_iter().flat_map(|(&(protocol, host, port), bound)| {
            bound.iter().map(move |bound| (protocol, host, port, bound.ip))
        })
    }

    /// The connections in TIME_WAIT.
    pub(crate) fn in_time_wait(&self, now: SimTime) -> impl Iterator<Item = (HostId, u16, SocketAddr)> {
        let all = self.connections.iter();
        let in_time_wait =
            all.filter(move |(_, used)| matches!(used, Use::TimeWait(_)) && !used.is_over(now));
        in_time_wait.map(|(&connection, _)| connection)
    }

    /// Returns the next free port after the last ephemeral one that was chosen.
    fn ephemeral(&mut self, host: HostId, free: impl Fn(&Ports, u16) -> bool) -> Option<u16> {
        let last = self.last.get(&host).copied().unwrap_or(*EPHEMERAL.end());
        let later = last.saturating_add(1).max(*EPHEMERAL.start())..=*EPHEMERAL.end();
        let port = later.chain(*EPHEMERAL.start()..=last).find(|&port| free(self, port))?;
        self.last.insert(host, port);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId(0);
    const NOW: SimTime = SimTime::ZERO;

    fn remote() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], 80))
    }

    fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
        result.expect_err("an error").kind()
    }

    #[test]
    fn a_wildcard_bind_takes_the_port_at_every_address() {
        let mut ports = Ports::default();
        let mut bind = |ip: Option<[u8; 4]>, port| {
            let at = (ip.map(IpAddr::from), port);
            ports.bind(Protocol::Stream, HOST, at, true, NOW, Arc::new(Reserved))
        };
        bind(Some([127, 0, 0, 1]), 80).unwrap();
        bind(Some([10, 0, 0, 1]), 80).unwrap();
        assert_eq!(kind(bind(Some([10, 0, 0, 1]), 80)), io::ErrorKind::AddrInUse);
        assert_eq!(kind(bind(None, 80)), io::ErrorKind::AddrInUse);
        assert_eq!(bind(None, 0).unwrap(), 32_768);
        assert_eq!(bind(None, 0).unwrap(), 32_769);
        assert_eq!(bind(None, u16::MAX).unwrap(), u16::MAX);
    }

    /// 28,232 ports from 32,768 to 60,999 towards one address; ports in TIME_WAIT are free again
    /// after a minute.
    #[test]
    fn connections_to_one_address_exhaust_ephemeral_ports() {
        let mut ports = Ports::default();
        for _ in EPHEMERAL {
            let port = ports.connect(HOST, 0, remote(), NOW).unwrap();
            ports.time_wait(HOST, port, remote(), NOW + TIME_WAIT);
        }
        assert_eq!(kind(ports.connect(HOST, 0, remote(), NOW)), io::ErrorKind::AddrNotAvailable);
        assert_eq!(ports.in_time_wait(NOW).count(), 28_232);
        let elsewhere = SocketAddr::from(([10, 0, 0, 3], 80));
        ports.connect(HOST, 0, elsewhere, NOW).unwrap();
        ports.connect(HOST, 0, remote(), NOW + TIME_WAIT).unwrap();
    }

    #[test]
    fn a_port_in_time_wait_is_bound_again_only_with_reuse() {
        let mut ports = Ports::default();
        let port = ports.connect(HOST, 0, remote(), NOW).unwrap();
        ports.time_wait(HOST, port, remote(), NOW + TIME_WAIT);
        ports.release(HOST, port, remote());
        let mut bind = |reuse, now| {
            let bound = ports.bind(Protocol::Stream, HOST, (None, port), reuse, now, Arc::new(Reserved));
            ports.unbind(Protocol::Stream, HOST, (None, port));
            bound
        };
        assert_eq!(kind(bind(false, NOW)), io::ErrorKind::AddrInUse);
        bind(true, NOW).unwrap();
        bind(false, NOW + TIME_WAIT).unwrap();
    }
}
