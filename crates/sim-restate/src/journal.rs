//! The nodes' log, as far as a test waits for lines of it.

use std::sync::Arc;
use std::time::Duration;
use stormglass_core::{Kind, Recorder};
use stormglass_rt::{self as rt, Watch};

/// What all nodes have logged. Clones share it.
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
    /// Nothing logged yet.
    pub fn new(recorder: &Recorder) -> Journal {
        Journal { lines: Watch::new(recorder, Arc::default()), recorder: recorder.clone() }
    }

    /// A node logs a line, which is an event too.
    pub fn note(&self, node: &str, text: String) {
        self.recorder.record(rt::now(), Kind::Note, self.recorder.symbol(&text), Duration::ZERO, 0);
        self.log(node, text);
    }

    /// A node logs a line about what is an event already.
    pub fn log(&self, node: &str, text: String) {
        let line = Line { node: node.to_string(), text };
        self.lines.change(|lines| {
            Arc::make_mut(lines).push(line);
            true
        });
    }

    /// How many lines there are: whoever waits for a later one begins there.
    pub fn len(&self) -> usize {
        self.lines.get().len()
    }

    /// Whether nothing was logged yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a line of a node, from this place on.
    pub async fn wait(&self, node: &str, from: usize, accept: impl Fn(&str) -> bool) {
        let found = |line: &Line| line.node == node && accept(&line.text);
        self.lines.until(|lines| lines.iter().skip(from).any(found)).await;
    }
}
