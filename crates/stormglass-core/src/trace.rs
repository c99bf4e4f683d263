//! All that happened in a run, and the handle through which it is recorded.
//!
//! Every event is folded into a chained hash, always; the events themselves are kept only when asked for.
//! The recorder also knows the *scope*: the node and task that run at this moment and the last event that
//! they had to wait for. A task's scope is put in place whenever the task is polled (`stormglass_rt::spawn`
//! does that), so an event finds its node, task and cause without being told.

use crate::event::{Category, Event, EventId, Kind, Symbol};
use crate::time::{SimTime, nanos};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Whether the events are kept or only hashed and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Hash and count only: memory does not grow with the run.
    Nothing,
    /// Keep every event, for timelines, explanations and comparisons.
    Events,
}

/// The node and task at work, and the last event that they had to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The node.
    pub node: Symbol,
    /// The task.
    pub task: Symbol,
    /// The last event that the task had to wait for.
    pub cause: EventId,
    /// What those who have woken the task since had last waited for, which may be what it waited for.
    pub woken: Woken,
}

/// The last event that somebody who wakes a task had waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    pub(crate) by: EventId,
    /// No later than this.
    at_nanos: u64,
}

impl Woken {
    /// The later one of two.
    #[must_use]
    pub fn or(self, other: Woken) -> Woken {
        if other.by > self.by { other } else { self }
    }
}

impl Scope {
    /// The last event that the task had to wait for, by all that is known.
    pub fn last(&self) -> EventId {
        self.cause.max(self.woken.by)
    }

    /// The same node and task, for what has this cause.
    #[must_use]
    pub fn because(self, cause: EventId) -> Scope {
        Scope { cause, woken: Woken::default(), ..self }
    }

    /// The cause of something of this kind that began then. An operation that nobody else can end has not waited for who woke
    /// the task while it was at work.
    fn cause_of(&self, kind: Kind, began_nanos: u64) -> EventId {
        let alone =
            matches!(kind.category(), Category::Sync | Category::Disk | Category::Cpu | Category::Sleep);
        if alone && self.woken.at_nanos > began_nanos { self.cause } else { self.last() }
    }
}

/// What a run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The interned strings; an event's [`Symbol`]s point here.
    pub symbols: Vec<String>,
    /// The events in order of time, empty unless they were kept.
    pub events: Vec<Event>,
    /// How many events there were.
    pub count: u64,
    /// The chained hash over every event and every interned string.
    pub hash: TraceHash,
    /// How many events there were of each kind; kinds without events are left out.
    pub counters: BTreeMap<String, u64>,
}

impl Trace {
    /// The event of this number, if it was kept.
    pub fn event(&self, id: EventId) -> Option<&Event> {
        self.events.get(id.index()?)
    }

    /// The string behind a symbol.
    pub fn text(&self, symbol: Symbol) -> &str {
        self.symbols.get(symbol.index()).map_or("", String::as_str)
    }

    /// When an event was over; the start of the run for [`EventId::START`] and for events not kept.
    pub fn time_of(&self, id: EventId) -> SimTime {
        SimTime::from_nanos(self.event(id).map_or(0, |event| event.at_nanos))
    }
}

/// The chained hash of a trace: equal traces, equal hash.
///
/// Each 64-bit word is folded in by a 64 × 64 → 128 bit multiplication whose halves are combined, the mixing
/// step of wyhash (Wang Yi, 2019). It is a checksum against accident, not against malice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceHash(pub u64);

impl TraceHash {
    /// The hash of nothing.
    pub const EMPTY: TraceHash = TraceHash(0x243f_6a88_85a3_08d3);

    /// The hash with one more word at its end.
    #[must_use]
    pub fn with(self, word: u64) -> TraceHash {
        let product = u128::from(self.0 ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xe703_7ed1_a0b4_28db);
        TraceHash(((product >> 64) as u64 ^ product as u64).wrapping_add(self.0.rotate_left(23)))
    }

    fn with_text(self, text: &str) -> TraceHash {
        text.bytes().fold(self.with(text.len() as u64), |hash, byte| hash.with(u64::from(byte)))
    }

    fn with_event(self, event: &Event) -> TraceHash {
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

/// The handle through which everything of one run records what happens. Clones share one trace.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::{Keep, Kind, Recorder, SimTime};
///
/// let recorder = Recorder::new(Keep::Events);
/// let wal = recorder.symbol("wal");
/// let write = recorder.record(SimTime::from_nanos(40), Kind::Write, wal, Duration::from_nanos(40), 512);
/// recorder.record(SimTime::from_nanos(900), Kind::Fsync, wal, Duration::from_nanos(860), 0);
/// let trace = recorder.finish();
/// assert_eq!(trace.events[1].cause, write);
/// assert_eq!(trace.text(trace.events[1].subject), "wal");
/// ```
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    at_work: AtWork,
    /// When the last event was over.
    at_last: AtomicU64,
    turns: AtomicU64,
    turns_max: AtomicU64,
    log: Mutex<Log>,
}

/// The scope at work, which changes with every turn. The turns of a run follow each other on one thread, so there is nobody to lock it against.
#[derive(Debug, Default)]
struct AtWork {
    /// Node and task.
    names: AtomicU64,
    /// The last event that was waited for, by itself and by who has woken it.
    causes: AtomicU64,
    woken_at: AtomicU64,
}

impl AtWork {
    fn get(&self) -> Scope {
        let halves = |pair: &AtomicU64| {
            let pair = pair.load(Relaxed);
            ((pair >> 32) as u32, pair as u32)
        };
        let ((node, task), (cause, by)) = (halves(&self.names), halves(&self.causes));
        let woken = Woken { by: EventId(by), at_nanos: self.woken_at.load(Relaxed) };
        Scope { node: Symbol(node), task: Symbol(task), cause: EventId(cause), woken }
    }

