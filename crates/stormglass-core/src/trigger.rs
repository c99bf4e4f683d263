//! When a rule strikes: the part that all rules on operations and messages have in common.

use crate::seed::Stream;
use crate::time::SimTime;
use std::ops::Range;
use std::time::Duration;

/// When a rule strikes what it matches: in which time, after how many, how often, how likely. By default always.
///
/// ```
/// use stormglass_core::trigger::Trigger;
/// use stormglass_core::{Seed, SimTime};
///
/// // The third and the fourth.
/// let mut trigger = Trigger::default().after(2).times(2);
/// let mut stream = Seed(1).stream("faults");
/// let strikes = [(); 6].map(|()| trigger.strikes(SimTime::ZERO, &mut stream));
/// assert_eq!(strikes, [false, false, true, true, false, false]);
/// assert_eq!(trigger.struck(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Trigger {
    during: Range<SimTime>,
    skip: u64,
    limit: u64,
    probability: f64,
    flapping: Option<Flapping>,
    struck: u64,
}

/// On and off in turns.
#[derive(Clone, Copy, Debug)]
struct Flapping {
    period: Duration,
    on: Duration,
}

/// A probability that is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no probability: give 0 to 1")]
pub struct NoProbability(pub f64);

impl Default for Trigger {
    fn default() -> Trigger {
        let during = SimTime::ZERO..SimTime::from_nanos(u64::MAX);
        Trigger { during, skip: 0, limit: u64::MAX, probability: 1.0, flapping: None, struck: 0 }
    }
}

impl Trigger {
    /// Only what begins in this time.
    #[must_use]
    pub fn during(mut self, time: Range<SimTime>) -> Trigger {
        self.during = time;
        self
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn after(mut self, count: u64) -> Trigger {
        self.skip = count;
        self
    }

    /// Strikes at most so often.
    #[must_use]
    pub fn times(mut self, count: u64) -> Trigger {
        self.limit = count;
        self
    }

    /// Strikes only with this probability, 0 to 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Trigger {
        self.probability = probability;
        self
    }

    /// Only in the first `on` of each `period`, counted from the beginning of its time: a link that flaps.
    #[must_use]
    pub fn flapping(mut self, period: Duration, on: Duration) -> Trigger {
        self.flapping = Some(Flapping { period, on });
        self
    }

    /// Whether it may strike what begins now, as far as that depends on the time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::SimTime;
    /// use stormglass_core::trigger::Trigger;
    ///
    /// let second = |n| SimTime::from(Duration::from_secs(n));
    /// let flapping = Trigger::default().flapping(Duration::from_secs(3), Duration::from_secs(1));
    /// assert_eq!([0, 1, 2, 3, 4].map(|n| flapping.is_on(second(n))), [true, false, false, true, false]);
    /// assert_eq!(flapping.next_change(second(3)), Some(second(4)));
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

    /// Whether only time and chance decide: it neither counts what passes nor what is struck.
    pub fn is_steady(&self) -> bool {
        self.skip == 0 && self.limit == u64::MAX
    }

    /// The probability with which it strikes.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// How far the period at work has come.
    fn phase(&self, now: SimTime) -> Option<(Duration, Flapping)> {
        let flapping = self.flapping?;
        let since = now.saturating_since(self.during.start).as_nanos();
        let period = flapping.period.as_nanos().max(1);
        Some((Duration::from_nanos((since % period) as u64), flapping))
    }

    /// Checks it; nothing is struck before.
    ///
    /// # Errors
    ///
    /// [`NoProbability`].
    pub fn validate(&self) -> Result<(), NoProbability> {
        let valid = (0.0..=1.0).contains(&self.probability);
        if valid { Ok(()) } else { Err(NoProbability(self.probability)) }
    }

    /// Whether something that matches is struck. It is counted, and a probability is drawn, only where nothing else has
    /// decided.
    pub fn strikes(&mut self, now: SimTime, stream: &mut Stream) -> bool {
        if !self.is_on(now) || self.struck == self.limit {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        const ONE: u64 = 1 << 53;
        if self.probability < 1.0 && !stream.chance((self.probability * ONE as f64) as u64, ONE) {
            return false;
        }
        self.struck += 1;
        true
    }

    /// How often it has struck.
    pub fn struck(&self) -> u64 {
        self.struck
    }
}

/// Gives a rule that has a field `trigger` the methods that set it; `$stream` is where a probability is drawn from.
///
/// ```
/// use stormglass_core::trigger::Trigger;
///
/// #[derive(Default)]
/// struct Rule { trigger: Trigger }
///
/// impl Rule {
///     stormglass_core::trigger_methods!("`(\"own\", \"fault\")`");
/// }
///
/// let rule = Rule::default().after(2).times(1).with_probability(0.5);
/// assert!(rule.trigger.validate().is_ok());
/// ```
#[macro_export]
macro_rules! trigger_methods {
    ($stream:literal) => {
        /// Only what begins in this time.
        #[must_use]
        pub fn during(mut self, time: std::ops::Range<$crate::SimTime>) -> Self {
            self.trigger = self.trigger.during(time);
            self
        }

        /// Only in the first `on` of each `period`, counted from the beginning of its time.
        #[must_use]
        pub fn flapping(mut self, period: std::time::Duration, on: std::time::Duration) -> Self {
            self.trigger = self.trigger.flapping(period, on);
            self
        }

        /// Lets so many that match pass first.
        #[must_use]
        pub fn after(mut self, count: u64) -> Self {
            self.trigger = self.trigger.after(count);
            self
        }

        /// Strikes at most so often.
        #[must_use]
        pub fn times(mut self, count: u64) -> Self {
            self.trigger = self.trigger.times(count);
            self
        }

        #[doc = concat!("Strikes what matches only with this probability, 0 to 1, drawn from the stream ", $stream, ".")]
        #[must_use]
        pub fn with_probability(mut self, probability: f64) -> Self {
            self.trigger = self.trigger.with_probability(probability);
            self
        }
    };
}
