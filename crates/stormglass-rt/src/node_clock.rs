//! The clocks of nodes, and the date of the run.
//!
//! Simulated time is the same everywhere; a node's clocks may deviate from it. Which clock deviates
//! follows Linux (`clock_gettime(2)`, `adjtimex(2)`):
//!
//! | | `CLOCK_REALTIME`: `SystemTime` | `CLOCK_MONOTONIC`: `Instant`, timers |
//! | --- | --- | --- |
//! | skew, jump | wrong by the offset | "not affected by discontinuous jumps in the system time" |
//! | drift | runs at the oscillator's rate | the same: "is affected by frequency adjustments" |
//!
//! `std::time::SystemTime::now` shows the node's time of day in every task that this crate has
//! spawned, or that was spawned with `Node::spawn` or `Node::run` of `stormglass_sim`. A task that
//! was spawned by madsim's own `spawn` shows the run's. The node's rate applies to
//! [`fn@crate::sleep`], [`fn@crate::pause`], [`fn@crate::timeout`] and [`crate::Ticker`] in the
//! node's tasks, and to [`monotonic`]. `std::time::Instant::now` and madsim's own timers run at the
//! rate of simulated time: madsim computes its timers from `Instant`, so that a node's own rate
//! would let its timers fire at other moments than their deadlines. Disks and the network take
//! simulated time: a quartz of the node does not drive them.
//!
//! A deviation is a function of time, so it needs no task, no timer and no random number. A run
//! without a deviation pays one comparison a poll.

use crate::mount::current_node;
use crate::std_clock::StdClock;
use madsim::task::NodeId;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use stormglass_core::{SignedDuration, SimTime};

#[expect(clippy::disallowed_types, reason = "the simulated clock, not that of the machine")]
type Date = std::time::SystemTime;

/// The clocks of one node. Clones are handles to the same ones.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::{SignedDuration, SimTime};
/// use stormglass_rt::NodeClock;
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let clock = NodeClock::of(stormglass_rt::current_node());
///     let from = SimTime::ZERO + Duration::from_secs(10);
///     // 200 ppm fast: 2 ms after 10 s. The time of day is a second slow on top of that.
///     clock.drift(from..SimTime::from_nanos(u64::MAX), 200.0);
///     clock.skew(from..SimTime::from_nanos(u64::MAX), SignedDuration::before(Duration::from_secs(1)));
///     let at = from + Duration::from_secs(10);
///     assert_eq!(clock.monotonic_deviation(at).as_nanos(), 2_000_000);
///     assert_eq!(clock.deviation(at).as_nanos(), -998_000_000);
/// });
/// ```
#[derive(Clone, Debug)]
pub struct NodeClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: NodeId,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    /// Offsets of the time of day, in nanoseconds, with the time in which each applies.
    skews: Vec<(Range<SimTime>, i64)>,
    /// Differences of the rate in parts per billion, with the time in which each applies.
    drifts: Vec<(Range<SimTime>, i64)>,
}

/// The clocks that deviate, of the run on this thread.
#[derive(Default)]
struct Deviating {
    clocks: BTreeMap<NodeId, Weak<Inner>>,
    /// The date, as std shows it.
    std: Option<StdClock>,
}

thread_local! {
    static DEVIATING: RefCell<Deviating> = RefCell::default();
    /// Whether any clock deviates.
    static ANY: Cell<bool> = const { Cell::new(false) };
    /// By how much std's date is set for the current task's node, in nanoseconds.
    static SHIFT: Cell<i64> = const { Cell::new(0) };
}

impl NodeClock {
    /// Returns the clocks of a node, which show simulated time. A node has one `NodeClock`: that
    /// which was made last counts.
    pub fn of(node: NodeId) -> NodeClock {
        NodeClock(Arc::new(Inner { node, rules: Mutex::default() }))
    }

    /// Lets the time of day be wrong by `offset` in this time. Offsets that overlap add up.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn skew(&self, during: Range<SimTime>, offset: SignedDuration) {
        self.lock().skews.push((during, offset.as_nanos()));
        self.register();
    }

    /// Sets the time of day by this much from now on, as NTP and `date --set` step it.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn step(&self, offset: SignedDuration) {
        self.skew(now()..SimTime::from_nanos(u64::MAX), offset);
    }

    /// Lets both clocks run faster by `ppm` millionths in this time, or slower below 0. The
    /// deviation stays afterwards. Differences that overlap add up.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime; if `ppm` is outside of -100000 to 100000.
    pub fn drift(&self, during: Range<SimTime>, ppm: f64) {
        assert!(ppm.abs() <= 100_000.0, "a drift of {ppm} ppm: the range is -100000 to 100000");
        self.lock().drifts.push((during, (ppm * 1_000.0).round() as i64));
        self.register();
    }

    /// Returns how much later the time of day is than without the deviation, at this time.
    pub fn deviation(&self, at: SimTime) -> SignedDuration {
        let rules = self.lock();
        signed(rules.offset(at) + rules.drifted(at))
    }

    /// Returns how much later the monotonic clock is than without the deviation, at this time.
    pub fn monotonic_deviation(&self, at: SimTime) -> SignedDuration {
        signed(self.lock().drifted(at))
    }

    fn register(&self) {
        DEVIATING.with_borrow_mut(|deviating| {
            deviating.clocks.insert(self.0.node, Arc::downgrade(&self.0));
            deviating.std.get_or_insert_with(StdClock::find);
        });
        ANY.set(true);
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread-local is gone when the thread of the run ends first.
        let _ = DEVIATING.try_with(|deviating| {
            let mut deviating = deviating.borrow_mut();
            let is_own = |clock: &Weak<Inner>| clock.strong_count() == 0;
            if deviating.clocks.get(&self.node).is_some_and(is_own) {
                deviating.clocks.remove(&self.node);
            }
            if deviating.clocks.is_empty() {
                deviating.std = None;
                ANY.set(false);
            }
        });
    }
}

