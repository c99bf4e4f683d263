//! When a rule applies.

use super::InvalidRule;
use crate::time::SimTime;
use std::ops::Range;
use std::time::Duration;

/// When a rule applies to operations that match: in which time, after how many, how often, how likely. Default: always.
///
/// It is plain data: what an installed rule has counted is in its [`super::Registry`].
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Only to operations that begin in this time. Default: the whole run.
    pub during: Range<SimTime>,
    /// Only after this many matching operations of that time. Default: 0.
    pub after: u64,
    /// At most this often. Default: any number.
    pub times: u64,
    /// With this probability. Range: 0 to 1. Default: 1.
    pub probability: f64,
    /// Only in a part of each period. Default: all the time.
    pub flapping: Option<Flapping>,
}

/// A rule that is periodically on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// The period, counted from the start of the rule's time. Above 0 s.
    pub period: Duration,
    /// How long the rule is on at the start of each period. Range: above 0 s, up to the period.
    pub on: Duration,
}

impl Default for Trigger {
    fn default() -> Trigger {
        let during = SimTime::ZERO..SimTime::from_nanos(u64::MAX);
        Trigger { during, after: 0, times: u64::MAX, probability: 1.0, flapping: None }
    }
}

impl Trigger {
    /// Whether it may apply to what begins now, as far as that depends on the time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::SimTime;
    /// use stormglass_core::fault::{Flapping, Trigger};
    ///
    /// let second = |n| SimTime::from(Duration::from_secs(n));
    /// let flapping = Flapping { period: Duration::from_secs(3), on: Duration::from_secs(1) };
    /// let trigger = Trigger { flapping: Some(flapping), ..Trigger::default() };
    /// assert_eq!([0, 1, 2, 3, 4].map(|n| trigger.is_on(second(n))), [true, false, false, true, false]);
    /// assert_eq!(trigger.next_change(second(3)), Some(second(4)));
    /// ```
    pub fn is_on(&self, now: SimTime) -> bool {
        self.during.contains(&now) && self.phase(now).is_none_or(|(phase, flapping)| phase < flapping.on)
    }

    /// When [`Trigger::is_on`] changes next, if it does.
    pub fn next_change(&self, now: SimTime) -> Option<SimTime> {
        if now < self.during.start {
            return Some(self.during.start);
        }
        let end = (now < self.during.end && self.during.end.as_nanos() < u64::MAX).then_some(self.during.end);
        let turn = self.phase(now).map(|(phase, Flapping { period, on })| {
            now + if phase < on { on - phase } else { period - phase }
        });
        if now >= self.during.end { None } else { turn.into_iter().chain(end).min() }
    }

    /// Whether only time and chance decide, and no count does.
    pub fn is_steady(&self) -> bool {
        self.after == 0 && self.times == u64::MAX
    }

    /// How much of the current period has passed.
    fn phase(&self, now: SimTime) -> Option<(Duration, Flapping)> {
        let flapping = self.flapping?;
        let since = now.saturating_since(self.during.start).as_nanos();
        let period = flapping.period.as_nanos().max(1);
        Some((Duration::from_nanos((since % period) as u64), flapping))
    }

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        if !(0.0..=1.0).contains(&self.probability) {
            let problem = format!("is {}, the range is 0 to 1", self.probability);
            return Err(InvalidRule { field: "probability", problem });
        }
        if self.flapping.is_some_and(|Flapping { period, on }| on.is_zero() || on > period) {
            let problem = "must be above 0s and no longer than `period`".into();
            return Err(InvalidRule { field: "down", problem });
        }
        Ok(())
    }
}
