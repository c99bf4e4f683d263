//! The chance of failing over time, which `blame` computes.

use serde::Serialize;

/// The chance of failing from each moment on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chance {
    /// The failure in question.
    pub failure: String,
    /// The chance, in the order of time: it is the same until the next point.
    pub curve: Vec<ChancePoint>,
    /// Where it rises by events that are known, the largest rise first.
    pub jumps: Vec<Jump>,
}

/// The chance from a moment on, with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChancePoint {
    /// The time in nanoseconds.
    pub at: u64,
    /// The chance. Range: 0 to 1.
    pub chance: f64,
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A rise of the chance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jump {
    /// The time in nanoseconds.
    pub at: u64,
    /// The number of the event, from 1; 0 if no event shows it.
    pub event: usize,
    /// What it is, and the chance before and after.
    pub text: String,
}
