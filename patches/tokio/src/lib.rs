#![doc = include_str!("../README.md")]

pub use real::*;

#[cfg(all(madsim, feature = "net"))]
pub mod net;

#[cfg(all(madsim, feature = "rt"))]
pub mod task;
