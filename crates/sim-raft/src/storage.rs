//! Log, hard state and snapshot on an engine.
//!
//! As Restate's `rocksdb.rs`: two column families (entries; everything else), every batch synced. A round of
//! the member loop that has entries *and* a changed hard state writes two batches, so it pays two syncs. The
//! log is cut when a snapshot is stored, in the same batch.

use crate::kv::KvState;
use crate::nodes::{NodeId, NodesConfiguration};
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};
use serde::{Deserialize, Serialize};
use sim_rocksdb::{Batch, Engine, EngineError, Recovery};
use std::collections::VecDeque;
use stormglass_fs::Disk;
use stormglass_rt::worker;

/// The names of the engine's column families, in order.
const FAMILIES: [&str; 2] = ["data", "metadata"];
const ENTRIES: usize = 0;
const STATE: usize = 1;

const MARKER: &[u8] = b"storage-marker";
const SERVER: &[u8] = b"server-state";
const JOINED: &[u8] = b"joined";
const NODES: &[u8] = b"nodes-configuration";
const HARD_STATE: &[u8] = b"hard-state";
const SNAPSHOT: &[u8] = b"snapshot";

/// What the server was when it last stored anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredState {
    /// Part of a cluster, not a member.
    Standby,
    /// A member of this id.
    Member(NodeId),
}

/// The storage of one metadata server.
#[derive(Debug)]
pub struct RaftStore {
    /// There, except in what is left of a storage that was taken.
    engine: Option<Engine>,
    storage: Option<u64>,
    server: Option<StoredState>,
    joined: u64,
    nodes: Option<NodesConfiguration>,
    hard_state: HardState,
    snapshot: Snapshot,
    /// The entries after the snapshot.
    entries: VecDeque<Entry>,
    /// Where entries were found behind a gap.
    gap: Option<u64>,
    /// Whether a write blocks the thread that it is made on.
    blocks: bool,
}

impl RaftStore {
    /// Opens the storage, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the engine.
    pub async fn open(disk: &Disk, path: &str, recovery: Recovery) -> Result<RaftStore, EngineError> {
        let engine = Engine::open_with(disk, path, &FAMILIES, recovery).await?;
        let state = |key: &[u8]| engine.get(STATE, key);
        let storage = state(MARKER).map(decode).transpose()?;
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
        Ok(RaftStore { engine, storage, server, joined, nodes, hard_state, snapshot, entries, gap, blocks })
    }

    /// What the server was, or `None` if it never was part of a cluster.
    pub fn server(&self) -> Option<StoredState> {
        self.server
    }

    /// Which storage this is, or `None` if it never was part of a cluster.
    pub fn storage(&self) -> Option<u64> {
        self.storage
    }

    /// Takes the storage out of where it is; what is left may not be used.
    pub(crate) fn take(&mut self) -> RaftStore {
        RaftStore {
            engine: self.engine.take(),
            storage: self.storage,
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

    /// Says whether a write blocks the thread that it is made on. Otherwise it is made elsewhere.
    pub(crate) fn set_blocks(&mut self, blocks: bool) {
        self.blocks = blocks;
    }

    async fn write(&mut self, batch: Batch) -> Result<(), EngineError> {
        let engine = self.engine.as_mut().expect("a storage that was taken is not written to");
        // Source: restatedev/restate `crates/rocksdb/src/lib.rs`, where `IoMode::Default` writes, and syncs, on the thread at work.
        Ok(worker::block_or_aside(self.blocks, engine.write_synced(batch)).await?)
    }

    /// Puts into files of their own what is in the log of the database, as an orderly shutdown does: the next opening has nothing to recover. (Source: restatedev/restate
    /// `crates/metadata-server/src/raft/storage/rocksdb_builder.rs`, `add_to_flush_on_shutdown`.)
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub(crate) async fn flush(&mut self) -> Result<(), EngineError> {
        let engine = self.engine.as_mut().expect("a storage that was taken is not written to");
        engine.flush_all().await
    }

    /// The configuration that was last stored, for the peers' addresses after a restart.
    pub fn nodes(&self) -> Option<&NodesConfiguration> {
        self.nodes.as_ref()
    }

    /// The state in the snapshot.
    ///
    /// # Errors
    ///
    /// [`EngineError::Corrupt`] if it does not read.
    pub fn snapshot_state(&self) -> Result<KvState, EngineError> {
        if self.snapshot.get_data().is_empty() {
            return Ok(KvState::default());
        }
        decode(self.snapshot.get_data())
    }

    /// Becomes the first member: marker, snapshot at index 1 and term 1 with one voter, state, in one batch.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn provision(&mut self, member: NodeId, storage: u64, kv: &KvState) -> Result<(), EngineError> {
        let mut snapshot = Snapshot::default();
        snapshot.set_data(encode(kv)?.into());
        let metadata = snapshot.mut_metadata();
        metadata.index = 1;
        metadata.term = 1;
        metadata.mut_conf_state().set_voters(vec![u64::from(member.0)]);
        let hard_state = HardState { term: 1, commit: 1, ..HardState::default() };
        let server = StoredState::Member(member);
        let mut batch = server_batch(server, storage)?;
        batch.put(STATE, HARD_STATE, &write(&hard_state)?);
        batch.put(STATE, SNAPSHOT, &write(&snapshot)?);
        self.write(batch).await?;
        (self.server, self.hard_state, self.snapshot) = (Some(server), hard_state, snapshot);
        self.storage = Some(storage);
        Ok(())
    }

    /// Stores what the server is, with the marker.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_server(&mut self, server: StoredState, storage: u64) -> Result<(), EngineError> {
        self.write(server_batch(server, storage)?).await?;
        (self.server, self.storage) = (Some(server), Some(storage));
        Ok(())
    }

