//! The record of a run: its events, their counters and the chained hash over them.

use crate::event::{Event, EventId, Symbol};
use crate::injected::Injected;
use crate::log_line::LogLine;
use crate::process::ProcessChange;
use crate::time::SimTime;
use std::collections::BTreeMap;
use std::fmt;

/// The events of a run, their counters and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The interned strings, which an event's [`Symbol`]s index.
    pub symbols: Vec<String>,
    /// The events in order of time, empty unless they were kept.
    pub events: Vec<Event>,
    /// How many events there were.
    pub count: u64,
    /// The chained hash over every event and every interned string.
    pub hash: TraceHash,
    /// How many events there were of each kind; kinds without events are left out.
    pub counters: BTreeMap<String, u64>,
    /// The changes of the states of processes in order of time, empty unless events were kept.
    pub processes: Vec<ProcessChange>,
    /// The log lines in the order in which they were logged, empty unless events were kept and the
    /// run was logged. They are no part of the hash.
    pub log: Vec<LogLine>,
    /// The rules on links and disks that the scenario installed itself, in order, empty unless events were kept.
    pub injected: Vec<Injected>,
}

impl Trace {
    /// Returns the event of this number, if it was kept.
    pub fn event(&self, id: EventId) -> Option<&Event> {
        self.events.get(id.index()?)
    }

    /// Returns the string of a symbol.
    pub fn text(&self, symbol: Symbol) -> &str {
        self.symbols.get(symbol.index()).map_or("", String::as_str)
    }

    /// Returns when an event was over; the start of the run for [`EventId::START`] and for events
    /// not kept.
    pub fn time_of(&self, id: EventId) -> SimTime {
        SimTime::from_nanos(self.event(id).map_or(0, |event| event.at_nanos))
    }
}

/// The chained hash of a trace: equal traces, equal hash.
///
/// Each 64-bit word is folded in by a 64 × 64 → 128 bit multiplication whose halves are combined,
/// the mixing step of wyhash (Wang Yi, 2019). It is a checksum against accident, not against
/// malice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceHash(pub u64);

impl TraceHash {
    /// The hash of an empty trace.
    pub const EMPTY: TraceHash = TraceHash(0x243f_6a88_85a3_08d3);

    /// Returns the hash after one more word.
    #[must_use]
    pub fn with(self, word: u64) -> TraceHash {
        let product = u128::from(self.0 ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xe703_7ed1_a0b4_28db);
        TraceHash(((product >> 64) as u64 ^ product as u64).wrapping_add(self.0.rotate_left(23)))
    }

    pub(crate) fn with_text(self, text: &str) -> TraceHash {
        text.bytes().fold(self.with(text.len() as u64), |hash, byte| hash.with(u64::from(byte)))
    }

    pub(crate) fn with_event(self, event: &Event) -> TraceHash {
        self.with(event.at_nanos)
            .with(event.took_nanos)
            .with(event.value)
            .with(pair(event.cause.0, event.subject.0))
            .with(pair(event.node.0, event.task.0))
            .with(event.kind as u64)
    }
}

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
    }
}

impl fmt::Debug for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for TraceHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TraceHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<TraceHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(TraceHash).map_err(serde::de::Error::custom)
    }
}

/// Returns one word of two halves.
pub(crate) fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
