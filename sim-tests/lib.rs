//! Scenarios with planted leaks, for the tests that show that `check` can fail.

#![allow(
    clippy::disallowed_macros,
    reason = "planted; the lint looks at the crate's root for what a macro expands to"
)]

pub mod leaks;
