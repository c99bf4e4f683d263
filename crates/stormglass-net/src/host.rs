//! Hosts: created by name, mounted on madsim nodes, switched off.

use crate::address::{Address, HostId, is_broadcast};
use crate::bound_port::BoundPort;
use crate::error::EADDRNOTAVAIL;
use crate::location::Location;
use crate::network::{Network, Shared};
use crate::ports::{At, Owner, Protocol, Reuse};
use crate::power::Power;
use madsim::task::NodeId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use stormglass_rt as rt;

/// A host on the network.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) network: Network,
    pub(crate) id: HostId,
}

/// A host that is mounted on a node; dropping it unmounts the host.
pub type Mount = rt::Mount<Host>;

impl Network {
    /// Returns the host of this name; creates it on a machine and in a network namespace of its
    /// own if there is none.
    pub fn host(&self, name: &str) -> Host {
        self.host_at(name, Location::machine(name))
    }

    /// Returns the host of this name; creates it on this machine, in a network namespace of its
    /// own, if there is none. Hosts of one machine communicate at loopback's cost. An existing host
    /// keeps its location.
    pub fn host_on(&self, name: &str, machine: &str) -> Host {
        self.host_at(name, Location::machine(machine))
    }

    /// Returns the host of this name; creates it at this location if there is none. An existing
    /// host keeps its location.
    ///
    /// Its address is the next of `10.0.0.0/8`, from `10.0.0.1`, and the same number of
    /// `fd00::/8`.
    pub fn host_at(&self, name: &str, location: Location) -> Host {
        Host { network: self.clone(), id: self.shared.host(name, location) }
    }
}

impl Host {
    /// Returns the address of a port of this host.
    pub fn address(&self, port: u16) -> Address {
        Address { host: self.id, port }
    }

    /// The host's network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The host's name, which resolves to its address.
    pub fn name(&self) -> String {
        self.shared().name(self.id)
    }

    /// The host's IP address.
    pub fn ip(&self) -> IpAddr {
        self.shared().ip(self.id)
    }

    /// Gives the host one more address. From now on its name resolves to it, and it is the source
    /// address of what the host sends.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if another host has the address.
    pub fn set_ip(&self, ip: IpAddr) -> io::Result<()> {
        self.shared().set_ip(self.id, ip)
    }

    /// Mounts the host on the current node: [`crate::TcpStream`] and the other types that are
    /// named after tokio's use it on that node, across restarts of the node, until the guard is
    /// dropped.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn mount(&self) -> Mount {
        self.mount_on(rt::current_node())
    }

    /// Mounts the host on another node, as [`Host::mount`] does on the current one.
    pub fn mount_on(&self, node: NodeId) -> Mount {
        self.shared().mount(self.id, node);
        self.network.update_madsim_network();
        rt::mount(node, self.clone())
    }

    /// Returns the host that is mounted on the current node.
    ///
    /// # Errors
    ///
    /// `Unsupported` with [`NotMounted`] if there is none.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn current() -> io::Result<Host> {
        rt::mounted()
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, NotMounted(rt::current_node())))
    }

    /// Switches the host off until the guard is dropped: it sends nothing, not even a FIN, and
    /// nothing reaches it. Its peers' connections are half-open; when the host is on again, it
    /// answers their segments with a reset. This crate does not stop the host's tasks: kill its
    /// node while the power is off.
    pub fn power_off(&self) -> PowerOff {
        let power = self.shared().power(self.id);
        power.turn_off();
        self.network.update_madsim_network();
        PowerOff { network: self.network.clone(), power }
    }

    /// Binds an address of this host's namespace.
    pub(crate) fn bind_address(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        reuse: impl Into<Reuse>,
        owner: Owner,
    ) -> io::Result<BoundPort> {
        let shared = self.shared();
        if !shared.is_local(self.id, address.ip()) {
            return Err(EADDRNOTAVAIL.into());
        }
        let at = (self.id, address.ip().into());
        BoundPort::bind(shared, protocol, at, address.port(), reuse, owner)
    }

    /// Binds a port of this host's own addresses, for messages of any type.
    pub(crate) fn bind_port(
        &self,
        protocol: Protocol,
        port: u16,
        reuse: bool,
        owner: Owner,
    ) -> io::Result<BoundPort> {
        BoundPort::bind(self.shared(), protocol, (self.id, At::Host), port, reuse, owner)
    }

    /// Binds an address of this host's namespace, a multicast group or a broadcast address, for
    /// datagrams.
    pub(crate) fn bind_datagrams(&self, address: SocketAddr, owner: Owner) -> io::Result<BoundPort> {
        if address.ip().is_multicast() || is_broadcast(address.ip()) {
            let at = (self.id, address.ip().into());
            return BoundPort::bind(self.shared(), Protocol::Datagram, at, address.port(), false, owner);
        }
        self.bind_address(Protocol::Datagram, address, false, owner)
    }

    /// The source address that the host uses towards another address.
    pub(crate) fn source_towards(&self, there: IpAddr) -> IpAddr {
        let local = there.is_loopback() || there.is_unspecified();
        match there {
            IpAddr::V4(_) if local => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) if local => Ipv6Addr::LOCALHOST.into(),
            there => self.shared().source(self.id, there),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.network.shared
    }
}

/// No host is mounted on the current node. Inside an `io::Error` of the kind `Unsupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no host is mounted on {0}: call Host::mount there, or Host::mount_on with its id, and keep the guard"
)]
pub struct NotMounted(NodeId);

/// A host that is switched off; dropping the guard switches it on.
#[derive(Debug)]
#[must_use = "dropping the guard switches the host on"]
pub struct PowerOff {
    network: Network,
    power: Arc<Power>,
}

impl Drop for PowerOff {
    fn drop(&mut self) {
        self.power.turn_on();
        self.network.update_madsim_network();
    }
}
