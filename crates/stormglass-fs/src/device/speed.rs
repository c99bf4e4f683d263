//! How fast a device is at each moment.

use crate::profile::{DeviceProfile, Slowdown, StallProfile};
use serde::Serialize;
use std::ops::Range;
use std::time::Duration;
use stormglass_core::latency::scaled;
use stormglass_core::{Latency, SimTime, Stream};

/// The shortest time between two drawn episodes.
const GAP_MIN: Duration = Duration::from_millis(1);

/// The largest number of drawn episodes, which take 17 minutes or longer. A request that takes a
/// year would draw a number without bound.
const EPISODES_MAX: usize = 1 << 20;

/// The episodes in which a device is slow: those that were asked for, and those that are drawn, one after the other, as
/// far as anybody has looked.
#[derive(Debug)]
pub(super) struct Speed {
    planned: Vec<Episode>,
    drawn: Vec<Episode>,
    /// None if there are none to draw.
    stalls: Option<StallProfile>,
    stream: Stream,
}

/// A time in which a device is slow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stall {
    /// When it begins.
    pub from: SimTime,
    /// When it ends.
    pub until: SimTime,
    /// How many times as long everything takes; infinity is none in JSON.
    pub factor: f64,
    /// Whether it was drawn, as against asked for by the profile or a fault.
    pub is_drawn: bool,
}

#[derive(Clone, Copy, Debug)]
struct Episode {
    from: SimTime,
    until: SimTime,
    factor: f64,
}

impl Speed {
    pub(super) fn new(profile: &DeviceProfile, stream: Stream) -> Speed {
        let stalls = Some(&profile.stall).filter(|stall| stall.length != Latency::ZERO).cloned();
        let mut speed = Speed { planned: Vec::new(), drawn: Vec::new(), stalls, stream };
        for episode in &profile.episodes {
            let from = SimTime::ZERO + episode.at;
            speed.stall(from..from + episode.length, episode.factor);
        }
        speed
    }

    pub(super) fn stall(&mut self, during: Range<SimTime>, factor: Slowdown) {
        self.planned.push(Episode { from: during.start, until: during.end, factor: factor.get() });
    }

    /// Returns the stalls that are known, in the order of their starts; of drawn ones the future too, as far
    /// as a request has looked.
    pub(super) fn stalls(&self) -> impl Iterator<Item = Stall> {
        let stall = |is_drawn| {
            move |&Episode { from, until, factor }: &Episode| Stall { from, until, factor, is_drawn }
        };
        let all = self.planned.iter().map(stall(false)).chain(self.drawn.iter().map(stall(true)));
        let mut all: Vec<Stall> = all.collect();
        all.sort_by_key(|stall| (stall.from, stall.until));
        all.into_iter()
    }

    /// When work that begins at `start` and takes `work` at full speed is done.
    pub(super) fn end_of(&mut self, start: SimTime, work: Duration) -> SimTime {
        if self.planned.is_empty() && self.stalls.is_none() {
            return start + work;
        }
        let (mut at, mut left) = (start, work);
        loop {
            let (factor, change) = self.at(at);
            let end = if factor.is_finite() { at + scaled(left, factor) } else { change.unwrap_or(at) };
            match change.filter(|&change| change < end || !factor.is_finite()) {
                None => return end,
                Some(change) => {
                    left = left.saturating_sub((change - at).div_f64(factor));
                    at = change;
                }
            }
        }
    }

    /// The factor at a moment, and when it changes next.
    fn at(&mut self, at: SimTime) -> (f64, Option<SimTime>) {
        self.draw_until(at);
        // Those that are drawn follow each other: the first one that is not over is the one that counts.
        let next = self.drawn.partition_point(|episode| episode.until <= at);
        let (mut factor, mut change) = (1.0, None::<SimTime>);
        for episode in self.planned.iter().chain(self.drawn.get(next)) {
            let boundary = if at < episode.from {
                episode.from
            } else if at < episode.until {
                // Only an infinite factor is a stall, not a product of finite ones.
                let product = factor * episode.factor;
                let is_stall = factor.is_infinite() || episode.factor.is_infinite();
                factor = if is_stall { f64::INFINITY } else { product.min(f64::MAX) };
                episode.until
            } else {
                continue;
            };
            change = Some(change.map_or(boundary, |change| change.min(boundary)));
        }
        (factor, change)
    }

    /// Draws episodes until one ends after this moment.
    fn draw_until(&mut self, at: SimTime) {
        let Some(stalls) = &self.stalls else { return };
        let is_last = |episode: &Episode| episode.until > at || episode.until == SimTime::MAX;
        while self.drawn.len() < EPISODES_MAX && !self.drawn.last().is_some_and(is_last) {
            let before = self.drawn.last().map_or(SimTime::ZERO, |episode| episode.until);
            let from = before + stalls.every.at(self.stream.draw()).max(GAP_MIN);
            let until = from + stalls.length.at(self.stream.draw());
            self.drawn.push(Episode { from, until, factor: stalls.factor.get() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stormglass_core::Seed;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    fn stalling(seed: u64) -> Speed {
        let stall = StallProfile {
            every: Latency::Uniform { min: MS(10), max: MS(40) },
            length: Latency::Uniform { min: MS(5), max: MS(20) },
            factor: Slowdown::new(8.0).unwrap(),
        };
        Speed::new(&DeviceProfile { stall, ..DeviceProfile::default() }, Seed(seed).stream("stall"))
    }

    proptest! {
        /// Episodes do not depend on who asked when, work never ends before its time, and later work never earlier.
        #[test]
        fn speed_is_a_function_of_time(seed: u64, mut starts in prop::collection::vec(0..2_000u64, 1..20), work in 0..50u64) {
            let mut asked = stalling(seed);
            let ends: Vec<SimTime> = starts.iter().map(|&at| asked.end_of(AT(at), MS(work))).collect();
            for (&start, &end) in starts.iter().zip(&ends) {
                prop_assert_eq!(stalling(seed).end_of(AT(start), MS(work)), end);
                prop_assert!(end >= AT(start + work) && end <= AT(start + 8 * work));
            }
            starts.sort_unstable();
            let sorted: Vec<SimTime> = starts.iter().map(|&at| asked.end_of(AT(at), MS(work))).collect();
            prop_assert!(sorted.is_sorted());
        }

        /// Work done in two parts, one after the other, ends when it would have ended in one.
        #[test]
        fn work_can_be_cut_anywhere(seed: u64, start in 0..1_000u64, one in 0..40u64, two in 0..40u64) {
            let mut speed = stalling(seed);
            let first = speed.end_of(AT(start), MS(one));
            let (cut, whole) = (speed.end_of(first, MS(two)), speed.end_of(AT(start), MS(one + two)));
            // Each boundary rounds to a nanosecond.
            prop_assert!(cut.as_nanos().abs_diff(whole.as_nanos()) < 100);
        }
    }
}
