//! Log, hard state and snapshot in a storage engine.
//!
//! As Restate's `rocksdb.rs`: two column families (entries; everything else), every batch synced.
//! An iteration of the event loop with entries *and* a changed hard state writes two batches, so
//! it costs two syncs. The batch that stores a snapshot also truncates the log.

mod encoding;
mod raft_storage;

use crate::kv::KvState;
use crate::nodes::{NodeId, NodesConfiguration};
use encoding::{decode, encode, parse, write};
use raft::Storage as _;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use serde::{Deserialize, Serialize};
use sim_rocksdb::{Batch, Engine, EngineError, WalRecoveryMode};
use std::collections::VecDeque;
use stormglass_fs::Disk;
use stormglass_rt::worker;

/// The names of the column families, in order.
const FAMILIES: [&str; 2] = ["data", "metadata"];
const ENTRIES: usize = 0;
const STATE: usize = 1;

const MARKER: &[u8] = b"storage-marker";
const SERVER: &[u8] = b"server-state";
const JOINED: &[u8] = b"joined";
const NODES: &[u8] = b"nodes-configuration";
const HARD_STATE: &[u8] = b"hard-state";
const SNAPSHOT: &[u8] = b"snapshot";

/// The role of the server that was last stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredRole {
    /// Part of a cluster, not a member.
    Standby,
    /// A member with this id.
    Member(NodeId),
}

/// The storage of one metadata server.
#[derive(Debug)]
pub struct RaftStore {
    /// The database; `None` after [`RaftStore::take`].
    engine: Option<Engine>,
    storage_id: Option<u64>,
    server: Option<StoredRole>,
    /// A version of the configuration in which this server is a member.
    joined: u64,
    nodes: Option<NodesConfiguration>,
    hard_state: HardState,
    snapshot: Snapshot,
    /// The entries after the snapshot.
    entries: VecDeque<Entry>,
    /// The index of the first entry after a gap in the log, if there is a gap.
    gap: Option<u64>,
    /// Whether a write blocks the worker thread that makes it.
    blocks: bool,
}

impl RaftStore {
    /// Opens the storage at `path`, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// Those of the engine.
    pub async fn open(disk: &Disk, path: &str, recovery: WalRecoveryMode) -> Result<RaftStore, EngineError> {
        let engine = Engine::open_with(disk, path, &FAMILIES, recovery).await?;
        let state = |key: &[u8]| engine.get(STATE, key);
        let storage_id = state(MARKER).map(decode).transpose()?;
        let server = state(SERVER).map(decode).transpose()?;
        let joined = state(JOINED).map(decode).transpose()?.unwrap_or_default();
        let nodes = state(NODES).map(decode).transpose()?;
        let hard_state = state(HARD_STATE).map(parse).transpose()?.unwrap_or_default();
        let snapshot: Snapshot = state(SNAPSHOT).map(parse).transpose()?.unwrap_or_default();
        let mut entries = VecDeque::<Entry>::new();
        let (mut next, mut gap) = (snapshot.get_metadata().index + 1, None);
        for (_, bytes) in engine.range(ENTRIES, ..) {
            let entry: Entry = parse(bytes)?;
            if entry.index != next {
                gap = Some(entry.index);
                break;
            }
            next += 1;
            entries.push_back(entry);
        }
        let engine = Some(engine);
        let blocks = false;
        Ok(RaftStore {
            engine,
            storage_id,
            server,
            joined,
            nodes,
            hard_state,
            snapshot,
            entries,
            gap,
            blocks,
        })
    }

    /// Returns the stored role, or `None` if the server was never part of a cluster.
    pub fn server(&self) -> Option<StoredRole> {
        self.server
    }

    /// Returns the id of this storage, or `None` if the server was never part of a cluster.
    pub fn storage_id(&self) -> Option<u64> {
        self.storage_id
    }

    /// Moves the storage out; the remaining one must not be used.
    pub(crate) fn take(&mut self) -> RaftStore {
        RaftStore {
            engine: self.engine.take(),
            storage_id: self.storage_id,
            server: self.server,
            joined: self.joined,
            nodes: self.nodes.take(),
            hard_state: std::mem::take(&mut self.hard_state),
            snapshot: std::mem::take(&mut self.snapshot),
            entries: std::mem::take(&mut self.entries),
            gap: self.gap,
            blocks: self.blocks,
        }
    }

