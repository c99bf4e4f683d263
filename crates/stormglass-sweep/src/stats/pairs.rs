//! Paired comparisons: two cells with the same seeds have the same random environment (common
//! random numbers).

use crate::stats::binomial::clopper_pearson;
use statrs::function::beta::beta_reg;

/// Returns the two-sided p-value of McNemar's exact test for the discordant pairs: `only_before`
/// seeds failed only before, `only_after` only after. 1 without discordant pairs. (McNemar,
/// Psychometrika 12, 1947; with the binomial distribution instead of his approximation.)
///
/// ```
/// // Ten seeds that failed pass with the remedy, and none that passed fails: 2 · 0.5¹⁰.
/// assert!((stormglass_sweep::mcnemar(10, 0) - 0.001953125).abs() < 1e-12);
/// assert_eq!(stormglass_sweep::mcnemar(3, 3), 1.0);
/// ```
pub fn mcnemar(only_before: u64, only_after: u64) -> f64 {
    let (fewer, all) = (only_before.min(only_after), only_before + only_after);
    if fewer * 2 >= all {
        return 1.0;
    }
    // P(X <= fewer) of Binomial(all, 1/2).
    (2.0 * beta_reg((all - fewer) as f64, fewer as f64 + 1.0, 0.5)).min(1.0)
}

/// Returns the p-values adjusted by the Holm correction for multiple comparisons, in the order
/// given. (Holm, Scandinavian Journal of Statistics 6, 1979.)
///
/// ```
/// // The smallest is multiplied by 3, the next by 2, and none is smaller than the one before it.
/// let adjusted = stormglass_sweep::stats::pairs::holm(&[0.01, 0.04, 0.03]);
/// assert!(adjusted.iter().zip([0.03, 0.06, 0.06]).all(|(p, expected): (&f64, f64)| (p - expected).abs() < 1e-12));
/// ```
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]));
    let mut adjusted = vec![0.0; chances.len()];
    let mut largest: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        largest = largest.max((chances[place] * (chances.len() - rank) as f64).min(1.0));
        adjusted[place] = largest;
    }
    adjusted
}

/// Returns the median of paired differences with its distribution-free confidence interval, the
/// inversion of the sign test. `None` without pairs. With too few pairs for the confidence, the
/// ends are the smallest and the largest difference.
///
/// # Panics
///
/// If `confidence` is not between 0 and 1.
pub fn median_difference(differences: &mut [f64], confidence: f64) -> Option<(f64, f64, f64)> {
    differences.sort_by(f64::total_cmp);
    let pairs = differences.len();
    let middle = pairs.checked_sub(1)?.div_ceil(2);
    let median = if pairs % 2 == 1 {
        differences[middle]
    } else {
        f64::midpoint(differences[middle - 1], differences[middle])
    };
    // The largest number of smaller differences for which the share of smaller ones is still
    // significantly below 1/2.
    let too_few = |count: usize| *clopper_pearson(count as u64 + 1, pairs as u64, confidence).end() < 0.5;
    let below = (0..pairs / 2).take_while(|&count| too_few(count)).count();
    Some((median, differences[below], differences[pairs - 1 - below]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Seed;

    /// The sign test's interval for n = 10 at 95 % is from the 2nd to the 9th value (covers 97.9
    /// %).
    #[test]
    fn median_interval_agrees_with_the_sign_test() {
        let mut differences: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(median_difference(&mut differences, 0.95), Some((5.5, 2.0, 9.0)));
        assert_eq!(median_difference(&mut [], 0.95), None);
        assert_eq!(median_difference(&mut [3.0], 0.95), Some((3.0, 3.0, 3.0)));
    }

    /// 2,000 samples of 25 from a skewed distribution with median 1: the interval covers it in at
    /// least 95 % of them.
    #[test]
    fn median_interval_has_the_stated_coverage() {
        let mut stream = Seed(1).stream("coverage");
        let mut draw = || -stream.uniform().ln() / std::f64::consts::LN_2;
        let held = (0..2_000).filter(|_| {
            let mut sample: Vec<f64> = (0..25).map(|_| draw()).collect();
            let (_, low, high) = median_difference(&mut sample, 0.95).unwrap();
            (low..=high).contains(&1.0)
        });
        let held = held.count();
        assert!((1_900..=1_980).contains(&held), "{held} of 2,000");
    }
}
