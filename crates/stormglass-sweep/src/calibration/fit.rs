//! Searches for the parameter values under which simulated starts are closest to real ones.

use super::comparison::{Comparison, compare};
use super::mapping::{Mapping, Start};
use crate::space::Level;
use serde::Serialize;

/// A parameter to fit, and the range to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The parameter.
    pub key: String,
    /// The smallest value.
    pub from: Level,
    /// The largest one, of the same kind.
    pub to: Level,
}

/// The result of a fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fitted {
    /// The best values, by parameter.
    pub values: Vec<(String, String)>,
    /// Real starts compared with simulated starts under these values.
    pub comparison: Comparison,
}

/// The number of values of a parameter that are tried in one round.
const VALUES: u32 = 9;
/// The number of rounds; each one searches between the neighbours of the best value, a quarter of
/// the range before.
const ROUNDS: u32 = 4;

/// Searches for the values with the smallest distance: coordinate descent, one parameter after the
/// other, each from its whole range down to a few thousandths of it; twice if there are several
/// parameters. `play` returns the starts of runs with these values; they are compared in the phases
/// of `before`. A result without a phase means that no value had all of them.
pub fn fit(
    mapping: &Mapping,
    real: &[Start],
    before: &Comparison,
    axes: &[Axis],
    mut play: impl FnMut(&[(String, String)]) -> Vec<Start>,
) -> Fitted {
    let middle = |axis: &Axis| size(&axis.from).midpoint(size(&axis.to));
    let mut sizes: Vec<f64> = axes.iter().map(middle).collect();
    let values = |sizes: &[f64]| -> Vec<(String, String)> {
        axes.iter()
            .zip(sizes)
            .map(|(axis, &size)| (axis.key.clone(), axis.from.like(size).to_string()))
            .collect()
    };
    let mut at = |sizes: &[f64]| compare(mapping, real, &play(&values(sizes))).in_phases_of(before);
    let mut best = at(&sizes);
    for _ in 0..axes.len().min(2) {
        for (place, axis) in axes.iter().enumerate() {
            let (mut low, mut high) = (size(&axis.from), size(&axis.to));
            for _ in 0..ROUNDS {
                let step = (high - low) / f64::from(VALUES - 1);
                for number in 0..VALUES {
                    let mut tried = sizes.clone();
                    tried[place] = low + step * f64::from(number);
                    let comparison = at(&tried);
                    if comparison.distance < best.distance {
                        (best, sizes) = (comparison, tried);
                    }
                }
                (low, high) = ((sizes[place] - step).max(low), (sizes[place] + step).min(high));
            }
        }
    }
    Fitted { values: values(&sizes), comparison: best }
}

fn size(level: &Level) -> f64 {
    level.size().unwrap_or_default()
}
