//! The Pareto frontier of failure rate and deadline: a check that waits longer fails less often,
//! and finds a dead node later.

use super::deadlines::ended;
use crate::plan::Plan;
use crate::stats::deadline::{Smallest, smallest_deadline};
use crate::stats::stopping::Target;
use crate::tally::Tally;
use serde::Serialize;
use std::collections::BTreeSet;

/// A point of the frontier: for this failure rate every other cell needs a longer deadline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrontierPoint {
    /// The case's name.
    pub case: String,
    /// The parameter that is the deadline.
    pub parameter: String,
    /// The upper limit of the failure rate of its waits.
    pub flake: f64,
    /// The deadline, in seconds: how long a test waits for a node that never starts.
    pub deadline_s: f64,
    /// The cell's label.
    pub cell: String,
}

/// The failure rates for which points are computed.
pub const RATES: [f64; 8] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/// Returns, for each case and deadline with several histories, the frontier of failure rate and
/// deadline.
///
/// The target's confidence holds for all cells of a case together (Bonferroni correction), so the
/// smallest of their deadlines is not the smallest by luck. Rates for which no cell has enough runs
/// are left out, and so are rates whose deadline a lower rate has as well.
pub fn frontier(plan: &Plan, tally: &Tally, target: Target) -> Vec<FrontierPoint> {
    let mut all = Vec::new();
    for case in plan.cases() {
        let histories: Vec<usize> = plan.histories_of(case).collect();
        if histories.len() < 2 {
            continue;
        }
        let confidence = 1.0 - (1.0 - target.confidence) / histories.len() as f64;
        let limits: BTreeSet<&str> =
            histories.iter().flat_map(|&history| tally.histories[history].limits()).collect();
        for limit in limits.into_iter().filter(|limit| plan.counts(limit)) {
            let mut waits: Vec<_> =
                histories.iter().map(|&history| (history, ended(&tally.histories[history], limit))).collect();
            let mut points: Vec<FrontierPoint> = Vec::new();
            for flake in RATES {
                let target = Target { flake, confidence, margin: None };
                let best = waits.iter_mut().filter_map(|(history, lengths)| {
                    match smallest_deadline(lengths, target) {
                        Smallest::Is { deadline, .. } => Some((deadline, *history)),
                        Smallest::None | Smallest::Needs { .. } => None,
                    }
                });
                let Some((deadline, history)) = best.min() else { continue };
                let deadline_s = deadline.as_secs_f64();
                points.retain(|point| point.deadline_s < deadline_s);
                let (case, parameter) = (case.to_string(), limit.to_string());
                points.push(FrontierPoint { case, parameter, flake, deadline_s, cell: plan.label(history) });
            }
            all.extend(points);
        }
    }
    all
}
