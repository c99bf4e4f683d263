//! The timers of a run. Those that are due in the same nanosecond fire in the order in which they
//! were set.
//!
//! madsim keeps its timers in a binary heap. Among equal deadlines the heap's order depends on all
//! timers in it, so a timer that is due long after the run would change the run. Here each time has
//! one timer of madsim's, which wakes all that wait for that time.

#![expect(unsafe_code, reason = "a waker that is a number: a timer would cost an allocation more")]

use madsim::time::{Instant, TimeHandle};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::ptr::without_provenance;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;
use stormglass_core::SimTime;

/// The pending timers of a run. Each time has one entry.
#[derive(Debug)]
struct Timers {
    /// madsim's time at the start of the run.
    start: Option<Instant>,
    entries: Vec<Entry>,
    /// The first entry of each list. An entry is in the list that a hash of its time chooses.
    lists: Box<[usize; LISTS]>,
    /// The first unused entry.
    unused: usize,
}

/// What waits for a time.
#[derive(Debug)]
struct Entry {
    due: SimTime,
    /// Usually the only one. None in an unused entry.
    first: Option<Waker>,
    others: Vec<Waker>,
    /// The next entry of the list, or the next unused one.
    next: usize,
}

/// A power of two. A cluster of three nodes has 100 to 300 pending timers.
const LISTS: usize = 1024;

/// The end of a list.
const END: usize = usize::MAX;

/// Returns the list of a time. Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3,
/// section 6.4): times are often multiples of a power of ten.
fn list_of(due: SimTime) -> usize {
    const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
    (due.as_nanos().wrapping_mul(GOLDEN_RATIO) >> (64 - LISTS.trailing_zeros())) as usize
}

impl Timers {
    fn new() -> Timers {
        Timers { start: None, entries: Vec::new(), lists: Box::new([END; LISTS]), unused: END }
    }

    /// Adds a waker. Returns the entry if it is the first of its time.
    fn add(&mut self, due: SimTime, waker: Waker) -> Option<usize> {
        let list = list_of(due);
        let mut index = self.lists[list];
        while index != END {
            let entry = &mut self.entries[index];
            if entry.due == due {
                entry.others.push(waker);
                return None;
            }
            index = entry.next;
        }
        index = self.unused;
        let (first, next) = (Some(waker), self.lists[list]);
        if index == END {
            index = self.entries.len();
            self.entries.push(Entry { due, first, others: Vec::new(), next });
        } else {
            let entry = &mut self.entries[index];
            self.unused = entry.next;
            (entry.due, entry.first, entry.next) = (due, first, next);
        }
        self.lists[list] = index;
        Some(index)
    }

    /// Removes an entry. Returns what waits for it.
    fn take(&mut self, index: usize) -> Option<(Waker, Vec<Waker>)> {
        let entry = self.entries.get_mut(index)?;
        let first = entry.first.take()?;
        let (others, due, next) = (std::mem::take(&mut entry.others), entry.due, entry.next);
        entry.next = std::mem::replace(&mut self.unused, index);
        let head = &mut self.lists[list_of(due)];
        if *head == index {
            *head = next;
            return Some((first, others));
        }
        let mut before = *head;
        while self.entries[before].next != index {
            before = self.entries[before].next;
        }
        self.entries[before].next = next;
        Some((first, others))
    }
}

thread_local! {
    /// The timers of the run that this thread plays. A run has one thread.
    static TIMERS: RefCell<Option<Timers>> = const { RefCell::new(None) };
}

/// The timers of the run before, which is over or goes on later.
#[derive(Debug)]
pub(crate) struct TimersBefore(Option<Timers>);

/// Begins a run on this thread.
pub(crate) fn enter() -> TimersBefore {
    TimersBefore(TIMERS.replace(Some(Timers::new())))
}

impl Drop for TimersBefore {
    fn drop(&mut self) {
        // The wakers are dropped after the borrow ends: their tasks may have destructors.
        drop(TIMERS.replace(self.0.take()));
    }
}

