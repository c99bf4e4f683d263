//! What a sweep found for one cell.

use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use stormglass_sweep::answers::comparison::{Compared, compared};
use stormglass_sweep::stats::stopping::Side;
use stormglass_sweep::{Cell, Manifest, Tally};

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
