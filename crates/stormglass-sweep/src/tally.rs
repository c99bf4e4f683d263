//! Counts rows cell by cell, in a few bytes per row, so that a million rows fit into memory.

use crate::plan::Plan;
use crate::results::{Manifest, ResultsError, Row, table};
use crate::sometimes::Sometimes;
use crate::stats::stopping::{Side, Stop, Target, interval};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;
use stormglass_core::{Length, Outcome, SimTime, Verdict};

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
    /// Whether each run failed, in the order of its history's seeds.
    pub failed: Vec<bool>,
    /// The number of failed runs by cause: a wait, a property, too few waits or checks, a stall or a
    /// panic.
    pub causes: BTreeMap<String, u64>,
    /// The first seed that failed.
    pub first: Option<u64>,
}

/// The counts of a history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryTally {
    /// The played seeds, in order.
    pub seeds: Vec<u64>,
    longest: BTreeMap<String, Vec<Packed>>,
    /// The sum of the runs' simulated time.
    pub simulated: Duration,
    /// The properties that have to hold in at least one run.
    pub sometimes: Sometimes,
}

/// The longest wait of a run in eight bytes: twice its nanoseconds, plus one if it is a censored
/// observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(u64);

impl Packed {
    const NONE: Packed = Packed(u64::MAX);

    fn of(length: Length) -> Packed {
        let nanos = u64::try_from(length.duration().as_nanos()).expect("a run is shorter than 292 years");
        Packed(nanos << 1 | u64::from(matches!(length, Length::Censored(_))))
    }

    fn length(self) -> Option<Length> {
        let duration = Duration::from_nanos(self.0 >> 1);
        (self != Packed::NONE).then(|| {
            if self.0.is_multiple_of(2) { Length::Observed(duration) } else { Length::Censored(duration) }
        })
    }
}

impl HistoryTally {
    /// Returns the parameters that are deadlines of its waits.
    pub fn limits(&self) -> impl Iterator<Item = &str> {
        self.longest.keys().map(String::as_str)
    }

    /// Returns, seed by seed, the longest wait whose deadline is this parameter; `None` for a run
    /// without such a wait.
    pub fn longest(&self, parameter: &str) -> impl Iterator<Item = Option<Length>> {
        self.longest.get(parameter).into_iter().flatten().map(|packed| packed.length())
    }

    fn add(&mut self, row: &Row) {
        self.sometimes.add(&row.outcome);
        self.simulated += row.outcome.ended.saturating_since(SimTime::ZERO);
        for wait in &row.outcome.waits {
            let Some(parameter) = wait.parameter.as_deref() else { continue };
            if !self.longest.contains_key(parameter) {
                self.longest.insert(parameter.into(), vec![Packed::NONE; self.seeds.len()]);
            }
            let lengths = self.longest.get_mut(parameter).expect("it was put there");
            let longest = match lengths.get(self.seeds.len()).and_then(|packed| packed.length()) {
                None => wait.length,
                Some(other) => longer(other, wait.length),
            };
            lengths.truncate(self.seeds.len());
            lengths.push(Packed::of(longest));
        }
        self.seeds.push(row.seed);
        self.longest.values_mut().for_each(|lengths| lengths.resize(self.seeds.len(), Packed::NONE));
    }
}

/// Returns the longer of two lengths; if one is censored, the result is censored at the larger
/// value.
fn longer(one: Length, other: Length) -> Length {
    let duration = one.duration().max(other.duration());
    match (one, other) {
        (Length::Observed(_), Length::Observed(_)) => Length::Observed(duration),
        _ => Length::Censored(duration),
    }
}

impl CellTally {
    /// Returns the number of runs.
    pub fn runs(&self) -> u64 {
        self.failed.len() as u64
    }

    /// Returns the number of failed runs.
    pub fn failures(&self) -> u64 {
        self.causes.values().sum()
    }
}

impl Tally {
    /// Creates a tally without rows.
    pub fn new(plan: &Plan) -> Tally {
        Tally {
            cells: vec![CellTally::default(); plan.cells.len()],
            histories: vec![HistoryTally::default(); plan.histories.len()],
        }
    }

