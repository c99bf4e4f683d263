//! Multicast groups of UDP sockets.
//!
//! A network namespace is a member of a group while one of its sockets is, and each of its sockets
//! that is bound to the port receives the group's datagrams (Linux: `IP_MULTICAST_ALL`). A group is
//! joined over one interface: `eth0` for datagrams of other hosts, or `lo` for datagrams that a
//! socket of the own namespace sends from 127.0.0.1.

use crate::error::{EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV, ENOPROTOOPT};
use crate::ip_options::Interface;
use crate::socket_pair::lock;
use crate::udp::socket::{Membership, UdpSocket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many groups of IPv4 a socket can join (Linux: `net.ipv4.igmp_max_memberships`).
const MEMBERSHIPS: usize = 20;

impl UdpSocket {
    /// Joins a group of IPv4 over the interface that has this address; the unspecified one is
    /// `eth0`.
    ///
    /// # Errors
    ///
    /// EINVAL if it is no multicast address; ENODEV if the host has no such address; EADDRINUSE if
    /// the socket has joined the group already; ENOBUFS for more than 20 groups.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        if !multiaddr.is_multicast() {
            return Err(EINVAL.into());
        }
        let over = self.interface_of(interface).ok_or(ENODEV)?;
        self.join(Membership { group: multiaddr.into(), over })
    }

    /// Joins a group of IPv6 over the interface with this index; 0 is `eth0`.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::join_multicast_v4`], without the limit; ENOPROTOOPT on a socket for IPv4.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.check_v6_group(multiaddr)?;
        let over = Interface::from_index(interface)?;
        self.join(Membership { group: (*multiaddr).into(), over })
    }

    fn join(&self, membership: Membership) -> io::Result<()> {
        let Membership { group, over } = membership;
        let mut memberships = lock(&self.memberships);
        if memberships.contains(&membership) {
            return Err(EADDRINUSE.into());
        }
        let of_v4 = memberships.iter().filter(|other| other.group.is_ipv4()).count();
        if group.is_ipv4() && of_v4 == MEMBERSHIPS {
            return Err(ENOBUFS.into());
        }
        self.host.shared().lock().join_group(self.host.id, group, over);
        memberships.push(membership);
        Ok(())
    }

    /// Leaves a group of IPv4 that was joined over the interface that has this address; the
    /// unspecified one is `eth0`.
    ///
    /// # Errors
    ///
    /// EADDRNOTAVAIL if the socket has not joined it.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let (group, over) = (IpAddr::from(multiaddr), self.interface_of(interface));
        self.leave(|joined| joined.group == group && over == Some(joined.over))
    }

    fn interface_of(&self, ip: Ipv4Addr) -> Option<Interface> {
        match ip {
            ip if ip.is_unspecified() => Some(Interface::Network),
            ip if ip.is_loopback() => Some(Interface::Loopback),
            ip => self.host.shared().is_local(self.host.id, ip.into()).then_some(Interface::Network),
        }
    }

    /// Leaves a group of IPv6 that was joined over the interface with this index; 0 is any.
    ///
    /// # Errors
    ///
    /// EINVAL if it is no multicast address; EADDRNOTAVAIL if the socket has not joined it;
    /// ENOPROTOOPT on a socket for IPv4.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.check_v6_group(multiaddr)?;
        let (group, over) = (IpAddr::from(*multiaddr), Interface::from_index(interface).ok());
        self.leave(|joined| joined.group == group && (interface == 0 || over == Some(joined.over)))
    }

    fn leave(&self, is_meant: impl Fn(&Membership) -> bool) -> io::Result<()> {
        let mut memberships = lock(&self.memberships);
        let index = memberships.iter().rposition(is_meant).ok_or(EADDRNOTAVAIL)?;
        let Membership { group, over } = memberships.remove(index);
        self.host.shared().lock().leave_group(self.host.id, group, over);
        Ok(())
    }

    fn check_v6_group(&self, group: &Ipv6Addr) -> io::Result<()> {
        if !self.options().ip.is_v6() {
            return Err(ENOPROTOOPT.into());
        }
        if group.is_multicast() { Ok(()) } else { Err(EINVAL.into()) }
    }

    /// Whether the sender's own host receives its datagrams to IPv4 groups. Default: `true`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        Ok(self.options().loop_v4)
    }

    /// Sets whether the sender's own host receives its datagrams to IPv4 groups
    /// (`IP_MULTICAST_LOOP`). The loopback interface always delivers them.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.options().loop_v4 = on;
        Ok(())
    }

    /// Whether the sender's own host receives its datagrams to IPv6 groups. Default: `true`.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP on a socket for IPv4.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.options().loop_v6()
    }

    /// Sets whether the sender's own host receives its datagrams to IPv6 groups
    /// (`IPV6_MULTICAST_LOOP`). The loopback interface always delivers them.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT on a socket for IPv4.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.options().set_loop_v6(on)
    }

    /// The TTL of datagrams to a multicast group of IPv4. Default: 1.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        Ok(self.options().multicast_ttl())
    }

    /// Sets the TTL of datagrams to a multicast group of IPv4 (`IP_MULTICAST_TTL`), 0 to 255: with
    /// 0 they do not leave the host, with 1 they reach the hosts of the sender's zone, with more
    /// those of other zones too. Datagrams to a group of IPv6 reach the hosts of the zone.
    ///
    /// # Errors
    ///
    /// EINVAL for other values.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.options().set_multicast_ttl(ttl)
    }
}
