//! The smallest deadline that keeps the failure rate within a target.

use super::binomial::upper_limit;
use super::stopping::Target;
use std::time::Duration;

/// The smallest deadline that a sample of waits supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smallest {
    /// The failure rate with this deadline is within the target at its confidence.
    Is {
        /// The deadline.
        deadline: Duration,
        /// The number of runs that exceed it.
        exceeded: u64,
    },
    /// More waits never end than the target allows, so no deadline is long enough.
    None,
    /// There are too few runs.
    Needs {
        /// The number of runs without failure that the target needs.
        runs: u64,
    },
}

/// Returns the smallest observed length that, as a deadline, keeps the failure rate within the
/// target. `None` in `lengths` is a wait that never ended.
///
/// How many of n runs may exceed it follows from n alone: the largest k whose one-sided
/// Clopper-Pearson upper limit is within the target. So the length at that rank is a
/// distribution-free upper confidence limit of a quantile. (Wilks, Annals of Mathematical
/// Statistics 12, 1941.)
pub fn smallest_deadline(lengths: &mut [Option<Duration>], target: Target) -> Smallest {
    let runs = lengths.len() as u64;
    let upper = |exceeded: u64| upper_limit(exceeded, runs, target.confidence);
    if runs == 0 || upper(0) > target.flake {
        let needed = (1.0 - target.confidence).ln() / (-target.flake).ln_1p();
        return Smallest::Needs { runs: needed.ceil() as u64 };
    }
    let (mut most, mut beyond) = (0, runs);
    while beyond - most > 1 {
        let middle = u64::midpoint(most, beyond);
        if upper(middle) <= target.flake { most = middle } else { beyond = middle }
    }
    // Waits that never end are the longest.
    lengths.sort_by_key(|length| length.unwrap_or(Duration::MAX));
    match lengths[(runs - 1 - most) as usize] {
        Some(deadline) => {
            let exceeded =
                lengths.iter().filter(|length| length.is_none_or(|length| length > deadline)).count() as u64;
            Smallest::Is { deadline, exceeded }
        }
        None => Smallest::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Seed;

    const TARGET: Target = Target { flake: 0.01, confidence: 0.95, margin: None };

    /// 299 clean runs are the least for 1 % at 95 % (0.99^299 < 0.05); with 473 one may fail.
    /// (Wilks.)
    #[test]
    fn allowed_failures_follow_from_the_number_of_runs() {
        let of = |runs: u64| {
            let mut lengths: Vec<_> = (1..=runs).map(|s| Some(Duration::from_secs(s))).collect();
            smallest_deadline(&mut lengths, TARGET)
        };
        assert_eq!(of(298), Smallest::Needs { runs: 299 });
        assert_eq!(of(299), Smallest::Is { deadline: Duration::from_secs(299), exceeded: 0 });
        assert_eq!(of(473), Smallest::Is { deadline: Duration::from_secs(472), exceeded: 1 });
    }

    #[test]
    fn endless_wait_has_no_deadline() {
        let mut lengths = vec![Some(Duration::from_secs(1)); 299];
        lengths[7] = None;
        assert_eq!(smallest_deadline(&mut lengths, TARGET), Smallest::None);
    }

    /// Exponential waits: P(longer than d) = exp(-d). In 1,000 experiments of 500 runs the deadline
    /// is too short in no more than 5 % of them.
    #[test]
    fn deadline_has_the_stated_coverage() {
        let mut stream = Seed(3).stream("deadlines");
        let mut draw = || -stream.uniform().ln();
        let short = (0..1_000).filter(|_| {
            let mut lengths: Vec<_> = (0..500).map(|_| Some(Duration::from_secs_f64(draw()))).collect();
            match smallest_deadline(&mut lengths, TARGET) {
                Smallest::Is { deadline, .. } => (-deadline.as_secs_f64()).exp() > TARGET.flake,
                other => panic!("{other:?}"),
            }
        });
        let short = short.count();
        assert!(short <= 60, "{short} of 1,000 are too short");
    }
}
