//! The smallest deadline that keeps the failure rate of its waits within the target.

use crate::plan::Plan;
use crate::stats::deadline::{Smallest, smallest_deadline};
use crate::stats::quantile::{Quantile, quantile};
use crate::stats::stopping::Target;
use crate::tally::{HistoryTally, Tally};
use serde::Serialize;
use std::time::Duration;
use stormglass_core::Length;

/// The smallest value of one deadline that meets the target, with the distribution of its waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequiredDeadline {
    /// The case's name.
    pub case: String,
    /// The parameter whose value is the deadline.
    pub parameter: String,
    /// Its value in the sweep, in seconds.
    pub now_s: f64,
    /// The median over the runs of a run's longest wait, in seconds; infinite if that wait never
    /// ended.
    pub median_s: Quantile<f64>,
    /// The 99th percentile of the same.
    pub p99_s: Quantile<f64>,
    /// The number of runs in which a wait exceeds the present value.
    pub exceeded_now: u64,
    /// The number of runs that have such a wait.
    pub runs: u64,
    /// The smallest deadline that meets the target, in seconds; `None` if the runs are too few or
    /// too many waits never end.
    pub smallest_s: Option<f64>,
    /// The number of runs that a smallest deadline needs at least, if these are too few.
    pub needs_runs: Option<u64>,
}

/// Returns, for the first cell of each case, the smallest value of each deadline that keeps the
/// failure rate of its waits within the target.
pub fn required_deadlines(plan: &Plan, tally: &Tally, target: Target) -> Vec<RequiredDeadline> {
    let mut found = Vec::new();
    for planned in plan.firsts() {
        let history = &tally.histories[planned.history];
        for (parameter, now) in planned.limits() {
            let lengths: Vec<Length> = history.longest(parameter).flatten().collect();
            if lengths.is_empty() || !plan.counts(parameter) {
                continue;
            }
            let mut sorted: Vec<f64> = lengths.iter().map(|length| seconds(*length)).collect();
            sorted.sort_by(f64::total_cmp);
            let [median, p99] = [0.5, 0.99].map(|share| quantile(&sorted, share, target.confidence));
            let (Some(median_s), Some(p99_s)) = (median, p99) else { continue };
            let (smallest_s, needs_runs) = match smallest_deadline(&mut ended(history, parameter), target) {
                Smallest::Is { deadline, .. } => (Some(deadline.as_secs_f64()), None),
                Smallest::None => (None, None),
                Smallest::Needs { runs } => (None, Some(runs)),
            };
            found.push(RequiredDeadline {
                case: planned.cell.case.clone(),
                parameter: parameter.into(),
                now_s: now.as_secs_f64(),
                median_s,
                p99_s,
                exceeded_now: lengths.iter().filter(|length| length.exceeds(now)).count() as u64,
                runs: lengths.len() as u64,
                smallest_s,
                needs_runs,
            });
        }
    }
    found
}

/// Returns seconds; infinity for a censored observation.
fn seconds(length: Length) -> f64 {
    match length {
        Length::Observed(length) => length.as_secs_f64(),
        Length::Censored(_) => f64::INFINITY,
    }
}

/// Returns the length of the longest wait of each run that has one; `None` for a censored
/// observation.
pub(super) fn ended(history: &HistoryTally, parameter: &str) -> Vec<Option<Duration>> {
    let ended = |length| match length {
        Length::Observed(length) => Some(length),
        Length::Censored(_) => None,
    };
    history.longest(parameter).flatten().map(ended).collect()
}
