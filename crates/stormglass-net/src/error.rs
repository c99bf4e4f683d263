//! Linux's error numbers, which simulated failures carry.
//!
//! A failure that std or tokio make without the kernel has no number here either: `WouldBlock` of
//! an operation that does not wait, `UnexpectedEof`, `WriteZero`, tokio's `InvalidInput`, failed
//! name lookups.

use std::fmt;
use std::io;

/// An error number of Linux. As an [`io::Error`] it has std's kind and text for the number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(i32);

/// Defines the numbers that this crate uses (Linux: `include/uapi/asm-generic/errno-base.h` and
/// `errno.h`).
macro_rules! errno {
    ($($name:ident = $number:literal, $meaning:literal;)+) => {
        $(
            #[doc = $meaning]
            pub(crate) const $name: Errno = Errno($number);
        )+

        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match *self {
                    $($name => stringify!($name),)+
                    Errno(other) => return write!(f, "Errno({other})"),
                })
            }
        }
    };
}

errno! {
    EPERM = 1, "A datagram socket that is connected to another one.";
    ENOENT = 2, "No file has this name.";
    ENXIO = 6, "A FIFO without a reader, or a file that cannot be opened.";
    EAGAIN = 11, "The backlog of a Unix listener is full.";
    EACCES = 13, "A datagram to a broadcast address without `SO_BROADCAST`.";
    ENODEV = 19, "No network interface has this name, index or address.";
    EINVAL = 22, "A socket that is bound already.";
    EMFILE = 24, "The process has as many descriptors as its limit allows.";
    ENOSPC = 28, "No automatic name of a Unix socket is left.";
    EPIPE = 32, "Nothing can be sent any more.";
    EDESTADDRREQ = 89, "A datagram without a destination.";
    EMSGSIZE = 90, "A datagram that is too long.";
    EPROTOTYPE = 91, "A Unix socket of another type.";
    ENOPROTOOPT = 92, "An option of the other IP version, when it is set.";
    EOPNOTSUPP = 95, "An option of the other IP version, when it is read.";
    EAFNOSUPPORT = 97, "An address of the other IP version.";
    EADDRINUSE = 98, "Another socket has the address.";
    EADDRNOTAVAIL = 99, "An address of another host, or no ephemeral port is free.";
    ENETUNREACH = 101, "A stream to a broadcast address.";
    ECONNRESET = 104, "The other end has sent an RST.";
    ENOBUFS = 105, "The socket is a member of too many multicast groups.";
    ENOTCONN = 107, "The socket has no peer.";
    ETIMEDOUT = 110, "Every retransmission was lost.";
    ECONNREFUSED = 111, "Nothing listens on the port.";
}

impl Errno {
    /// Returns the number of an error that the simulated kernel made; `None` for other errors.
    pub(crate) fn of(error: &io::Error) -> Option<Errno> {
        error.raw_os_error().map(Errno)
    }
}

impl From<Errno> for io::Error {
    fn from(Errno(number): Errno) -> io::Error {
        io::Error::from_raw_os_error(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds that std gives to the numbers show that they are the right ones.
    #[test]
    fn numbers_are_those_of_linux() {
        for (number, kind) in [
            (ENOENT, io::ErrorKind::NotFound),
            (EAGAIN, io::ErrorKind::WouldBlock),
            (EACCES, io::ErrorKind::PermissionDenied),
            (EINVAL, io::ErrorKind::InvalidInput),
            (EPIPE, io::ErrorKind::BrokenPipe),
            (EADDRINUSE, io::ErrorKind::AddrInUse),
            (EADDRNOTAVAIL, io::ErrorKind::AddrNotAvailable),
            (ENETUNREACH, io::ErrorKind::NetworkUnreachable),
            (ECONNRESET, io::ErrorKind::ConnectionReset),
            (ENOTCONN, io::ErrorKind::NotConnected),
            (ETIMEDOUT, io::ErrorKind::TimedOut),
            (ECONNREFUSED, io::ErrorKind::ConnectionRefused),
        ] {
            assert_eq!(io::Error::from(number).kind(), kind, "{number:?}");
        }
        // std has no kind for these.
        for (number, text) in [
            (EDESTADDRREQ, "Destination address required (os error 89)"),
            (EMSGSIZE, "Message too long (os error 90)"),
            (EAFNOSUPPORT, "Address family not supported by protocol (os error 97)"),
        ] {
            assert_eq!(io::Error::from(number).to_string(), text);
        }
    }
}
