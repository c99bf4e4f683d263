//! Sensitivity: which parameters change the failure rate, and how pairs of them interact.

use crate::plan::Plan;
use crate::stats::pairs::{holm, mcnemar};
use crate::tally::Tally;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The main effect of a parameter on the failure rate, over all values of the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The case's name.
    pub case: String,
    /// The parameter.
    pub parameter: String,
    /// Its values, each with the share of failed runs.
    pub levels: Vec<(String, f64)>,
    /// The difference between the highest and the lowest share.
    pub effect: f64,
    /// The number of seeds that fail in more cells under the value with the highest share than
    /// under the one with the lowest, and the number of seeds for which it is the other way round.
    pub seeds: (u64, u64),
    /// The p-value of the sign test over these seeds, corrected for all pairs of values
    /// (Bonferroni) and all parameters (Holm correction).
    pub p: f64,
}

/// The failure rate for each pair of values of two parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interaction {
    /// The case's name.
    pub case: String,
    /// The parameter of the columns.
    pub across: String,
    /// The parameter of the rows.
    pub down: String,
    /// The columns' values.
    pub columns: Vec<String>,
    /// The rows' values.
    pub rows: Vec<String>,
    /// Row by row: the runs with each pair of values.
    pub squares: Vec<Vec<Square>>,
}

/// The runs with one pair of values.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Square {
    /// The number of runs.
    pub runs: u64,
    /// The number of failed runs.
    pub failed: u64,
    /// The index of the first cell in which a run failed.
    pub failing: Option<usize>,
}

/// A parameter with more values than this is split into a lower and an upper half.
const MOST_LEVELS: usize = 12;

/// The played cells of a case, grouped by the value of one parameter.
struct Axis<'a> {
    parameter: &'a str,
    levels: Vec<(String, Vec<usize>)>,
}

/// Returns the main effect of each parameter of each case. In a sampled space the other parameters
/// differ at random between two values.
pub fn sensitivities(plan: &Plan, tally: &Tally) -> Vec<Sensitivity> {
    let mut all = Vec::new();
    for case in plan.cases() {
        for axis in axes(plan, tally, case) {
            let rates: Vec<f64> = axis.levels.iter().map(|(_, cells)| rate(tally, cells)).collect();
            let by_rate = |&a: &usize, &b: &usize| rates[a].total_cmp(&rates[b]);
            let Some(low) = (0..rates.len()).min_by(by_rate) else { continue };
            let Some(high) = (0..rates.len()).max_by(by_rate) else { continue };
            let seeds = discordant_seeds(plan, tally, &axis.levels[high].1, &axis.levels[low].1);
            let pairs = rates.len() * (rates.len() - 1) / 2;
            all.push(Sensitivity {
                case: case.into(),
                parameter: axis.parameter.into(),
                effect: rates[high] - rates[low],
                levels: axis.levels.into_iter().map(|(level, _)| level).zip(rates).collect(),
                seeds,
                p: (mcnemar(seeds.0, seeds.1) * pairs as f64).min(1.0),
            });
        }
    }
    let chances: Vec<f64> = all.iter().map(|found| found.p).collect();
    all.iter_mut().zip(holm(&chances)).for_each(|(found, p)| found.p = p);
    all
}

/// Returns the failure rates for every pair of parameters of each case.
pub fn interactions(plan: &Plan, tally: &Tally) -> Vec<Interaction> {
    let mut all = Vec::new();
    for case in plan.cases() {
        let axes = axes(plan, tally, case);
        for (place, down) in axes.iter().enumerate() {
            for across in &axes[place + 1..] {
                let square = |rows: &[usize], columns: &[usize]| {
                    let mut square = Square::default();
                    for &cell in rows.iter().filter(|cell| columns.contains(cell)) {
                        square.runs += tally.cells[cell].runs();
                        square.failed += tally.cells[cell].failures();
                        if tally.cells[cell].failures() > 0 {
                            square.failing.get_or_insert(cell);
                        }
                    }
                    square
                };
                let names = |axis: &Axis<'_>| axis.levels.iter().map(|(level, _)| level.clone()).collect();
                let row = |(_, rows): &(String, Vec<usize>)| {
                    across.levels.iter().map(|(_, columns)| square(rows, columns)).collect()
                };
                all.push(Interaction {
                    case: case.into(),
                    across: across.parameter.into(),
                    down: down.parameter.into(),
                    columns: names(across),
                    rows: names(down),
                    squares: down.levels.iter().map(row).collect(),
                });
            }
        }
    }
    all
}