impl Rules {
    /// The sum of the offsets, in nanoseconds.
    fn offset(&self, at: SimTime) -> i128 {
        let active = self.skews.iter().filter(|(during, _)| during.contains(&at));
        active.map(|&(_, offset)| i128::from(offset)).sum()
    }

    /// What the drifts have added up to, in nanoseconds.
    fn drifted(&self, at: SimTime) -> i128 {
        let of_rule = |(during, ppb): &(Range<SimTime>, i64)| {
            let length = during.end.min(at).saturating_since(during.start).as_nanos() as i128;
            length * i128::from(*ppb)
        };
        self.drifts.iter().map(of_rule).sum::<i128>().div_euclid(1_000_000_000)
    }

    /// Returns the first time at which the monotonic clock shows `later` more than at `from`.
    fn when(&self, from: SimTime, later: Duration) -> SimTime {
        let before = self.drifted(from);
        let mut at = from + later;
        // The rate is between 0.9 and 1.1 of the true one, or a multiple of that if drifts
        // overlap: each step leaves a tenth of the error.
        for _ in 0..64 {
            let next = from + add(later, before - self.drifted(at));
            if next == at {
                break;
            }
            at = next;
        }
        at
    }
}

/// Returns the moment of the run at which the current node's monotonic clock shows `later` more
/// than at `from`: `from + later`, unless it drifts.
pub(crate) fn after(from: SimTime, later: Duration) -> SimTime {
    of_current_node(|rules| rules.when(from, later)).unwrap_or(from + later)
}

/// Returns the duration between two moments of the run on the current node's monotonic clock.
pub(crate) fn between(from: SimTime, to: SimTime) -> Duration {
    let length = to.saturating_since(from);
    of_current_node(|rules| add(length, rules.drifted(to) - rules.drifted(from))).unwrap_or(length)
}

/// Returns what the current node's monotonic clock shows: the time since the run began, at the rate
/// of the node's clock.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn monotonic() -> Duration {
    between(SimTime::ZERO, now())
}

/// Returns what `SystemTime::now` returns on the current node at a time of the run. The date is that
/// of [`set_date`], or madsim draws it from the seed.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn time_of_day(at: SimTime) -> Date {
    let (clock, now) = (madsim::time::TimeHandle::current(), now());
    let shown = clock.now_time() - now.saturating_since(at) + at.saturating_since(now);
    if !ANY.get() {
        return shown;
    }
    let deviation = of_current_node(|rules| signed(rules.offset(at) + rules.drifted(at)));
    let by = deviation.unwrap_or_default().as_nanos() - SHIFT.get();
    let shift = Duration::from_nanos(by.unsigned_abs());
    let shifted = if by < 0 { shown.checked_sub(shift) } else { shown.checked_add(shift) };
    let earliest = Date::UNIX_EPOCH + at.saturating_since(SimTime::ZERO);
    shifted.map_or(earliest, |shifted| shifted.max(earliest))
}

/// Sets the date at which the run began, for all its nodes: `SystemTime::now` shows it plus the time
/// since then.
///
/// # Panics
///
/// Outside a madsim runtime; for a date before 1970.
pub fn set_date(began: Date) {
    let began = began.duration_since(Date::UNIX_EPOCH).expect("the date of a run is after 1970");
    StdClock::find().set(began);
}

/// Shows the current node's time of day through std, for one poll of a task; dropping it restores
/// the date.
pub(crate) struct ShownClock(i64);

impl ShownClock {
    /// Returns `None` if no clock deviates.
    #[inline]
    pub(crate) fn enter() -> Option<ShownClock> {
        ANY.get().then(|| {
            let now = now();
            let deviation = of_current_node(|rules| rules.offset(now) + rules.drifted(now));
            let before = SHIFT.get();
            shift_to(signed(deviation.unwrap_or(0)).as_nanos());
            ShownClock(before)
        })
    }
}

impl Drop for ShownClock {
    fn drop(&mut self) {
        shift_to(self.0);
    }
}

fn shift_to(shift: i64) {
    let change = i128::from(shift) - i128::from(SHIFT.get());
    if change == 0 {
        return;
    }
    DEVIATING.with_borrow_mut(|deviating| {
        let Some(clock) = &mut deviating.std else { return };
        let began = clock.began();
        // madsim panics at dates before 1970.
        let change = change.max(-began.as_nanos().cast_signed());
        clock.set(add(began, change));
        SHIFT.set((i128::from(SHIFT.get()) + change) as i64);
    });
}

/// Calls `read` with the rules of the current node's clock, if it deviates.
fn of_current_node<T>(read: impl FnOnce(&Rules) -> T) -> Option<T> {
    if !ANY.get() {
        return None;
    }
    let clock = DEVIATING.with_borrow(|deviating| deviating.clocks.get(&current_node())?.upgrade());
    clock.map(|clock| read(&clock.rules.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn now() -> SimTime {
    madsim::time::TimeHandle::current().elapsed().into()
}

fn add(duration: Duration, nanos: i128) -> Duration {
    let sum = (duration.as_nanos().cast_signed() + nanos).max(0);
    Duration::from_nanos(u64::try_from(sum).unwrap_or(u64::MAX))
}

fn signed(nanos: i128) -> SignedDuration {
    let length = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX));
    if nanos < 0 { SignedDuration::before(length) } else { SignedDuration::after(length) }
}
