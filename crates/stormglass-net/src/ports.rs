//! The ports of all network namespaces: bound, used by connections, in TIME_WAIT. Plain data
//! without clock.

use crate::address::{HostId, NamespaceId};
use crate::ephemeral::{EphemeralPorts, Preference};
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
use stormglass_rt::Process;

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

/// The addresses of a namespace at which a port is bound or reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// All of them: the unspecified address.
    Any,
    Ip(IpAddr),
    /// Those of one host: where messages of any type are received.
    Host,
}

impl From<IpAddr> for At {
    fn from(ip: IpAddr) -> At {
        if ip.is_unspecified() { At::Any } else { At::Ip(ip) }
    }
}

/// The host that binds or reaches a port, and at which addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) namespace: NamespaceId,
    pub(crate) host: HostId,
    pub(crate) at: At,
}

/// What a socket shares its port with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reuse {
    /// Connections on the port, and sockets that have this option too and do not listen
    /// (`SO_REUSEADDR`).
    pub(crate) address: bool,
    /// Sockets that have this option too (`SO_REUSEPORT`).
    pub(crate) port: bool,
}

impl From<bool> for Reuse {
    fn from(address: bool) -> Reuse {
        Reuse { address, port: false }
    }
}

/// How long a connection that was closed keeps its ports (Linux: `TCP_TIMEWAIT_LEN`).
pub(crate) const TIME_WAIT: Duration = Duration::from_secs(60);

/// The ports of all network namespaces.
#[derive(Default)]
pub(crate) struct Ports {
    bound: IndexMap<(Protocol, NamespaceId, u16), Vec<Bound>, FxBuildHasher>,
    /// The number of the last binding.
    last_bound: u64,
    connections: BTreeMap<(NamespaceId, u16, SocketAddr), (HostId, Use)>,
    pub(crate) ephemeral: EphemeralPorts,
}

/// What is bound to a port.
pub(crate) struct Bound {
    pub(crate) host: HostId,
    pub(crate) at: At,
    pub(crate) owner: Owner,
    /// The process that has bound it. Nothing is bound any more once that has ended, even if its
    /// socket is still to be dropped.
    process: Process,
    reuse: Reuse,
    number: u64,
}

/// A port that was bound, and the number of the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) port: u16,
    number: u64,
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

impl Bound {
    /// Whether this and a binding at `site` of the same namespace exclude each other.
    fn excludes(&self, site: &Site) -> bool {
        match (self.at, site.at) {
            (At::Host, At::Host | At::Ip(_)) | (At::Ip(_), At::Host) => self.host == site.host,
            (At::Ip(bound), At::Ip(ip)) => bound == ip,
            (At::Any, _) | (_, At::Any) => true,
        }
    }

    /// Whether it and another socket share their port (Linux: `inet_bind_conflict`).
    fn shares(&self, reuse: Reuse) -> bool {
        self.reuse.port && reuse.port || self.reuse.address && reuse.address && !self.receives_any()
    }

    /// Whether it receives anything: a socket that is bound and does not listen does not.
    fn receives_any(&self) -> bool {
        !self.owner.is::<Reserved>()
    }

    /// Whether it is reached at `site` of the same namespace.
    fn receives(&self, site: &Site) -> bool {
        match (self.at, site.at) {
            (At::Host, _) => self.host == site.host,
            (At::Ip(bound), At::Ip(ip)) => bound == ip,
            (At::Any | At::Ip(_), _) => true,
        }
    }
}

