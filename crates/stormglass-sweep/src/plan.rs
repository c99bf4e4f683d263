//! Which runs answer for which cells.
//!
//! Cells that differ in nothing but the deadlines of observers have the same history: one run answers for all of them.

use crate::space::Cell;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// A sweep's cells and the histories that answer for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// What rates are told of.
    pub cells: Vec<PlannedCell>,
    /// What is played.
    pub histories: Vec<History>,
}

/// A cell, and where its answer comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedCell {
    /// The case's name.
    pub case: String,
    /// The variant's, if there are variants.
    pub variant: Option<String>,
    /// The values of the parameters.
    pub point: BTreeMap<String, String>,
    /// Everything that is set.
    pub sets: Vec<(String, String)>,
    /// The place of its history.
    pub history: usize,
    /// Its deadlines, by parameter.
    pub deadlines: Vec<Deadline>,
}

/// A parameter that is nothing but the deadline of waits, and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline(pub String, #[serde(with = "HumanDuration")] pub Duration);

/// Runs that differ in their seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct History {
    /// The case's name.
    pub case: String,
    /// The scenario.
    pub scenario: String,
    /// The model, if one is named.
    pub model: Option<String>,
    /// The profile.
    pub profile: String,
    /// What is set: that of its first cell.
    pub sets: Vec<(String, String)>,
    /// The seeds.
    pub seeds: Range<u64>,
}

/// What the settings of a cell come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Everything but the deadlines of observers, in any form in which equal settings are equal texts.
    pub behaviour: String,
    /// The deadlines of observers.
    pub deadlines: Vec<(String, Duration)>,
}

impl PlannedCell {
    /// What tells it from other cells of its case.
    pub fn label(&self) -> String {
        let point = self.point.iter().map(|(key, value)| format!("{key}={value}"));
        let words: Vec<String> = self.variant.iter().cloned().chain(point).collect();
        if words.is_empty() { "as it is".into() } else { words.join(", ") }
    }

    /// Its deadlines as [`stormglass_core::Outcome::with_deadlines`] takes them.
    pub fn limits(&self) -> Vec<(&str, Duration)> {
        self.deadlines.iter().map(|Deadline(key, value)| (key.as_str(), *value)).collect()
    }
}

impl Plan {
    /// Gathers cells into histories. `resolve` says what a cell's settings come to.
    ///
    /// # Errors
    ///
    /// Those of `resolve`.
    pub fn of<E>(cells: Vec<Cell>, mut resolve: impl FnMut(&Cell) -> Result<Resolved, E>) -> Result<Plan, E> {
        let mut plan = Plan { cells: Vec::new(), histories: Vec::new() };
        let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
        for cell in cells {
            let Resolved { behaviour, deadlines } = resolve(&cell)?;
            let history = *known.entry((cell.case.clone(), behaviour)).or_insert_with(|| {
                plan.histories.push(History {
                    case: cell.case.clone(),
                    scenario: cell.scenario.clone(),
                    model: cell.model.clone(),
                    profile: cell.profile.clone(),
                    sets: cell.sets.clone(),
                    seeds: cell.seeds.clone(),
                });
                plan.histories.len() - 1
            });
            let deadlines = deadlines.into_iter().map(|(key, value)| Deadline(key, value)).collect();
            let Cell { case, variant, point, sets, .. } = cell;
            plan.cells.push(PlannedCell { case, variant, point, sets, history, deadlines });
        }
        Ok(plan)
    }

    /// The cells that a history answers for.
    pub fn cells_of(&self, history: usize) -> impl Iterator<Item = (usize, &PlannedCell)> {
        self.cells.iter().enumerate().filter(move |(_, cell)| cell.history == history)
    }

    /// How many runs there are at most.
    pub fn runs(&self) -> u64 {
        self.histories.iter().map(|history| history.seeds.end - history.seeds.start).sum()
    }

    /// How many runs it would be if each cell were played by itself.
    pub fn brute_force_runs(&self) -> u64 {
        let seeds = |cell: &PlannedCell| {
            self.histories[cell.history].seeds.end - self.histories[cell.history].seeds.start
        };
        self.cells.iter().map(seeds).sum()
    }
}
