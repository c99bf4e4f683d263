//! TCP's retransmission timeouts: how long a kernel waits before it sends a lost segment again.
//! Plain structs without clock.

use crate::error::ETIMEDOUT;
use std::io;
use std::time::Duration;

/// The retransmission timeout (RTO) of an established connection.
///
/// RFC 6298 with Linux's values: the first timeout is a round trip and `TCP_RTO_MIN` (Linux's
/// estimate of the variance is never below that), each later one is twice as long, up to
/// `TCP_RTO_MAX`; after `tcp_retries2` timeouts the connection is broken.
#[derive(Clone, Debug)]
pub(crate) struct RetransmissionTimeout {
    attempts: u32,
}

const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);
const RETRIES: u32 = 15;

impl RetransmissionTimeout {
    pub(crate) fn new() -> RetransmissionTimeout {
        RetransmissionTimeout { attempts: 0 }
    }

    /// Returns the next timeout, given the round trip time.
    ///
    /// # Errors
    ///
    /// `TimedOut` after `tcp_retries2` timeouts.
    pub(crate) fn next(&mut self, round_trip: Duration) -> io::Result<Duration> {
        if self.attempts == RETRIES {
            return Err(ETIMEDOUT.into());
        }
        self.attempts += 1;
        Ok((round_trip + RTO_MIN).saturating_mul(1 << (self.attempts - 1)).min(RTO_MAX))
    }
}

/// The retransmission timeout of a SYN: 1 s, 2 s, 4 s, .. (RFC 6298). After `tcp_syn_retries`
/// retransmissions the kernel waits for one more timeout, and gives up.
#[derive(Clone, Debug)]
pub(crate) struct SynTimeout {
    attempts: u32,
}

const SYN_RTO: Duration = Duration::from_secs(1);
const SYN_RETRIES: u32 = 6;

impl SynTimeout {
    pub(crate) fn new() -> SynTimeout {
        SynTimeout { attempts: 0 }
    }

    /// Returns the next timeout: until the next SYN, or until the kernel gives up.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the last timeout.
    pub(crate) fn next(&mut self) -> io::Result<Duration> {
        if self.attempts > SYN_RETRIES {
            return Err(ETIMEDOUT.into());
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
    fn connecting_times_out_after_127_seconds() {
        let mut timeout = SynTimeout::new();
        let waits: Vec<u64> = std::iter::from_fn(|| timeout.next().ok()).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(timeout.next().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// The documentation of `tcp_retries2` gives 924.6 s for 15 retries and the timeout after the
    /// last, with an RTO of 200 ms: 0.2 · (2¹⁰ − 1) = 204.6 s, and 6 times 120 s. This model gives
    /// up when the 16th timeout would begin: 120 s earlier.
    #[test]
    fn a_connection_breaks_after_a_quarter_of_an_hour() {
        let mut timeouts = RetransmissionTimeout::new();
        let total: Duration = std::iter::from_fn(|| timeouts.next(MS(0)).ok()).sum();
        assert_eq!(total, MS(804_600));
        assert_eq!(RetransmissionTimeout::new().next(MS(100)).unwrap(), MS(300));
    }
}
