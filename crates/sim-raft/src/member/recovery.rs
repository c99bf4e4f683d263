//! The facts about the storage at the start of an incarnation.

use crate::facts::{Fact, Facts, Position};
use crate::nodes::NodeId;
use crate::storage::RaftStore;

/// Records what the storage has at the start of an incarnation, for checkers.
pub(super) fn record_recovery(facts: &Facts, store: &RaftStore) -> raft::Result<()> {
    if !facts.is_enabled() {
        return Ok(());
    }
    let hard_state = raft::Storage::initial_state(store)?.hard_state;
    facts.record(Fact::Recovered { snapshot: Position::of_snapshot(store.stored_snapshot()) });
    facts.record(Fact::LogEnds { index: raft::Storage::last_index(store)? });
    // All entries: a batch whose sync had failed may have reached the disk.
    store.log().for_each(|entry| facts.record(Fact::Stored(Position::of(entry))));
    facts.record(Fact::Term(hard_state.term));
    if hard_state.vote != 0 {
        facts.record(Fact::Vote { term: hard_state.term, candidate: NodeId(hard_state.vote as u32) });
    }
    Ok(())
}