    fn set(&self, scope: Scope) {
        let Scope { node, task, cause, woken } = scope;
        self.names.store(pair(node.0, task.0), Relaxed);
        self.causes.store(pair(cause.0, woken.by.0), Relaxed);
        self.woken_at.store(woken.at_nanos, Relaxed);
    }

    fn replace(&self, scope: Scope) -> Scope {
        let before = self.get();
        self.set(scope);
        before
    }
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[derive(Debug)]
struct Log {
    keep: Keep,
    /// A symbol is the place of its string.
    symbols: IndexSet<String, FxBuildHasher>,
    events: Vec<Event>,
    count: u32,
    hash: TraceHash,
    counts: [u64; Kind::ALL.len()],
    panicked: Option<Scope>,
    /// What checkers want to know, if any of them does.
    facts: Option<Vec<Event>>,
}

/// The panic with which a run ends when its tasks spent their budget of turns; see [`Recorder::limit_turns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnsSpent(pub u64);

impl Recorder {
    /// A recorder of a new run.
    pub fn new(keep: Keep) -> Recorder {
        let log = Log {
            keep,
            symbols: [String::new()].into_iter().collect(),
            events: Vec::new(),
            count: 0,
            hash: TraceHash::EMPTY,
            counts: [0; Kind::ALL.len()],
            panicked: None,
            facts: None,
        };
        let (at_last, turns, turns_max) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
        let (at_work, log) = (AtWork::default(), Mutex::new(log));
        Recorder(Arc::new(Shared { at_work, at_last, turns, turns_max, log }))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // A poisoned log is still whole: every change below is complete or did not begin.
        self.0.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The symbol of a string. Intern once, when a handle is made, not on the event path.
    pub fn symbol(&self, text: &str) -> Symbol {
        let mut log = self.log();
        let symbol = |place: usize| Symbol(u32::try_from(place).expect("fewer than 2³² strings in a run"));
        if let Some(place) = log.symbols.get_index_of(text) {
            return symbol(place);
        }
        let symbol = symbol(log.symbols.insert_full(text.to_string()).0);
        log.hash = log.hash.with_text(text);
        symbol
    }

    /// Records an event of the scope at work, caused by the scope's last event, and makes it the last.
    pub fn record(&self, at: SimTime, kind: Kind, subject: Symbol, took: Duration, value: u64) -> EventId {
        let scope = self.scope();
        let cause = self.record_in(scope, at, kind, subject, took, value);
        self.0.at_work.set(Scope { cause, ..scope });
        cause
    }

    /// Records an event of another scope, such as a message that arrives while some task runs.
    pub fn record_in(
        &self,
        scope: Scope,
        at: SimTime,
        kind: Kind,
        subject: Symbol,
        took: Duration,
        value: u64,
    ) -> EventId {
        // A timer's callback runs up to 50 ns before the clock shows its time; order is what counts.
        let at = at.max(self.last_time());
        self.0.at_last.store(at.as_nanos(), Relaxed);
        self.log().push(at, kind, subject, took, value, scope)
    }

    /// The scope at work.
    pub fn scope(&self) -> Scope {
        self.0.at_work.get()
    }

    /// Has facts recorded and kept from now on, whatever else is kept.
    pub fn want_facts(&self) {
        self.log().facts.get_or_insert_default();
    }

    /// Whether anybody wants facts. Ask once, before symbols for them are made: a run that nobody checks has neither.
    pub fn wants_facts(&self) -> bool {
        self.log().facts.is_some()
    }

    /// Records a fact of the scope at work. It changes no causes.
    pub fn fact(&self, at: SimTime, subject: Symbol, value: u64) {
        self.record_in(self.scope(), at, Kind::Fact, subject, Duration::ZERO, value);
    }

    /// The facts so far, in order; the next ones are kept anew.
    pub fn take_facts(&self) -> Vec<Event> {
        self.log().facts.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What a task that the scope at work wakes has perhaps waited for.
    pub fn waking(&self) -> Woken {
        Woken { by: self.scope().last(), at_nanos: self.last_time().as_nanos() }
    }

    /// Puts a scope to work and gives back the one before.
    pub fn enter(&self, scope: Scope) -> Scope {
        self.0.at_work.replace(scope)
    }

    /// Limits the turns (polls) of all followed tasks together. A task that only yields never lets simulated
    /// time pass, so no limit of time ends it.
    pub fn limit_turns(&self, turns_max: u64) {
        self.0.turns_max.store(turns_max, Relaxed);
    }

    /// As [`Recorder::enter`], and counts a turn.
    ///
    /// # Panics
    ///
    /// With [`TurnsSpent`] as payload when the budget is spent.
    pub fn enter_turn(&self, scope: Scope) -> Scope {
        let (turns, turns_max) = (self.0.turns.load(Relaxed) + 1, self.0.turns_max.load(Relaxed));
        self.0.turns.store(turns, Relaxed);
        if turns > turns_max {
            std::panic::panic_any(TurnsSpent(turns_max));
        }
        self.enter(scope)
    }

    /// Notes that the scope at work is being unwound by a panic. The innermost scope is the one that counts.
    pub fn note_panic(&self) {
        let scope = self.scope();
        self.log().panicked.get_or_insert(scope);
    }

    /// The scope that panicked, if one did.
    pub fn panicked(&self) -> Option<Scope> {
        self.log().panicked
    }

    /// The string behind a symbol.
    pub fn text(&self, symbol: Symbol) -> String {
        self.log().symbols[symbol.index()].clone()
    }

    /// The scope at work had to wait for this event too. The later one of two is the one it waited for.
    pub fn join(&self, cause: EventId) {
        let scope = self.scope();
        self.0.at_work.set(Scope { cause: scope.cause.max(cause), ..scope });
    }

    /// When the last event was over.
    pub fn last_time(&self) -> SimTime {
        SimTime::from_nanos(self.0.at_last.load(Relaxed))
    }

    /// How many events there were so far.
    pub fn count(&self) -> u64 {
        u64::from(self.log().count)
    }

    /// Takes what was recorded. Handles that live on record into an empty trace that nobody reads.
    pub fn finish(&self) -> Trace {
        let mut log = self.log();
        let counters = Kind::ALL
            .iter()
            .filter(|&&kind| log.counts[kind as usize] > 0)
            .map(|&kind| (kind.name().to_string(), log.counts[kind as usize]))
            .collect();
        Trace {
            symbols: log.symbols.iter().cloned().collect(),
            events: std::mem::take(&mut log.events),
            count: u64::from(log.count),
            hash: log.hash,
            counters,
        }
    }
}

impl Log {
    fn push(
        &mut self,
        at: SimTime,
        kind: Kind,
        subject: Symbol,
        took: Duration,
        value: u64,
        scope: Scope,
    ) -> EventId {
        self.count = self.count.checked_add(1).expect("fewer than 2³² events in a run");
        let event = Event {
            at_nanos: at.as_nanos(),
            took_nanos: nanos(took),
            value,
            cause: scope.cause_of(kind, at.as_nanos().saturating_sub(nanos(took))),
            subject,
            node: scope.node,
            task: scope.task,
            kind,
        };
        self.hash = self.hash.with_event(&event);
        self.counts[kind as usize] += 1;
        if kind == Kind::Fact
            && let Some(facts) = &mut self.facts
        {
            facts.push(event);
        }
        if self.keep == Keep::Events {
            self.events.push(event);
        }
        EventId(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_three(keep: Keep, value: u64) -> Trace {
        let recorder = Recorder::new(keep);
        let subject = recorder.symbol("wal");
        for at in [10, 20, 30] {
            recorder.record(SimTime::from_nanos(at), Kind::Fsync, subject, Duration::from_nanos(5), value);
        }
        recorder.finish()
    }

    #[test]
    fn the_hash_does_not_depend_on_keeping() {
        assert_eq!(record_three(Keep::Events, 0).hash, record_three(Keep::Nothing, 0).hash);
        assert!(record_three(Keep::Nothing, 0).events.is_empty());
    }

    #[test]
    fn every_field_moves_the_hash() {
        let base = record_three(Keep::Events, 0).events[1];
        let hash = |event: Event| TraceHash::EMPTY.with_event(&event);
        let others = [
            Event { at_nanos: 21, ..base },
            Event { took_nanos: 6, ..base },
            Event { value: 1, ..base },
            Event { cause: EventId(2), ..base },
            Event { subject: Symbol(2), ..base },
            Event { node: Symbol(1), ..base },
            Event { task: Symbol(1), ..base },
            Event { kind: Kind::Fdatasync, ..base },
        ];
        for other in others {
            assert_ne!(hash(other), hash(base), "{other:?}");
        }
    }

    #[test]
    fn the_later_of_two_causes_is_the_one_waited_for() {
        let recorder = Recorder::new(Keep::Events);
        let first = recorder.record(SimTime::ZERO, Kind::Note, Symbol::NONE, Duration::ZERO, 0);
        let second = recorder.record(SimTime::ZERO, Kind::Note, Symbol::NONE, Duration::ZERO, 0);
        recorder.join(first);
        assert_eq!(recorder.scope().last(), second);
    }
}
