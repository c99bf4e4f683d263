//! When a rule strikes: the part that all rules on operations and messages have in common.

use crate::seed::Stream;
use crate::time::SimTime;
use std::ops::Range;

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
    struck: u64,
}

/// A probability that is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no probability: give 0 to 1")]
pub struct NoProbability(pub f64);

impl Default for Trigger {
    fn default() -> Trigger {
        let during = SimTime::ZERO..SimTime::from_nanos(u64::MAX);
        Trigger { during, skip: 0, limit: u64::MAX, probability: 1.0, struck: 0 }
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
        if !self.during.contains(&now) || self.struck == self.limit {
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
