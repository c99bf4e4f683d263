//! The Clopper-Pearson interval of a counted rate.

use statrs::function::beta::beta_reg;
use std::ops::RangeInclusive;

/// Returns the exact Clopper-Pearson confidence interval of a probability after `events` in
/// `trials`. Whatever the probability is, the interval covers it with at least the stated
/// confidence. (Clopper and Pearson, Biometrika 26, 1934.)
///
/// The ends are quantiles of beta distributions, found by bisection of the regularized incomplete
/// beta function, which is monotonic: `statrs`'s own inverse is 1e-4 off for a million trials and
/// does not return for ten.
///
/// ```
/// // Nothing in 3,000: below 1 in 1,000, as the rule of three has it, one-sided.
/// let rate = stormglass_sweep::clopper_pearson(0, 3_000, 0.90);
/// assert!(*rate.start() == 0.0 && *rate.end() < 0.001);
/// ```
///
/// # Panics
///
/// If `trials` is 0 or less than `events`, or `confidence` is not between 0 and 1.
pub fn clopper_pearson(events: u64, trials: u64, confidence: f64) -> RangeInclusive<f64> {
    let tail = (1.0 - confidence) / 2.0;
    let high = upper_limit(events, trials, 1.0 - tail);
    let low =
        if events == 0 { 0.0 } else { beta_quantile(events as f64, (trials - events) as f64 + 1.0, tail) };
    low..=high
}

/// Returns the exact one-sided upper confidence limit of a probability (Clopper-Pearson).
///
/// ```
/// // The rule of three: nothing in 3,000 is below 1 in 1,000 at 95 %.
/// assert!(stormglass_sweep::stats::binomial::upper_limit(0, 3_000, 0.95) < 0.001);
/// ```
///
/// # Panics
///
/// As [`clopper_pearson`].
pub fn upper_limit(events: u64, trials: u64, confidence: f64) -> f64 {
    assert!(trials > 0 && events <= trials, "{events} events of {trials} trials");
    assert!(0.0 < confidence && confidence < 1.0, "a confidence of {confidence}");
    if events == trials {
        1.0
    } else {
        beta_quantile(events as f64 + 1.0, (trials - events) as f64, confidence)
    }
}

/// Returns the quantile of Beta(a, b) at which its distribution function has this value.
fn beta_quantile(a: f64, b: f64, value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        // Bisects the logarithm until there is a lower end: rates may be tiny.
        let middle: f64 = if low > 0.0 { f64::midpoint(low, high) } else { high / 16.0 };
        if middle <= low || middle >= high || high < f64::MIN_POSITIVE {
            return high;
        }
        if beta_reg(a, b, middle) < value {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17: `scipy.stats.binomtest(k, n).proportion_ci(0.95)`.
    #[test]
    fn intervals_agree_with_scipy() {
        for (events, trials, low, high) in [
            (0, 10, 0.0, 0.308_497_10),
            (5, 10, 0.187_086_03, 0.812_913_97),
            (10, 10, 0.691_502_90, 1.0),
            (1, 100, 0.000_253_15, 0.054_459_38),
        ] {
            let rate = clopper_pearson(events, trials, 0.95);
            assert!((rate.start() - low).abs() < 1e-8, "{events} of {trials}: {rate:?}");
            assert!((rate.end() - high).abs() < 1e-8, "{events} of {trials}: {rate:?}");
        }
    }

    /// No event in n trials has the closed form 1 - (α/2)^(1/n), also for n at which the library's
    /// own inverse does not return.
    #[test]
    fn interval_without_events_has_the_closed_form() {
        for trials in [1_000u64, 1_000_000, 10_000_000, 100_000_000] {
            let high = *clopper_pearson(0, trials, 0.95).end();
            let exact = -f64::exp_m1(0.025f64.ln() / trials as f64);
            assert!((high / exact - 1.0).abs() < 1e-8, "{trials}: {high} {exact}");
        }
    }

    /// Sums the probabilities of all outcomes: the interval covers the truth with at least the
    /// stated confidence.
    #[test]
    fn interval_has_the_stated_coverage() {
        const TRIALS: u64 = 40;
        for percent in [1, 5, 20, 50, 90] {
            let truth = f64::from(percent) / 100.0;
            let mut chance = (1.0 - truth).powi(TRIALS as i32);
            let mut covered = 0.0;
            for events in 0..=TRIALS {
                if clopper_pearson(events, TRIALS, 0.95).contains(&truth) {
                    covered += chance;
                }
                chance *= (TRIALS - events) as f64 / (events + 1) as f64 * truth / (1.0 - truth);
            }
            assert!(covered >= 0.95, "{truth}: {covered}");
        }
    }
}
