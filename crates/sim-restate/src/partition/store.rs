//! The database of a node's partitions: one column family for each, without a write-ahead log.
//!
//! Applied records are in memory until the state is flushed, so after a kill a partition goes back
//! to its last flush and reads the log from there.

use super::PartitionId;
use super::state::State;
use crate::settings::Step;
use sim_rocksdb::{Batch, Engine, EngineError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt::{self as rt, worker};
use stormglass_sim::Node;
use tokio::sync::Mutex;

/// The path of the database.
pub(crate) const PATH: &str = "/data/db";
/// The column family that always exists.
pub(crate) const DEFAULT_FAMILY: &str = "default";

const STATE: &[u8] = b"state";

/// The database, opened at its first use unless it was opened before. Clones share it.
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
    /// Returns the database of this node; `work` is the CPU time of opening it.
    pub(crate) fn new(node: &Node, work: Duration, open: Option<Engine>) -> PartitionStore {
        PartitionStore { shared: Arc::new(Shared { node: node.clone(), work, engine: Mutex::new(open) }) }
    }

    /// Opens the database with the column families that it has.
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

    /// Returns a partition's state as of its last flush, or `None` if the node has never had it.
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

    /// Creates an empty partition.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    pub async fn create(&self, partition: PartitionId) -> Result<State, EngineError> {
        let mut slot = self.shared.engine.lock().await;
        worker::offload(self.opened(&mut slot).await?.create_family(&name(partition))).await?;
        Ok(State::default())
    }

    /// Makes a partition's state durable, or a later one that was written before: flushes run
    /// beside the partition's work, and may be late.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database; also if the partition was removed in the meantime.
    pub async fn flush(&self, partition: PartitionId, state: &State) -> Result<(), EngineError> {
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        put(engine, partition, state)?;
        worker::offload(engine.flush(&name(partition))).await
    }

    /// Flushes like [`PartitionStore::flush`], and exports the file to a new directory on the same
    /// disk.
    ///
    /// # Errors
    ///
    /// As [`PartitionStore::flush`].
    pub async fn export(
        &self,
        partition: PartitionId,
        state: &State,
        to: &Path,
    ) -> Result<PathBuf, EngineError> {
        let mut slot = self.shared.engine.lock().await;
        let engine = self.opened(&mut slot).await?;
        put(engine, partition, state)?;
        worker::offload(engine.export_family(&name(partition), to)).await
    }

    /// Removes a partition, if it exists.
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

    /// Creates a partition from an exported file on the same disk.
    ///
    /// # Errors
    ///
    /// Those of the disk and the database.
    ///
    /// # Panics
    ///
    /// If the partition exists.
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

/// Writes a partition's state into memory, unless a later one is there: both follow from one log,
/// so the later one includes it.
fn put(engine: &mut Engine, partition: PartitionId, state: &State) -> Result<(), EngineError> {
    let name = name(partition);
    let removed = || io::Error::other(format!("{name} was removed"));
    let family = engine.family_index(&name).ok_or_else(removed)?;
    let known = engine.get(family, STATE).map(decode).transpose()?;
    if known.is_none_or(|known| known.applied() <= state.applied()) {
        let mut batch = Batch::new();
        batch.put(family, STATE, &encode(state));
        engine.write_without_wal(batch);
    }
    Ok(())
}

fn encode(state: &State) -> Vec<u8> {
    postcard::to_stdvec(state).expect("plain data has an encoding")
}

fn decode(bytes: &[u8]) -> Result<State, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::Canary;
    use crate::log::{Generation, Lsn};
    use crate::partition::state::Command;
    use sim_raft::NodeId;
    use stormglass_core::{Keep, Seed};
    use stormglass_sim::{Run, Scenario, Settings, World, scenario};

    const PARTITION: PartitionId = PartitionId(0);

    /// A state that has applied the records up to this one.
    fn state(lsn: u64) -> State {
        let (mut state, leader) = (State::default(), Generation { id: NodeId(1), generation: 1 });
        for lsn in 1..=lsn {
            state.apply(Lsn(lsn), Command::AnnounceLeader { epoch: lsn, leader }, Canary::None);
        }
        state
    }

    struct LateFlushes;

    #[scenario(about = "flushes of older states after those of newer ones")]
    impl Scenario for LateFlushes {
        async fn play(&self, world: World) {
            let node = world.node("node-1");
            let task = node.spawn("flushes", flush_late(world.clone(), node.clone()));
            task.await.expect("the node is not killed");
        }
    }

    async fn flush_late(world: World, node: Node) {
        let open = || PartitionStore::new(&node, Duration::ZERO, None);
        node.disk().create_dir_all("/data").await.unwrap();
        let store = open();
        store.create(PARTITION).await.unwrap();
        store.flush(PARTITION, &state(7)).await.unwrap();
        // It was captured before the newer one, and is written after it.
        store.flush(PARTITION, &state(3)).await.unwrap();
        let exported = store.export(PARTITION, &state(5), Path::new("/data/exported")).await.unwrap();
        let in_memory = applied(&store).await;
        // Opening the database again replaces its files.
        let store = open();
        let on_disk = applied(&store).await;
        if (in_memory, on_disk) != (Lsn(7), Lsn(7)) {
            world.violated("the newest state stays", format!("{in_memory} in memory, {on_disk} on disk"));
        }
        store.remove(PARTITION).await.unwrap();
        if store.flush(PARTITION, &state(8)).await.is_ok() {
            world.violated("a removed partition is not flushed", "it was");
        }
        let imported = store.import(PARTITION, &exported).await.unwrap();
        store.flush(PARTITION, &state(4)).await.unwrap();
        if (imported.applied(), applied(&store).await) != (Lsn(7), Lsn(7)) {
            world.violated("an imported state stays", format!("{}", applied(&store).await));
        }
    }

    async fn applied(store: &PartitionStore) -> Lsn {
        store.load(PARTITION).await.unwrap().unwrap().applied()
    }

    #[test]
    fn older_state_that_is_flushed_late_does_not_replace_a_newer_one() {
        let settings = Settings::resolve(&LateFlushes, None, "quiet", &[]).unwrap();
        let verdict = Run::new(&LateFlushes, settings, Seed(1)).play(Keep::Nothing).outcome.verdict;
        assert!(verdict.is_passed(), "{verdict}");
    }
}
