//! The promises of `stormglass-fs`, one module per area, in one binary so that the crate is linked once.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod attributes;
mod contract;
mod cost;
mod faults;
mod flags;
mod handles;
mod nodes;
mod power;
mod redb;
mod wal;
