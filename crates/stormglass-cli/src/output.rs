//! The two output streams: results go to standard output, messages to standard error.

use crate::args::{Colour, Terminal};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use stormglass_report::timeline::Look;

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
    /// Whether details are shown.
    is_verbose: bool,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// Standard output is a closed pipe (for example after `| head`); further results are dropped.
    closed: bool,
}

impl Output {
    /// Uses this process's streams.
    pub fn of_process() -> Output {
        let error_stream = if io::stderr().is_terminal() { ErrorStream::Terminal } else { ErrorStream::Log };
        let is_terminal = io::stdout().is_terminal();
        let (out, err) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Output { out, err, error_stream, is_verbose: false, is_terminal, closed: false }
    }

    /// Uses these streams; no progress is shown.
    pub fn to(out: impl Write + 'static, err: impl Write + 'static) -> Output {
        let (out, err) = (Box::new(out), Box::new(err));
        Output {
            out,
            err,
            error_stream: ErrorStream::Embedded,
            is_verbose: false,
            is_terminal: false,
            closed: false,
        }
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

    /// Writes a detail to standard error, with `--verbose`.
    pub(crate) fn detail(&mut self, text: impl FnOnce() -> String) {
        if self.is_verbose {
            self.report(&text());
        }
    }

    /// Shows details.
    pub(crate) fn show_details(&mut self) {
        self.is_verbose = true;
    }

    /// Whether details are shown.
    #[cfg(feature = "sweep")]
    pub(crate) fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// Returns how a timeline looks on standard output.
    pub(crate) fn look(&self, terminal: &Terminal, marked: Option<usize>) -> Look {
        let has_colours = match terminal.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => self.is_terminal && allows_colours(variable),
        };
        let width = match terminal.width {
            Some(0) => None,
            Some(width) => Some(width),
            None => self.is_terminal.then(terminal_width).flatten(),
        };
        Look { has_colours, width, marked }
    }

    /// Whether standard input and output are a terminal.
    #[cfg(feature = "debug")]
    pub(crate) fn is_interactive(&self) -> bool {
        self.is_terminal && io::stdin().is_terminal()
    }

    /// Returns where standard error goes.
    pub(crate) fn error_stream(&self) -> ErrorStream {
        self.error_stream
    }

    /// Shows no progress.
    pub(crate) fn hide_progress(&mut self) {
        self.error_stream = ErrorStream::Embedded;
    }

    /// Whether standard output is closed.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }
}

/// Whether variables of the environment allow colours: NO_COLOR (<https://no-color.org>) is unset or
/// empty, and TERM is not `dumb`.
fn allows_colours(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Returns the number of columns of the terminal, if it says so.
fn terminal_width() -> Option<usize> {
    #[cfg(feature = "sweep")]
    if let Some((width, _)) = terminal_size::terminal_size() {
        return Some(usize::from(width.0));
    }
    variable("COLUMNS")?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "it changes only how results look")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_a_dumb_terminal_switch_colours_off() {
        let allows = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            allows_colours(|name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
        };
        assert!(allows(&[("TERM", "xterm")]) && allows(&[]) && allows(&[("NO_COLOR", "")]));
        assert!(!allows(&[("NO_COLOR", "1")]) && !allows(&[("TERM", "dumb")]));
    }

    #[test]
    fn colours_and_width_follow_the_options_and_else_the_terminal() {
        let output = Output::to(Vec::new(), Vec::new());
        let look = |width, color| output.look(&Terminal { width, color }, Some(4));
        let none = Look { has_colours: false, width: None, marked: Some(4) };
        assert_eq!(look(None, Colour::Auto), none);
        assert_eq!(look(Some(0), Colour::Never), none);
        assert_eq!(look(Some(99), Colour::Always), Look { has_colours: true, width: Some(99), ..none });
    }
}
