//! What a variant is worth beside the first one: the same seeds, so the same weather.

use crate::plan::Plan;
use crate::stats::pairs::{holm, mcnemar, median_difference};
use crate::stats::stopping::Target;
use crate::tally::Tally;
use serde::Serialize;
use std::time::Duration;
use stormglass_core::Length;

/// A cell beside that with the first variant in place of its own, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Runs that failed there and pass here.
    pub no_longer_fail: u64,
    /// Runs that passed there and fail here.
    pub fail_now: u64,
    /// The chance that this is chance: McNemar's exact test with Holm's correction for all comparisons of the sweep.
    pub p: f64,
    /// How many times as many runs it would take with other seeds here than there to know the difference of the rates as well. 1 if the pairs help nothing.
    pub unpaired: f64,
    /// How much longer the waits are here, for the deadline that most runs with the first variant outlast, or come nearest to.
    pub wait: Option<Shift>,
}

/// How much longer waits are: the median over the seeds, with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// The parameter that is the waits' deadline.
    pub parameter: String,
    /// The median, in seconds: negative if they are shorter here.
    pub median_s: f64,
    /// The lower end of its interval.
    pub low_s: f64,
    /// The upper end.
    pub high_s: f64,
}

/// Compares each variant's cells with those of the first variant.
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
    // The variances of the difference of two rates, and of the mean of the differences of pairs, both times the number of pairs.
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

/// How much longer the waits of the second cell are.
fn shift(plan: &Plan, tally: &Tally, target: Target, (first, place): (usize, usize)) -> Option<Shift> {
    let history = |place: usize| &tally.histories[plan.cells[place].history];
    if plan.cells[first].history == plan.cells[place].history {
        return None;
    }
    let limits = plan.cells[first].limits();
    // How many runs outlast it, and how near the longest comes to it.
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
