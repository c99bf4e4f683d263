//! The rules that are installed on a disk or a network.

use super::{InvalidRule, Rule, RuleEffect, RuleTarget};
use crate::seed::Stream;
use crate::time::SimTime;

/// Installed rules, in the order in which they were installed, with what they have counted.
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
    /// How many operations are still to be skipped.
    skip: u64,
    applied: u64,
}

impl<E, T> Installed<E, T> {
    /// Whether the rule may apply to what begins now; nothing is counted.
    fn is_on(&self, now: SimTime) -> bool {
        self.applied < self.rule.trigger.times && self.rule.trigger.is_on(now)
    }

    /// Whether the rule applies to a matching operation. Counts; draws a probability only where nothing else has decided.
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
    /// Whether no rule is installed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule may apply to what begins now. Where none is, an operation need not be described.
    pub fn any_on(&self, now: SimTime) -> bool {
        self.rules.iter().any(|installed| installed.is_on(now))
    }

    /// The installed rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule<E, T>> {
        self.rules.iter().map(|installed| &installed.rule)
    }

    /// The rule with this number.
    pub fn get(&self, number: u64) -> Option<&Rule<E, T>> {
        self.find(number).map(|installed| &installed.rule)
    }

    /// How many operations the rule with this number was applied to; 0 if it is not installed.
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
    /// Installs a rule; returns its number.
    ///
    /// # Errors
    ///
    /// [`Rule::validate`].
    pub fn install(&mut self, rule: Rule<E, T>) -> Result<u64, InvalidRule> {
        rule.validate()?;
        self.number_last += 1;
        self.rules.push(Installed { number: self.number_last, skip: rule.trigger.after, applied: 0, rule });
        Ok(self.number_last)
    }

    /// Calls `apply` with the effect of each rule that applies to this operation, in order. Patterns are looked at last,
    /// and only of rules that are on.
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
