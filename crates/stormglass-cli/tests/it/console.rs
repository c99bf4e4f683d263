//! Runs command lines inside this process.

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

/// Runs a command line and returns the exit code, and what it prints: the results, then the messages.
pub(crate) fn command(app: &App, arguments: &[&str]) -> (Exit, String) {
    let (out, err) = (Sink::default(), Sink::default());
    let arguments = ["stormglass"].iter().chain(arguments).copied();
    let exit = app.run(arguments, &mut Output::to(out.clone(), err.clone()));
    let text = |sink: Sink| String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    (exit, text(out) + &text(err))
}

/// Returns the folder for the tests' files.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}
