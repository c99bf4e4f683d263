//! The report of a sweep: failure rates cell by cell, comparisons of variants, the deadlines that
//! hold, what a lower failure rate costs, and the parameters that matter; as [`tables`], as a
//! [`page`] and as [`junit`].
//!
//! In reading order: [`Findings`] are computed once, with the survival curves of waits; `tables`
//! has the texts of all forms; `chart` draws the page's SVG.

mod chart;
mod curves;
mod findings;
pub mod junit;
pub mod page;
pub mod tables;

pub use curves::Curve;
pub use findings::{Cost, Findings, Found};
