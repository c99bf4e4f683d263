//! The device under one or more disks: where syncs, write-back and reads of what is not cached queue.

mod speed;

use crate::profile::{DeviceProfile, Slowdown};
use speed::Speed;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::latency::transfer;
use stormglass_core::queue::Servers;
use stormglass_core::{Seed, SimTime};

/// A device. What the page cache answers does not come here; a sync does, and write-back, and a read of what is not in
/// the cache. Clones are the same device.
///
/// A request passes three stations: it waits for its turn by the device's operations a second, then its bytes pass one
/// after the other with everybody's, then one of `queue-depth` servers works on it. While the device
/// stalls, the last two take longer.
#[derive(Clone, Debug)]
pub struct Device(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Whether nothing ever waits for anything: no limits and, so far, no episodes.
    free: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    turn: Duration,
    next_turn: SimTime,
    per_mib: Duration,
    next_byte: SimTime,
    servers: Option<Servers>,
    speed: Speed,
}

impl Device {
    /// A device. When it stalls is drawn from the seed's stream `("device", name, "stall")`.
    pub fn new(name: &str, profile: &DeviceProfile, seed: Seed) -> Device {
        let depth = usize::from(profile.queue_depth);
        let turn = Duration::from_secs(1).checked_div(profile.iops).unwrap_or_default();
        let state = State {
            turn,
            next_turn: SimTime::ZERO,
            per_mib: profile.per_mib,
            next_byte: SimTime::ZERO,
            servers: (depth > 0).then(|| Servers::new(depth)),
            speed: Speed::new(profile, seed.stream(("device", name, "stall"))),
        };
        let free = *profile == DeviceProfile::default();
        Device(Arc::new(Shared { free: AtomicBool::new(free), state: Mutex::new(state) }))
    }

    /// Lets the device be slower by this factor for a time. Where episodes overlap, their factors multiply. What is under
    /// way already keeps its end.
    pub fn stall(&self, during: Range<SimTime>, factor: Slowdown) {
        self.lock().speed.stall(during, factor);
        self.0.free.store(false, Ordering::Relaxed);
    }

    /// When a request is done that comes at `now`, with so many bytes to pass and so much work.
    pub(crate) fn take(&self, now: SimTime, bytes: u64, work: Duration) -> SimTime {
        if self.0.free.load(Ordering::Relaxed) {
            return now + work;
        }
        let mut state = self.lock();
        let State { turn, next_turn, per_mib, next_byte, servers, speed } = &mut *state;
        let mut at = now;
        if !turn.is_zero() {
            at = at.max(*next_turn);
            *next_turn = at + *turn;
        }
        if bytes > 0 && !per_mib.is_zero() {
            at = speed.end_of(at.max(*next_byte), transfer(*per_mib, bytes));
            *next_byte = at;
        }
        match servers {
            Some(servers) => servers.enqueue_until(at, |start| speed.end_of(start, work)),
            None => speed.end_of(at, work),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Episode;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    fn factor(factor: f64) -> Slowdown {
        Slowdown::new(factor).unwrap()
    }

    fn device(profile: DeviceProfile) -> Device {
        Device::new("d", &profile, Seed(1))
    }

    /// 100 operations a second: each waits 10 ms for its turn after the one before, and idle turns are not saved up.
    #[test]
    fn operations_come_one_turn_after_the_other() {
        let device = device(DeviceProfile { iops: 100, ..DeviceProfile::default() });
        assert_eq!(
            [0, 0, 0, 500, 500].map(|at| device.take(AT(at), 0, MS(1))),
            [1, 11, 21, 501, 511].map(AT)
        );
    }

    /// Two transfers of 1 MiB at 8 ms a MiB share the line: the second is through after 16 ms. Work overlaps.
    #[test]
    fn bytes_pass_one_after_the_other() {
        let device = device(DeviceProfile { per_mib: MS(8), ..DeviceProfile::default() });
        assert_eq!([0, 0].map(|at| device.take(AT(at), 1 << 20, MS(5))), [13, 21].map(AT));
        assert_eq!(device.take(AT(0), 0, MS(5)), AT(5), "without bytes nothing waits for the line");
    }

    /// Work of 10 ms that meets an episode of factor 4 after 5 ms: 5 + 4 · 5 = 25 ms. One that reaches its end after
    /// 12 ms: in 12 ms a quarter, 3 ms, is done, and 2 ms are left.
    #[test]
    fn a_stall_stretches_what_it_meets() {
        let long = device(DeviceProfile::default());
        long.stall(AT(5)..AT(1_000), factor(4.0));
        assert_eq!(long.take(AT(0), 0, MS(10)), AT(25));
        let short = device(DeviceProfile::default());
        short.stall(AT(5)..AT(17), factor(4.0));
        assert_eq!(short.take(AT(0), 0, MS(10)), AT(19));
    }

    #[test]
    fn episodes_multiply_and_infinity_stops() {
        let device = device(DeviceProfile {
            episodes: vec![Episode { at: MS(0), length: MS(100), factor: factor(2.0) }],
            ..DeviceProfile::default()
        });
        device.stall(AT(0)..AT(100), factor(3.0));
        assert_eq!(device.take(AT(0), 0, MS(10)), AT(60));
        device.stall(AT(200)..AT(700), factor(f64::INFINITY));
        assert_eq!(device.take(AT(195), 0, MS(10)), AT(705));
    }
}
