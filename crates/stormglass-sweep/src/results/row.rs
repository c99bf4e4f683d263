//! A row: the stored outcome of one run.

use serde::{Deserialize, Serialize};
use stormglass_core::Outcome;

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The index of its history in the plan.
    pub history: usize,
    /// The seed.
    pub seed: u64,
    /// Its outcome, under its history's own deadlines.
    pub outcome: Outcome,
}