    /// Returns the confidence interval of a cell's failure rate, corrected for the number of looks
    /// if there is a stopping rule; 0 to 1 for a cell without runs.
    ///
    /// # Panics
    ///
    /// If there is no cell with this index.
    pub fn rate(&self, plan: &Plan, place: usize, target: Target, stop: Option<Stop>) -> RangeInclusive<f64> {
        let (cell, most) = (&self.cells[place], plan.cells[place].cell.runs());
        if cell.runs() == 0 {
            return 0.0..=1.0;
        }
        interval(cell.failures(), cell.runs(), target, Stop::times(stop, most))
    }

    /// Returns the side of the target on which a cell's failure rate is, if that is known.
    ///
    /// # Panics
    ///
    /// If there is no cell with this index.
    pub fn side(&self, plan: &Plan, place: usize, target: Target, stop: Option<Stop>) -> Option<Side> {
        target.side(&self.rate(plan, place, target, stop))
    }

    /// Whether the cells of a case have all the runs that they will get: all their seeds, or with a
    /// stopping rule as many as it takes to decide them. Always false in a search for a boundary,
    /// which ends only with the sweep.
    pub fn is_complete(&self, manifest: &Manifest, case: &str) -> bool {
        let Manifest { plan, target, stop, .. } = manifest;
        let is_decided = |place: usize| {
            self.cells[place].runs() == plan.cells[place].cell.runs()
                || stop.is_some_and(|stop| {
                    let looks = stop.looks(plan.cells[place].cell.runs());
                    looks.contains(&self.cells[place].runs())
                        && self.side(plan, place, *target, Some(stop)).is_some()
                })
        };
        let mut cells = (0..plan.cells.len()).filter(|&place| plan.cells[place].cell.case == case);
        plan.lines.is_none() && cells.all(is_decided)
    }

    /// Counts the rows of a folder's table.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub fn read(plan: &Plan, folder: &Path) -> Result<Tally, ResultsError> {
        let mut tally = Tally::new(plan);
        for row in table::Reader::open(folder)? {
            tally.add(plan, &row?);
        }
        Ok(tally)
    }

    /// Returns the properties that have to hold in at least one run of a case, by case.
    pub fn sometimes<'a>(&self, plan: &'a Plan) -> BTreeMap<&'a str, Sometimes> {
        let mut cases: BTreeMap<&str, Sometimes> = BTreeMap::new();
        for (history, tally) in plan.histories.iter().zip(&self.histories) {
            cases.entry(&history.case).or_default().merge(&tally.sometimes);
        }
        cases.retain(|_, sometimes| !sometimes.held().is_empty());
        cases
    }

    /// Adds a row to the counts.
    ///
    /// # Panics
    ///
    /// If the row's history is not in the plan.
    pub fn add(&mut self, plan: &Plan, row: &Row) {
        for (place, cell) in plan.cells_of(row.history) {
            let cause = failure(&plan.objective, &row.outcome, &cell.limits());
            let tally = &mut self.cells[place];
            tally.failed.push(cause.is_some());
            if let Some(cause) = cause {
                *tally.causes.entry(cause).or_default() += 1;
                tally.first.get_or_insert(row.seed);
            }
        }
        self.histories[row.history].add(row);
    }
}

/// Returns the cause of a run's failure under these deadlines, if it fails: any cause, or only
/// waits of the objective if there is one.
fn failure(objective: &[String], outcome: &Outcome, deadlines: &[(&str, Duration)]) -> Option<String> {
    if objective.is_empty() {
        let verdict = outcome.with_deadlines(deadlines);
        return (!verdict.is_passed()).then(|| cause(&verdict));
    }
    let exceeded = outcome.waits.iter().filter_map(|wait| {
        let parameter = wait.parameter.as_deref().filter(|it| objective.iter().any(|other| other == it))?;
        let given = deadlines.iter().find(|(key, _)| *key == parameter);
        let deadline = given.map_or(wait.deadline, |(_, deadline)| *deadline);
        wait.length.exceeds(deadline).then(|| (wait.began + deadline, &wait.name))
    });
    exceeded.min().map(|(_, name)| name.clone())
}

/// Returns the cause of a verdict in a few words.
pub fn cause(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".into(),
        Verdict::TimedOut { wait, .. } => wait.clone(),
        Verdict::Violated { property, .. } => format!("violated {property}"),
        Verdict::TooFew(too_few) => format!("too few {}", too_few.name),
        Verdict::Stalled { .. } => "stalled".into(),
        Verdict::Panicked { node, .. } => format!("panicked on {node}"),
    }
}