impl Ports {
    /// Binds a port, or an ephemeral one if it is 0. The owners of ports whose processes have ended are moved to
    /// `released`.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub(crate) fn bind(
        &mut self,
        protocol: Protocol,
        site: Site,
        (port, reuse): (u16, Reuse),
        now: SimTime,
        (owner, process): (Owner, Process),
        released: &mut Vec<Owner>,
    ) -> io::Result<Binding> {
        let Site { namespace, host, at } = site;
        let port = match port {
            0 => {
                let preference = match protocol {
                    Protocol::Datagram => Preference::None,
                    Protocol::Stream => Preference::Odd,
                };
                let free = |port| !self.bound.contains_key(&(protocol, namespace, port));
                self.ephemeral.choose(namespace, preference, free).ok_or(EADDRINUSE)?
            }
            port => port,
        };
        let first = (namespace, port, SocketAddr::from(([0; 4], 0)));
        let mut connections =
            self.connections.range(first..).take_while(|(key, _)| (key.0, key.1) == (namespace, port));
        let in_connection = protocol == Protocol::Stream
            && !reuse.address
            && connections.any(|(_, (_, used))| !used.is_over(now));
        if in_connection {
            return Err(EADDRINUSE.into());
        }
        let bound = self.bound.entry((protocol, namespace, port)).or_default();
        let excludes = |bound: &Bound| bound.excludes(&site) && !bound.shares(reuse);
        while let Some(taken) = bound.iter().position(excludes) {
            if !bound[taken].process.check_ended() {
                return Err(EADDRINUSE.into());
            }
            released.push(bound.remove(taken).owner);
        }
        self.last_bound += 1;
        let number = self.last_bound;
        bound.push(Bound { host, at, owner, process, reuse, number });
        Ok(Binding { port, number })
    }

    /// Unbinds a port, unless it was released before, after the end of its process. Returns its
    /// owner, which the caller drops without the network's lock.
    pub(crate) fn unbind(
        &mut self,
        protocol: Protocol,
        namespace: NamespaceId,
        Binding { port, number }: Binding,
    ) -> Option<Owner> {
        let bound = self.bound.get_mut(&(protocol, namespace, port))?;
        let index = bound.iter().position(|bound| bound.number == number)?;
        let Bound { owner, .. } = bound.remove(index);
        if bound.is_empty() {
            self.bound.swap_remove(&(protocol, namespace, port));
        }
        Some(owner)
    }

    /// Returns what a port at `site` is bound to, unless its process is known to have ended. Of
    /// listeners that share the port (`SO_REUSEPORT`), `flow` selects one: the same for all
    /// segments of a connection.
    pub(crate) fn find(&self, protocol: Protocol, site: &Site, port: u16, flow: u64) -> Option<&Bound> {
        let bound = self.bound.get(&(protocol, site.namespace, port))?;
        let alive = || bound.iter().filter(|bound| bound.receives(site) && !bound.process.has_ended());
        let receiving = || alive().filter(|bound| bound.receives_any());
        match receiving().count() {
            0 => alive().next(),
            1 => receiving().next(),
            // Fibonacci hashing spreads ports that follow each other.
            many => {
                let hash = flow.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                receiving().nth((hash % many as u64) as usize)
            }
        }
    }

    /// Reserves a local port for a connection of a host to a remote address: this port, or an
    /// ephemeral one if it is 0. Returns the port.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if it has a connection to the same address, or no ephemeral port is
    /// free.
    pub(crate) fn connect(
        &mut self,
        (namespace, host): (NamespaceId, HostId),
        port: u16,
        remote: SocketAddr,
        now: SimTime,
    ) -> io::Result<u16> {
        let connections = &self.connections;
        let free =
            |port| connections.get(&(namespace, port, remote)).is_none_or(|(_, used)| used.is_over(now));
        let port = match port {
            0 => self.ephemeral.choose(namespace, Preference::Even, |port| {
                !self.bound.contains_key(&(Protocol::Stream, namespace, port)) && free(port)
            }),
            port => free(port).then_some(port),
        };
        let port = port.ok_or(EADDRNOTAVAIL)?;
        self.connections.insert((namespace, port, remote), (host, Use::Open));
        Ok(port)
    }

    /// Releases a connection's use of a port, unless the port is in TIME_WAIT.
    pub(crate) fn release(&mut self, namespace: NamespaceId, port: u16, remote: SocketAddr) {
        if let Some((_, Use::Open)) = self.connections.get(&(namespace, port, remote)) {
            self.connections.remove(&(namespace, port, remote));
        }
    }

    /// Keeps the port of a closed connection in TIME_WAIT until then.
    pub(crate) fn time_wait(
        &mut self,
        (namespace, host): (NamespaceId, HostId),
        port: u16,
        remote: SocketAddr,
        until: SimTime,
    ) {
        self.connections.insert((namespace, port, remote), (host, Use::TimeWait(until)));
    }

    /// Every bound port of a host, in order.
    pub(crate) fn bound(&self) -> Vec<(Protocol, HostId, u16)> {
        let all = self.bound.iter().flat_map(|(&(protocol, _, port), bound)| {
            bound.iter().map(move |bound| (protocol, bound.host, port))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    }

    /// The connections in TIME_WAIT.
    pub(crate) fn in_time_wait(&self, now: SimTime) -> impl Iterator<Item = (HostId, u16, SocketAddr)> {
        let all = self.connections.iter();
        let in_time_wait =
            all.filter(move |(_, (_, used))| matches!(used, Use::TimeWait(_)) && !used.is_over(now));
        in_time_wait.map(|(&(_, port, remote), &(host, _))| (host, port, remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ephemeral::EPHEMERAL;

    const HERE: (NamespaceId, HostId) = (NamespaceId(0), HostId(0));
    const NOW: SimTime = SimTime::ZERO;

    fn remote() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], 80))
    }

    fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
        result.expect_err("an error").kind()
    }

    fn at(host: u32, at: At) -> Site {
        Site { namespace: NamespaceId(0), host: HostId(host), at }
    }

    fn ip(ip: [u8; 4]) -> At {
        At::Ip(ip.into())
    }

    fn bind(ports: &mut Ports, site: Site, port: u16, reuse: bool, now: SimTime) -> io::Result<Binding> {
        bind_owner(ports, site, port, reuse.into(), now, Arc::new("a listener"))
    }

    fn bind_owner(
        ports: &mut Ports,
        site: Site,
        port: u16,
        reuse: Reuse,
        now: SimTime,
        owner: Owner,
    ) -> io::Result<Binding> {
        let (owner, mut released) = ((owner, Process::current()), Vec::new());
        ports.bind(Protocol::Stream, site, (port, reuse), now, owner, &mut released)
    }

    #[test]
    fn sockets_share_a_port_if_both_ask_for_it() {
        let mut ports = Ports::default();
        let (none, address, port) =
            (Reuse::default(), Reuse::from(true), Reuse { address: false, port: true });
        let mut bind =
            |at_port, reuse, owner: Owner| bind_owner(&mut ports, at(0, At::Any), at_port, reuse, NOW, owner);
        bind(1, port, Arc::new("a listener")).unwrap();
        bind(1, port, Arc::new("another")).unwrap();
        assert_eq!(kind(bind(1, address, Arc::new("a third"))), io::ErrorKind::AddrInUse);
        bind(2, address, Arc::new(Reserved)).unwrap();
        bind(2, address, Arc::new(Reserved)).unwrap();
        assert_eq!(kind(bind(2, none, Arc::new(Reserved))), io::ErrorKind::AddrInUse);
        bind(2, address, Arc::new("a listener")).unwrap();
        assert_eq!(kind(bind(2, address, Arc::new(Reserved))), io::ErrorKind::AddrInUse);
        // The flows from a hundred ports reach both listeners.
        let found = |flow| {
            let found = ports.find(Protocol::Stream, &at(0, At::Any), 1, flow).unwrap();
            *found.owner.downcast_ref::<&str>().unwrap()
        };
        let first = (0..100).filter(|&flow| found(flow) == "a listener").count();
        assert!((20..=80).contains(&first), "{first} of 100");
        let found = ports.find(Protocol::Stream, &at(0, At::Any), 2, 0).unwrap();
        assert!(found.receives_any());
    }

    #[test]
    fn a_wildcard_bind_takes_the_port_at_every_address() {
        let mut ports = Ports::default();
        let mut bind = |site, port| bind(&mut ports, site, port, true, NOW).map(|binding| binding.port);
        bind(at(0, ip([127, 0, 0, 1])), 80).unwrap();
        bind(at(0, ip([10, 0, 0, 1])), 80).unwrap();
        assert_eq!(kind(bind(at(0, ip([10, 0, 0, 1])), 80)), io::ErrorKind::AddrInUse);
        assert_eq!(kind(bind(at(0, At::Any), 80)), io::ErrorKind::AddrInUse);
        assert_eq!(bind(at(0, At::Any), 0).unwrap(), 32_768);
        assert_eq!(bind(at(0, At::Any), 0).unwrap(), 32_769);
        assert_eq!(bind(at(0, At::Any), u16::MAX).unwrap(), u16::MAX);
    }

    /// Two hosts of one namespace share its addresses. A port for messages is bound at the
    /// addresses of its own host.
    #[test]
    fn hosts_of_a_namespace_share_its_ports() {
        let mut ports = Ports::default();
        let mut bind = |site, port| bind(&mut ports, site, port, true, NOW).map(drop);
        bind(at(0, ip([127, 0, 0, 1])), 80).unwrap();
        assert_eq!(kind(bind(at(1, ip([127, 0, 0, 1])), 80)), io::ErrorKind::AddrInUse);
        assert_eq!(kind(bind(at(1, At::Any), 80)), io::ErrorKind::AddrInUse);
        bind(at(1, ip([10, 0, 0, 2])), 80).unwrap();
        bind(at(0, At::Host), 81).unwrap();
        bind(at(1, At::Host), 81).unwrap();
        assert_eq!(kind(bind(at(1, At::Host), 81)), io::ErrorKind::AddrInUse);
        assert_eq!(kind(bind(at(2, At::Any), 81)), io::ErrorKind::AddrInUse);
        let found = ports.find(Protocol::Stream, &at(1, ip([127, 0, 0, 1])), 80, 0).unwrap();
        assert_eq!(found.host, HostId(0));
        let found = ports.find(Protocol::Stream, &at(1, At::Host), 81, 0).unwrap();
        assert_eq!(found.host, HostId(1));
        assert!(ports.find(Protocol::Stream, &at(2, At::Host), 81, 0).is_none());
    }

    /// 28,232 ports from 32,768 to 60,999 towards one address; ports in TIME_WAIT are free again
    /// after a minute.
    #[test]
    fn connections_to_one_address_exhaust_ephemeral_ports() {
        let mut ports = Ports::default();
        for _ in EPHEMERAL {
            let port = ports.connect(HERE, 0, remote(), NOW).unwrap();
            ports.time_wait(HERE, port, remote(), NOW + TIME_WAIT);
        }
        assert_eq!(kind(ports.connect(HERE, 0, remote(), NOW)), io::ErrorKind::AddrNotAvailable);
        assert_eq!(ports.in_time_wait(NOW).count(), 28_232);
        let elsewhere = SocketAddr::from(([10, 0, 0, 3], 80));
        ports.connect(HERE, 0, elsewhere, NOW).unwrap();
        ports.connect(HERE, 0, remote(), NOW + TIME_WAIT).unwrap();
    }

    #[test]
    fn a_port_in_time_wait_is_bound_again_only_with_reuse() {
        let mut ports = Ports::default();
        let port = ports.connect(HERE, 0, remote(), NOW).unwrap();
        ports.time_wait(HERE, port, remote(), NOW + TIME_WAIT);
        ports.release(HERE.0, port, remote());
        let mut bind = |reuse, now| {
            let bound = bind(&mut ports, at(0, At::Any), port, reuse, now);
            if let Ok(binding) = bound {
                ports.unbind(Protocol::Stream, HERE.0, binding);
            }
            bound
        };
        assert_eq!(kind(bind(false, NOW)), io::ErrorKind::AddrInUse);
        bind(true, NOW).unwrap();
        bind(false, NOW + TIME_WAIT).unwrap();
    }
}
