//! Runs command lines inside this process, for tests.

use expect_test::Expect;
use sim_tests::leaks::{Leak, Leaky};
use std::path::PathBuf;
use stormglass_cli::{App, Exit};

/// Runs a command line and returns exit code, standard output and standard error.
pub(crate) fn stormglass(arguments: &[&str]) -> (Exit, String, String) {
    let app = Leak::ALL.into_iter().fold(sim_restate::app(), |app, leak| app.with_scenario(Leaky(leak)));
    app_with(&app, arguments)
}

/// Runs a command line of another app.
pub(crate) fn app_with(app: &App, arguments: &[&str]) -> (Exit, String, String) {
    app.run_captured(["stormglass"].iter().chain(arguments).copied())
}

/// Returns the folder for the tests' files.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Writes a file in the tests' folder and returns its path.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

/// Asserts that input is rejected: exit code 2, nothing on standard output, and this message.
pub(crate) fn refused(arguments: &[&str], expected: Expect) {
    let (exit, out, err) = stormglass(arguments);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{arguments:?}: {err}");
    expected.assert_eq(err.replace(folder().to_str().unwrap(), "TMP").trim_end());
}
