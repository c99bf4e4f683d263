//! Where the command writes: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

/// Who sees standard error while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// A person at a terminal.
    Terminal,
    /// A pipe or a file, such as a CI log.
    Log,
    /// A program that has given streams of its own.
    Nobody,
}

/// The two streams of a command.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    watched: Watched,
    /// The reader of standard output has gone, as `head` does: what is left to print is of no interest.
    closed: bool,
}

impl Output {
    /// This process's streams.
    pub fn of_process() -> Output {
        let watched = if io::stderr().is_terminal() { Watched::Terminal } else { Watched::Log };
        Output { out: Box::new(io::stdout()), err: Box::new(io::stderr()), watched, closed: false }
    }

    /// These streams; no progress is shown.
    pub fn to(out: impl Write + 'static, err: impl Write + 'static) -> Output {
        Output { out: Box::new(out), err: Box::new(err), watched: Watched::Nobody, closed: false }
    }

    /// Prints a result.
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

    /// Tells something that is no result.
    pub fn tell(&mut self, text: &str) {
        // Nobody is left to hear of a failure to write to standard error.
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Who sees standard error.
    pub(crate) fn watched(&self) -> Watched {
        self.watched
    }

    /// Whether results are still read.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("watched", &self.watched).field("closed", &self.closed).finish()
    }
}
