//! The answers that a sweep's counts give: which deadlines hold, how each variant compares with the
//! first, what a lower failure rate costs, and which parameters matter.

pub mod comparison;
pub mod deadlines;
pub mod frontier;
pub mod sensitivity;
