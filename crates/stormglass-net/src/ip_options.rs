//! The options of IP that a socket has, and what the kernel makes of the values. tokio passes a
//! `u32` to the kernel, which reads an `int`.

use crate::error::{EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP};
use std::io;

/// The default TTL (Linux: `net.ipv4.ip_default_ttl`).
const DEFAULT_TTL: u8 = 64;

/// The bits of the traffic class that a TCP socket's owner cannot set: explicit congestion
/// notification (Linux: `INET_ECN_MASK`).
const ECN: u8 = 3;

/// The network interfaces that a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Interface {
    /// `lo`, with the index 1.
    Loopback,
    /// `eth0`, with the index 2.
    Network,
}

impl Interface {
    fn name(self) -> &'static [u8] {
        match self {
            Interface::Loopback => b"lo",
            Interface::Network => b"eth0",
        }
    }

    /// Returns the interface of an index; 0 leaves the choice to the kernel.
    ///
    /// # Errors
    ///
    /// ENODEV.
    pub(crate) fn from_index(index: u32) -> io::Result<Interface> {
        match index {
            1 => Ok(Interface::Loopback),
            0 | 2 => Ok(Interface::Network),
            _ => Err(ENODEV.into()),
        }
    }
}

/// The options of IP of one socket.
#[derive(Clone, Debug)]
pub(crate) struct IpOptions {
    v6: bool,
    /// Whether this is a TCP socket.
    stream: bool,
    ttl: u8,
    tos: u8,
    tclass: u8,
    /// The only interface that the socket uses.
    device: Option<Interface>,
}

impl IpOptions {
    /// The options of a new TCP socket.
    pub(crate) fn stream(v6: bool) -> IpOptions {
        IpOptions { v6, stream: true, ttl: DEFAULT_TTL, tos: 0, tclass: 0, device: None }
    }

    /// The options of a new UDP socket.
    pub(crate) fn datagram(v6: bool) -> IpOptions {
        IpOptions { stream: false, ..IpOptions::stream(v6) }
    }

    /// Whether it is a socket for IPv6.
    pub(crate) fn is_v6(&self) -> bool {
        self.v6
    }

    pub(crate) fn ttl(&self) -> u32 {
        self.ttl.into()
    }

    /// Sets `IP_TTL`: 1 to 255, or -1 for the default.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn set_ttl(&mut self, ttl: u32) -> io::Result<()> {
        self.ttl = match ttl as i32 {
            -1 => DEFAULT_TTL,
            ttl @ 1..=255 => ttl as u8,
            _ => return Err(EINVAL.into()),
        };
        Ok(())
    }

    pub(crate) fn tos(&self) -> u32 {
        self.tos.into()
    }

    /// Sets `IP_TOS`. The kernel takes the low 8 bits, of which two are TCP's own.
    pub(crate) fn set_tos(&mut self, tos: u32) {
        self.tos = self.without_ecn(tos as u8);
    }

    /// Returns `IPV6_TCLASS`.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP on a socket for IPv4.
    pub(crate) fn tclass(&self) -> io::Result<u32> {
        if self.v6 { Ok(self.tclass.into()) } else { Err(EOPNOTSUPP.into()) }
    }

    /// Sets `IPV6_TCLASS`: 0 to 255, or -1 for 0.
    ///
    /// # Errors
    ///
    /// ENOPROTOOPT on a socket for IPv4; EINVAL.
    pub(crate) fn set_tclass(&mut self, tclass: u32) -> io::Result<()> {
        if !self.v6 {
            return Err(ENOPROTOOPT.into());
        }
        self.tclass = match tclass as i32 {
            -1 => 0,
            tclass @ 0..=255 => self.without_ecn(tclass as u8),
            _ => return Err(EINVAL.into()),
        };
        Ok(())
    }

    fn without_ecn(&self, class: u8) -> u8 {
        if self.stream { class & !ECN } else { class }
    }

    /// The interface that the socket is bound to.
    pub(crate) fn interface(&self) -> Option<Interface> {
        self.device
    }

    /// Returns the name of the interface that the socket is bound to.
    pub(crate) fn device(&self) -> Option<Vec<u8>> {
        self.device.map(|device| device.name().to_vec())
    }

    /// Binds the socket to an interface; no name, or an empty one, unbinds it.
    ///
    /// # Errors
    ///
    /// ENODEV.
    pub(crate) fn set_device(&mut self, name: Option<&[u8]>) -> io::Result<()> {
        let name = name.unwrap_or_default();
        let interfaces = [Interface::Loopback, Interface::Network];
        self.device = match interfaces.into_iter().find(|interface| interface.name() == name) {
            None if !name.is_empty() => return Err(ENODEV.into()),
            found => found,
        };
        Ok(())
    }
}

