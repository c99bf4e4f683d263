//! One direction between two hosts: what it costs, what gets lost on it, what has passed.

use crate::fault::{Applied, Segment, Sent};
use crate::hold::{Held, Parcels};
use crate::network::Shared;
use crate::profile::LinkProfile;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::latency::transfer;
use stormglass_core::{Kind, Seed, SimTime, Stream, Symbol};
use stormglass_rt as rt;

/// One direction between two hosts.
///
/// Among many hosts no link is in a cache when it is used, so its layout counts: what each message needs lies together, and last of it what the stream has ready.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    pub(crate) ends: (Arc<Power>, Arc<Power>),
    pub(crate) subject: Symbol,
    /// The host at its end.
    pub(crate) target: Symbol,
    state: Mutex<LinkState>,
    seed: Seed,
    /// The names of its hosts.
    pub(crate) names: (Arc<str>, Arc<str>),
}

#[derive(Debug)]
#[repr(C)]
struct LinkState {
    profile: Arc<LinkProfile>,
    /// When the line has put everything on its way that was sent before.
    line_free: SimTime,
    /// What faults need of chance, which most links never do.
    faults: Option<Box<Stream>>,
    counters: Counters,
    latencies: Stream,
}

/// Whether a host is on, and in its how manyth life.
#[derive(Debug, Default)]
pub(crate) struct Power {
    off: AtomicU32,
    life: AtomicU32,
}

impl Power {
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn life(&self) -> u32 {
        self.life.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) {
        self.off.fetch_add(1, Ordering::Relaxed);
        self.life.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self) {
        self.off.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was sent over one direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages and segments, those that were sent again included.
    pub sent: u64,
    /// How many of them were lost.
    pub lost: u64,
    /// Their bytes, as far as they have a size.
    pub bytes: u64,
    /// How long the last one took that was not lost.
    pub latency_last: Duration,
}

/// What becomes of something that is sent and not lost.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    pub(crate) latency: Duration,
    /// How long its copy takes, if there is one.
    pub(crate) copy: Option<Duration>,
    /// Whether it is refused, if it can be.
    pub(crate) refused: bool,
    /// Where a bit of it is turned over, if it can be.
    pub(crate) corrupted: Option<u64>,
    /// Where it is held back.
    pub(crate) held: Option<Arc<Parcels>>,
}

impl Link {
    pub(crate) fn new(
        profile: Arc<LinkProfile>,
        seed: Seed,
        names: (Arc<str>, Arc<str>),
        ends: (Arc<Power>, Arc<Power>),
        symbols: (Symbol, Symbol),
    ) -> Link {
        let latencies = seed.stream(("net", &*names.0, &*names.1));
        let (faults, counters, line_free) = (None, Counters::default(), SimTime::ZERO);
        let state = Mutex::new(LinkState { profile, latencies, faults, counters, line_free });
        let (subject, target) = symbols;
        Link { state, seed, names, ends, subject, target }
    }

    /// Sends a segment without data now: how long it takes, or nothing if it is lost.
    pub(crate) fn attempt(&self, network: &Shared, segment: Segment) -> Option<Duration> {
        self.send(network, Sent::Control, segment).map(|passage| passage.latency)
    }

    /// What is told of something that is held back.
    pub(crate) fn held(&self, segment: Segment) -> Held {
        let (from, to) = (self.names.0.to_string(), self.names.1.to_string());
        Held { from, to, port: segment.port, bytes: segment.bytes, since: rt::now() }
    }

    /// Sends anything now: what becomes of it, or nothing if it is lost, which is recorded.
    pub(crate) fn send(&self, network: &Shared, what: Sent, segment: Segment) -> Option<Passage> {
        let mut state = self.lock();
        let LinkState { profile, latencies, faults, counters, line_free } = &mut *state;
        let mut latency = profile.delay + profile.latency.at(latencies.draw());
        let bytes = segment.bytes;
        if bytes > 0 && !profile.per_mib.is_zero() {
            // What is lost has been on the line too.
            let now = rt::now();
            *line_free = now.max(*line_free) + transfer(profile.per_mib, bytes);
            latency += *line_free - now;
        }
        let names = (&*self.names.0, &*self.names.1);
        let chance = || self.seed.stream(("net", names.0, names.1, "fault"));
        let applied = network.faults.apply(what, segment.port, names, faults, chance);
        counters.sent += 1;
        counters.bytes += bytes;
        if applied.lost || self.ends.0.is_off() || self.ends.1.is_off() {
            counters.lost += 1;
            drop(state);
            let recorder = &network.recorder;
            recorder.record_in(recorder.scope(), rt::now(), Kind::Lose, self.subject, Duration::ZERO, bytes);
            return None;
        }
        counters.latency_last = latency + applied.delay;
        // A copy that is made on the way takes its own time, drawn where it changes nothing else.
        let copy = applied.twice.then(|| {
            profile.delay + profile.latency.at(faults.get_or_insert_with(|| Box::new(chance())).draw())
        });
        let corrupted = applied.corrupted.then(|| faults.get_or_insert_with(|| Box::new(chance())).draw());
        let Applied { refused, held, .. } = applied;
        Some(Passage { latency: counters.latency_last, copy, refused, corrupted, held })
    }

    /// How long the last one took.
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
