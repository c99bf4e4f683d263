//! Runs command lines inside this process.

use std::path::PathBuf;
use stormglass_cli::{App, Exit};

/// Runs a command line and returns the exit code, and what it prints: the results, then the messages.
pub(crate) fn command(app: &App, arguments: &[&str]) -> (Exit, String) {
    let (exit, results, messages) = app.run_captured(["stormglass"].iter().chain(arguments).copied());
    (exit, results + &messages)
}

/// Returns the folder for the tests' files.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}
