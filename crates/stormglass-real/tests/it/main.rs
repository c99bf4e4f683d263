//! A scenario plays once on this machine: nodes with addresses, names and directories of their own.
//! Built without `--cfg madsim` only: `scripts/examples` does.
#![cfg(not(madsim))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::unwrap_used)]

mod nodes;
mod verdicts;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use stormglass_real::Scenario;
use stormglass_real::testing::Test;

/// Plays a scenario and returns the first line with which its test fails, and the directory that the last
/// line names.
fn failure_with_files(scenario: impl Scenario + 'static) -> (String, Option<PathBuf>) {
    let test = Test::of(scenario, "it");
    let panic = catch_unwind(AssertUnwindSafe(|| test.run())).expect_err("it fails");
    let message = panic.downcast_ref::<String>().expect("a message");
    let files = message.rsplit_once("files are in ").map(|(_, files)| files.trim_end_matches('.').into());
    (message.lines().next().unwrap_or_default().into(), files)
}

/// As [`failure_with_files`], and removes the directory.
fn failure(scenario: impl Scenario + 'static) -> String {
    let (message, files) = failure_with_files(scenario);
    if let Some(files) = files {
        std::fs::remove_dir_all(files).expect("the directory exists");
    }
    message
}
