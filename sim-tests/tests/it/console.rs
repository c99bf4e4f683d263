//! The command line as its users meet it, inside of this process.

use expect_test::Expect;
use sim_tests::leaks::{Leak, Leaky};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use stormglass_cli::{App, Exit, Output};

/// A stream that keeps what is written.
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

/// Runs a command line and gives exit code, standard output and standard error.
pub(crate) fn stormglass(arguments: &[&str]) -> (Exit, String, String) {
    let app = Leak::ALL.into_iter().fold(sim_restate::app(), |app, leak| app.with_scenario(Leaky(leak)));
    app_with(&app, arguments)
}

/// The same with another app.
pub(crate) fn app_with(app: &App, arguments: &[&str]) -> (Exit, String, String) {
    let (out, err) = (Sink::default(), Sink::default());
    let arguments = ["stormglass"].iter().chain(arguments).copied();
    let exit = app.run(arguments, &mut Output::to(out.clone(), err.clone()));
    (exit, out.text(), err.text())
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// A file of this name in the tests' folder; its path.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

/// Wrong input: exit code 2, nothing on standard output, one message.
pub(crate) fn refused(arguments: &[&str], expected: Expect) {
    let (exit, out, err) = stormglass(arguments);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{arguments:?}: {err}");
    expected.assert_eq(err.replace(folder().to_str().unwrap(), "TMP").trim_end());
}