/// Wakes at this time, which is in the future.
pub(crate) fn wake_at(clock: &TimeHandle, at: SimTime, waker: &Waker) {
    let timer = TIMERS.with_borrow_mut(|timers| {
        let Some(timers) = timers else {
            // A runtime without a run, as in tests of the layers below.
            return Some((start_of(clock) + since_start(at), waker.clone()));
        };
        let start = *timers.start.get_or_insert_with(|| start_of(clock));
        let entry = timers.add(at, waker.clone())?;
        Some((start + since_start(at), waker_of(entry)))
    });
    let Some((deadline, waker)) = timer else { return };
    // Without madsim's floor of 1 ms: `reset` before the first poll has none.
    let mut sleep = clock.sleep_until(deadline);
    Pin::new(&mut sleep).reset(deadline);
    let polled = Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "the deadline is in the future");
}

fn start_of(clock: &TimeHandle) -> Instant {
    clock.now_instant() - clock.elapsed()
}

fn since_start(at: SimTime) -> Duration {
    Duration::from_nanos(at.as_nanos())
}

/// Wakes all that wait for a time.
fn fire(entry: usize) {
    let due = TIMERS.with_borrow_mut(|timers| timers.as_mut()?.take(entry));
    if let Some((first, others)) = due {
        first.wake();
        others.into_iter().for_each(Waker::wake);
    }
}

/// Returns a waker that fires an entry.
fn waker_of(entry: usize) -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |entry| RawWaker::new(entry, &TABLE),
        |entry| fire(entry.addr()),
        |entry| fire(entry.addr()),
        |_| {},
    );
    // SAFETY: the data is a number, which is never read as a pointer; so each of the functions may be called at any time,
    // on any thread, any number of times.
    unsafe { Waker::from_raw(RawWaker::new(without_provenance(entry), &TABLE)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;
    use std::time::Duration;
    use stormglass_core::{Keep, Recorder, Seed};

    struct Noted(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Noted {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    /// Sets seven timers for one time while so many others are pending, and returns the order in
    /// which they fire.
    fn order(others: u64) -> Vec<usize> {
        let _run = crate::enter_run(&Recorder::new(Keep::Nothing));
        madsim::runtime::Runtime::new().block_on(async move {
            let (clock, noted) = (TimeHandle::current(), Arc::new(Mutex::new(Vec::new())));
            let waker = |number| Waker::from(Arc::new(Noted(number, Arc::clone(&noted))));
            let began = crate::now();
            for other in 0..others {
                wake_at(&clock, began + Duration::from_secs(100 + other), &waker(99));
            }
            for number in 0..7 {
                wake_at(&clock, began + Duration::from_millis(3), &waker(number));
            }
            crate::sleep(Duration::from_millis(5)).await;
            std::mem::take(&mut *noted.lock().unwrap())
        })
    }

    /// A time has one entry, whatever shares its list; a removed entry is used again.
    #[test]
    fn entries_are_those_of_a_map() {
        const TIMES: u64 = 3 * LISTS as u64;
        let (mut timers, mut model) = (Timers::new(), BTreeMap::new());
        let mut stream = Seed(1).stream("timers");
        let mut most = 0;
        for _ in 0..20_000 {
            let due = SimTime::from_nanos(stream.draw() % TIMES * 1_000_000);
            if !stream.draw().is_multiple_of(3) {
                let added = timers.add(due, Waker::noop().clone());
                let (entry, wakers) = model.entry(due).or_insert((added.unwrap_or(END), 0));
                assert_eq!(added, (*wakers == 0).then_some(*entry), "only the first sets a timer");
                *wakers += 1;
            } else if let Some((entry, wakers)) = model.remove(&due) {
                let (_, others) = timers.take(entry).unwrap();
                assert_eq!(others.len() + 1, wakers);
                assert!(timers.take(entry).is_none(), "it is unused");
            }
            most = most.max(model.len());
            assert!(timers.entries.len() <= most, "{} entries for {most}", timers.entries.len());
        }
        assert!(most > LISTS, "lists have more than one entry: {most}");
    }

    /// Timers that were due at once fired in an order that depended on later ones: a cut a day
    /// after a run changed the run.
    #[test]
    fn timers_of_one_time_fire_in_the_order_in_which_they_were_set() {
        for others in 0..20 {
            assert_eq!(order(others), [0, 1, 2, 3, 4, 5, 6], "with {others} others");
        }
    }
}
