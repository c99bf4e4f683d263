//! The signals that end a process: SIGKILL and SIGTERM.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A signal that ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGKILL: the process ends at once.
    Kill,
    /// SIGTERM: the process shuts down, then ends.
    Term,
}

impl Signal {
    /// Returns the text that the trace's note has before the name of the node that gets the
    /// signal.
    pub(crate) fn note_prefix(self) -> &'static str {
        match self {
            Signal::Kill => "Kill: ",
            Signal::Term => "Term: ",
        }
    }

    /// Parses a note of the trace: returns the signal and the node that got it, or `None` for any
    /// other note.
    pub fn from_note(note: &str) -> Option<(Signal, &str)> {
        let parse = |signal: Signal| Some((signal, note.strip_prefix(signal.note_prefix())?));
        [Signal::Kill, Signal::Term].into_iter().find_map(parse)
    }
}
