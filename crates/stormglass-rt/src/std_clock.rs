//! The date of madsim's clock, which `std::time::SystemTime::now` shows.
//!
//! madsim replaces libc's `clock_gettime`, so that std's clocks show simulated time; it draws the
//! date at which a run begins from the seed, and keeps it in a private field. No symbol of ours can
//! take the place of madsim's (two definitions do not link), and madsim has no call that sets the
//! date. So this module finds the field in memory and writes it.
//!
//! The field is found by its value, which [`TimeHandle`] tells: of the words of madsim's clock
//! exactly one place may hold the date, and [`StdClock::find`] proves by a change that it is the
//! field. If a later version of madsim lays its clock out in another way, `find` panics; a run that
//! sets no date and has no wrong clock never calls it.

#![expect(unsafe_code, reason = "madsim's date is a private field; see the module's documentation")]

use madsim::time::TimeHandle;
use std::ptr::NonNull;
use std::time::Duration;

#[expect(clippy::disallowed_types, reason = "the simulated clock, not that of the machine")]
type Date = std::time::SystemTime;

/// The date at which a run began, in the memory of madsim's clock.
#[derive(Clone)]
pub(crate) struct StdClock {
    /// The seconds of the date; the nanoseconds follow. Valid as long as `handle` exists.
    seconds: NonNull<i64>,
    handle: TimeHandle,
}

/// madsim's clock behind its `Arc`: two counters, then a spin lock (a byte) around three times of
/// 16 bytes each.
const COUNTERS: usize = 2 * size_of::<usize>();
const CLOCK: usize = 8 + 3 * 16;

impl StdClock {
    /// Finds the date of the current run.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime; and if madsim is not laid out as version 0.2.34 is.
    pub(crate) fn find() -> StdClock {
        const UNKNOWN: &str = "the date of madsim's clock is where madsim 0.2.34 has it";
        let handle = TimeHandle::current();
        let began = since_1970(date(&handle));
        // A handle is two `Arc`s: that of the timers, then that of the clock.
        const { assert!(size_of::<TimeHandle>() == 2 * size_of::<*const u8>()) };
        // SAFETY: the handle has this size (asserted) and consists of two non-null pointers.
        let [_, clock] = unsafe { *(&raw const handle).cast::<[NonNull<u8>; 2]>() };
        let place = |offset| {
            // SAFETY: the clock has `CLOCK` bytes behind the counters of its `Arc`.
            let seconds = unsafe { clock.add(COUNTERS + offset) }.cast::<i64>();
            // SAFETY: as above; the words of times are initialised, and no other thread has the
            // clock of this run. Aligned, because an `Arc` of a clock is aligned to 8 bytes.
            let value = unsafe { (seconds.read(), seconds.cast::<u32>().add(2).read()) };
            (value == (began.as_secs() as i64, began.subsec_nanos())).then_some(seconds)
        };
        let mut places = (0..=CLOCK - 16).step_by(8).filter_map(place);
        let seconds = places.next().expect(UNKNOWN);
        assert!(places.next().is_none(), "{UNKNOWN}");
        let mut found = StdClock { seconds, handle };
        found.set(began + Duration::from_secs(1));
        assert!(since_1970(date(&found.handle)) == began + Duration::from_secs(1), "{UNKNOWN}");
        found.set(began);
        found
    }

    /// Returns the date at which the run began, since 1970.
    pub(crate) fn began(&self) -> Duration {
        since_1970(date(&self.handle))
    }

    /// Sets the date at which the run began, since 1970.
    pub(crate) fn set(&mut self, began: Duration) {
        // SAFETY: `find` has proved that the field is here; `handle` keeps it alive. The clock is
        // behind a lock, so the field is in an `UnsafeCell`; no other thread has the clock of this
        // run, and this one is not inside madsim.
        unsafe {
            self.seconds.write(began.as_secs() as i64);
            self.seconds.cast::<u32>().add(2).write(began.subsec_nanos());
        }
    }
}

fn date(handle: &TimeHandle) -> Date {
    handle.now_time() - handle.elapsed()
}

fn since_1970(date: Date) -> Duration {
    date.duration_since(Date::UNIX_EPOCH).expect("the dates of runs are after 1970")
}
