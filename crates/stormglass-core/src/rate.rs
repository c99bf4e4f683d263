//! What a number of runs says about the rate of failures.

/// Returns the upper bound, at a confidence of 95 %, of the failure rate of something that has been
/// tried this often without a failure: the p for which (1 - p)ⁿ is 5 %. Range: 0 to 1.
///
/// ```
/// use stormglass_core::rate::upper_bound_without_failures;
///
/// // The "rule of three": about 3 / n.
/// assert!((upper_bound_without_failures(1_000) - 0.003).abs() < 0.00001);
/// assert_eq!(upper_bound_without_failures(0), 1.0);
/// ```
pub fn upper_bound_without_failures(runs: u64) -> f64 {
    if runs == 0 {
        return 1.0;
    }
    1.0 - 0.05f64.powf(1.0 / runs as f64)
}
