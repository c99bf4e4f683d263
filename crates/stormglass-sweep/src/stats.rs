//! Statistics: confidence intervals, tests, quantiles, survival curves.

#[cfg(feature = "sweep")]
pub mod binomial;
#[cfg(feature = "sweep")]
pub mod deadline;
#[cfg(feature = "sweep")]
pub mod pairs;
#[cfg(feature = "sweep")]
pub mod quantile;
#[cfg(feature = "sweep")]
pub mod stopping;
#[cfg(feature = "sweep")]
pub mod survival;
pub mod waits;
