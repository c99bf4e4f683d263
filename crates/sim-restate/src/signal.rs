//! How a process is ended: by SIGKILL or by SIGTERM.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a process is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// At once.
    Kill,
    /// When it has stopped by itself.
    Term,
}

impl Signal {
    /// What the trace notes before the name of the node that it was sent to.
    pub(crate) fn note_prefix(self) -> &'static str {
        match self {
            Signal::Kill => "Kill: ",
            Signal::Term => "Term: ",
        }
    }

    /// What a note tells of: a signal that was sent, and the node that it was sent to.
    pub fn from_note(note: &str) -> Option<(Signal, &str)> {
        let told = |signal: Signal| Some((signal, note.strip_prefix(signal.note_prefix())?));
        [Signal::Kill, Signal::Term].into_iter().find_map(told)
    }
}