/// Returns the parameters of a case that have several values.
fn axes<'a>(plan: &'a Plan, tally: &Tally, case: &str) -> Vec<Axis<'a>> {
    let played = |place: &usize| plan.cells[*place].cell.case == case && tally.cells[*place].runs() > 0;
    let cells: Vec<usize> = (0..plan.cells.len()).filter(played).collect();
    let parameters: BTreeSet<&str> =
        cells.iter().flat_map(|&cell| plan.cells[cell].cell.point.keys().map(String::as_str)).collect();
    let mut axes = Vec::new();
    for parameter in parameters {
        let mut levels: BTreeMap<Value<'_>, Vec<usize>> = BTreeMap::new();
        for &cell in &cells {
            if let Some(value) = plan.cells[cell].cell.point.get(parameter) {
                levels.entry(Value(value)).or_default().push(cell);
            }
        }
        if levels.len() > 1 {
            axes.push(Axis { parameter, levels: grouped(levels) });
        }
    }
    axes
}

/// Returns one level per value, or two halves if there are more than [`MOST_LEVELS`].
fn grouped(levels: BTreeMap<Value<'_>, Vec<usize>>) -> Vec<(String, Vec<usize>)> {
    if levels.len() <= MOST_LEVELS {
        return levels.into_iter().map(|(Value(level), cells)| (level.into(), cells)).collect();
    }
    let half = levels.len() / 2;
    let split = levels.keys().nth(half - 1).map(|value| value.0.to_string()).unwrap_or_default();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for (place, cells) in levels.into_values().enumerate() {
        if place < half { low.extend(cells) } else { high.extend(cells) }
    }
    vec![(format!("up to {split}"), low), (format!("above {split}"), high)]
}

fn rate(tally: &Tally, cells: &[usize]) -> f64 {
    let runs: u64 = cells.iter().map(|&cell| tally.cells[cell].runs()).sum();
    let failed: u64 = cells.iter().map(|&cell| tally.cells[cell].failures()).sum();
    failed as f64 / runs.max(1) as f64
}

/// Returns the number of seeds with which a larger share of the first cells fails than of the
/// second, and the number with which it is smaller. Seeds are independent of each other; cells with
/// the same seed are not.
fn discordant_seeds(plan: &Plan, tally: &Tally, first: &[usize], second: &[usize]) -> (u64, u64) {
    let shares = |cells: &[usize]| {
        let mut shares: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for &cell in cells {
            let seeds = &tally.histories[plan.cells[cell].history].seeds;
            for (&seed, &failed) in seeds.iter().zip(&tally.cells[cell].failed) {
                let share = shares.entry(seed).or_default();
                *share = (share.0 + u64::from(failed), share.1 + 1);
            }
        }
        shares
    };
    let second = shares(second);
    let (mut more, mut fewer) = (0, 0);
    for (seed, (failed, runs)) in shares(first) {
        let Some(&(other_failed, other_runs)) = second.get(&seed) else { continue };
        match (failed * other_runs).cmp(&(other_failed * runs)) {
            Ordering::Greater => more += 1,
            Ordering::Less => fewer += 1,
            Ordering::Equal => {}
        }
    }
    (more, fewer)
}

/// A value, ordered by size if both are numbers or durations, otherwise by text.
#[derive(Clone, Copy, Debug)]
struct Value<'a>(&'a str);

impl Value<'_> {
    fn size(self) -> Option<f64> {
        let duration = || humantime::parse_duration(self.0).ok().as_ref().map(Duration::as_secs_f64);
        self.0.parse().ok().or_else(duration)
    }
}

impl Ord for Value<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = match (self.size(), other.size()) {
            (Some(ours), Some(theirs)) => ours.total_cmp(&theirs),
            // Numbers sort before texts, so that the order is total.
            (ours, theirs) => theirs.is_some().cmp(&ours.is_some()),
        };
        sizes.then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Value<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value<'_> {}
