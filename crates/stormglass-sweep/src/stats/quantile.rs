//! Quantiles with confidence intervals.

use statrs::function::beta::beta_reg;

/// A quantile of a sample with its distribution-free confidence interval. The ends are order
/// statistics, chosen by the binomial distribution of the number of values below the true quantile.
/// (Conover, Practical Nonparametric Statistics, 1999, section 3.2.) An end is `None` if the sample
/// is too small for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Quantile<T> {
    /// The sample quantile: the smallest value that at least this share of the sample does not
    /// exceed.
    pub value: T,
    /// The lower end.
    pub low: Option<T>,
    /// The upper end.
    pub high: Option<T>,
}

/// Returns the quantile of a sorted sample with its interval; `None` for an empty sample.
///
/// ```
/// use stormglass_sweep::stats::quantile::{Quantile, quantile};
///
/// let sorted: Vec<u32> = (1..=100).collect();
/// // The median of 100 values: the 40th and the 61st are its interval.
/// assert_eq!(quantile(&sorted, 0.5, 0.95), Some(Quantile { value: 50, low: Some(40), high: Some(61) }));
/// // 100 values are too few for an upper limit of the 99th percentile.
/// assert_eq!(quantile(&sorted, 0.99, 0.95).unwrap().high, None);
/// ```
///
/// # Panics
///
/// If `share` or `confidence` is not between 0 and 1.
pub fn quantile<T: Copy>(sorted: &[T], share: f64, confidence: f64) -> Option<Quantile<T>> {
    assert!(0.0 < share && share < 1.0 && 0.0 < confidence && confidence < 1.0, "{share} at {confidence}");
    let count = sorted.len();
    let tail = (1.0 - confidence) / 2.0;
    // The probability that at most `below` values are below the true quantile.
    let at_most = |below: usize| match below {
        _ if below >= count => 1.0,
        _ => beta_reg((count - below) as f64, below as f64 + 1.0, 1.0 - share),
    };
    // The smallest number of values for which that probability exceeds the tail.
    let (mut too_few, mut enough) = (0, count);
    while too_few < enough {
        let middle = usize::midpoint(too_few, enough);
        if at_most(middle) <= tail { too_few = middle + 1 } else { enough = middle }
    }
    let low = too_few.checked_sub(1).map(|place| sorted[place]);
    // The smallest number of values for which it reaches 1 minus the tail.
    let (mut too_low, mut high) = (0, count);
    while too_low < high {
        let middle = usize::midpoint(too_low, high);
        if at_most(middle) >= 1.0 - tail { high = middle } else { too_low = middle + 1 }
    }
    Some(Quantile { value: value(sorted, share)?, low, high: sorted.get(high).copied() })
}

/// Returns the smallest value of a sorted sample that at least this share of it does not exceed;
/// `None` for an empty sample.
pub fn value<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let count = sorted.len();
    let rank = ((count as f64 * share).ceil() as usize).clamp(1, count.max(1));
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Seed;

    #[test]
    fn small_samples_have_open_intervals() {
        assert_eq!(quantile::<u32>(&[], 0.5, 0.95), None);
        assert_eq!(quantile(&[7], 0.5, 0.95), Some(Quantile { value: 7, low: None, high: None }));
        // The sign test's interval for n = 10: the 2nd and the 9th.
        let sorted: Vec<u32> = (1..=10).collect();
        assert_eq!(quantile(&sorted, 0.5, 0.95), Some(Quantile { value: 5, low: Some(2), high: Some(9) }));
    }

    /// For 2,000 samples of exponential values the interval covers the true quantile in about 95 %
    /// or more.
    #[test]
    fn intervals_have_the_stated_coverage() {
        let mut stream = Seed(9).stream("coverage");
        for (share, count) in [(0.5, 30), (0.95, 200)] {
            let truth = -f64::ln(1.0 - share);
            let held = (0..2_000).filter(|_| {
                let mut sample: Vec<f64> = (0..count).map(|_| -stream.uniform().ln()).collect();
                sample.sort_by(f64::total_cmp);
                let Quantile { low, high, .. } = quantile(&sample, share, 0.95).unwrap();
                low.is_none_or(|low| low <= truth) && high.is_none_or(|high| truth <= high)
            });
            let held = held.count();
            assert!((1_890..=1_990).contains(&held), "{share}: {held} of 2,000");
        }
    }
}
