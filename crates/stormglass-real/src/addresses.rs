//! A part of the loopback network for each test: 127.A.B.1 to 127.A.B.254.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};

/// The port whose socket keeps others from the same part.
const LOCK: u16 = 61999;

/// A part of the loopback network that no other test has, while this exists.
#[derive(Debug)]
pub(crate) struct Addresses {
    first: [u8; 3],
    used: AtomicU8,
    _lock: UdpSocket,
}

impl Addresses {
    /// Finds a free part, from one on that the process number names.
    ///
    /// # Errors
    ///
    /// If no part is free, or the machine has no loopback network: what the system said.
    pub(crate) fn reserve() -> io::Result<Addresses> {
        let start = process::id();
        let mut problem = None;
        for try_ in 0..4096 {
            // 127.0 and 127.255 are the machine's own.
            let [.., high, low] = (start.wrapping_mul(2_654_435_761).wrapping_add(try_)).to_be_bytes();
            let first = [127, 1 + high % 254, low];
            let [a, b, c] = first;
            match UdpSocket::bind((Ipv4Addr::new(a, b, c, 255), LOCK)) {
                Ok(lock) => return Ok(Addresses { first, used: AtomicU8::new(0), _lock: lock }),
                Err(error) => problem = Some(error),
            }
        }
        Err(problem.expect("4096 parts were tried"))
    }

    /// Returns an address that no other node of this test has.
    ///
    /// # Panics
    ///
    /// After 250.
    pub(crate) fn next(&self) -> Ipv4Addr {
        let number = self.used.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(number <= 250, "a test without simulation has at most 250 nodes");
        let [a, b, c] = self.first;
        Ipv4Addr::new(a, b, c, number)
    }
}

/// Whether two addresses are of the same part.
pub(crate) fn is_of_same_test(one: Ipv4Addr, other: Ipv4Addr) -> bool {
    one.octets()[..3] == other.octets()[..3]
}
