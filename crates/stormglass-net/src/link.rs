//! A directed link between two hosts: latency, bandwidth, loss, and counters.

use crate::fault::{Applied, Faults, Segment, Sent};
use crate::power::Power;
use crate::profile::LinkProfile;
use crate::queue::{MessageQueue, QueuedMessage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::latency::transfer;
use stormglass_core::{Kind, Recorder, Seed, SimTime, Stream, Symbol};
use stormglass_rt as rt;

/// A directed link between two hosts.
///
/// Among many hosts no link is in a CPU cache when it is used, so its layout counts: the fields
/// that each message needs are adjacent, and the last of them is the stream's buffer.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    /// The power of the sending and of the receiving host.
    pub(crate) power: (Arc<Power>, Arc<Power>),
    pub(crate) subject: Symbol,
    /// The receiving host.
    pub(crate) target: Symbol,
    state: Mutex<LinkState>,
    seed: Seed,
    /// The names of the sending and of the receiving host.
    pub(crate) names: (Arc<str>, Arc<str>),
}

#[derive(Debug)]
#[repr(C)]
struct LinkState {
    profile: Arc<LinkProfile>,
    /// When the line has transmitted everything that was sent before.
    line_free: SimTime,
    /// The stream of chance for faults, which most links never need.
    faults: Option<Box<Stream>>,
    counters: Counters,
    latencies: Stream,
}

/// Counters of a directed link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages and segments that were sent, retransmissions included.
    pub sent: u64,
    /// How many of them were lost.
    pub lost: u64,
    /// The bytes of those that have a size.
    pub bytes: u64,
    /// The latency of the last one that was not lost.
    pub latency_last: Duration,
}

/// What happens to a message or segment that is sent and not lost.
#[derive(Clone, Debug)]
pub(crate) struct Transit {
    pub(crate) latency: Duration,
    /// The latency of its duplicate, if there is one.
    pub(crate) copy: Option<Duration>,
    /// Whether a rule refuses it. Only connection requests (SYN) are refused.
    pub(crate) refused: bool,
    /// A random number that selects the bit to flip, if a rule corrupts it. Only datagrams are
    /// corrupted.
    pub(crate) corrupted: Option<u64>,
    /// The queue of the hold that keeps it.
    pub(crate) held: Option<MessageQueue>,
}

impl Link {
    pub(crate) fn new(
        profile: Arc<LinkProfile>,
        seed: Seed,
        names: (Arc<str>, Arc<str>),
        power: (Arc<Power>, Arc<Power>),
        symbols: (Symbol, Symbol),
    ) -> Link {
        let latencies = seed.stream(("net", &*names.0, &*names.1));
        let (faults, counters, line_free) = (None, Counters::default(), SimTime::ZERO);
        let state = Mutex::new(LinkState { profile, latencies, faults, counters, line_free });
        let (subject, target) = symbols;
        Link { state, seed, names, power, subject, target }
    }

    /// Describes a message that is queued on this link now.
    pub(crate) fn queued(&self, segment: Segment) -> QueuedMessage {
        let (from, to) = (self.names.0.to_string(), self.names.1.to_string());
        QueuedMessage { from, to, port: segment.port, bytes: segment.bytes, since: rt::now() }
    }

    /// Sends a message or segment now. Returns `None` if it is lost, which is recorded.
    pub(crate) fn send(
        &self,
        rules: &Faults,
        recorder: &Recorder,
        what: Sent,
        segment: Segment,
    ) -> Option<Transit> {
        let mut state = self.lock();
        let LinkState { profile, latencies, faults, counters, line_free } = &mut *state;
        let mut latency = profile.delay + profile.latency.at(latencies.draw());
        let bytes = segment.bytes;
        if bytes > 0 && !profile.per_mib.is_zero() {
            // A message that is lost has occupied the line too.
            let now = rt::now();
            *line_free = now.max(*line_free) + transfer(profile.per_mib, bytes);
            latency += *line_free - now;
        }
        let names = (&*self.names.0, &*self.names.1);
        let chance = || self.seed.stream(("net", names.0, names.1, "fault"));
        let applied = rules.apply(what, segment.port, names, faults, chance);
        counters.sent += 1;
        counters.bytes += bytes;
        if applied.lost || self.power.0.is_off() || self.power.1.is_off() {
            counters.lost += 1;
            drop(state);
            recorder.record_in(recorder.scope(), rt::now(), Kind::Lose, self.subject, Duration::ZERO, bytes);
            return None;
        }
        counters.latency_last = latency + applied.delay;
        // A duplicate has a latency of its own, drawn from the faults' stream: the messages' own
        // draws stay the same.
        let copy = applied.twice.then(|| {
            profile.delay + profile.latency.at(faults.get_or_insert_with(|| Box::new(chance())).draw())
        });
        let corrupted = applied.corrupted.then(|| faults.get_or_insert_with(|| Box::new(chance())).draw());
        let Applied { refused, held, .. } = applied;
        Some(Transit { latency: counters.latency_last, copy, refused, corrupted, held })
    }

    /// Returns how many of these bytes of a byte stream a read or write transfers now: all, or by a
    /// rule a part.
    pub(crate) fn transferred(&self, rules: &Faults, what: Sent, segment: Segment) -> u64 {
        let Segment { bytes, port } = segment;
        if rules.is_empty() || bytes < 2 {
            return bytes;
        }
        let names = (&*self.names.0, &*self.names.1);
        let chance = || self.seed.stream(("net", names.0, names.1, "fault"));
        let applied = rules.apply(what, port, names, &mut self.lock().faults, chance);
        applied.short.map_or(bytes, |draw| 1 + draw % (bytes - 1))
    }

    /// Returns the latency of one message that no fault affects: inside one kernel.
    pub(crate) fn draw_latency(&self) -> Duration {
        let LinkState { profile, latencies, .. } = &mut *self.lock();
        profile.delay + profile.latency.at(latencies.draw())
    }

    /// The latency of the last message or segment that was not lost.
    pub(crate) fn latency_last(&self) -> Duration {
        self.counters().latency_last
    }

    pub(crate) fn counters(&self) -> Counters {
        self.lock().counters
    }

    pub(crate) fn set_profile(&self, profile: Arc<LinkProfile>) {
        self.lock().profile = profile;
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
