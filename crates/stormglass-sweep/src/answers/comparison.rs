//! Comparison of each variant with the first one, seed by seed: the same seeds give the same random
//! environment (common random numbers).

use crate::plan::Plan;
use crate::stats::pairs::{holm, mcnemar, median_difference};
use crate::stats::stopping::Target;
use crate::tally::Tally;
use serde::Serialize;
use std::time::Duration;
use stormglass_core::Length;

/// A cell compared, seed by seed, with the cell that has the first variant and the same parameter
/// values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The number of seeds that failed with the first variant and pass with this one.
    pub no_longer_fail: u64,
    /// The number of seeds that passed with the first variant and fail with this one.
    pub fail_now: u64,
    /// The p-value of McNemar's exact test, with the Holm correction for all comparisons of the
    /// sweep.
    pub p: f64,
    /// The variance of the difference without pairing, divided by the variance with it: how many
    /// times as many runs independent seeds would need for the same precision. 1 if pairing gains
    /// nothing.
    pub unpaired: f64,
    /// The change of the waits whose deadline most runs with the first variant exceed or come
    /// nearest to.
    pub wait: Option<Shift>,
}

/// The change in wait: the median over the seeds of the paired differences, with its confidence
/// interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// The parameter that is the waits' deadline.
    pub parameter: String,
    /// The median difference, in seconds; negative if this variant's waits are shorter.
    pub median_s: f64,
    /// The lower end of its confidence interval.
    pub low_s: f64,
    /// The upper end.
    pub high_s: f64,
}

/// Compares each cell with that of the first variant; `None` for the first variant and without
/// variants.
pub fn compared(plan: &Plan, tally: &Tally, target: Target) -> Vec<Option<Compared>> {
    let mut all: Vec<Option<Compared>> =
        (0..plan.cells.len()).map(|place| compare(plan, tally, target, place)).collect();
    let chances: Vec<f64> = all.iter().flatten().map(|compared| compared.p).collect();
    let adjusted = holm(&chances);
    all.iter_mut().flatten().zip(adjusted).for_each(|(compared, p)| compared.p = p);
    all
}

fn compare(plan: &Plan, tally: &Tally, target: Target, place: usize) -> Option<Compared> {
    let first = plan.base(place)?;
    let (here, there) = (&tally.cells[place].failed, &tally.cells[first].failed);
    let pairs = here.len().min(there.len());
    if pairs == 0 {
        return None;
    }
    let count = |this: bool, that: bool| {
        here.iter().zip(there).filter(|(here, there)| (**there, **here) == (this, that)).count() as u64
    };
    let (no_longer_fail, fail_now, both) = (count(true, false), count(false, true), count(true, true));
    // The variances of the difference of two rates, and of the mean of the differences of pairs,
    // both times the number of pairs.
    let share = |events: u64| events as f64 / pairs as f64;
    let variance = |share: f64| share * (1.0 - share);
    let unpaired = variance(share(both + no_longer_fail)) + variance(share(both + fail_now));
    let paired = share(no_longer_fail + fail_now) - (share(no_longer_fail) - share(fail_now)).powi(2);
    Some(Compared {
        no_longer_fail,
        fail_now,
        p: mcnemar(no_longer_fail, fail_now),
        unpaired: if paired > 0.0 { unpaired / paired } else { 1.0 },
        wait: shift(plan, tally, target, (first, place)),
    })
}

/// Returns the change in wait from the first cell to the second.
fn shift(plan: &Plan, tally: &Tally, target: Target, (first, place): (usize, usize)) -> Option<Shift> {
    let history = |place: usize| &tally.histories[plan.cells[place].history];
    if plan.cells[first].history == plan.cells[place].history {
        return None;
    }
    let limits = plan.cells[first].limits();
    // The number of runs that exceed the limit, and the longest wait as a fraction of it.
    let pressing = |parameter: &str, limit: Duration| {
        let lengths: Vec<Length> = history(first).longest(parameter).flatten().collect();
        let exceed = lengths.iter().filter(|length| length.exceeds(limit)).count();
        (exceed, lengths.iter().map(|length| length.duration().div_duration_f64(limit)).fold(0.0, f64::max))
    };
    let (parameter, _) = limits
        .into_iter()
        .filter(|(parameter, _)| plan.counts(parameter))
        .map(|(parameter, limit)| (parameter, pressing(parameter, limit)))
        .max_by(|(_, one), (_, other)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)))?;
    let pairs = history(first).longest(parameter).zip(history(place).longest(parameter));
    let mut differences: Vec<f64> = pairs
        .filter_map(|pair| match pair {
            (Some(Length::Observed(there)), Some(Length::Observed(here))) => {
                Some(here.as_secs_f64() - there.as_secs_f64())
            }
            _ => None,
        })
        .collect();
    let (median_s, low_s, high_s) = median_difference(&mut differences, target.confidence)?;
    Some(Shift { parameter: parameter.into(), median_s, low_s, high_s })
}
