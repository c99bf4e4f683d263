//! How a node joins the cluster, reads its metadata, and registers its roles in the configuration.
//!
//! Source: restatedev/restate 1.7, `crates/node/src/init.rs`.

use super::provision::write_if_absent;
use super::{Process, StartError};
use crate::log::chain::Logs;
use crate::metadata::{Schema, learn};
use crate::partition::table::PartitionTable;
use sim_raft::client::ClientError;
use sim_raft::publish;
use sim_raft::settings::Delays;
use sim_raft::{MetadataState, NodeConfig, NodesConfiguration, WorkerState};
use stormglass_rt as rt;

impl Process {
    pub(super) async fn join(&mut self) -> Result<(), StartError> {
        let mut delays = self.delays("join", &self.settings.node.join_retry);
        let back_off = self.symbol("join back-off");
        let (name, roles) = (self.name.clone(), self.roles);
        let metadata =
            if roles.metadata_server { self.settings.node.metadata_state } else { MetadataState::Standby };
        loop {
            let joined = self.client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
                let mut nodes = nodes
                    .cloned()
                    .ok_or_else(|| ClientError::Retryable("the cluster is not provisioned".into()))?;
                let id = nodes.join_as(&name, roles);
                let own = nodes.nodes.get_mut(&id).expect("just joined");
                if own.generation == 1 {
                    own.metadata = metadata;
                }
                nodes.version += 1;
                Ok(Some(nodes))
            });
            match joined.await {
                Ok(nodes) => {
                    self.joined = nodes;
                    return Ok(());
                }
                Err(error @ ClientError::Terminal(_)) => return Err(error.into()),
                Err(error) => match delays.next() {
                    Some(delay) => rt::pause(&self.recorder, back_off, delay).await,
                    None => return Err(error.into()),
                },
            }
        }
    }

    /// Reads the schema and the partition table. If all attempts fail, the start goes on without
    /// them.
    pub(super) async fn sync_metadata(&mut self) {
        let delays = |key| self.delays(&format!("sync {key}"), &self.settings.node.network_retry);
        let back_off = "metadata sync back-off";
        let schema = || self.client.get::<Schema>(Schema::KEY);
        if let Ok(Some(found)) = self.retry(delays(Schema::KEY), back_off, schema).await {
            learn(&self.metadata.schema, found);
        }
        let table = || self.client.get::<PartitionTable>(PartitionTable::KEY);
        if let Ok(Some(found)) = self.retry(delays(PartitionTable::KEY), back_off, table).await {
            learn(&self.metadata.partition_table, found);
        }
    }

    /// Reads the chains of logs, and writes the first version if there is none.
    pub(super) async fn start_bifrost(&mut self) -> Result<(), StartError> {
        let delays = self.delays("bifrost", &self.settings.node.network_retry);
        let first = Logs::first();
        let write = || write_if_absent(&self.client, Logs::KEY, &first);
        let logs = self.retry(delays, "bifrost back-off", write).await?;
        learn(&self.metadata.logs, logs);
        Ok(())
    }

    /// Repeats an attempt after each failure, as long as there are delays; then returns the last
    /// error.
    async fn retry<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        mut delays: Delays,
        back_off: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, ClientError> {
        let back_off = self.symbol(back_off);
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => match delays.next() {
                    Some(delay) => rt::pause(&self.recorder, back_off, delay).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// Registers the worker as active, in the background. If that fails the worker stays idle, and
    /// the node's next start tries again.
    pub(super) fn register_worker(&self) {
        let delays = self.delays("worker", &self.settings.node.network_retry);
        let registration = self.registration(delays, "worker back-off", |own| {
            std::mem::replace(&mut own.worker, WorkerState::Active) != WorkerState::Active
        });
        rt::spawn(&self.recorder, "worker registration", async move { drop(registration.await) });
    }

    /// Changes the node's own entry in the cluster's configuration, with retries, and publishes
    /// the result on the node. `change` returns whether anything changed.
    pub(super) fn registration(
        &self,
        mut delays: Delays,
        back_off: &str,
        change: impl Fn(&mut NodeConfig) -> bool + Send + Sync + 'static,
    ) -> impl Future<Output = Result<(), ClientError>> + Send + 'static {
        let (client, name) = (self.client.clone(), self.name.clone());
        let (known, recorder, back_off) =
            (self.metadata.nodes.clone(), self.recorder.clone(), self.symbol(back_off));
        async move {
            loop {
                let updated = client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
                    let Some(mut nodes) = nodes.cloned() else {
                        return Err(ClientError::Retryable("no configuration".into()));
                    };
                    nodes.version += 1;
                    let own = nodes.nodes.values_mut().find(|node| node.name == name);
                    Ok(own.is_some_and(&change).then_some(nodes))
                });
                match updated.await {
                    Ok(nodes) => {
                        nodes.iter().for_each(|nodes| publish(&known, nodes));
                        return Ok(());
                    }
                    Err(error @ ClientError::Terminal(_)) => return Err(error),
                    Err(error) => match delays.next() {
                        Some(delay) => rt::pause(&recorder, back_off, delay).await,
                        None => return Err(error),
                    },
                }
            }
        }
    }
}
