//! The numbers: in memory, and in a snapshot on the disk, from which a restart goes on.

use crate::journal::storage;
use crate::{Bugs, Types};
use openraft::storage::RaftStateMachine;
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError,
    StoredMembership,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

const NAME: &str = "snapshot";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
    values: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Shared {
    state: State,
    /// What the file holds.
    snapshot: Option<State>,
    bugs: Bugs,
}

/// The numbers of a node.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Mutex<Shared>>);

impl Machine {
    /// Opens the snapshot in the working directory.
    pub async fn open(bugs: Bugs) -> io::Result<Machine> {
        let snapshot: Option<State> = match tokio::fs::read(NAME).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(serde_json::from_slice(&read?)?),
        };
        let state = snapshot.clone().unwrap_or_default();
        Ok(Machine(Arc::new(Mutex::new(Shared { state, snapshot, bugs }))))
    }

    /// Returns the number of this key.
    pub async fn value(&self, key: &str) -> Option<u64> {
        self.0.lock().await.state.values.get(key).copied()
    }
}

impl Shared {
    /// Makes the state the snapshot.
    async fn save(&mut self) -> io::Result<Snapshot<Types>> {
        let bytes = serde_json::to_vec(&self.state)?;
        let mut file = File::create("snapshot.new").await?;
        file.write_all(&bytes).await?;
        if self.bugs.unsynced_snapshot {
            file.flush().await?
        } else {
            file.sync_all().await?
        }
        tokio::fs::rename("snapshot.new", NAME).await?;
        if !self.bugs.unsynced_snapshot {
            File::open(".").await?.sync_all().await?;
        }
        self.snapshot = Some(self.state.clone());
        snapshot_of(&self.state)
    }
}

fn snapshot_of(state: &State) -> io::Result<Snapshot<Types>> {
    let meta = SnapshotMeta {
        last_log_id: state.applied,
        last_membership: state.membership.clone(),
        snapshot_id: state.applied.map_or_else(|| "none".into(), |applied| format!("{applied}")),
    };
    Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(serde_json::to_vec(state)?)) })
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError<u64>> {
        self.0.lock().await.save().await.map_err(storage)
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Machine;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>), StorageError<u64>> {
        let state = &self.0.lock().await.state;
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Option<u64>>, StorageError<u64>>
    where
        I: IntoIterator<Item = Entry<Types>> + Send,
        I::IntoIter: Send,
    {
        let state = &mut self.0.lock().await.state;
        let mut before = Vec::new();
        for Entry { log_id, payload } in entries {
            state.applied = Some(log_id);
            before.push(match payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(command) => state.values.insert(command.key, command.value),
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(log_id), membership);
                    None
                }
            });
        }
        Ok(before)
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError<u64>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        _: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<u64>> {
        let state = serde_json::from_slice(snapshot.get_ref()).map_err(|error| storage(error.into()))?;
        let mut shared = self.0.lock().await;
        shared.state = state;
        shared.save().await.map(drop).map_err(storage)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError<u64>> {
        let shared = self.0.lock().await;
        shared.snapshot.as_ref().map(snapshot_of).transpose().map_err(storage)
    }
}
