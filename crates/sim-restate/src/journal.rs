//! The log lines of the nodes that tests wait for.

use std::sync::Arc;
use std::time::Duration;
use stormglass_core::{Kind, Recorder};
use stormglass_rt::{self as rt, Watch};

/// The log lines of all nodes. Clones share them.
#[derive(Clone, Debug)]
pub struct Journal {
    lines: Watch<Arc<Vec<Line>>>,
    recorder: Recorder,
}

/// A line of a node's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The node.
    pub node: String,
    /// The text.
    pub text: String,
}

impl Journal {
    /// Returns a journal without lines.
    pub fn new(recorder: &Recorder) -> Journal {
        Journal { lines: Watch::new(recorder, Arc::default()), recorder: recorder.clone() }
    }

    /// Logs a line of a node, and records it as an event.
    pub fn note(&self, node: &str, text: String) {
        self.recorder.record(rt::now(), Kind::Note, self.recorder.symbol(&text), Duration::ZERO, 0);
        self.log(node, text);
    }

    /// Logs a line of a node for something that is already recorded as an event.
    pub fn log(&self, node: &str, text: String) {
        let line = Line { node: node.to_string(), text };
        self.lines.change(|lines| {
            Arc::make_mut(lines).push(line);
            true
        });
    }

    /// Returns the number of lines: the `from` of a wait for a later line.
    pub fn len(&self) -> usize {
        self.lines.get().len()
    }

    /// Returns whether there is no line yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a line of a node that `accept` accepts, from the line with index `from` on.
    pub async fn wait(&self, node: &str, from: usize, accept: impl Fn(&str) -> bool) {
        let found = |line: &Line| line.node == node && accept(&line.text);
        self.lines.until(|lines| lines.iter().skip(from).any(found)).await;
    }
}
