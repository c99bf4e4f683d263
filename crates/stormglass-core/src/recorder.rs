//! The handle through which a run records its events.
//!
//! Every event is folded into the chained hash of the trace, always; the events themselves are
//! kept only when asked for.

use crate::event::{Event, EventId, Kind, Symbol};
use crate::injected::Injected;
use crate::log_line::LogLine;
use crate::process::{ProcessChange, ProcessState};
use crate::scope::{CurrentScope, Scope, WakeCause};
use crate::time::{SimTime, nanos};
use crate::trace::{Trace, TraceHash};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
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

/// The handle through which a run records its events. Clones share one trace.
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
    current: CurrentScope,
    /// When the last event was over, in nanoseconds.
    last_nanos: AtomicU64,
    turns: AtomicU64,
    turns_max: AtomicU64,
    tasks: AtomicU64,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    keep: Keep,
    /// The interned strings; a symbol is the index of its string.
    symbols: IndexSet<String, FxBuildHasher>,
    events: Vec<Event>,
    count: u32,
    hash: TraceHash,
    counts: [u64; Kind::ALL.len()],
    /// The facts for checkers, if they are enabled.
    facts: Option<Vec<Event>>,
    processes: Vec<ProcessChange>,
    lines: Vec<LogLine>,
    /// Rules with the numbers that the network gave them, or, with its name, a disk.
    injected: Vec<((String, u64), Injected)>,
    /// The number of the event at which `hook` is due; 0, the number of no event, without one.
    hooked: u32,
    hook: Option<Hook>,
}

/// What happens at an event.
enum Hook {
    /// A call directly before the event is recorded.
    Before(Box<dyn FnOnce() + Send>),
    /// A call at the end of the event's turn; and the limit of turns, which that end restores.
    After(Box<dyn FnOnce() + Send>, u64),
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hook::Before(_) => "Before",
            Hook::After(..) => "After",
        })
    }
}

/// The payload of the panic that ends a run whose tasks have used up their turns; see
/// [`Recorder::limit_turns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnsSpent {
    /// The limit.
    pub turns: u64,
    /// The scope of the task that exceeded the limit.
    pub scope: Scope,
}

