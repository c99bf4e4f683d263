//! The forms of numbers in every report of a sweep.

use super::found::Found;

/// Returns the confidence interval of a cell's failure rate.
pub(super) fn rate_interval(cell: &Found) -> String {
    format!("{:.2} to {:.2} %", cell.rate.start() * 100.0, cell.rate.end() * 100.0)
}

/// Formats a measured rate with at most two decimals.
pub(super) fn percent(rate: f64) -> String {
    format!("{} %", (rate * 1e4).round() / 1e2)
}

/// Formats a p-value with three decimals.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}
