//! The randomized election timeout, from a stream of the run.

use crate::storage::RaftStore;
use raft::{RawNode, StateRole};
use stormglass_core::Stream;

/// The randomized election timeout, drawn from a stream of the run whenever raft-rs draws its own:
/// at each change of term, role or leader.
pub(super) struct ElectionTimeout {
    stream: Stream,
    ticks: u32,
    state: Option<(u64, StateRole, u64)>,
    timeout: usize,
}

impl ElectionTimeout {
    /// Creates a timeout of `ticks` to `2 * ticks - 1` ticks.
    pub(super) fn new(stream: Stream, ticks: u32) -> ElectionTimeout {
        ElectionTimeout { stream, ticks, state: None, timeout: 0 }
    }

    /// Replaces the timeout that raft-rs has drawn.
    pub(super) fn replace_draw(&mut self, raw_node: &mut RawNode<RaftStore>) {
        let state = (raw_node.raft.term, raw_node.raft.state, raw_node.raft.leader_id);
        if self.state != Some(state) {
            self.state = Some(state);
            self.timeout = (self.ticks + self.stream.below(u64::from(self.ticks)) as u32) as usize;
        }
        raw_node.raft.set_randomized_election_timeout(self.timeout);
    }
}
