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
    /// No rule is on before this time, so idle rules cost one comparison.
    idle_until: SimTime,
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
        Registry { rules: Vec::new(), number_last: 0, idle_until: SimTime::ZERO }
    }
}

impl<E, T> Registry<E, T> {
    /// Returns whether no rule is installed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether a rule may apply to an operation that begins now. If not, the caller need
    /// not describe the operation. `now` is not before that of the last call.
    pub fn any_on(&mut self, now: SimTime) -> bool {
        if now < self.idle_until {
            return false;
        }
        let is_any_on = self.rules.iter().any(|installed| installed.is_on(now));
        if !is_any_on {
            self.idle_until = self.next_change(now);
        }
        is_any_on
    }

    /// Returns the earliest time after `now` at which a rule that has not been applied `times`
    /// times turns on or off.
    fn next_change(&self, now: SimTime) -> SimTime {
        let rules = self.rules.iter().filter(|installed| installed.applied < installed.rule.trigger.times);
        rules.filter_map(|installed| installed.rule.trigger.next_change(now)).min().unwrap_or(SimTime::MAX)
    }

    /// Returns the installed rules with their numbers, in order.
    pub fn rules(&self) -> impl Iterator<Item = (u64, &Rule<E, T>)> {
        self.rules.iter().map(|installed| (installed.number, &installed.rule))
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
        self.idle_until = SimTime::ZERO;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::fault::{DiskEffect, DiskRule};
    use proptest::prelude::*;
    use std::time::Duration;

    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    proptest! {
        /// What `any_on` remembers between calls is what the rules say.
        #[test]
        fn any_on_is_what_the_rules_say(
            rules in prop::collection::vec((0..60u64, 1..40u64, prop::option::of((2..9u64, 1..9u64)), 0..3u64), 0..5),
            install_at in 0..60u64,
        ) {
            let mut registry = Registry::default();
            let mut rest = rules.clone();
            let mut stream = crate::Seed(1).stream("test");
            for now in 0..120 {
                while now == 0 && rest.len() > 2 || now == install_at && !rest.is_empty() {
                    let (from, length, flapping, times) = rest.remove(0);
                    let mut rule = DiskRule::new(DiskEffect::Short).during(AT(from)..AT(from + length));
                    rule = rule.times(if times == 0 { u64::MAX } else { times });
                    if let Some((period, on)) = flapping {
                        let (period, on) = (Duration::from_millis(period), Duration::from_millis(on.min(period)));
                        rule = rule.flapping(period, on);
                    }
                    registry.install(rule).unwrap();
                }
                let expected = registry.rules.iter().any(|installed| installed.is_on(AT(now)));
                prop_assert_eq!(registry.any_on(AT(now)), expected, "at {} ms", now);
                let write = crate::fault::DiskOperation { kind: Kind::Write, path: "a" };
                registry.apply(&write, AT(now), &mut stream, |_, _| {});
            }
        }
    }
}
