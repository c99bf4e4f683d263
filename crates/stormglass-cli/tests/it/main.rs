//! The command line and tests on scenarios of a few lines, as modules of one binary.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod again;
mod console;
mod must_happen;
mod panics;
mod tests_of_scenarios;
