//! The stall of Nagle's algorithm against delayed acknowledgements.
//!
//! A server that responds in two small segments (gRPC: headers and data, then trailers) without
//! `TCP_NODELAY` sends the second only after the first is acknowledged (RFC 896). The client's
//! kernel acknowledges at once, unless the connection is *interactive*: it has sent within 40 ms
//! of receiving. Then it delays the acknowledgement to send it with data, by 40 ms at most, after
//! which the connection is not interactive any more (Linux: `TCP_DELACK_MIN`,
//! `inet_csk_enter_pingpong_mode` in `tcp_event_data_sent`, `inet_csk_exit_pingpong_mode` in
//! `tcp_delack_timer_handler`). So of two calls in quick succession the second one's response is
//! late by 40 ms; of two calls far apart, neither. A request that is sent meanwhile carries the
//! acknowledgement and ends the stall.
//!
//! Measured in a Restate 1.7.12 cluster without slow syncs: a read followed by a write takes 44 to
//! 53 ms, and a refused call that is retried immediately 41 to 45 ms.

use std::time::Duration;
use stormglass_core::SimTime;

/// The client kernel's state of one connection. A plain struct without clock.
#[derive(Clone, Debug)]
pub(crate) struct DelayedAck {
    delay: Duration,
    received_last: Option<SimTime>,
    interactive: bool,
    /// When the delayed acknowledgement is sent, unless the client sends data before.
    delayed_until: Option<SimTime>,
}

impl DelayedAck {
    /// The state of a new connection. A delay of 0 s stands for `TCP_NODELAY` on the server.
    pub(crate) fn new(delay: Duration) -> DelayedAck {
        DelayedAck { delay, received_last: None, interactive: false, delayed_until: None }
    }

    /// The client sends a request. Returns whether it carries an acknowledgement that the server
    /// waits for.
    pub(crate) fn sent(&mut self, now: SimTime) -> bool {
        let carries_ack = self.delayed_until.take().is_some_and(|until| until > now);
        if carries_ack {
            (self.received_last, self.interactive) = (Some(now), true);
        }
        let recently = |last: SimTime| now.saturating_since(last) < self.delay;
        self.interactive |= self.received_last.is_some_and(recently);
        carries_ack
    }

    /// The first segment of a response arrives. Returns when the second one is sent, if it has to
    /// wait for a delayed acknowledgement. A response that arrives meanwhile waits behind it.
    pub(crate) fn received(&mut self, now: SimTime) -> Option<SimTime> {
        if self.delayed_until.is_none_or(|until| until <= now) {
            let delayed = std::mem::take(&mut self.interactive) && !self.delay.is_zero();
            self.delayed_until = delayed.then_some(now + self.delay);
            self.received_last = Some(self.delayed_until.unwrap_or(now));
        }
        self.delayed_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    #[test]
    fn the_second_of_two_calls_in_quick_succession_stalls() {
        let mut ack = DelayedAck::new(MS(40));
        ack.sent(AT(0));
        assert_eq!(ack.received(AT(1)), None, "the first response is acknowledged immediately");
        ack.sent(AT(2));
        assert_eq!(ack.received(AT(3)), Some(AT(43)), "the second is not");
        ack.sent(AT(100));
        assert_eq!(ack.received(AT(101)), None, "57 ms later the connection is not interactive");
    }

    #[test]
    fn a_request_carries_the_delayed_acknowledgement() {
        let mut ack = DelayedAck::new(MS(40));
        ack.sent(AT(0));
        ack.received(AT(1));
        assert!(!ack.sent(AT(2)), "no acknowledgement is delayed");
        assert_eq!(ack.received(AT(3)), Some(AT(43)));
        assert_eq!(ack.received(AT(5)), Some(AT(43)), "another response waits behind it");
        assert!(ack.sent(AT(10)));
        assert_eq!(ack.received(AT(11)), Some(AT(51)), "the connection is as interactive as before");
    }

    #[test]
    fn without_delayed_ack_no_call_stalls() {
        let mut ack = DelayedAck::new(Duration::ZERO);
        for ms in 0..5 {
            assert!(!ack.sent(AT(ms)));
            assert_eq!(ack.received(AT(ms)), None);
        }
    }
}
