//! The block device of one or more disks: its request queue serves syncs, write-back and uncached reads.

mod speed;

use crate::profile::{DeviceProfile, Slowdown};
pub use speed::Stall;

use serde::Serialize;
use speed::Speed;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::latency::transfer;
use stormglass_core::queue::Servers;
use stormglass_core::{Seed, SimTime};

/// A block device. It serves syncs, write-back and uncached reads; the page cache serves the rest. Clones are handles to the
/// same device.
///
/// A request passes three stages: it waits for the limit on requests per second (`iops`), then its bytes are transferred, one
/// request after the other (`per-mib`), then one of `queue-depth` servers processes it. While the device stalls, the last two
/// take longer.
#[derive(Clone, Debug)]
pub struct Device(Arc<Shared>);

/// The state of a device at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceState {
    /// The number of servers that process a request. 0 if the profile has no `queue-depth`.
    pub busy: usize,
    /// When the requests that have arrived are done; `None` if they are.
    pub busy_until: Option<SimTime>,
    /// The stalls that are known: drawn ones as far as a request has looked, and those of faults.
    pub stalls: Vec<Stall>,
}

#[derive(Debug)]
struct Shared {
    /// Whether requests never wait: no limits and, so far, no episodes.
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
    /// Creates a device. Its stalls are drawn from the seed's stream `("device", name, "stall")`.
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

    /// Slows the device down by `factor` for a time. Where episodes overlap, their factors multiply. Requests in flight keep
    /// their completion time.
    pub fn stall(&self, during: Range<SimTime>, factor: Slowdown) {
        self.lock().speed.stall(during, factor);
        self.0.free.store(false, Ordering::Relaxed);
    }

    /// Returns when a request completes that arrives at `now`, transfers `bytes` and takes `work` of processing.
    pub(crate) fn submit(&self, now: SimTime, bytes: u64, work: Duration) -> SimTime {
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

    /// Returns the state as of `now`. Draws nothing: of drawn stalls it knows those that requests have asked
    /// for.
    pub fn state(&self, now: SimTime) -> DeviceState {
        let state = self.lock();
        let busy = state.servers.as_ref().map_or(0, |servers| servers.busy(now));
        let idle_at = state.servers.as_ref().map_or(SimTime::ZERO, Servers::idle_at).max(state.next_byte);
        DeviceState {
            busy,
            busy_until: (idle_at > now).then_some(idle_at),
            stalls: state.speed.stalls().collect(),
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

    /// 100 requests a second: each starts 10 ms after the one before, and idle time is not saved up.
    #[test]
    fn requests_are_spaced_by_iops() {
        let device = device(DeviceProfile { iops: 100, ..DeviceProfile::default() });
        assert_eq!(
            [0, 0, 0, 500, 500].map(|at| device.submit(AT(at), 0, MS(1))),
            [1, 11, 21, 501, 511].map(AT)
        );
    }

    /// Two transfers of 1 MiB at 8 ms a MiB share the bandwidth: the second is transferred after 16 ms. Processing overlaps.
    #[test]
    fn transfers_are_serialized() {
        let device = device(DeviceProfile { per_mib: MS(8), ..DeviceProfile::default() });
        assert_eq!([0, 0].map(|at| device.submit(AT(at), 1 << 20, MS(5))), [13, 21].map(AT));
        assert_eq!(
            device.submit(AT(0), 0, MS(5)),
            AT(5),
            "a request without bytes does not wait for transfers"
        );
    }

    /// Work of 10 ms, an episode of factor 4 after 5 ms: 5 + 4 · 5 = 25 ms. An episode that ends
    /// 12 ms later: in 12 ms a quarter, 3 ms, is done, and 2 ms are left.
    #[test]
    fn a_stall_slows_requests_in_its_interval() {
        let long = device(DeviceProfile::default());
        long.stall(AT(5)..AT(1_000), factor(4.0));
        assert_eq!(long.submit(AT(0), 0, MS(10)), AT(25));
        let short = device(DeviceProfile::default());
        short.stall(AT(5)..AT(17), factor(4.0));
        assert_eq!(short.submit(AT(0), 0, MS(10)), AT(19));
    }

    #[test]
    fn factors_of_overlapping_episodes_multiply_and_infinity_stalls() {
        let device = device(DeviceProfile {
            episodes: vec![Episode { at: MS(0), length: MS(100), factor: factor(2.0) }],
            ..DeviceProfile::default()
        });
        device.stall(AT(0)..AT(100), factor(3.0));
        assert_eq!(device.submit(AT(0), 0, MS(10)), AT(60));
        device.stall(AT(200)..AT(700), factor(f64::INFINITY));
        assert_eq!(device.submit(AT(195), 0, MS(10)), AT(705));
    }
}