    /// Sets whether a write blocks the worker thread that makes it. If not, it runs on the
    /// blocking thread pool.
    pub(crate) fn set_blocks(&mut self, blocks: bool) {
        self.blocks = blocks;
    }

    async fn write(&mut self, batch: Batch) -> Result<(), EngineError> {
        let engine = self.engine.as_mut().expect("a storage that was taken is not written to");
        // Source: restatedev/restate `crates/rocksdb/src/lib.rs`, where `IoMode::Default` writes
        // and syncs on the current thread.
        Ok(worker::block_or_offload(self.blocks, engine.write_synced(batch)).await?)
    }

    /// Flushes the memtables of the database, as an orderly shutdown does: the next opening has
    /// nothing to recover. (Source: restatedev/restate
    /// `crates/metadata-server/src/raft/storage/rocksdb_builder.rs`, `add_to_flush_on_shutdown`.)
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub(crate) async fn flush(&mut self) -> Result<(), EngineError> {
        let engine = self.engine.as_mut().expect("a storage that was taken is not written to");
        engine.flush_all().await
    }

    /// Returns the cluster configuration that was last stored: it has the peers' addresses after a
    /// restart.
    pub fn nodes(&self) -> Option<&NodesConfiguration> {
        self.nodes.as_ref()
    }

    /// Decodes the state in the snapshot.
    ///
    /// # Errors
    ///
    /// [`EngineError::Corrupt`] if it cannot be decoded.
    pub fn snapshot_state(&self) -> Result<KvState, EngineError> {
        if self.snapshot.get_data().is_empty() {
            return Ok(KvState::default());
        }
        decode(self.snapshot.get_data())
    }

