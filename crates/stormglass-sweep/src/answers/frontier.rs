//! What a lower flake rate costs: a check that waits longer finds a dead node later.

use super::deadlines::ended;
use crate::plan::Plan;
use crate::stats::deadline::{Smallest, smallest_deadline};
use crate::stats::stopping::Target;
use crate::tally::Tally;
use serde::Serialize;
use std::collections::BTreeSet;

/// The best that there is for a flake rate: every other cell needs a longer deadline for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The case's name.
    pub case: String,
    /// The parameter that is the deadline.
    pub parameter: String,
    /// The flake rate of its waits.
    pub flake: f64,
    /// The deadline, in seconds: what a node that is dead from the start costs a test.
    pub deadline_s: f64,
    /// The cell's label.
    pub cell: String,
}

/// The flake rates that are asked for.
pub const RATES: [f64; 8] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/// For each case and deadline the frontier between flake rate and time lost, where there are several histories to choose from. A flake rate holds for all of a case's cells together with the target's confidence, so the
/// smallest of their deadlines is not best by luck. (Bonferroni.) Rates that no cell's runs are enough for are left out, and those that a lower one costs nothing more
/// than.
pub fn frontier(plan: &Plan, tally: &Tally, target: Target) -> Vec<Best> {
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
            let mut points: Vec<Best> = Vec::new();
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
                points.push(Best { case, parameter, flake, deadline_s, cell: plan.label(history) });
            }
            all.extend(points);
        }
    }
    all
}
