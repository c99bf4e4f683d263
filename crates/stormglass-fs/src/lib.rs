#![doc = include_str!("../README.md")]
//!
//! In reading order: [`profile`] (what an operation costs), `tree` (names and contents: a plain struct without
//! clock), [`disk`] (the handle), [`file`](mod@file) (an open file).
//!
//! **Invariant:** this crate knows no plan, no scenario and no network.

pub mod disk;
pub mod file;
pub mod profile;
mod tree;

pub use disk::Disk;
pub use file::{File, OpenOptions};
pub use profile::{DiskProfile, OpCost};
pub use tree::Metadata;
