//! Calibration: finds the machine profile under which simulated starts take as long as the starts
//! in real logs.
//!
//! In reading order: a [`Mapping`] says which log lines and which trace events mark the phases of a
//! start; [`logs`] reads real starts, [`simulated`] reads simulated ones from a trace; [`compare`]
//! compares them phase by phase; and [`fit()`] searches for the parameter values with the smallest
//! distance.

mod comparison;
pub mod fit;
pub mod logs;
mod mapping;
mod traces;

pub use comparison::{Compared, Comparison, compare};
pub use fit::{Axis, fit};
pub use mapping::{Mapping, Mark, Pattern, Phase, Start};
pub use traces::simulated;
