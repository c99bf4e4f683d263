//! Ending a cell when it is known on which side of the target its flake rate is.

use super::binomial::clopper_pearson;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The flake rate that is asked for, and how sure the answer shall be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Target {
    /// The share of runs that may fail. Range: between 0 and 1. Default: 0.01.
    pub flake: f64,
    /// How often, at least, an answer is right. Range: between 0 and 1. Default: 0.95.
    pub confidence: f64,
    /// A rate that is surely less than this many times as high and less than this many times as low is as good as the target itself: nobody need know on which side it is.
    /// Range: above 1. Default: none, so that it takes all its seeds to leave such a cell open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
}

impl Default for Target {
    fn default() -> Target {
        Target { flake: 0.01, confidence: 0.95, margin: None }
    }
}

impl Target {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// Says in words which number is out of its range.
    pub fn check(self) -> Result<(), String> {
        for (name, value) in [("flake", self.flake), ("confidence", self.confidence)] {
            if !(0.0 < value && value < 1.0) {
                return Err(format!("{name} is {value}, it must be between 0 and 1"));
            }
        }
        if let Some(margin) = self.margin.filter(|margin| !(1.0 < *margin && margin.is_finite())) {
            return Err(format!("margin is {margin}, it must be above 1"));
        }
        Ok(())
    }
}

impl Target {
    /// On which side of it a rate with this interval is, if that is known.
    pub fn side(self, rate: &RangeInclusive<f64>) -> Option<Side> {
        if *rate.end() <= self.flake {
            Some(Side::Below)
        } else if *rate.start() > self.flake {
            Some(Side::Above)
        } else {
            let near = |margin: f64| *rate.start() * margin > self.flake && *rate.end() < self.flake * margin;
            self.margin.is_some_and(near).then_some(Side::Near)
        }
    }
}

/// When one looks whether a cell is decided: after `first` runs, and each time when there are twice as many, until its seeds are spent.
///
/// Each look spends an equal part of the error that the target's confidence allows (Bonferroni), so that all of them together, with the interval that is told
/// at the end, are wrong no more often than stated. As the looks are at doubling numbers there are few of them, and little is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Stop {
    /// The runs before the first look. Range: 1 and up. Default: 50.
    pub first: u64,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop { first: 50 }
    }
}

/// On which side of the target a flake rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// It holds.
    Below,
    /// It does not.
    Above,
    /// It is about the target, within its margin.
    Near,
}

impl Stop {
    pub(crate) fn check(self) -> Result<(), String> {
        if self.first == 0 { Err("first is 0, it must be at least 1".into()) } else { Ok(()) }
    }

    /// After how many runs one looks, when there are so many at most.
    pub fn looks(self, most: u64) -> Vec<u64> {
        let mut looks = Vec::new();
        let mut next = self.first;
        while next < most {
            looks.push(next);
            next = next.saturating_mul(2);
        }
        looks.push(most);
        looks
    }

    /// How often one looks at a cell with so many seeds: once without a rule.
    pub fn times(stop: Option<Stop>, most: u64) -> usize {
        stop.map_or(1, |stop| stop.looks(most).len())
    }
}

/// The interval of a flake rate when one looks so often.
///
/// # Panics
///
/// As [`clopper_pearson`].
pub fn interval(failed: u64, runs: u64, target: Target, looks: usize) -> RangeInclusive<f64> {
    clopper_pearson(failed, runs, 1.0 - (1.0 - target.confidence) / looks.max(1) as f64)
}

/// Whether it is decided, when one looks so often.
///
/// # Panics
///
/// As [`clopper_pearson`].
pub fn decided(failed: u64, runs: u64, target: Target, looks: usize) -> Option<Side> {
    target.side(&interval(failed, runs, target, looks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Seed;

    #[test]
    fn one_looks_at_doubling_numbers() {
        assert_eq!(Stop { first: 50 }.looks(400), [50, 100, 200, 400]);
        assert_eq!(Stop { first: 50 }.looks(30), [30]);
    }

    /// Of 1,000 sequential trials each at a known rate, no more than 5 % end on the wrong side, and the interval at the end holds the truth in 95 % at
    /// least; and far from the target they end early.
    #[test]
    fn the_rule_keeps_the_error_that_it_states() {
        let (target, stop) = (Target { flake: 0.05, ..Target::default() }, Stop { first: 50 });
        let near = Target { margin: Some(2.0), ..target };
        let looks = stop.looks(1_600);
        let truths = [0.005, 0.03, 0.045, 0.055, 0.08, 0.3];
        let cases = truths
            .map(|truth| (truth, target))
            .into_iter()
            .chain([0.01, 0.05, 0.12].map(|truth| (truth, near)));
        for (truth, target) in cases {
            let mut stream = Seed((truth * 1e6) as u64).stream("stopping");
            let (mut wrong, mut outside, mut spent) = (0, 0, 0);
            for _ in 0..1_000 {
                let (mut failed, mut runs) = (0, 0);
                let mut side = None;
                for &look in &looks {
                    while runs < look {
                        failed += u64::from(stream.uniform() < truth);
                        runs += 1;
                    }
                    side = decided(failed, runs, target, looks.len());
                    if side.is_some() {
                        break;
                    }
                }
                let right = |side| match side {
                    Side::Below => truth <= target.flake,
                    Side::Above => truth > target.flake,
                    Side::Near => (target.flake / 2.0..target.flake * 2.0).contains(&truth),
                };
                wrong += u32::from(side.is_some_and(|side| !right(side)));
                outside += u32::from(!interval(failed, runs, target, looks.len()).contains(&truth));
                spent += runs;
            }
            assert!(wrong <= 50 && outside <= 50, "{truth}: {wrong} wrong, {outside} outside");
            if [0.005, 0.3].contains(&truth) || target.margin.is_some() {
                // Without a margin the target itself would take all 1,600.
                assert!(
                    spent < 1_000 * if truth == 0.05 { 1_300 } else { 400 },
                    "{truth}: {} runs each",
                    spent / 1_000
                );
            }
        }
    }
}