    /// Stores the state of the first member in one batch: marker, role, and a snapshot at index 1
    /// and term 1 with one voter.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn provision(
        &mut self,
        member: NodeId,
        storage_id: u64,
        kv: &KvState,
    ) -> Result<(), EngineError> {
        let mut snapshot = Snapshot::default();
        snapshot.set_data(encode(kv)?.into());
        let metadata = snapshot.mut_metadata();
        metadata.index = 1;
        metadata.term = 1;
        metadata.mut_conf_state().set_voters(vec![u64::from(member.0)]);
        let hard_state = HardState { term: 1, commit: 1, ..HardState::default() };
        let server = StoredRole::Member(member);
        let mut batch = server_batch(server, storage_id)?;
        batch.put(STATE, HARD_STATE, &write(&hard_state)?);
        batch.put(STATE, SNAPSHOT, &write(&snapshot)?);
        self.write(batch).await?;
        (self.server, self.hard_state, self.snapshot) = (Some(server), hard_state, snapshot);
        self.storage_id = Some(storage_id);
        Ok(())
    }

    /// Stores the role of the server and the marker with the id of its storage.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_server(&mut self, server: StoredRole, storage_id: u64) -> Result<(), EngineError> {
        self.write(server_batch(server, storage_id)?).await?;
        (self.server, self.storage_id) = (Some(server), Some(storage_id));
        Ok(())
    }

    /// Stores that the server is a member as of version `nodes` of the configuration or an earlier
    /// one.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_joined(
        &mut self,
        member: NodeId,
        storage_id: u64,
        nodes: u64,
    ) -> Result<(), EngineError> {
        let server = StoredRole::Member(member);
        let mut batch = server_batch(server, storage_id)?;
        batch.put(STATE, JOINED, &encode(&nodes)?);
        self.write(batch).await?;
        (self.server, self.storage_id, self.joined) = (Some(server), Some(storage_id), nodes);
        Ok(())
    }

    /// Returns a version of the configuration in which this server is a member, 0 if none is
    /// stored.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// Drops the vote, which violates the Raft protocol: for canaries.
    pub(crate) fn forget_vote(&mut self) {
        self.hard_state.vote = 0;
    }

    /// Stores the cluster configuration.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_nodes(&mut self, nodes: &NodesConfiguration) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        batch.put(STATE, NODES, &encode(nodes)?);
        self.write(batch).await?;
        self.nodes = Some(nodes.clone());
        Ok(())
    }

    /// Stores the hard state.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_hard_state(&mut self, hard_state: HardState) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        batch.put(STATE, HARD_STATE, &write(&hard_state)?);
        self.write(batch).await?;
        self.hard_state = hard_state;
        Ok(())
    }

    /// Appends entries. They replace entries of the same or a higher index.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When the entries would leave a gap, or begin at or before the index of the snapshot.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<(), EngineError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let keep = (first.index.checked_sub(self.first()).expect("appended entries begin after the snapshot"))
            as usize;
        assert!(keep <= self.entries.len(), "the log would have a gap before {}", first.index);
        let mut batch = Batch::new();
        self.entries.range(keep..).for_each(|entry| batch.delete(ENTRIES, &entry.index.to_be_bytes()));
        for entry in entries {
            batch.put(ENTRIES, &entry.index.to_be_bytes(), &write(entry)?);
        }
        self.write(batch).await?;
        self.entries.truncate(keep);
        self.entries.extend(entries.iter().cloned());
        Ok(())
    }

    /// Creates a snapshot of the state `kv` at an applied index.
    ///
    /// # Errors
    ///
    /// When the index is not in the log.
    pub fn make_snapshot(
        &self,
        index: u64,
        conf_state: ConfState,
        kv: &KvState,
    ) -> Result<Snapshot, EngineError> {
        let mut snapshot = Snapshot::default();
        snapshot.set_data(encode(kv)?.into());
        let term = self.term(index).map_err(|error| EngineError::Corrupt(error.to_string()))?;
        let metadata = snapshot.mut_metadata();
        (metadata.index, metadata.term) = (index, term);
        metadata.set_conf_state(conf_state);
        Ok(snapshot)
    }

    /// Returns the snapshot, which replaces the beginning of the log.
    pub(crate) fn stored_snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Stores a snapshot and truncates the log up to its index.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_snapshot(&mut self, snapshot: Snapshot) -> Result<(), EngineError> {
        self.store_snapshot_and_truncate(snapshot, 0).await
    }

    /// As [`RaftStore::store_snapshot`], and deletes `lost` entries after it from the disk, which
    /// violates the Raft protocol: for canaries.
    pub(crate) async fn store_snapshot_and_truncate(
        &mut self,
        snapshot: Snapshot,
        lost: u64,
    ) -> Result<(), EngineError> {
        let index = snapshot.get_metadata().index;
        let covered = self.entries.iter().take_while(|entry| entry.index <= index).count();
        let mut batch = Batch::new();
        batch.put(STATE, SNAPSHOT, &write(&snapshot)?);
        let deleted = self.entries.iter().take_while(|entry| entry.index <= index + lost);
        deleted.for_each(|entry| batch.delete(ENTRIES, &entry.index.to_be_bytes()));
        self.write(batch).await?;
        self.entries.drain(..covered);
        self.snapshot = snapshot;
        Ok(())
    }

    /// Checks that the log has no gap.
    ///
    /// # Errors
    ///
    /// [`EngineError::Corrupt`] if it has one.
    pub fn check(&self) -> Result<(), EngineError> {
        let message = |index| format!("the log ends at {} and goes on at {index}", self.last());
        self.gap.map_or(Ok(()), |index| Err(EngineError::Corrupt(message(index))))
    }

    /// Returns the entries after the snapshot.
    pub(crate) fn log(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Returns the number of entries in the log.
    pub fn log_len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the index of the first entry after the snapshot.
    fn first(&self) -> u64 {
        self.snapshot.get_metadata().index + 1
    }

    /// Returns the index of the last entry, or of the snapshot if the log is empty.
    fn last(&self) -> u64 {
        self.snapshot.get_metadata().index + self.entries.len() as u64
    }
}

/// Returns a batch that stores the role of the server and the marker.
fn server_batch(server: StoredRole, storage_id: u64) -> Result<Batch, EngineError> {
    let mut batch = Batch::new();
    batch.put(STATE, MARKER, &encode(&storage_id)?);
    batch.put(STATE, SERVER, &encode(&server)?);
    Ok(batch)
}
