//! Which runs give the results of which cells.
//!
//! Cells that differ only in observers' deadlines share a history: one run gives the results of all
//! of them.

use crate::space::Cell;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stormglass_core::TraceHash;
use stormglass_core::latency::HumanDuration;

/// A sweep's cells, and the histories that are played for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The cells: each has a failure rate.
    pub cells: Vec<PlannedCell>,
    /// The histories that are played, one run per seed, each with the settings of its first cell.
    pub histories: Vec<Cell>,
    /// By history, a hash of its resolved settings: a profile or a fault plan may be a file, which
    /// may change.
    pub settings: Vec<TraceHash>,
    /// The parameters whose waits count, see [`crate::Space::objective`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objective: Vec<String>,
    /// If a boundary is searched: the indexes of the cells along each line of the axis, in the
    /// order of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Vec<usize>>>,
}

/// A cell, and the history that gives its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedCell {
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// The index of its history.
    pub history: usize,
    /// Its deadlines, by parameter.
    pub deadlines: Vec<Deadline>,
}

/// An observer (a parameter that is only the deadline of waits) and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline(pub String, #[serde(with = "HumanDuration")] pub Duration);

/// The resolved settings of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// All settings but observers' deadlines, as a text that is equal for equal settings.
    pub behaviour: String,
    /// The observers' deadlines.
    pub deadlines: Vec<(String, Duration)>,
}

impl PlannedCell {
    /// Returns its deadlines in the form of [`stormglass_core::Outcome::with_deadlines`].
    pub fn limits(&self) -> Vec<(&str, Duration)> {
        self.deadlines.iter().map(|Deadline(key, value)| (key.as_str(), *value)).collect()
    }
}

impl Plan {
    /// Groups cells into histories. `resolve` returns the resolved settings of a cell.
    ///
    /// # Errors
    ///
    /// Those of `resolve`.
    pub fn of<E>(cells: Vec<Cell>, mut resolve: impl FnMut(&Cell) -> Result<Resolved, E>) -> Result<Plan, E> {
        let mut plan = Plan {
            cells: Vec::new(),
            histories: Vec::new(),
            settings: Vec::new(),
            objective: Vec::new(),
            lines: None,
        };
        let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
        for cell in cells {
            let Resolved { behaviour, deadlines } = resolve(&cell)?;
            let hash = behaviour.bytes().fold(TraceHash::EMPTY, |hash, byte| hash.with(u64::from(byte)));
            let history = *known.entry((cell.case.clone(), behaviour)).or_insert_with(|| {
                plan.histories.push(cell.clone());
                plan.settings.push(hash);
                plan.histories.len() - 1
            });
            let deadlines = deadlines.into_iter().map(|(key, value)| Deadline(key, value)).collect();
            plan.cells.push(PlannedCell { cell, history, deadlines });
        }
        Ok(plan)
    }

    /// Makes the sweep a search for the boundary along a parameter, instead of playing every cell.
    pub fn search(&mut self, axis: &str) {
        let mut lines: Vec<(Cell, Vec<usize>)> = Vec::new();
        for (place, planned) in self.cells.iter().enumerate() {
            let mut rest = planned.cell.clone();
            rest.point.remove(axis);
            rest.sets.clear();
            match lines.iter_mut().find(|(other, _)| *other == rest) {
                Some((_, line)) => line.push(place),
                None => lines.push((rest, vec![place])),
            }
        }
        self.lines = Some(lines.into_iter().map(|(_, line)| line).collect());
    }

    /// Returns the group number of each history. Which runs of a group are played does not depend
    /// on other groups. A group is one history, or all histories of the lines that share one.
    pub fn groups(&self) -> Vec<u64> {
        let mut smallest: Vec<usize> = (0..self.histories.len()).collect();
        let lines = self.lines.as_deref().unwrap_or_default();
        // Lines that share a history are one group: the smallest index spreads until nothing
        // changes.
        let mut changed = true;
        while changed {
            changed = false;
            for line in lines {
                let histories = line.iter().map(|&cell| self.cells[cell].history);
                let least = histories.clone().map(|history| smallest[history]).min().unwrap_or_default();
                for history in histories {
                    changed |= smallest[history] != least;
                    smallest[history] = least;
                }
            }
        }
        let distinct: BTreeSet<usize> = smallest.iter().copied().collect();
        let numbers: BTreeMap<usize, u64> = distinct.into_iter().zip(0..).collect();
        smallest.iter().map(|group| numbers[group]).collect()
    }

    /// Returns the cells whose results a history gives, with their indexes.
    pub fn cells_of(&self, history: usize) -> impl Iterator<Item = (usize, &PlannedCell)> {
        self.cells.iter().enumerate().filter(move |(_, cell)| cell.history == history)
    }

    /// Returns the first cell of each case.
    pub fn firsts(&self) -> impl Iterator<Item = &PlannedCell> {
        let mut seen = BTreeSet::new();
        self.cells.iter().filter(move |planned| seen.insert(&planned.cell.case))
    }

    /// Returns the names of the cases, in the order of the file.
    pub fn cases(&self) -> impl Iterator<Item = &str> {
        self.firsts().map(|planned| planned.cell.case.as_str())
    }

    /// Returns the histories of a case, in order.
    pub fn histories_of<'a>(&'a self, case: &'a str) -> impl Iterator<Item = usize> + 'a {
        (0..self.histories.len()).filter(move |&history| self.histories[history].case == case)
    }

    /// Whether waits with this deadline parameter count towards the objective.
    pub fn counts(&self, parameter: &str) -> bool {
        self.objective.is_empty() || self.objective.iter().any(|other| other == parameter)
    }

    /// Returns the index of the cell that a variant is compared with: the first of its case with
    /// the same parameter values. `None` for that cell itself and without variants.
    ///
    /// # Panics
    ///
    /// If there is no cell with this index.
    pub fn base(&self, place: usize) -> Option<usize> {
        let cell = &self.cells[place].cell;
        let alike = |other: &PlannedCell| (&other.cell.case, &other.cell.point) == (&cell.case, &cell.point);
        cell.variant.as_ref()?;
        self.cells.iter().position(alike).filter(|base| *base != place)
    }

    /// Returns the label that distinguishes a history within its case: the label of its first cell
    /// without observers' deadlines.
    ///
    /// # Panics
    ///
    /// If there is no history with this index.
    pub fn label(&self, history: usize) -> String {
        let deadlines: BTreeSet<&str> =
            self.cells_of(history).flat_map(|(_, planned)| planned.limits()).map(|(key, _)| key).collect();
        let mut cell = self.histories[history].clone();
        cell.point.retain(|key, _| !deadlines.contains(key.as_str()));
        cell.label()
    }

    /// Returns the largest number of runs that the sweep can play.
    pub fn runs(&self) -> u64 {
        self.histories.iter().map(Cell::runs).sum()
    }

    /// Returns the number of runs if each cell were played separately.
    pub fn brute_force_runs(&self) -> u64 {
        self.cells.iter().map(|planned| planned.cell.runs()).sum()
    }
}
