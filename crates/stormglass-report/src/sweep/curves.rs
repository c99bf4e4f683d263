//! Survival curves of waits, by case and deadline.

use std::collections::BTreeSet;
use std::time::Duration;
use stormglass_core::Length;
use stormglass_sweep::answers::frontier::FrontierPoint;
use stormglass_sweep::stats::survival::{Step, kaplan_meier};
use stormglass_sweep::{Manifest, Tally};

/// The survival curves of the waits of one deadline in a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The case's name.
    pub case: String,
    /// The parameter that is the deadline.
    pub parameter: String,
    /// The curve of the first history, then those of cells on the frontier, with their labels.
    pub lines: Vec<(String, Vec<Step>)>,
    /// The values of the deadline in the case's cells.
    pub deadlines: Vec<Duration>,
}

/// Returns the curves of each case and deadline.
pub(super) fn curves(manifest: &Manifest, tally: &Tally, frontier: &[FrontierPoint]) -> Vec<Curve> {
    let plan = &manifest.plan;
    let mut curves = Vec::new();
    for planned in plan.firsts() {
        let case = &planned.cell.case;
        for parameter in tally.histories[planned.history].limits() {
            let of_case = plan.cells.iter().filter(|other| other.cell.case == *case);
            let deadlines: BTreeSet<Duration> = of_case
                .flat_map(|other| other.limits())
                .filter(|(key, _)| *key == parameter)
                .map(|(_, deadline)| deadline)
                .collect();
            let best = frontier.iter().filter(|best| best.case == *case && best.parameter == parameter);
            let best: BTreeSet<&str> = best.map(|best| best.cell.as_str()).collect();
            let others = (0..plan.histories.len()).filter(|&history| {
                history != planned.history
                    && plan.histories[history].case == *case
                    && best.contains(plan.label(history).as_str())
            });
            let line = |history: usize| {
                let mut lengths: Vec<Length> =
                    tally.histories[history].longest(parameter).flatten().collect();
                (plan.label(history), kaplan_meier(&mut lengths))
            };
            curves.push(Curve {
                case: case.clone(),
                parameter: parameter.into(),
                lines: [planned.history].into_iter().chain(others.take(3)).map(line).collect(),
                deadlines: deadlines.into_iter().collect(),
            });
        }
    }
    curves
}
