//! What raft-rs reads from a [`RaftStore`]: initial state, entries, terms, snapshot.

use super::RaftStore;
use raft::eraftpb::{Entry, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};

impl Storage for RaftStore {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let metadata = self.snapshot.get_metadata();
        let mut hard_state = self.hard_state.clone();
        // If the batch of a snapshot was stored and that of the hard state was not, the snapshot
        // has the higher commit index.
        hard_state.commit = hard_state.commit.max(metadata.index);
        Ok(RaftState::new(hard_state, metadata.get_conf_state().clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        assert!(high <= self.last() + 1, "entries up to {high} requested, the log ends at {}", self.last());
        let range = (low - self.first()) as usize..(high - self.first()) as usize;
        let mut entries: Vec<Entry> = self.entries.range(range).cloned().collect();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let metadata = self.snapshot.get_metadata();
        if index == metadata.index {
            return Ok(metadata.term);
        }
        let offset = index.checked_sub(self.first()).ok_or(raft::Error::Store(StorageError::Compacted))?;
        let entry = self.entries.get(offset as usize).ok_or(raft::Error::Store(StorageError::Unavailable))?;
        Ok(entry.term)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        if self.snapshot.get_metadata().index < request_index {
            return Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(self.snapshot.clone())
    }
}
