//! What a sweep found, computed from its counts.

use super::curves::{Curve, curves};
use super::found::{Found, found};
use super::worth::{Worth, worths};
use serde::Serialize;
use std::collections::BTreeSet;
use stormglass_sweep::answers::deadlines::{RequiredDeadline, required_deadlines};
use stormglass_sweep::answers::frontier::{FrontierPoint, frontier};
use stormglass_sweep::answers::sensitivity::{Interaction, Sensitivity, interactions, sensitivities};
use stormglass_sweep::stats::stopping::Target;
use stormglass_sweep::tally::HistoryTally;
use stormglass_sweep::{Cell, Manifest, Tally};

/// The findings of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// The sweep's name.
    pub sweep: String,
    /// The commit that played it.
    pub commit: String,
    /// The cells.
    pub cells: Vec<Found>,
    /// The smallest deadlines that meet the target, for the first cell of each case.
    pub deadlines: Vec<RequiredDeadline>,
    /// The frontier of failure rate and deadline, for cases with several histories.
    pub frontier: Vec<FrontierPoint>,
    /// The main effect of each parameter.
    pub sensitivities: Vec<Sensitivity>,
    /// The failure rates for each pair of parameters.
    pub interactions: Vec<Interaction>,
    /// What each variant is worth, if the cells of a case differ by their variant only.
    pub worths: Vec<Worth>,
    /// The survival curves of waits.
    #[serde(skip)]
    pub curves: Vec<Curve>,
    /// The runs and simulated time of the sweep.
    pub cost: Cost,
    /// The target failure rate.
    pub target: Target,
}

/// The cost of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The number of runs played.
    pub runs: u64,
    /// The number of runs if each cell were played separately with all its seeds.
    pub brute_force_runs: u64,
    /// The simulated time of the runs played, in seconds.
    pub simulated_s: f64,
    /// The simulated time, in seconds, of a grid of fixed size with the same precision: each cell
    /// played separately with as many runs as the cell of its case that took most, multiplied by
    /// the factor that independent seeds need in comparisons (the median over the case's
    /// comparisons).
    pub grid_s: f64,
}

impl Findings {
    /// Computes the findings. `explain` returns the command that explains a seed of a cell.
    pub fn of(manifest: &Manifest, tally: &Tally, explain: impl Fn(&Cell, u64) -> String) -> Findings {
        let (plan, target) = (&manifest.plan, manifest.target);
        let frontier = frontier(plan, tally, target);
        let cells = found(manifest, tally, explain);
        Findings {
            sweep: manifest.sweep.clone(),
            commit: manifest.build.commit.clone(),
            cost: Cost::of(manifest, tally, &cells),
            worths: worths(manifest, tally, &cells),
            cells,
            deadlines: required_deadlines(plan, tally, target),
            curves: curves(manifest, tally, &frontier),
            frontier,
            sensitivities: sensitivities(plan, tally),
            interactions: interactions(plan, tally),
            target,
        }
    }

    /// Returns the cases with their cells, in order.
    pub(super) fn cases(&self) -> Vec<(&str, Vec<&Found>)> {
        let mut cases: Vec<(&str, Vec<&Found>)> = Vec::new();
        for cell in &self.cells {
            match cases.iter_mut().find(|(case, _)| *case == cell.case) {
                Some((_, cells)) => cells.push(cell),
                None => cases.push((&cell.case, vec![cell])),
            }
        }
        cases
    }
}

impl Cost {
    fn of(manifest: &Manifest, tally: &Tally, cells: &[Found]) -> Cost {
        let plan = &manifest.plan;
        let played = |history: &HistoryTally| history.seeds.len() as u64;
        let grid_s = |case: &str| {
            let histories = plan.histories.iter().zip(&tally.histories).filter(|(cell, _)| cell.case == case);
            let (runs, most, simulated) = histories.fold((0, 0, 0.0), |(runs, most, simulated), (_, it)| {
                (runs + played(it), played(it).max(most), simulated + it.simulated.as_secs_f64())
            });
            let of_case = cells.iter().filter(|cell| cell.case == case);
            let mut unpaired: Vec<f64> =
                of_case.clone().filter_map(|cell| Some(cell.compared.as_ref()?.unpaired)).collect();
            unpaired.sort_by(f64::total_cmp);
            let times = unpaired.get(unpaired.len() / 2).map_or(1.0, |times| times.max(1.0));
            of_case.count() as f64 * most as f64 * times * simulated / runs.max(1) as f64
        };
        let cases: BTreeSet<&str> = cells.iter().map(|cell| cell.case.as_str()).collect();
        Cost {
            runs: tally.histories.iter().map(played).sum(),
            brute_force_runs: plan.brute_force_runs(),
            simulated_s: tally.histories.iter().map(|history| history.simulated.as_secs_f64()).sum(),
            grid_s: cases.into_iter().map(grid_s).sum(),
        }
    }

    /// Returns the ratio of the runs of separate cells to the runs played.
    pub(super) fn runs_saved(&self) -> f64 {
        self.brute_force_runs as f64 / self.runs.max(1) as f64
    }

    /// Returns the ratio of the simulated time of that grid to the simulated time played.
    pub(super) fn time_saved(&self) -> f64 {
        self.grid_s / self.simulated_s.max(f64::MIN_POSITIVE)
    }
}
