//! Rules: an effect, the operations that it affects, and a condition.

use super::{Flapping, Trigger};
use crate::latency::Latency;
use crate::time::SimTime;
use std::ops::Range;
use std::time::Duration;

/// A rule that affects operations of disks or links: see [`super::DiskRule`] and
/// [`super::LinkRule`].
///
/// A rule without a condition applies to every operation that its effect can affect. Probabilities
/// are drawn from the stream for faults of the disk or link, such as `("disk", name, "fault")` or
/// `("net", from, to, "fault")`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule<E, T> {
    /// The effect.
    pub effect: E,
    /// The operations that it affects.
    pub target: T,
    /// The condition under which it applies.
    pub trigger: Trigger,
}

/// An effect of rules with targets of the type `T`.
pub trait RuleEffect<T: RuleTarget> {
    /// Returns whether the effect can affect operations of this kind.
    fn can_affect(&self, operation: &T::Operation<'_>) -> bool;

    /// Checks the effect.
    ///
    /// # Errors
    ///
    /// Returns the field and what is wrong with it.
    fn validate(&self) -> Result<(), InvalidRule> {
        Ok(())
    }
}

/// Conditions on operations.
pub trait RuleTarget {
    /// An operation, with the fields that rules compare.
    type Operation<'a>;

    /// Returns whether an operation meets the conditions.
    fn matches(&self, operation: &Self::Operation<'_>) -> bool;

    /// Checks the conditions.
    ///
    /// # Errors
    ///
    /// Returns the field and what is wrong with it.
    fn validate(&self) -> Result<(), InvalidRule>;
}

/// An error in a rule or in a fault of a plan: the field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct InvalidRule {
    /// The field, as a plan's TOML names it.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl InvalidRule {
    /// Checks a latency of a rule. The error names the field.
    pub(super) fn of_latency(field: &'static str, latency: &Latency) -> Result<(), InvalidRule> {
        latency.validate().map_err(|error| InvalidRule { field, problem: error.to_string() })
    }
}

impl<E, T: Default> Rule<E, T> {
    /// Returns a rule that always applies to every operation.
    pub fn new(effect: E) -> Rule<E, T> {
        Rule { effect, target: T::default(), trigger: Trigger::default() }
    }
}

impl<E, T> Rule<E, T> {
    /// Limits the rule to operations that begin in this time.
    #[must_use]
    pub fn during(mut self, time: Range<SimTime>) -> Self {
        self.trigger.during = time;
        self
    }

    /// Limits the rule to the first `on` of each `period`, counted from the start of the rule's
    /// time. Range of `period`: 1 ms to 365 days; of `on`: above 0 s, up to the period.
    #[must_use]
    pub fn flapping(mut self, period: Duration, on: Duration) -> Self {
        self.trigger.flapping = Some(Flapping { period, on });
        self
    }

    /// Skips this many matching operations before the rule applies.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.trigger.after = count;
        self
    }

    /// Limits how many operations the rule applies to.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.trigger.times = count;
        self
    }

    /// Sets the probability with which the rule applies. Range: 0 to 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.trigger.probability = probability;
        self
    }

    /// Returns the rule with another effect.
    pub fn map<F>(self, effect: impl FnOnce(E) -> F) -> Rule<F, T> {
        Rule { effect: effect(self.effect), target: self.target, trigger: self.trigger }
    }
}

impl<E: RuleEffect<T>, T: RuleTarget> Rule<E, T> {
    /// Checks patterns, probability, period, and the effect.
    ///
    /// # Errors
    ///
    /// Returns the field and what is wrong with it.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        self.target.validate()?;
        self.trigger.validate()?;
        self.effect.validate()
    }
}
