//! Triggers: the condition under which a rule applies.

use super::InvalidRule;
use crate::latency::HumanDuration;
use crate::time::{SimTime, YEAR};
use std::ops::Range;
use std::time::Duration;

/// The condition under which a rule applies to matching operations: a time range, counts and a
/// probability. Default: always.
///
/// A trigger is plain data: the counts of an installed rule are in its [`super::Registry`].
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// The rule applies only to operations that begin in this time. Default: the whole run.
    pub during: Range<SimTime>,
    /// The number of matching operations in that time that the rule skips first. Default: 0.
    pub after: u64,
    /// The maximum number of operations that the rule applies to. Default: unlimited.
    pub times: u64,
    /// The probability with which the rule applies. Range: 0 to 1. Default: 1.
    pub probability: f64,
    /// The part of each period in which the rule is on. Default: all of it.
    pub flapping: Option<Flapping>,
}

/// The shortest period: each change of a rule that flaps is an event.
const PERIOD_MIN: Duration = Duration::from_millis(1);

/// The period of a rule that is periodically on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// The period, counted from the start of the rule's time. Range: 1 ms to 365 days.
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
    /// Returns whether the rule may apply to an operation that begins now, as far as that depends
    /// on the time.
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

    /// Returns the time of the next change of [`Trigger::is_on`], or `None` if it does not change
    /// again.
    pub fn next_change(&self, now: SimTime) -> Option<SimTime> {
        if now < self.during.start {
            return Some(self.during.start);
        }
        let end = (now < self.during.end && self.during.end.as_nanos() < u64::MAX).then_some(self.during.end);
        let phase_end = self.phase(now).map(|(phase, Flapping { period, on })| {
            now + if phase < on { on - phase } else { period - phase }
        });
        if now >= self.during.end { None } else { phase_end.into_iter().chain(end).min() }
    }

    /// Returns whether the rule depends only on time and probability, not on a count.
    pub fn is_steady(&self) -> bool {
        self.after == 0 && self.times == u64::MAX
    }

    /// Returns the time since the start of the current period.
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
        if let Some(Flapping { period, on }) = self.flapping {
            if !(PERIOD_MIN..=YEAR).contains(&period) {
                let problem = format!("is {}, the range is 1ms to 365days", HumanDuration(period));
                return Err(InvalidRule { field: "period", problem });
            }
            if on.is_zero() || on > period {
                let problem =
                    format!("is {}, must be above 0s and no longer than `period`", HumanDuration(on));
                return Err(InvalidRule { field: "down", problem });
            }
        }
        Ok(())
    }
}
