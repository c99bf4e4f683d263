//! A sequential test with doubling looks: ends a cell when the side of the target is known on which
//! its failure rate is.

use super::binomial::clopper_pearson;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The target failure rate and the confidence level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "sweep", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Target {
    /// The failure rate (share of runs that fail) that a cell may have. Range: between 0 and 1.
    /// Default: 0.01.
    pub flake: f64,
    /// The confidence level of intervals and decisions. Range: between 0 and 1. Default: 0.95.
    pub confidence: f64,
    /// The indifference zone, as a factor: a rate whose interval lies between target / margin and
    /// target · margin counts as near the target, and its side need not be decided. Range: above 1.
    /// Default: none, so that such a cell plays all its seeds and stays open.
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
    /// Returns a message that names the number, its value and its range.
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
    /// Returns the side of the target of a rate with this interval, if it is known.
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

/// The stopping rule of the sequential test: looks (interim analyses) after `first` runs and after
/// each doubling, until all seeds are played.
///
/// Each look has an equal part of the error that the target's confidence allows (Bonferroni
/// correction), so all looks together, and the interval that is reported at the end, have at least
/// the stated confidence. Since looks are at doubling numbers, there are few of them, and the
/// correction costs little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "sweep", derive(schemars::JsonSchema))]
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

/// The side of the target on which a failure rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Below the target: the target is met.
    Below,
    /// Above the target.
    Above,
    /// Within the target's margin.
    Near,
}

impl Stop {
    pub(crate) fn check(self) -> Result<(), String> {
        if self.first == 0 { Err("`first` is 0, it must be at least 1".into()) } else { Ok(()) }
    }

    /// Returns the numbers of runs at which looks are made, for a cell with `most` seeds.
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

    /// Returns the number of looks for a cell with `most` seeds; 1 without a stopping rule.
    pub fn times(stop: Option<Stop>, most: u64) -> usize {
        stop.map_or(1, |stop| stop.looks(most).len())
    }
}

/// Returns the Clopper-Pearson interval of a failure rate, corrected for this number of looks.
///
/// # Panics
///
/// As [`clopper_pearson`].
pub fn interval(failed: u64, runs: u64, target: Target, looks: usize) -> RangeInclusive<f64> {
    clopper_pearson(failed, runs, 1.0 - (1.0 - target.confidence) / looks.max(1) as f64)
}

/// Returns the side of the target, if it is known with this number of looks.
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
    fn looks_are_at_doubling_numbers() {
        assert_eq!(Stop { first: 50 }.looks(400), [50, 100, 200, 400]);
        assert_eq!(Stop { first: 50 }.looks(30), [30]);
    }

    /// Of 1,000 sequential tests at each known rate, no more than 5 % end on the wrong side, and
    /// the interval at the end covers the truth in at least 95 %. Far from the target they end
    /// early.
    #[test]
    fn sequential_test_has_the_stated_error_rate() {
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
                // Without a margin a rate at the target would need all 1,600 runs.
                assert!(
                    spent < 1_000 * if truth == 0.05 { 1_300 } else { 400 },
                    "{truth}: {} runs each",
                    spent / 1_000
                );
            }
        }
    }
}
