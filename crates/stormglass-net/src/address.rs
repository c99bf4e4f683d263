//! How hosts and their ports are named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host's number on its network, from 0, in the order in which hosts are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostId(pub(crate) u32);

impl HostId {
    /// The host's default IPv4 address: the next of `10.0.0.0/8`, from `10.0.0.1`.
    pub(crate) fn v4(self) -> Ipv4Addr {
        let [_, a, b, c] = (self.0 + 1).to_be_bytes();
        Ipv4Addr::new(10, a, b, c)
    }

    /// The host's default IPv6 address: the same number in `fd00::/8`.
    pub(crate) fn v6(self) -> Ipv6Addr {
        Ipv6Addr::from((0xfd << 120) | u128::from(self.0 + 1))
    }
}

/// The number of a network namespace: that of its first host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NamespaceId(pub(crate) u32);

/// Whether an address means every host: 255.255.255.255, and the last address of the hosts'
/// network and of loopback, 10.255.255.255 and 127.255.255.255.
pub(crate) fn is_broadcast(ip: IpAddr) -> bool {
    let broadcast = |ip: Ipv4Addr| ip.is_broadcast() || matches!(ip.octets(), [10 | 127, 255, 255, 255]);
    matches!(ip.to_canonical(), IpAddr::V4(ip) if broadcast(ip))
}

/// A host and a port on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub(crate) host: HostId,
    /// The port.
    pub port: u16,
}
