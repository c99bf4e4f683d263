//! How sure one can be.

pub mod binomial;
pub mod deadline;
pub mod pairs;
pub mod quantile;
pub mod stopping;
pub mod survival;
pub mod waits;
