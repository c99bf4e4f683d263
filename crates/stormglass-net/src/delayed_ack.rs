//! The stall of Nagle's algorithm against delayed acknowledgements.
//!
//! A server that answers in two small segments (gRPC: headers and data, then trailers) without `TCP_NODELAY` holds
//! the second one back until the first is acknowledged (RFC 896). The client's kernel acknowledges at once, unless
//! the connection is *interactive*: it has sent within 40 ms of receiving. Then it waits for data to send along, for
//! 40 ms at the most, after which the connection counts as interactive no longer (Linux: `TCP_DELACK_MIN`,
//! `inet_csk_enter_pingpong_mode` in `tcp_event_data_sent`, `inet_csk_exit_pingpong_mode` in `tcp_delack_timer_handler`).
//! So of two calls in quick succession the second one's answer is late by 40 ms; of two calls far apart, neither. A call that is sent meanwhile takes the acknowledgement
//! along and ends the stall.
//!
//! Seen in a Restate 1.7.12 cluster without slow syncs: a read followed by a write takes 44 to 53 ms, and a refused call
//! that is repeated at once 41 to 45 ms.

use std::time::Duration;
use stormglass_core::SimTime;

/// The client's side of one connection. A plain struct without clock.
#[derive(Clone, Debug)]
pub(crate) struct DelayedAck {
    delay: Duration,
    received_last: Option<SimTime>,
    interactive: bool,
    /// When the client acknowledges what the server waits for, unless it sends something before.
    held_until: Option<SimTime>,
}

impl DelayedAck {
    /// A new connection. A delay of zero stands for `TCP_NODELAY`.
    pub(crate) fn new(delay: Duration) -> DelayedAck {
        DelayedAck { delay, received_last: None, interactive: false, held_until: None }
    }

    /// A request is sent: whether it takes an acknowledgement along that the server waits for.
    pub(crate) fn sent(&mut self, now: SimTime) -> bool {
        let taken_along = self.held_until.take().is_some_and(|until| until > now);
        if taken_along {
            (self.received_last, self.interactive) = (Some(now), true);
        }
        let recently = |last: SimTime| now.saturating_since(last) < self.delay;
        self.interactive |= self.received_last.is_some_and(recently);
        taken_along
    }

    /// The first segment of an answer is here: until when the second one is held back, if it is. An answer that comes meanwhile waits behind it.
    pub(crate) fn received(&mut self, now: SimTime) -> Option<SimTime> {
        if self.held_until.is_none_or(|until| until <= now) {
            let held = std::mem::take(&mut self.interactive) && !self.delay.is_zero();
            self.held_until = held.then_some(now + self.delay);
            self.received_last = Some(self.held_until.unwrap_or(now));
        }
        self.held_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    #[test]
    fn the_second_of_two_calls_in_quick_succession_is_late() {
        let mut ack = DelayedAck::new(MS(40));
        ack.sent(AT(0));
        assert_eq!(ack.received(AT(1)), None, "the first answer is acknowledged at once");
        ack.sent(AT(2));
        assert_eq!(ack.received(AT(3)), Some(AT(43)), "the second is not");
        ack.sent(AT(100));
        assert_eq!(ack.received(AT(101)), None, "57 ms later the connection is at rest");
    }

    #[test]
    fn what_is_sent_takes_the_acknowledgement_along() {
        let mut ack = DelayedAck::new(MS(40));
        ack.sent(AT(0));
        ack.received(AT(1));
        assert!(!ack.sent(AT(2)), "nothing is held back");
        assert_eq!(ack.received(AT(3)), Some(AT(43)));
        assert_eq!(ack.received(AT(5)), Some(AT(43)), "another answer waits behind it");
        assert!(ack.sent(AT(10)));
        assert_eq!(ack.received(AT(11)), Some(AT(51)), "the connection is as interactive as before");
    }

    #[test]
    fn without_a_delay_nothing_stalls() {
        let mut ack = DelayedAck::new(Duration::ZERO);
        for ms in 0..5 {
            assert!(!ack.sent(AT(ms)));
            assert_eq!(ack.received(AT(ms)), None);
        }
    }
}
