//! The database of a node's partitions: a column family for each, without a write-ahead log.
//!
//! What is applied is in memory until it is flushed, so a process that is killed falls back to the last flush, and reads the log from there.

use super::PartitionId;
use super::state::State;
use crate::settings::Step;
use sim_rocksdb::{Batch, Engine, EngineError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt::{self as rt, worker};
use stormglass_sim::Node;
use tokio::sync::Mutex;

/// Where it lies.
pub(crate) const PATH: &str = "/data/db";
/// The family that is always there.
pub(crate) const DEFAULT_FAMILY: &str = "default";

const STATE: &[u8] = b"state";

/// The database, opened when it is first used unless it is given open. Clones share it.
#[derive(Clone)]
pub struct PartitionStore {
    shared: Arc<Shared>,
}

struct Shared {
    node: Node,
    work: Duration,
    engine: Mutex<Option<Engine>>,
}

impl PartitionStore {
    /// The database of this node; `work` is the CPU time of opening it.
    pub(crate) fn new(node: &Node, work: Duration, open: Option<Engine>) -> PartitionStore {
        PartitionStore { shared: Arc::new(Shared { node: node.clone(), work, engine: Mutex::new(open) }) }
    }

    /// Opens the database with the families that it has.
    pub(crate) async fn open(node: &Node, work: Duration) -> Result<Engine, EngineError> {
        let recorder = node.disk().recorder();
        node.cpu().compute(recorder.symbol("open partition database"), work).await;
        let mut names = worker::offload(Engine::list_column_families(node.disk(), PATH)).await?;
        if !names.iter().any(|name| name == DEFAULT_FAMILY) {
            names.insert(0, DEFAULT_FAMILY.into());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        worker::offload(Engine::open(node.disk(), PATH, &names)).await
    }

    /// A partition as it was last flushed, if it has ever been here.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    pub async fn load(&self, partition: PartitionId) -> Result<Option<State>, EngineError> {
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        let Some(family) = engine.family_index(&name(partition)) else { return Ok(None) };
        let state = engine.get(family, STATE).map(decode).transpose()?;
        Ok(Some(state.unwrap_or_default()))
    }

    /// Makes an empty partition.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    pub async fn create(&self, partition: PartitionId) -> Result<State, EngineError> {
        let mut slot = self.shared.engine.lock().await;
        worker::offload(self.opened(&mut slot).await?.create_family(&name(partition))).await?;
        Ok(State::default())
    }

    /// Makes a partition durable as it is.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    pub async fn flush(&self, partition: PartitionId, state: &State) -> Result<(), EngineError> {
        let bytes = encode(state);
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        put(engine, partition, &bytes);
        worker::offload(engine.flush(&name(partition))).await
    }

    /// As [`PartitionStore::flush`], and puts the file into a new directory on the same disk.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    pub async fn export(
        &self,
        partition: PartitionId,
        state: &State,
        to: &Path,
    ) -> Result<PathBuf, EngineError> {
        let bytes = encode(state);
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        put(engine, partition, &bytes);
        worker::offload(engine.export_family(&name(partition), to)).await
    }

    /// Removes a partition, if it is there.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    pub async fn remove(&self, partition: PartitionId) -> Result<(), EngineError> {
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        let name = name(partition);
        if engine.family_index(&name).is_some() {
            worker::offload(engine.drop_family(&name)).await?;
        }
        Ok(())
    }

    /// Makes a partition of an exported file that lies on the same disk.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    ///
    /// # Panics
    ///
    /// When the partition is there.
    pub async fn import(&self, partition: PartitionId, file: &Path) -> Result<State, EngineError> {
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        let family = worker::offload(engine.import_family(&name(partition), file)).await?;
        engine.get(family, STATE).map(decode).transpose().map(Option::unwrap_or_default)
    }

    async fn opened<'a>(&self, slot: &'a mut Option<Engine>) -> Result<&'a mut Engine, EngineError> {
        let Shared { node, work, .. } = &*self.shared;
        if slot.is_none() {
            let began = rt::now();
            *slot = Some(PartitionStore::open(node, *work).await?);
            let recorder = node.disk().recorder();
            let subject = recorder.symbol(Step::OpenPartitionStore.title());
            recorder.record(rt::now(), Kind::Step, subject, rt::now() - began, 0);
        }
        Ok(slot.as_mut().expect("just opened"))
    }
}

fn name(partition: PartitionId) -> String {
    format!("data-{}", partition.0)
}

fn put(engine: &mut Engine, partition: PartitionId, bytes: &[u8]) {
    let mut batch = Batch::new();
    batch.put(
        engine.family_index(&name(partition)).expect("a partition at work has its family"),
        STATE,
        bytes,
    );
    engine.write_without_wal(batch);
}

fn encode(state: &State) -> Vec<u8> {
    postcard::to_stdvec(state).expect("plain data has an encoding")
}

fn decode(bytes: &[u8]) -> Result<State, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}
