#![doc = include_str!("../README.md")]
//!
//! In reading order: [`profile`] (what an operation costs), `tree` (names and contents, now and after a
//! power loss: a plain struct without clock), [`power`] (what a power loss leaves), [`device`] (what syncs queue for),
//! [`fault`] (rules that spoil operations), [`blocking`] (files for engines without await), [`disk`] (the handle), [`file`](mod@file) (an open file).
//!
//! **Invariant:** this crate knows no plan, no scenario and no network.

pub mod blocking;
pub mod device;
pub mod disk;
pub mod fault;
pub mod file;
pub mod power;
pub mod profile;
mod tree;

pub use device::Device;
pub use disk::{Disk, FaultGuard, Snapshot};
pub use file::{File, OpenOptions};
pub use power::Loss;
pub use profile::{DiskProfile, NamesDurable, OpCost};
pub use tree::{Entry, Metadata};
