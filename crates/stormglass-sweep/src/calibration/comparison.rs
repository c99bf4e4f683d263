//! Compares real and simulated starts phase by phase.

use super::mapping::{Mapping, Start};
use crate::stats::quantile::value;
use serde::Serialize;
use std::time::Duration;

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
    pub(super) fn in_phases_of(mut self, other: &Comparison) -> Comparison {
        self.phases.retain(|phase| other.phases.iter().any(|it| it.phase == phase.phase));
        if self.phases.len() < other.phases.len() {
            self.phases.clear();
        }
        Comparison::of(self.phases)
    }
}