/// Implements the methods of tokio's sockets for the options of IP. `$options` returns a guard
/// that dereferences to something with a field `ip`.
macro_rules! ip_option_methods {
    ($Socket:ident) => {
        impl $Socket {
            /// Returns the TTL of IPv4. Default: 64.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn ttl(&self) -> std::io::Result<u32> {
                Ok(self.options().ip.ttl())
            }

            /// Sets `IP_TTL`, 1 to 255. The simulated network has no routers that count it down.
            ///
            /// # Errors
            ///
            /// EINVAL for other values.
            pub fn set_ttl(&self, ttl: u32) -> std::io::Result<()> {
                self.options().ip.set_ttl(ttl)
            }
        }
    };
    ($Socket:ident, class) => {
        impl $Socket {
            /// Returns the type of service of IPv4. Default: 0.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn tos_v4(&self) -> std::io::Result<u32> {
                Ok(self.options().ip.tos())
            }

            /// As [`Self::tos_v4`].
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            #[deprecated(note = "renamed to `tos_v4`")]
            #[doc(hidden)]
            pub fn tos(&self) -> std::io::Result<u32> {
                self.tos_v4()
            }

            /// Sets `IP_TOS`, of which the kernel takes the low 8 bits, and TCP leaves out the two
            /// lowest. This changes nothing: all classes are served alike.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn set_tos_v4(&self, tos: u32) -> std::io::Result<()> {
                self.options().ip.set_tos(tos);
                Ok(())
            }

            /// As [`Self::set_tos_v4`].
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            #[deprecated(note = "renamed to `set_tos_v4`")]
            #[doc(hidden)]
            pub fn set_tos(&self, tos: u32) -> std::io::Result<()> {
                self.set_tos_v4(tos)
            }

            /// Returns the traffic class of IPv6. Default: 0.
            ///
            /// # Errors
            ///
            /// EOPNOTSUPP on a socket for IPv4.
            pub fn tclass_v6(&self) -> std::io::Result<u32> {
                self.options().ip.tclass()
            }

            /// Sets `IPV6_TCLASS`, 0 to 255. This changes nothing: all classes are served alike.
            ///
            /// # Errors
            ///
            /// EINVAL for other values; ENOPROTOOPT on a socket for IPv4.
            pub fn set_tclass_v6(&self, tclass: u32) -> std::io::Result<()> {
                self.options().ip.set_tclass(tclass)
            }

            /// Returns the name of the interface that the socket is bound to.
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn device(&self) -> std::io::Result<Option<Vec<u8>>> {
                Ok(self.options().ip.device())
            }

            /// Binds the socket to an interface (`SO_BINDTODEVICE`); `None` unbinds it. A host has
            /// `lo`, over which a socket reaches the own host alone, and `eth0`.
            ///
            /// # Errors
            ///
            /// ENODEV for other names.
            pub fn bind_device(&self, interface: Option<&[u8]>) -> std::io::Result<()> {
                self.options().ip.set_device(interface)
            }
        }
    };
}
pub(crate) use ip_option_methods;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;

    #[test]
    fn values_are_those_that_the_kernel_makes_of_them() {
        let (mut tcp, mut udp) = (IpOptions::stream(true), IpOptions::datagram(true));
        for (set, on_tcp, on_udp) in [(96, 96, 96), (255, 252, 255), (256, 0, 0), (3, 0, 3)] {
            tcp.set_tos(set);
            udp.set_tos(set);
            assert_eq!((tcp.tos(), udp.tos()), (on_tcp, on_udp));
        }
        for (set, ttl) in [(1, 1), (255, 255), (u32::MAX, 64)] {
            tcp.set_ttl(set).unwrap();
            assert_eq!(tcp.ttl(), ttl);
        }
        for ttl in [0, 256, u32::MAX - 1] {
            assert_eq!(Errno::of(&tcp.set_ttl(ttl).unwrap_err()), Some(EINVAL));
        }
        udp.set_tclass(3).unwrap();
        assert_eq!(udp.tclass().unwrap(), 3);
        udp.set_tclass(u32::MAX).unwrap();
        assert_eq!(udp.tclass().unwrap(), 0);
        let v4 = IpOptions::stream(false);
        assert_eq!(Errno::of(&v4.tclass().unwrap_err()), Some(EOPNOTSUPP));
    }
}
