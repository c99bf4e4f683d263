//! A rule: what happens to which operations, and when.

use super::{Flapping, Trigger};
use crate::time::SimTime;
use std::ops::Range;
use std::time::Duration;

/// A rule that affects operations of disks or links: see [`super::DiskRule`] and [`super::LinkRule`].
///
/// Without a condition it applies to every operation that its effect can be applied to. Probabilities are drawn from the
/// stream for faults of the disk or link, such as `("disk", name, "fault")` or `("net", from, to, "fault")`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule<E, T> {
    /// What happens.
    pub effect: E,
    /// To which operations.
    pub target: T,
    /// When.
    pub trigger: Trigger,
}

/// An effect of rules with targets of the type `T`.
pub trait RuleEffect<T: RuleTarget> {
    /// Whether operations of this sort can be affected.
    fn can_affect(&self, operation: &T::Operation<'_>) -> bool;

    /// Checks it.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    fn validate(&self) -> Result<(), InvalidRule> {
        Ok(())
    }
}

/// Conditions on operations.
pub trait RuleTarget {
    /// An operation, as far as rules look at it.
    type Operation<'a>;

    /// Whether an operation meets the conditions.
    fn matches(&self, operation: &Self::Operation<'_>) -> bool;

    /// Checks them.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    fn validate(&self) -> Result<(), InvalidRule>;
}

/// What is wrong with a rule or a fault of a plan: the field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct InvalidRule {
    /// The field, as a plan's TOML names it.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl<E, T: Default> Rule<E, T> {
    /// A rule that always applies to every operation.
    pub fn new(effect: E) -> Rule<E, T> {
        Rule { effect, target: T::default(), trigger: Trigger::default() }
    }
}

impl<E, T> Rule<E, T> {
    /// Applies only to operations that begin in this time.
    #[must_use]
    pub fn during(mut self, time: Range<SimTime>) -> Self {
        self.trigger.during = time;
        self
    }

    /// Applies only in the first `on` of each `period`, counted from the start of the rule's time. Range of `on`: above
    /// 0 s, up to the period.
    #[must_use]
    pub fn flapping(mut self, period: Duration, on: Duration) -> Self {
        self.trigger.flapping = Some(Flapping { period, on });
        self
    }

    /// Skips this many matching operations first.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.trigger.after = count;
        self
    }

    /// Applies at most this often.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.trigger.times = count;
        self
    }

    /// Applies only with this probability, 0 to 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.trigger.probability = probability;
        self
    }

    /// The rule with another effect.
    pub fn map<F>(self, effect: impl FnOnce(E) -> F) -> Rule<F, T> {
        Rule { effect: effect(self.effect), target: self.target, trigger: self.trigger }
    }
}

impl<E: RuleEffect<T>, T: RuleTarget> Rule<E, T> {
    /// Checks it: patterns, probability, period, and what the effect itself needs.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        self.target.validate()?;
        self.trigger.validate()?;
        self.effect.validate()
    }
}
