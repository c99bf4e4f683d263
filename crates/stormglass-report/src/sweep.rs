//! The report of a sweep: failure rates cell by cell, comparisons of variants, the deadlines that
//! hold, what a lower failure rate costs, the parameters that matter, and what each variant is
//! worth; as [`tables`], as a [`page`] and as [`junit`].
//!
//! In reading order: `found` (one cell), `format` (forms of numbers), `worth` (the sentence of each
//! variant), [`Findings`], computed once, with the survival curves of waits; `tables` has the texts
//! of all forms; `chart` draws the page's SVG.

mod chart;
mod curves;
mod findings;
mod format;
mod found;
pub mod junit;
pub mod page;
pub mod tables;
mod worth;

pub use curves::Curve;
pub use findings::{Cost, Findings};
pub use found::Found;
pub use worth::{DeadlineChange, Direction, Effect, Worth};
