//! How patient TCP is: the waits before something lost is sent again. Plain structs without clock.

use std::io;
use std::time::Duration;

/// Waits of an established connection.
///
/// RFC 6298 with Linux's figures: the first is a round trip and `TCP_RTO_MIN` (its estimate of the variance is never below
/// that), each later one twice as long, up to `TCP_RTO_MAX`; after `tcp_retries2` the connection is broken.
#[derive(Clone, Debug)]
pub(crate) struct Retransmission {
    attempts: u32,
}

const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);
const RETRIES: u32 = 15;

impl Retransmission {
    pub(crate) fn new() -> Retransmission {
        Retransmission { attempts: 0 }
    }

    /// The next wait.
    ///
    /// # Errors
    ///
    /// `TimedOut` when there have been too many.
    pub(crate) fn next(&mut self, round_trip: Duration) -> io::Result<Duration> {
        if self.attempts == RETRIES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.attempts += 1;
        Ok((round_trip + RTO_MIN).saturating_mul(1 << (self.attempts - 1)).min(RTO_MAX))
    }
}

/// Waits of a connection that is being made: 1 s, 2 s, 4 s, .. (RFC 6298), `tcp_syn_retries` of them and the last for nothing.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    attempts: u32,
}

const SYN_RTO: Duration = Duration::from_secs(1);
const SYN_RETRIES: u32 = 6;

impl Handshake {
    pub(crate) fn new() -> Handshake {
        Handshake { attempts: 0 }
    }

    /// The next wait: until the next attempt, or until the kernel gives up.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the last attempt has been waited for.
    pub(crate) fn next(&mut self) -> io::Result<Duration> {
        if self.attempts > SYN_RETRIES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.attempts += 1;
        Ok(SYN_RTO * (1 << (self.attempts - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// 1 + 2 + 4 + 8 + 16 + 32 + 64 = 127 s.
    #[test]
    fn connecting_gives_up_after_127_seconds() {
        let mut handshake = Handshake::new();
        let waits: Vec<u64> =
            std::iter::from_fn(|| handshake.next().ok()).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(handshake.next().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// The documentation of `tcp_retries2` gives 924.6 s for 15 retries and the wait after the last, with an RTO of 200 ms: 0.2 ·
    /// (2¹⁰ − 1) = 204.6 s, and 6 times 120 s. Ours gives up when the 16th wait would begin: 120 s earlier.
    #[test]
    fn a_connection_is_broken_after_a_quarter_of_an_hour() {
        let mut waits = Retransmission::new();
        let total: Duration = std::iter::from_fn(|| waits.next(MS(0)).ok()).sum();
        assert_eq!(total, MS(804_600));
        assert_eq!(Retransmission::new().next(MS(100)).unwrap(), MS(300));
    }
}
