//! What a sweep found, computed from its counts.

use super::curves::{Curve, curves};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use stormglass_sweep::answers::comparison::{Compared, compared};
use stormglass_sweep::answers::deadlines::{RequiredDeadline, required_deadlines};
use stormglass_sweep::answers::frontier::{FrontierPoint, frontier};
use stormglass_sweep::answers::sensitivity::{Interaction, Sensitivity, interactions, sensitivities};
use stormglass_sweep::stats::stopping::{Side, Target};
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
    /// The survival curves of waits.
    #[serde(skip)]
    pub curves: Vec<Curve>,
    /// The runs and simulated time of the sweep.
    pub cost: Cost,
    /// The target failure rate.
    pub target: Target,
}

/// The findings for one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The case's name.
    pub case: String,
    /// The text that distinguishes it from other cells of its case.
    pub cell: String,
    /// The parameters that are set.
    pub sets: Vec<(String, String)>,
    /// The number of runs.
    pub runs: u64,
    /// The number of failed runs.
    pub failed: u64,
    /// The confidence interval of the failure rate.
    pub rate: RangeInclusive<f64>,
    /// The side of the target on which the rate is, if that is known.
    pub side: Option<Side>,
    /// The number of failed runs by cause.
    pub causes: BTreeMap<String, u64>,
    /// The first seed that failed.
    pub first_failed_seed: Option<u64>,
    /// The command that explains that seed.
    pub explain: Option<String>,
    /// The comparison with the first variant; `None` for the first variant and without variants.
    pub compared: Option<Compared>,
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

/// Returns the findings for each cell. `explain` returns the command that explains a seed of a
/// cell.
pub(super) fn found(
    manifest: &Manifest,
    tally: &Tally,
    explain: impl Fn(&Cell, u64) -> String,
) -> Vec<Found> {
    let (plan, target) = (&manifest.plan, manifest.target);
    let compared = compared(plan, tally, target);
    let found = |(place, compared): (usize, Option<Compared>)| {
        let (cell, counts) = (&plan.cells[place].cell, &tally.cells[place]);
        let rate = tally.rate(plan, place, target, manifest.stop);
        Found {
            case: cell.case.clone(),
            cell: cell.label(),
            sets: cell.sets.clone(),
            runs: counts.runs(),
            failed: counts.failures(),
            side: target.side(&rate),
            rate,
            causes: counts.causes.clone(),
            first_failed_seed: counts.first,
            explain: counts.first.map(|seed| explain(cell, seed)),
            compared,
        }
    };
    compared.into_iter().enumerate().map(found).collect()
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
