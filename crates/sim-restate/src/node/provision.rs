//! Provisioning a new cluster, which node-1 does by itself or on request.
//!
//! Node-1 asks its own metadata server to become the first member; then it writes the logs and the
//! partition table, each repeated until it succeeds. Documents that exist already are kept.

use crate::log::chain::Logs;
use crate::metadata::{Metadata, learn};
use crate::partition::table::PartitionTable;
use sim_raft::api::Precondition;
use sim_raft::client::{ClientError, Document};
use sim_raft::settings::Delays;
use sim_raft::{MetadataClient, NodesConfiguration, Request};
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Symbol};
use stormglass_net::Service;
use stormglass_rt as rt;

/// The name of the cluster.
const CLUSTER: &str = "stormglass";

/// What provisioning needs of its node.
pub(super) struct Provisioning {
    pub(super) client: MetadataClient,
    pub(super) name: String,
    pub(super) delays: Delays,
    pub(super) back_off: Symbol,
    pub(super) metadata: Metadata,
    pub(super) recorder: Recorder,
    /// The first version of the partition table.
    pub(super) table: PartitionTable,
}

impl Provisioning {
    /// Provisions on each request; what is done already is kept. The answer is whether it
    /// succeeded.
    pub(super) async fn when_asked(self, mut asked: Service<(), bool>) {
        while let Some(call) = asked.next().await {
            let ((), reply) = call.split();
            reply.send(self.run().await.is_some());
        }
    }

    /// Provisions; `None` if all attempts failed.
    pub(super) async fn run(&self) -> Option<()> {
        let Provisioning { client, name, metadata, recorder, .. } = self;
        // Auto-provisioning sends all its requests to the node's own server.
        client.prefer(name);
        let first = NodesConfiguration::first(CLUSTER, name);
        let provision = || client.call(Request::Provision { nodes: first.clone() });
        self.retry(provision).await?;
        let first = Logs::first();
        let logs = self.retry(|| write_if_absent(client, Logs::KEY, &first)).await?;
        learn(&metadata.logs, logs);
        self.retry(|| self.write_table()).await?;
        let subject = recorder.symbol("cluster provisioned");
        recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
        Some(())
    }

    /// Writes the partition table unless it exists, without reading it first.
    async fn write_table(&self) -> Result<(), ClientError> {
        match self.client.put(PartitionTable::KEY, &self.table, Precondition::DoesNotExist).await {
            Ok(()) => learn(&self.metadata.partition_table, self.table.clone()),
            Err(ClientError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Repeats an attempt as often as there are delays.
    async fn retry<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Option<T> {
        let mut delays = self.delays.clone();
        loop {
            match (attempt().await, delays.next()) {
                (Ok(done), _) => return Some(done),
                (Err(_), Some(delay)) => rt::pause(&self.recorder, self.back_off, delay).await,
                (Err(_), None) => return None,
            }
        }
    }
}

/// Writes a document unless it exists, and returns the one that is stored afterwards.
pub(super) async fn write_if_absent<D: Document + Clone>(
    client: &MetadataClient,
    key: &str,
    first: &D,
) -> Result<D, ClientError> {
    let found = client.update::<D>(key, |found| Ok(found.is_none().then(|| first.clone()))).await?;
    found.ok_or_else(|| ClientError::Retryable(format!("no document at {key}")))
}
