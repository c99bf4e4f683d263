//! The start of a partition on a node: its state is loaded, imported from a snapshot, or created.

use super::PartitionId;
use super::log_lines::import_text;
use super::snapshots::Snapshot;
use super::state::State;
use super::worker::Worker;
use crate::canary::Canary;
use crate::log::Lsn;
use sim_rocksdb::EngineError;
use std::path::Path;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt as rt;

/// Loads a partition's state, imports the latest snapshot, or creates an empty state, by what
/// exists.
pub(super) async fn open(
    worker: &Worker,
    id: PartitionId,
    fast_forward: Option<Lsn>,
) -> Result<State, EngineError> {
    let Worker { store, repository, settings, .. } = worker;
    let local = store.load(id).await?;
    if fast_forward.is_none()
        && let Some(state) = local
    {
        return Ok(state);
    }
    let latest = match repository {
        Some(repository) => repository.latest(id).await?,
        None => None,
    };
    match (latest, fast_forward) {
        (Some(snapshot), target) if target.is_none_or(|target| snapshot.min_applied_lsn >= target) => {
            import(worker, id, &snapshot).await
        }
        (latest, Some(target)) => {
            let newest = latest.map(|latest| latest.min_applied_lsn);
            worker.oracle.stuck(id, target, newest);
            if settings.partition.unsuitable_snapshot.is_zero() {
                return Err(EngineError::Io(std::io::Error::other("no snapshot is new enough")));
            }
            let pause = settings.partition.unsuitable_snapshot;
            let mut more = worker.streams.next("unsuitable snapshot", u64::from(id.0));
            let pause = pause + Duration::from_nanos(more.below(pause.as_nanos() as u64));
            rt::pause(&worker.recorder, worker.recorder.symbol("unsuitable snapshot pause"), pause).await;
            match local {
                Some(state) => Ok(state),
                None => store.create(id).await,
            }
        }
        (_, None) => store.create(id).await,
    }
}

async fn import(worker: &Worker, id: PartitionId, snapshot: &Snapshot) -> Result<State, EngineError> {
    let Worker { repository, node, store, recorder, settings, .. } = worker;
    let repository = repository.as_ref().expect("where the snapshot was found");
    let began = rt::now();
    let staging = Path::new("/data/pp-snapshots").join(&snapshot.id);
    let file = repository.download(id, snapshot, node.disk(), &staging).await?;
    store.remove(id).await?;
    worker.note(&import_text(&snapshot.id));
    let mut state = store.import(id, &file).await?;
    node.disk().remove_dir_all(&staging).await?;
    if settings.cluster.canary == Canary::SnapshotsAreAhead {
        state.pretend_one_more();
    }
    let subject = recorder.symbol("import snapshot");
    recorder.record(rt::now(), Kind::Step, subject, rt::now() - began, u64::from(id.0));
    Ok(state)
}
