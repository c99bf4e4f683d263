//! The tests of `sim-restate`, one module per area, in one binary so that the crate is linked
//! once.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod cold_start;
mod health;
mod killed;
mod metadata_servers;
mod parameters;
mod partitions;
