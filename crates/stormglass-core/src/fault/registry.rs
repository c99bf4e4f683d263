//! The rules that are installed on a disk or a network.

use super::{InvalidRule, Rule, RuleEffect, RuleTarget};
use crate::seed::Stream;
use crate::time::SimTime;

/// The installed rules in the order of installation, with their counts.
///
/// ```
/// use stormglass_core::fault::{DiskEffect, DiskOperation, DiskRule, Registry};
/// use stormglass_core::{Kind, Seed, SimTime};
///
/// // The third and the fourth sync.
/// let mut rules = Registry::default();
/// let rule = DiskRule::new(DiskEffect::Short).on([Kind::Write]).after(2).times(2);
/// let number = rules.install(rule)?;
/// let mut stream = Seed(1).stream("faults");
/// let write = DiskOperation { kind: Kind::Write, path: "a.log" };
/// let affected = [(); 6].map(|()| {
///     let mut count = 0;
///     rules.apply(&write, SimTime::ZERO, &mut stream, |_, _| count += 1);
///     count
/// });
/// assert_eq!(affected, [0, 0, 1, 1, 0, 0]);
/// assert_eq!(rules.applied(number), 2);
/// # Ok::<(), stormglass_core::fault::InvalidRule>(())
/// ```
#[derive(Debug)]
pub struct Registry<E, T> {
    rules: Vec<Installed<E, T>>,
    number_last: u64,
}

/// An installed rule.
#[derive(Debug)]
struct Installed<E, T> {
    number: u64,
    rule: Rule<E, T>,
    /// The number of matching operations that the rule still skips.
    skip: u64,
    applied: u64,
}

impl<E, T> Installed<E, T> {
    /// Returns whether the rule may apply to an operation that begins now. Counts nothing.
    fn is_on(&self, now: SimTime) -> bool {
        self.applied < self.rule.trigger.times && self.rule.trigger.is_on(now)
    }

    /// Returns whether the rule applies to a matching operation, and counts it. Draws a random
    /// number only if the probability is below 1 and no count decides.
    fn triggers(&mut self, stream: &mut Stream) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        const ONE: u64 = 1 << 53;
        let probability = self.rule.trigger.probability;
        if probability < 1.0 && !stream.chance((probability * ONE as f64) as u64, ONE) {
            return false;
        }
        self.applied += 1;
        true
    }
}

impl<E, T> Default for Registry<E, T> {
    fn default() -> Registry<E, T> {
        Registry { rules: Vec::new(), number_last: 0 }
    }
}

impl<E, T> Registry<E, T> {
    /// Returns whether no rule is installed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether a rule may apply to an operation that begins now. If not, the caller need
    /// not describe the operation.
    pub fn any_on(&self, now: SimTime) -> bool {
        self.rules.iter().any(|installed| installed.is_on(now))
    }

    /// Returns the installed rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule<E, T>> {
        self.rules.iter().map(|installed| &installed.rule)
    }

    /// Returns the rule with this number.
    pub fn get(&self, number: u64) -> Option<&Rule<E, T>> {
        self.find(number).map(|installed| &installed.rule)
    }

    /// Returns how many operations the rule with this number was applied to; 0 if it is not
    /// installed.
    pub fn applied(&self, number: u64) -> u64 {
        self.find(number).map_or(0, |installed| installed.applied)
    }

    /// Removes the rule with this number.
    pub fn remove(&mut self, number: u64) {
        self.rules.retain(|installed| installed.number != number);
    }

    fn find(&self, number: u64) -> Option<&Installed<E, T>> {
        self.rules.iter().find(|installed| installed.number == number)
    }
}

impl<E: RuleEffect<T>, T: RuleTarget> Registry<E, T> {
    /// Installs a rule and returns its number.
    ///
    /// # Errors
    ///
    /// Returns the error of [`Rule::validate`].
    pub fn install(&mut self, rule: Rule<E, T>) -> Result<u64, InvalidRule> {
        rule.validate()?;
        self.number_last += 1;
        self.rules.push(Installed { number: self.number_last, skip: rule.trigger.after, applied: 0, rule });
        Ok(self.number_last)
    }

    /// Calls `apply` with the effect of each rule that applies to this operation, in order.
    /// Patterns are compared last, and only for rules that are on.
    pub fn apply(
        &mut self,
        operation: &T::Operation<'_>,
        now: SimTime,
        stream: &mut Stream,
        mut apply: impl FnMut(&E, &mut Stream),
    ) {
        for installed in &mut self.rules {
            let rule = &installed.rule;
            if installed.is_on(now)
                && rule.effect.can_affect(operation)
                && rule.target.matches(operation)
                && installed.triggers(stream)
            {
                apply(&installed.rule.effect, stream);
            }
        }
    }
}
