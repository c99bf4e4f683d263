//! Streams of random numbers for the operations that a process repeats.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use stormglass_core::{Seed, Stream};

/// Gives each operation of a process a stream of its own: `(what, process, subject, number)`, where
/// the number counts the process's operations of this kind on this subject. So the draws of one
/// operation depend neither on the time nor on operations of other kinds.
#[derive(Debug)]
pub(crate) struct OperationStreams {
    seed: Seed,
    /// The node's number and the incarnation.
    process: u64,
    counts: Mutex<BTreeMap<(&'static str, u64), u64>>,
}

impl OperationStreams {
    /// Returns the streams of this incarnation of a node's process.
    pub(crate) fn new(seed: Seed, node: u32, incarnation: u32) -> OperationStreams {
        let process = u64::from(node) << 32 | u64::from(incarnation);
        OperationStreams { seed, process, counts: Mutex::default() }
    }

    /// Returns the stream of the next operation of this kind on this subject.
    pub(crate) fn next(&self, what: &'static str, subject: u64) -> Stream {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = counts.entry((what, subject)).or_default();
        *number += 1;
        self.seed.stream((what, self.process, subject, *number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_is_named_by_process_operation_and_number() {
        let streams = |node, incarnation| OperationStreams::new(Seed(1), node, incarnation);
        let (one, again) = (streams(1, 1), streams(1, 1));
        let first = one.next("append", 7).draw();
        // Operations of other kinds and on other subjects change nothing.
        again.next("read", 7);
        again.next("append", 8);
        assert_eq!(again.next("append", 7).draw(), first);
        let others = [
            one.next("append", 7).draw(),
            one.next("append", 8).draw(),
            one.next("read", 7).draw(),
            streams(2, 1).next("append", 7).draw(),
            streams(1, 2).next("append", 7).draw(),
        ];
        assert!(!others.contains(&first));
    }
}
