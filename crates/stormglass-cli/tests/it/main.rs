//! The command line and tests on scenarios of a few lines, as modules of one binary.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

mod again;
#[cfg(feature = "sweep")]
mod blame;
mod compacts;
mod console;
mod crashes;
#[cfg(feature = "debug")]
mod debugging;
mod differences;
mod must_happen;
mod panics;
mod states;
mod tests_of_scenarios;