    /// Becomes a member, which this version of the configuration or one before says.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_joined(
        &mut self,
        member: NodeId,
        storage: u64,
        nodes: u64,
    ) -> Result<(), EngineError> {
        let server = StoredState::Member(member);
        let mut batch = server_batch(server, storage)?;
        batch.put(STATE, JOINED, &encode(&nodes)?);
        self.write(batch).await?;
        (self.server, self.storage, self.joined) = (Some(server), Some(storage), nodes);
        Ok(())
    }

    /// A version of the configuration that says that it is a member.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// Forgets for whom it has voted, which no server may.
    pub(crate) fn forget_vote(&mut self) {
        self.hard_state.vote = 0;
    }

    /// Stores the configuration.
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

    /// Appends entries in place of any of the same or a higher index.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When the entries would leave a gap.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<(), EngineError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let keep =
            (first.index.checked_sub(self.first()).expect("no entry of the snapshot's is appended")) as usize;
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

    /// A snapshot of our own at an applied index.
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

    /// The snapshot that stands in place of the log's beginning.
    pub(crate) fn stored_snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Stores a snapshot and cuts the log up to it, all of the log if it does not reach that far.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn store_snapshot(&mut self, snapshot: Snapshot) -> Result<(), EngineError> {
        self.store_snapshot_and_cut(snapshot, 0).await
    }

    /// As [`RaftStore::store_snapshot`], and loses so many entries after it from the disk, which no server may.
    pub(crate) async fn store_snapshot_and_cut(
        &mut self,
        snapshot: Snapshot,
        lost: u64,
    ) -> Result<(), EngineError> {
        let index = snapshot.get_metadata().index;
        let cut = self.entries.iter().take_while(|entry| entry.index <= index).count();
        let mut batch = Batch::new();
        batch.put(STATE, SNAPSHOT, &write(&snapshot)?);
        let gone = self.entries.iter().take_while(|entry| entry.index <= index + lost);
        gone.for_each(|entry| batch.delete(ENTRIES, &entry.index.to_be_bytes()));
        self.write(batch).await?;
        self.entries.drain(..cut);
        self.snapshot = snapshot;
        Ok(())
    }

    /// Whether the log is whole.
    ///
    /// # Errors
    ///
    /// [`EngineError::Corrupt`] if entries lie behind a gap.
    pub fn check(&self) -> Result<(), EngineError> {
        let whole = |index| format!("the log ends at {} and goes on at {index}", self.last());
        self.gap.map_or(Ok(()), |index| Err(EngineError::Corrupt(whole(index))))
    }

    /// The entries after the snapshot.
    pub(crate) fn log(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many entries the log holds.
    pub fn log_len(&self) -> usize {
        self.entries.len()
    }

    fn first(&self) -> u64 {
        self.snapshot.get_metadata().index + 1
    }

    fn last(&self) -> u64 {
        self.snapshot.get_metadata().index + self.entries.len() as u64
    }
}

impl Storage for RaftStore {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let metadata = self.snapshot.get_metadata();
        let mut hard_state = self.hard_state.clone();
        // A snapshot that was stored in the batch before the hard state's says more about what is committed.
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
        assert!(high <= self.last() + 1, "entries to {high} asked, the log ends at {}", self.last());
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
        let place = index.checked_sub(self.first()).ok_or(raft::Error::Store(StorageError::Compacted))?;
        let entry = self.entries.get(place as usize).ok_or(raft::Error::Store(StorageError::Unavailable))?;
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

/// What the server is, with the marker.
fn server_batch(server: StoredState, storage: u64) -> Result<Batch, EngineError> {
    let mut batch = Batch::new();
    batch.put(STATE, MARKER, &encode(&storage)?);
    batch.put(STATE, SERVER, &encode(&server)?);
    Ok(batch)
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    postcard::to_stdvec(value).map_err(|error| EngineError::Corrupt(error.to_string()))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}

fn write<M: protobuf::Message>(message: &M) -> Result<Vec<u8>, EngineError> {
    message.write_to_bytes().map_err(|error| EngineError::Corrupt(error.to_string()))
}

fn parse<M: protobuf::Message>(bytes: &[u8]) -> Result<M, EngineError> {
    M::parse_from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}