impl Recorder {
    /// Creates the recorder of a new run.
    pub fn new(keep: Keep) -> Recorder {
        let log = Log {
            keep,
            symbols: [String::new()].into_iter().collect(),
            events: Vec::new(),
            count: 0,
            hash: TraceHash::EMPTY,
            counts: [0; Kind::ALL.len()],
            facts: None,
            processes: Vec::new(),
            lines: Vec::new(),
            injected: Vec::new(),
            hooked: 0,
            hook: None,
        };
        let (last_nanos, turns, turns_max) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
        let (tasks, current, log) = (AtomicU64::new(0), CurrentScope::default(), Mutex::new(log));
        Recorder(Arc::new(Shared { current, last_nanos, turns, turns_max, tasks, log }))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // A poisoned log is still whole: every change below is complete or did not begin.
        self.0.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Interns a string and returns its symbol. Call it once, when a handle is made, not on the
    /// event path.
    pub fn symbol(&self, text: &str) -> Symbol {
        let mut log = self.log();
        let symbol = |index: usize| Symbol(u32::try_from(index).expect("fewer than 2³² strings in a run"));
        if let Some(index) = log.symbols.get_index_of(text) {
            return symbol(index);
        }
        let symbol = symbol(log.symbols.insert_full(text.to_string()).0);
        log.hash = log.hash.with_text(text);
        symbol
    }

    /// Records an event in the current scope, caused by the scope's last event, and makes it the
    /// last event. Returns its number.
    pub fn record(&self, at: SimTime, kind: Kind, subject: Symbol, took: Duration, value: u64) -> EventId {
        let scope = self.scope();
        let cause = self.record_in(scope, at, kind, subject, took, value);
        self.0.current.set(Scope { cause, ..scope });
        cause
    }

    /// Records an event in another scope, such as a message that arrives while some task runs, and
    /// returns its number.
    pub fn record_in(
        &self,
        scope: Scope,
        at: SimTime,
        kind: Kind,
        subject: Symbol,
        took: Duration,
        value: u64,
    ) -> EventId {
        // A timer's callback runs up to 50 ns before the clock shows its time; order is what
        // counts.
        let at = at.max(self.last_time());
        self.0.last_nanos.store(at.as_nanos(), Relaxed);
        let mut log = self.log();
        if log.count.wrapping_add(1) == log.hooked {
            log = self.reach_hook(log);
        }
        log.push(at, kind, subject, took, value, scope)
    }

    /// Calls the hook of the next event, if it is due before that event. A hook that is due at the end
    /// of the event's turn is called by that end.
    #[cold]
    fn reach_hook<'a>(&'a self, mut log: MutexGuard<'a, Log>) -> MutexGuard<'a, Log> {
        match log.hook.take() {
            Some(Hook::Before(hook)) => {
                drop(log);
                hook();
                self.log()
            }
            Some(Hook::After(hook, _)) => {
                log.hook = Some(Hook::After(hook, self.0.turns_max.load(Relaxed)));
                // The ends of turns look for a hook if no turn is allowed.
                self.limit_turns(0);
                log
            }
            None => log,
        }
    }

    /// Calls `hook` once, directly before the event of this number is recorded: in the poll that records it,
    /// with the state that it finds. `hook` may not record anything. A later hook replaces an earlier one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::{EventId, Keep, Kind, Recorder, SimTime, Symbol};
    ///
    /// let recorder = Recorder::new(Keep::Nothing);
    /// let (sender, counts) = std::sync::mpsc::channel();
    /// let seen = recorder.clone();
    /// recorder.call_before(EventId::at(1), move || sender.send(seen.count()).unwrap());
    /// for _ in 0..3 {
    ///     recorder.record(SimTime::ZERO, Kind::Note, Symbol::NONE, Duration::ZERO, 0);
    /// }
    /// // The event at index 1 is the second one: one is before it.
    /// assert_eq!(counts.iter().collect::<Vec<_>>(), [1]);
    /// ```
    pub fn call_before(&self, event: EventId, hook: impl FnOnce() + Send + 'static) {
        self.set_hook(event, Hook::Before(Box::new(hook)));
    }

    /// Calls `hook` once, after the event of this number: at the end of the turn (poll of a task) that records
    /// it; of an event that no turn records, such as a delivery, where the next turn begins. A later hook
    /// replaces an earlier one.
    pub fn call_after(&self, event: EventId, hook: impl FnOnce() + Send + 'static) {
        self.set_hook(event, Hook::After(Box::new(hook), u64::MAX));
    }

    fn set_hook(&self, event: EventId, hook: Hook) {
        let mut log = self.log();
        (log.hooked, log.hook) = (event.number(), Some(hook));
    }

    /// Returns the current scope.
    #[inline]
    pub fn scope(&self) -> Scope {
        self.0.current.get()
    }

    /// Keeps facts from now on, whether or not other events are kept.
    pub fn enable_facts(&self) {
        self.log().facts.get_or_insert_default();
    }

    /// Whether facts are enabled. Call it before interning symbols for facts: a run without a
    /// checker has neither.
    pub fn has_facts_enabled(&self) -> bool {
        self.log().facts.is_some()
    }

    /// Records a fact in the current scope. The cause of later events does not change.
    pub fn record_fact(&self, at: SimTime, subject: Symbol, value: u64) {
        self.record_in(self.scope(), at, Kind::Fact, subject, Duration::ZERO, value);
    }

    /// Records a change of the state of a node's process, if events are kept. It is no event: it has
    /// no number and is no part of the hash.
    pub fn record_process(&self, at: SimTime, node: &str, state: impl FnOnce() -> ProcessState) {
        let mut log = self.log();
        if log.keep == Keep::Events {
            log.processes.push(ProcessChange { at, node: node.to_string(), state: state() });
        }
    }

    /// Whether events are kept, and log lines with them.
    pub fn keeps_events(&self) -> bool {
        self.log().keep == Keep::Events
    }

    /// Adds a line to the log, if events are kept. `line` gets the number of the last event before it.
    /// A line is no event: it has no number and is no part of the hash.
    pub fn record_log(&self, line: impl FnOnce(EventId) -> LogLine) {
        let mut log = self.log();
        if log.keep == Keep::Events {
            let line = line(EventId(log.count));
            log.lines.push(line);
        }
    }

    /// Records that code has installed a rule, if events are kept. It is no event. `owner` is the name of the
    /// disk, or empty for links, and `number` that of [`Recorder::end_injected`].
    pub fn record_injected(&self, owner: &str, number: u64, rule: impl FnOnce() -> Injected) {
        let mut log = self.log();
        if log.keep == Keep::Events {
            log.injected.push(((owner.to_string(), number), rule()));
        }
    }

    /// Records that an installed rule was removed.
    pub fn end_injected(&self, owner: &str, number: u64, at: SimTime) {
        let mut log = self.log();
        let is_it = |(known, of): &(String, u64)| known == owner && *of == number;
        if let Some((_, rule)) = log.injected.iter_mut().rfind(|(key, _)| is_it(key)) {
            rule.end = Some(rule.end.map_or(at, |end| end.min(at)).max(rule.at));
        }
    }

    /// Takes the facts recorded since the last call, in order; empty unless facts are enabled.
    pub fn take_facts(&self) -> Vec<Event> {
        self.log().facts.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns what a task has possibly waited for if the current scope wakes it now.
    #[inline]
    pub fn wake_cause(&self) -> WakeCause {
        WakeCause { by: self.scope().last(), at_nanos: self.last_time().as_nanos() }
    }

    /// Makes a scope the current one and returns the one before.
    #[inline]
    pub fn enter(&self, scope: Scope) -> Scope {
        self.0.current.replace(scope)
    }

    /// Limits the turns (polls) of all tasks of the run together. Default: no limit.
    ///
    /// While a task only yields, simulated time does not pass, so no limit of time ends such a run.
    pub fn limit_turns(&self, turns_max: u64) {
        self.0.turns_max.store(turns_max, Relaxed);
    }

    /// Makes a scope the current one for one turn (poll) of its task, counts the turn, and returns
    /// the scope before.
    ///
    /// # Panics
    ///
    /// With [`TurnsSpent`] as payload when the limit is exceeded.
    #[inline]
    pub fn enter_turn(&self, scope: Scope) -> Scope {
        if self.count_turns(1) {
            self.call_hook_after();
            self.check_turns(scope);
        }
        self.enter(scope)
    }

    /// Makes the scope before a turn the current one again, at the turn's end.
    #[inline]
    pub fn leave_turn(&self, outer: Scope) {
        if self.0.turns_max.load(Relaxed) == 0 {
            self.call_hook_after();
        }
        self.enter(outer);
    }

    /// Counts further turns of the current scope's task: a poll that does the work of many.
    ///
    /// # Panics
    ///
    /// As [`Recorder::enter_turn`].
    pub fn spend_turns(&self, turns: u64) {
        if self.count_turns(turns) && !self.log().is_hook_due() {
            self.check_turns(self.scope());
        }
    }

    /// Counts turns, and returns whether that exceeds the limit.
    #[inline]
    fn count_turns(&self, more: u64) -> bool {
        let (turns, turns_max) = (self.0.turns.load(Relaxed) + more, self.0.turns_max.load(Relaxed));
        self.0.turns.store(turns, Relaxed);
        turns > turns_max
    }

    /// Ends the run if its turns are used up.
    #[cold]
    fn check_turns(&self, scope: Scope) {
        let (turns, turns_max) = (self.0.turns.load(Relaxed), self.0.turns_max.load(Relaxed));
        if turns > turns_max {
            std::panic::panic_any(TurnsSpent { turns: turns_max, scope });
        }
    }

    /// Calls the hook of [`Recorder::call_after`] if its event was recorded.
    #[cold]
    fn call_hook_after(&self) {
        let mut log = self.log();
        let hook = if log.is_hook_due() { log.hook.take() } else { None };
        drop(log);
        if let Some(Hook::After(hook, turns_max)) = hook {
            self.limit_turns(turns_max);
            hook();
        }
    }

    /// Returns the number of the next task of the run: 1, 2, and so on.
    pub fn number_task(&self) -> u64 {
        self.0.tasks.fetch_add(1, Relaxed) + 1
    }

    /// Returns the string of a symbol.
    pub fn text(&self, symbol: Symbol) -> String {
        self.log().symbols[symbol.index()].clone()
    }

    /// Adds an event that the current scope had to wait for. The later one of this and its cause
    /// so far is its cause.
    #[inline]
    pub fn join(&self, cause: EventId) {
        let scope = self.scope();
        self.0.current.set(Scope { cause: scope.cause.max(cause), ..scope });
    }

    /// Returns when the last event was over.
    #[inline]
    pub fn last_time(&self) -> SimTime {
        SimTime::from_nanos(self.0.last_nanos.load(Relaxed))
    }

    /// Returns how many events were recorded so far.
    pub fn count(&self) -> u64 {
        u64::from(self.log().count)
    }

    /// Takes the trace. What the remaining handles record afterwards is lost.
    pub fn finish(&self) -> Trace {
        // A hook that was not called may keep the run that it is for.
        let hook = self.log().hook.take();
        drop(hook);
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
            processes: std::mem::take(&mut log.processes),
            log: std::mem::take(&mut log.lines),
            injected: std::mem::take(&mut log.injected).into_iter().map(|(_, rule)| rule).collect(),
        }
    }
}

impl Log {
    /// Whether a hook waits for the end of the turn.
    fn is_hook_due(&self) -> bool {
        self.count >= self.hooked && matches!(self.hook, Some(Hook::After(..)))
    }

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
    fn keeping_events_does_not_change_the_hash() {
        assert_eq!(record_three(Keep::Events, 0).hash, record_three(Keep::Nothing, 0).hash);
        assert!(record_three(Keep::Nothing, 0).events.is_empty());
    }

