//! What rows come to, cell by cell: kept small, so that a million rows fit into memory.

use crate::plan::Plan;
use crate::results::{ResultsError, Row, table};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use stormglass_core::{Length, SimTime, Verdict};

/// The counts of a sweep so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// By cell.
    pub cells: Vec<CellTally>,
    /// By history.
    pub histories: Vec<HistoryTally>,
}

/// The counts of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellTally {
    /// Which runs failed, in the order of its history's seeds.
    pub failed: Vec<bool>,
    /// How often each cause failed a run: the wait, the property, a panic.
    pub causes: BTreeMap<String, u64>,
    /// The first seed that failed.
    pub first: Option<u64>,
}

/// The counts of a history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryTally {
    /// The seeds that were played, in their order.
    pub seeds: Vec<u64>,
    /// The longest wait of each run that has one, by the parameter that is its limit. `None` never ended.
    pub longest: BTreeMap<String, Vec<Option<Duration>>>,
    /// How long the runs took in simulated time, all together.
    pub simulated: Duration,
}

impl CellTally {
    /// How many runs there are.
    pub fn runs(&self) -> u64 {
        self.failed.len() as u64
    }

    /// How many of them failed.
    pub fn failures(&self) -> u64 {
        self.causes.values().sum()
    }
}

impl Tally {
    /// Nothing yet.
    pub fn new(plan: &Plan) -> Tally {
        Tally {
            cells: vec![CellTally::default(); plan.cells.len()],
            histories: vec![HistoryTally::default(); plan.histories.len()],
        }
    }

    /// Counts the rows of a folder's table.
    ///
    /// # Errors
    ///
    /// A table that cannot be read.
    pub fn read(plan: &Plan, folder: &Path) -> Result<Tally, ResultsError> {
        let mut tally = Tally::new(plan);
        for row in table::Reader::open(folder)? {
            tally.add(plan, &row?);
        }
        Ok(tally)
    }

    /// Counts a row.
    ///
    /// # Panics
    ///
    /// When the row's history is not in the plan.
    pub fn add(&mut self, plan: &Plan, row: &Row) {
        for (place, cell) in plan.cells_of(row.history) {
            let verdict = row.outcome.with_deadlines(&cell.limits());
            let tally = &mut self.cells[place];
            let failed = !verdict.held();
            tally.failed.push(failed);
            if failed {
                *tally.causes.entry(cause(&verdict)).or_default() += 1;
                tally.first.get_or_insert(row.seed);
            }
        }
        let history = &mut self.histories[row.history];
        history.simulated += row.outcome.ended.saturating_since(SimTime::ZERO);
        let mut longest: BTreeMap<&str, Option<Duration>> = BTreeMap::new();
        for wait in &row.outcome.waits {
            let Some(parameter) = wait.parameter.as_deref() else { continue };
            let length = match wait.length {
                Length::Observed(length) => Some(length),
                Length::Censored(_) => None,
            };
            let so_far = longest.entry(parameter).or_insert(Some(Duration::ZERO));
            *so_far = so_far.zip(length).map(|(one, other)| one.max(other));
        }
        for (parameter, length) in longest {
            if let Some(lengths) = history.longest.get_mut(parameter) {
                lengths.push(length);
            } else {
                history.longest.insert(parameter.into(), vec![length]);
            }
        }
        history.seeds.push(row.seed);
    }
}

/// What failed a run, in a few words.
pub fn cause(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".into(),
        Verdict::TimedOut { wait, .. } => wait.clone(),
        Verdict::Violated { property, .. } => format!("violated {property}"),
        Verdict::Stalled { .. } => "stalled".into(),
        Verdict::Panicked { node, .. } => format!("panicked on {node}"),
    }
}
