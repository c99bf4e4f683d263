//! Sends datagrams: messages without order that may be lost, duplicated and corrupted.

use crate::delivery::{Departure, Destination, deliver_at, record_stall};
use crate::fault::{Segment, Sent};
use crate::link::{Link, Transit};
use crate::network::Shared;
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt::{self as rt, Clock};

/// Sends a datagram over a link. A lost one is not sent again; a duplicate may be delivered too.
/// `corrupt` flips the bit that a random number selects, and returns whether the value survives
/// that.
pub(crate) fn send<T, D>(
    network: &Arc<Shared>,
    link: &Arc<Link>,
    mut value: T,
    segment: Segment,
    to: D,
    corrupt: impl FnOnce(&mut T, u64) -> bool,
) where
    T: Clone + Send + 'static,
    D: Destination<T> + Clone,
{
    let clock = Clock::current();
    let recorder = &network.recorder;
    let sent = clock.now();
    let cause = recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, segment.bytes);
    let departure = Departure { cause, sent };
    let transit = network.send(link, Sent::Datagram, segment);
    let Some(Transit { latency, copy, corrupted, held, .. }) = transit else { return };
    if let Some(queue) = held {
        let (recorder, link_again) = (recorder.clone(), link.clone());
        let release = move || {
            if rt::is_in_run() {
                let cause = record_stall(&recorder, "held back", departure);
                let (clock, departure) = (Clock::current(), Departure { cause, sent });
                let arrival = clock.now() + latency;
                deliver_at(arrival, &clock, &recorder, &link_again, departure, value, to);
            }
        };
        return queue.push(link.queued(segment), release);
    }
    if let Some(latency) = copy {
        deliver_at(sent + latency, &clock, recorder, link, departure, value.clone(), to.clone());
    }
    if corrupted.is_none_or(|random| corrupt(&mut value, random)) {
        deliver_at(sent + latency, &clock, recorder, link, departure, value, to);
    }
}