    #[test]
    fn changes_of_processes_are_kept_with_events_and_change_no_hash() {
        let record = |keep| {
            let recorder = Recorder::new(keep);
            recorder.record_process(SimTime::from_nanos(7), "node-1", || ProcessState::Paused);
            recorder.finish()
        };
        let (kept, hashed) = (record(Keep::Events), record(Keep::Nothing));
        let change =
            ProcessChange { at: SimTime::from_nanos(7), node: "node-1".into(), state: ProcessState::Paused };
        assert_eq!((kept.processes, hashed.processes), (vec![change], vec![]));
        assert_eq!((kept.hash, hashed.hash), (TraceHash::EMPTY, TraceHash::EMPTY));
    }

    #[test]
    fn every_field_of_an_event_changes_the_hash() {
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

    /// The second event is recorded in the middle of a turn, which goes on.
    #[test]
    fn a_hook_after_an_event_is_called_at_the_end_of_its_turn() {
        let recorder = Recorder::new(Keep::Events);
        recorder.limit_turns(3);
        let (sender, counts) = std::sync::mpsc::channel();
        let seen = recorder.clone();
        recorder.call_after(EventId::at(1), move || sender.send(seen.count()).unwrap());
        let record = || recorder.record(SimTime::ZERO, Kind::Note, Symbol::NONE, Duration::ZERO, 0);
        let outer = recorder.enter_turn(Scope::default());
        let _ = (record(), record());
        recorder.spend_turns(1);
        record();
        assert_eq!(counts.try_recv().ok(), None);
        recorder.leave_turn(outer);
        assert_eq!(counts.try_recv().ok(), Some(3));
        // The limit holds again: this is the third turn, and there is no fourth.
        recorder.enter_turn(Scope::default());
        let turn = std::panic::AssertUnwindSafe(|| recorder.enter_turn(Scope::default()));
        let payload = std::panic::catch_unwind(turn).unwrap_err();
        assert_eq!(payload.downcast_ref::<TurnsSpent>().unwrap().turns, 3);
    }

    #[test]
    fn a_hook_after_an_event_of_no_turn_is_called_where_the_next_turn_begins() {
        let recorder = Recorder::new(Keep::Events);
        let (sender, counts) = std::sync::mpsc::channel();
        let seen = recorder.clone();
        recorder.call_after(EventId::at(0), move || sender.send(seen.count()).unwrap());
        recorder.record(SimTime::ZERO, Kind::Deliver, Symbol::NONE, Duration::ZERO, 0);
        assert_eq!(counts.try_recv().ok(), None);
        recorder.enter_turn(Scope::default());
        assert_eq!(counts.try_recv().ok(), Some(1));
    }

    #[test]
    fn a_hook_changes_no_hash() {
        let recorder = Recorder::new(Keep::Nothing);
        recorder.call_before(EventId::at(1), || ());
        let subject = recorder.symbol("wal");
        for at in [10, 20, 30] {
            recorder.record(SimTime::from_nanos(at), Kind::Fsync, subject, Duration::from_nanos(5), 0);
        }
        assert_eq!(recorder.finish().hash, record_three(Keep::Nothing, 0).hash);
    }

    #[test]
    fn join_keeps_the_later_cause() {
        let recorder = Recorder::new(Keep::Events);
        let first = recorder.record(SimTime::ZERO, Kind::Note, Symbol::NONE, Duration::ZERO, 0);
        let second = recorder.record(SimTime::ZERO, Kind::Note, Symbol::NONE, Duration::ZERO, 0);
        recorder.join(first);
        assert_eq!(recorder.scope().last(), second);
    }
}
