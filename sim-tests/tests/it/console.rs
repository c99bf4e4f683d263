//! Runs command lines inside this process, for tests.

use expect_test::Expect;
use sim_tests::leaks::{Leak, Leaky};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use stormglass_cli::{App, Exit, Output};

/// A stream that stores what is written to it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Runs a command line and returns exit code, standard output and standard error.
pub(crate) fn stormglass(arguments: &[&str]) -> (Exit, String, String) {
    let app = Leak::ALL.into_iter().fold(sim_restate::app(), |app, leak| app.with_scenario(Leaky(leak)));
    app_with(&app, arguments)
}

/// Runs a command line of another app.
pub(crate) fn app_with(app: &App, arguments: &[&str]) -> (Exit, String, String) {
    let (out, err) = (Sink::default(), Sink::default());
    let arguments = ["stormglass"].iter().chain(arguments).copied();
    let exit = app.run(arguments, &mut Output::to(out.clone(), err.clone()));
    (exit, out.text(), err.text())
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
