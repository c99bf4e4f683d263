//! Compares real and simulated starts phase by phase.

use super::mapping::{Mapping, Start};
use crate::stats::quantile::value;
use serde::Serialize;
use std::time::Duration;

/// One phase, in real logs and in simulated runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The phase's name.
    pub phase: String,
    /// The number of real starts that reached the phase.
    pub real: usize,
    /// The number of simulated starts that reached it.
    pub simulated: usize,
    /// Real seconds since the process's start: 10th percentile, median, 90th percentile.
    pub real_s: [f64; 3],
    /// The same, simulated.
    pub simulated_s: [f64; 3],
}

/// Real and simulated starts, phase by phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The phases that both reached, in the mapping's order.
    pub phases: Vec<Compared>,
    /// The distance of the medians: the mean of the absolute logarithms of their ratios. 0.1 is
    /// about 10 % more or less; infinite without a phase.
    pub distance: f64,
}

/// Compares real and simulated starts.
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
        // Below 1 ms a ratio says nothing.
        const LEAST: f64 = 1e-3;
        let apart = |it: &Compared| (it.simulated_s[1].max(LEAST) / it.real_s[1].max(LEAST)).ln().abs();
        let sum: f64 = phases.iter().map(apart).sum();
        let distance = if phases.is_empty() { f64::INFINITY } else { sum / phases.len() as f64 };
        Comparison { phases, distance }
    }

    /// Returns the comparison restricted to the phases of `other`, or without any phase if one of
    /// those is missing. How many phases a run reaches before it ends depends on how slow it is,
    /// and must not decide the fit.
    pub(super) fn in_phases_of(mut self, other: &Comparison) -> Comparison {
        self.phases.retain(|phase| other.phases.iter().any(|it| it.phase == phase.phase));
        if self.phases.len() < other.phases.len() {
            self.phases.clear();
        }
        Comparison::of(self.phases)
    }
}
