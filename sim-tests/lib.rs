//! Scenarios with planted leaks, for the tests that show that `check` can fail.

pub mod leaks;
