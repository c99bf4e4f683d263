//! The options of a UDP socket, as data.

use crate::error::{EINVAL, ENOPROTOOPT, EOPNOTSUPP};
use crate::ip_options::IpOptions;
use std::io;

/// The default TTL of datagrams to a multicast group: they stay on the sender's network.
const MULTICAST_TTL: u8 = 1;

/// The options of a UDP socket.
#[derive(Clone, Debug)]
pub(crate) struct UdpOptions {
    pub(crate) ip: IpOptions,
    /// Whether the socket may send to a broadcast address (`SO_BROADCAST`).
    pub(crate) broadcast: bool,
    multicast_ttl: u8,
    /// Whether the sender's own host receives its datagrams to IPv4 groups.
    pub(crate) loop_v4: bool,
    loop_v6: bool,
}

impl UdpOptions {
    /// The options of a new socket.
    pub(crate) fn new(v6: bool) -> UdpOptions {
        UdpOptions {
            ip: IpOptions::datagram(v6),
            broadcast: false,
            multicast_ttl: MULTICAST_TTL,
            loop_v4: true,
            loop_v6: true,
        }
    }

    pub(crate) fn multicast_ttl(&self) -> u32 {
        self.multicast_ttl.into()
    }

    /// Sets `IP_MULTICAST_TTL`: 0 to 255, or -1 for the default.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn set_multicast_ttl(&mut self, ttl: u32) -> io::Result<()> {
        self.multicast_ttl = match ttl as i32 {
            -1 => MULTICAST_TTL,
            ttl @ 0..=255 => ttl as u8,
            _ => return Err(EINVAL.into()),
        };
        Ok(())
    }

    /// Returns `IPV6_MULTICAST_LOOP`.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP on a socket for IPv4.
    pub(crate) fn loop_v6(&self) -> io::Result<bool> {
        if self.ip.is_v6() { Ok(self.loop_v6) } else { Err(EOPNOTSUPP.into()) }
    }

    /// Sets `IPV6_MULTICAST_LOOP`.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT on a socket for IPv4.
    pub(crate) fn set_loop_v6(&mut self, on: bool) -> io::Result<()> {
        if !self.ip.is_v6() {
            return Err(ENOPROTOOPT.into());
        }
        self.loop_v6 = on;
        Ok(())
    }

    /// Whether the sender's own host receives its datagrams to groups.
    pub(crate) fn loops(&self, v6: bool) -> bool {
        if v6 { self.loop_v6 } else { self.loop_v4 }
    }
}
