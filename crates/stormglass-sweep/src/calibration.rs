//! Real logs beside simulated runs: which profile of a machine gives the times that its logs tell.
//!
//! A [`Mapping`] says which lines of a log are moments of a start, and which events of a trace stand for them. [`logs`] reads the one, [`simulated`] the other; [`Comparison`] puts
//! them side by side, and [`fit()`] looks for the values of parameters under which they are most alike.

pub mod fit;
pub mod logs;

pub use fit::{Axis, fit};

use crate::space::{SpaceError, from_toml};
use crate::stats::quantile::value;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::{Kind, SimTime, Trace};

/// What lines of a log mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mapping {
    /// Where a line has its time: the first group, as RFC 3339 has it.
    pub timestamp: Pattern,
    /// With what a process begins.
    pub start: Mark,
    /// The moments of a start.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// A moment, in a log and in a trace.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mark {
    /// The line.
    pub line: Pattern,
    /// The step or note.
    pub event: Pattern,
}

/// A moment with a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// The line.
    pub line: Pattern,
    /// The step or note.
    pub event: Pattern,
}

/// A regular expression.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        Regex::new(&text).map(Pattern).map_err(|error| format!("{text:?} is no regular expression: {error}"))
    }
}

/// One start of a process: how long after its beginning it came to each phase.
pub type Start = BTreeMap<String, Duration>;

impl Mapping {
    /// Reads a mapping file. `file` is named in errors.
    ///
    /// # Errors
    ///
    /// Names the field and the remedy.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, SpaceError> {
        let mapping: Mapping = from_toml(file, text)?;
        if mapping.timestamp.0.captures_len() < 2 {
            let problem = "needs a group around the time: '\"timestamp\":\"([^\"]+)\"'";
            return Err(SpaceError::new(file, "timestamp", problem));
        }
        Ok(mapping)
    }
}

/// The first start of each node of a run.
pub fn simulated(trace: &Trace, mapping: &Mapping) -> Vec<Start> {
    let mut starts: BTreeMap<&str, (SimTime, Start, bool)> = BTreeMap::new();
    let told = |event: &&stormglass_core::Event| matches!(event.kind, Kind::Step | Kind::Note);
    for event in trace.events.iter().filter(told) {
        let (subject, node) = (trace.text(event.subject), trace.text(event.node));
        let at = SimTime::from_nanos(event.at_nanos);
        if mapping.start.event.0.is_match(subject) {
            match starts.get_mut(node) {
                // What comes after another start belongs to that.
                Some((_, _, over)) => *over = true,
                None => drop(starts.insert(node, (at, Start::new(), false))),
            }
            continue;
        }
        let Some((began, start, false)) = starts.get_mut(node) else { continue };
        for phase in mapping.phases.iter().filter(|phase| phase.event.0.is_match(subject)) {
            start.entry(phase.name.clone()).or_insert(at.saturating_since(*began));
        }
    }
    starts.into_values().map(|(_, start, _)| start).collect()
}

/// A phase, in logs and in runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The phase's name.
    pub phase: String,
    /// How many real starts came there.
    pub real: usize,
    /// How many simulated ones.
    pub simulated: usize,
    /// Seconds from the start: the 10th percentile, the median and the 90th, real.
    pub real_s: [f64; 3],
    /// The same, simulated.
    pub simulated_s: [f64; 3],
}

/// Real and simulated starts, phase by phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The phases that both came to, in the mapping's order.
    pub phases: Vec<Compared>,
    /// How far medians are apart: the mean of the absolute logarithms of their ratios. 0.1 is a tenth more or less; endless without a phase.
    pub distance: f64,
}

/// Puts them side by side.
pub fn compare(mapping: &Mapping, real: &[Start], simulated: &[Start]) -> Comparison {
    let times = |starts: &[Start], phase: &str| {
        let mut times: Vec<f64> =
            starts.iter().filter_map(|start| start.get(phase)).map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let three = |times: &[f64]| -> Option<[f64; 3]> {
        Some([value(times, 0.1)?, value(times, 0.5)?, value(times, 0.9)?])
    };
    let mut phases = Vec::new();
    for phase in &mapping.phases {
        let (ours, theirs) = (times(simulated, &phase.name), times(real, &phase.name));
        if let (Some(simulated_s), Some(real_s)) = (three(&ours), three(&theirs)) {
            phases.push(Compared {
                phase: phase.name.clone(),
                real: theirs.len(),
                simulated: ours.len(),
                real_s,
                simulated_s,
            });
        }
    }
    Comparison::of(phases)
}

impl Comparison {
    fn of(phases: Vec<Compared>) -> Comparison {
        // What takes no time at all differs by no factor.
        const LEAST: f64 = 1e-3;
        let apart = |it: &Compared| (it.simulated_s[1].max(LEAST) / it.real_s[1].max(LEAST)).ln().abs();
        let sum: f64 = phases.iter().map(apart).sum();
        let distance = if phases.is_empty() { f64::INFINITY } else { sum / phases.len() as f64 };
        Comparison { phases, distance }
    }

    /// The comparison of the phases that another has, all of them: which phases runs come to before they end changes with how slow they are, and must not decide.
    fn in_phases_of(mut self, other: &Comparison) -> Comparison {
        self.phases.retain(|phase| other.phases.iter().any(|it| it.phase == phase.phase));
        if self.phases.len() < other.phases.len() {
            self.phases.clear();
        }
        Comparison::of(self.phases)
    }
}
