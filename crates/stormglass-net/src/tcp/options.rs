//! The options of a TCP socket, as data. An accepted stream inherits its listener's.

use crate::ip_options::IpOptions;
use std::time::Duration;

/// What a new TCP socket reports as the sizes of its buffers (Linux: the middle values of
/// `net.ipv4.tcp_wmem` and `tcp_rmem`). The kernel enlarges them on demand, up to
/// [`crate::NetProfile::send_buffer`] and [`crate::NetProfile::receive_buffer`].
const REPORTED: (u32, u32) = (16_384, 131_072);

/// The smallest sizes that the kernel sets (Linux: `SOCK_MIN_SNDBUF`, `SOCK_MIN_RCVBUF`).
const SMALLEST: (u32, u32) = (4_608, 2_304);

/// The largest size that a program may ask for (Linux 6.18: `net.core.wmem_max`, `rmem_max`).
const LARGEST: u32 = 4 << 20;

/// The options of a TCP socket.
#[derive(Clone, Debug)]
pub(crate) struct TcpOptions {
    pub(crate) ip: IpOptions,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) keepalive: bool,
    pub(crate) no_delay: bool,
    pub(crate) quick_ack: bool,
    /// Whole seconds.
    linger: Option<u32>,
    pub(crate) send_buffer: Buffer,
    pub(crate) receive_buffer: Buffer,
}

impl TcpOptions {
    /// The options of a new socket.
    pub(crate) fn new(v6: bool) -> TcpOptions {
        TcpOptions {
            ip: IpOptions::stream(v6),
            reuse_address: false,
            reuse_port: false,
            keepalive: false,
            no_delay: false,
            quick_ack: true,
            linger: None,
            send_buffer: Buffer { reported: REPORTED.0, smallest: SMALLEST.0, is_set: false },
            receive_buffer: Buffer { reported: REPORTED.1, smallest: SMALLEST.1, is_set: false },
        }
    }

    pub(crate) fn linger(&self) -> Option<Duration> {
        self.linger.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Sets `SO_LINGER`; the kernel counts whole seconds.
    pub(crate) fn set_linger(&mut self, linger: Option<Duration>) {
        self.linger = linger.map(|linger| u32::try_from(linger.as_secs()).unwrap_or(u32::MAX));
    }

    /// Whether closing sends an RST.
    pub(crate) fn is_zero_linger(&self) -> bool {
        self.linger == Some(0)
    }
}

/// The size of one of a socket's buffers.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    /// As the kernel reports it: twice the bytes of data, since it includes the bookkeeping.
    reported: u32,
    smallest: u32,
    is_set: bool,
}

impl Buffer {
    pub(crate) fn reported(&self) -> u32 {
        self.reported
    }

    pub(crate) fn set(&mut self, bytes: u32) {
        self.reported = (bytes.min(LARGEST) * 2).max(self.smallest);
        self.is_set = true;
    }

    /// The bytes of data that fit, if the program has set the size.
    pub(crate) fn bytes(&self) -> Option<u32> {
        self.is_set.then_some(self.reported / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_doubles_and_bounds_a_buffer() {
        let mut options = TcpOptions::new(false);
        assert_eq!((options.send_buffer.reported(), options.receive_buffer.reported()), (16_384, 131_072));
        assert_eq!(options.send_buffer.bytes(), None);
        for (set, send, receive) in
            [(1, 4_608, 2_304), (4_096, 8_192, 8_192), (i32::MAX as u32, 8_388_608, 8_388_608)]
        {
            options.send_buffer.set(set);
            options.receive_buffer.set(set);
            assert_eq!((options.send_buffer.reported(), options.receive_buffer.reported()), (send, receive));
        }
        assert_eq!(options.send_buffer.bytes(), Some(4 << 20));
    }
}
