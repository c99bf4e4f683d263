//! The two output streams: results go to standard output, messages to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Where standard error goes while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorStream {
    /// To a terminal.
    Terminal,
    /// To a pipe or a file, such as a CI log.
    Log,
    /// To a stream of the embedding program; no progress is shown.
    Embedded,
}

/// The standard output and standard error of a command.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    error_stream: ErrorStream,
    /// Standard output is a closed pipe (for example after `| head`); further results are dropped.
    closed: bool,
}

impl Output {
    /// Uses this process's streams.
    pub fn of_process() -> Output {
        let error_stream = if io::stderr().is_terminal() { ErrorStream::Terminal } else { ErrorStream::Log };
        Output { out: Box::new(io::stdout()), err: Box::new(io::stderr()), error_stream, closed: false }
    }

    /// Uses these streams; no progress is shown.
    pub fn to(out: impl Write + 'static, err: impl Write + 'static) -> Output {
        Output { out: Box::new(out), err: Box::new(err), error_stream: ErrorStream::Embedded, closed: false }
    }

    /// Prints a result to standard output.
    pub fn print(&mut self, text: &str) {
        if !self.closed {
            self.closed = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_err();
        }
    }

    /// Prints a result as one line of JSON.
    pub(crate) fn print_json(&mut self, value: &impl serde::Serialize) {
        let line = serde_json::to_string(value).expect("results are plain data");
        self.print(&(line + "\n"));
    }

    /// Writes a message that is not a result to standard error.
    pub fn report(&mut self, text: &str) {
        // A failure to write to standard error cannot be reported anywhere.
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Returns where standard error goes.
    pub(crate) fn error_stream(&self) -> ErrorStream {
        self.error_stream
    }

    /// Whether standard output is closed.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }
}

/// A stream that keeps what is written to it; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Returns what was written, in UTF-8.
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("error_stream", &self.error_stream)
            .field("closed", &self.closed)
            .finish()
    }
}
