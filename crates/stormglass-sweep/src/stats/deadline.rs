//! The smallest deadline that holds.

use super::binomial::upper_limit;
use super::stopping::Target;
use std::time::Duration;

/// What the lengths of a run's longest wait say about its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smallest {
    /// With this deadline so many of the runs fail, and the flake rate is below the target as surely as it says.
    Is {
        /// The deadline.
        deadline: Duration,
        /// How many of the runs exceed it.
        exceeded: u64,
    },
    /// More runs never end than the target allows: no deadline is long enough.
    None,
    /// It takes so many runs without a failure to say anything.
    Needs {
        /// So many.
        runs: u64,
    },
}

/// The smallest deadline, among the lengths that were seen, under which no more than the target's share of runs fails.
///
/// How many of n runs may exceed it follows from n alone (the largest k for which the one-sided upper limit of Clopper and Pearson is within the target), so the
/// length at that rank is an upper confidence limit of a quantile, whatever the distribution. (Wilks, Annals of Mathematical Statistics 12, 1941.) `None` is a
/// wait that never ended.
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
    // Whatever never ends is longest.
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

    /// 299 clean runs are the least for 1 % at 95 % (0.99^299 < 0.05); with 473 one may fail. (Wilks.)
    #[test]
    fn how_many_may_fail_follows_from_the_number_of_runs() {
        let of = |runs: u64| {
            let mut lengths: Vec<_> = (1..=runs).map(|s| Some(Duration::from_secs(s))).collect();
            smallest_deadline(&mut lengths, TARGET)
        };
        assert_eq!(of(298), Smallest::Needs { runs: 299 });
        assert_eq!(of(299), Smallest::Is { deadline: Duration::from_secs(299), exceeded: 0 });
        assert_eq!(of(473), Smallest::Is { deadline: Duration::from_secs(472), exceeded: 1 });
    }

    #[test]
    fn what_never_ends_has_no_deadline() {
        let mut lengths = vec![Some(Duration::from_secs(1)); 299];
        lengths[7] = None;
        assert_eq!(smallest_deadline(&mut lengths, TARGET), Smallest::None);
    }

    /// Exponential waits: P(longer than d) = exp(-d). In 1,000 experiments of 500 runs the deadline is too short in no more than 5 % of them.
    #[test]
    fn the_deadline_holds_as_often_as_it_says() {
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
