//! What rows come to, cell by cell: kept small, so that a million rows fit into memory.

use crate::plan::Plan;
use crate::results::{Manifest, ResultsError, Row, table};
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
    longest: BTreeMap<String, Vec<Packed>>,
    /// How long the runs took in simulated time, all together.
    pub simulated: Duration,
}

/// The longest wait of a run, in eight bytes: nanoseconds twice, plus one if it was cut short.
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
    /// The parameters that are limits of its waits.
    pub fn limits(&self) -> impl Iterator<Item = &str> {
        self.longest.keys().map(String::as_str)
    }

    /// The longest wait of each run that this parameter is the limit of, seed by seed; `None` in a run without.
    pub fn longest(&self, parameter: &str) -> impl Iterator<Item = Option<Length>> {
        self.longest.get(parameter).into_iter().flatten().map(|packed| packed.length())
    }

    fn add(&mut self, row: &Row) {
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

/// The longer of two: at least the longer bound, if one of them was cut short.
fn longer(one: Length, other: Length) -> Length {
    let duration = one.duration().max(other.duration());
    match (one, other) {
        (Length::Observed(_), Length::Observed(_)) => Length::Observed(duration),
        _ => Length::Censored(duration),
    }
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

    /// The interval of a cell's flake rate, with a rule for stopping that of its last look; everything for a cell that was not played.
    ///
    /// # Panics
    ///
    /// When there is no such cell.
    pub fn rate(&self, plan: &Plan, place: usize, target: Target, stop: Option<Stop>) -> RangeInclusive<f64> {
        let (cell, most) = (&self.cells[place], plan.cells[place].cell.runs());
        if cell.runs() == 0 {
            return 0.0..=1.0;
        }
        interval(cell.failures(), cell.runs(), target, Stop::times(stop, most))
    }

    /// On which side of the target a cell's flake rate is, if that is known.
    ///
    /// # Panics
    ///
    /// When there is no such cell.
    pub fn side(&self, plan: &Plan, place: usize, target: Target, stop: Option<Stop>) -> Option<Side> {
        target.side(&self.rate(plan, place, target, stop))
    }

    /// Returns whether the cells of a case have all the runs that they will get: all their seeds, or with a rule for stopping as many
    /// as it took to decide them. A search for a boundary is over only when the sweep is: then the answer is `false`.
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

/// What fails a run under these deadlines, if anything does: anything at all, or a wait that the objective is about.
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
