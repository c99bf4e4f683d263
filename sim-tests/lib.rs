//! Scenarios with planted nondeterminism, for the tests that show that `check` detects it.

#![allow(
    clippy::disallowed_macros,
    reason = "planted nondeterminism; for macros the lint level at the crate's root applies"
)]

pub mod leaks;
