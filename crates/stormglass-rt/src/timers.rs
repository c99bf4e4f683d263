//! The timers of a run. Those that are due in the same nanosecond fire in the order in which they
//! were set.
//!
//! madsim keeps its timers in a binary heap. Among equal deadlines the heap's order depends on all
//! timers in it, so a timer that is due long after the run would change the run. Here each time has
//! one timer of madsim's, which wakes all that wait for that time.

#![expect(unsafe_code, reason = "a waker that is a number: a timer would cost an allocation more")]

use madsim::time::{Instant, TimeHandle};
use rustc_hash::FxBuildHasher;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::ptr::without_provenance;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

/// What waits for each time, in nanoseconds since the start of the run. Only looked up, never listed:
/// the order of the map is not seen.
#[expect(clippy::disallowed_types, reason = "its order is not seen")]
type Timers = std::collections::HashMap<usize, Due, FxBuildHasher>;

/// What waits for a time: usually one waker.
#[derive(Debug)]
struct Due {
    first: Waker,
    others: Vec<Waker>,
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
    TimersBefore(TIMERS.replace(Some(Timers::default())))
}

impl Drop for TimersBefore {
    fn drop(&mut self) {
        // The wakers are dropped after the borrow ends: their tasks may have destructors.
        drop(TIMERS.replace(self.0.take()));
    }
}

/// Wakes at the deadline, which is in the future.
pub(crate) fn wake_at(clock: &TimeHandle, deadline: Instant, waker: &Waker) {
    let due = (clock.elapsed() + (deadline - clock.now_instant())).as_nanos();
    // No run lasts until the end of the range, 584 years on a 64-bit machine.
    let due = usize::try_from(due).unwrap_or(usize::MAX);
    let is_first = TIMERS.with_borrow_mut(|timers| {
        let timers = timers.as_mut()?;
        if let Some(there) = timers.get_mut(&due) {
            there.others.push(waker.clone());
            return Some(false);
        }
        timers.insert(due, Due { first: waker.clone(), others: Vec::new() });
        Some(true)
    });
    match is_first {
        Some(true) => set(clock, deadline, &waker_of(due)),
        Some(false) => {}
        // A runtime without a run, as in tests of the layers below.
        None => set(clock, deadline, waker),
    }
}

/// Sets a timer of madsim without its floor of 1 ms: `reset` before the first poll has none.
fn set(clock: &TimeHandle, deadline: Instant, waker: &Waker) {
    let mut sleep = clock.sleep_until(deadline);
    Pin::new(&mut sleep).reset(deadline);
    let polled = Pin::new(&mut sleep).poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending(), "the deadline is in the future");
}

/// Wakes all that wait for a time.
fn fire(due: usize) {
    let due = TIMERS.with_borrow_mut(|timers| timers.as_mut()?.remove(&due));
    if let Some(Due { first, others }) = due {
        first.wake();
        others.into_iter().for_each(Waker::wake);
    }
}

/// Returns a waker that fires the timers of a time.
fn waker_of(due: usize) -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |due| RawWaker::new(due, &TABLE),
        |due| fire(due.addr()),
        |due| fire(due.addr()),
        |_| {},
    );
    // SAFETY: the data is a number, which is never read as a pointer; so each of the functions may be called at any time,
    // on any thread, any number of times.
    unsafe { Waker::from_raw(RawWaker::new(without_provenance(due), &TABLE)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;
    use std::time::Duration;
    use stormglass_core::{Keep, Recorder};

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
            let began = clock.now_instant();
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

    /// Timers that were due at once fired in an order that depended on later ones: a cut a day
    /// after a run changed the run.
    #[test]
    fn timers_of_one_time_fire_in_the_order_in_which_they_were_set() {
        for others in 0..20 {
            assert_eq!(order(others), [0, 1, 2, 3, 4, 5, 6], "with {others} others");
        }
    }
}
