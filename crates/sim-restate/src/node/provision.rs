//! Provisioning a new cluster, as node-1 does by itself or when it is asked to.
//!
//! The own metadata server is asked to become the first member; then logs and partition table are written, each
//! repeated until it works. Whoever finds a document there leaves it.

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
    /// The partition table to begin with.
    pub(super) table: PartitionTable,
}

impl Provisioning {
    /// Provisions whenever somebody asks for it; what is done already is left as it is. The answer is whether it worked.
    pub(super) async fn when_asked(self, mut asked: Service<(), bool>) {
        while let Some(call) = asked.next().await {
            let ((), reply) = call.split();
            reply.send(self.run().await.is_some());
        }
    }

    /// Provisions; `None` if that was tried as often as it may be.
    pub(super) async fn run(&self) -> Option<()> {
        let Provisioning { client, name, metadata, recorder, .. } = self;
        // Auto-provisioning talks to the node's own server and keeps to it.
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

    /// Writes the partition table, unless there is one, without a look at what is there.
    async fn write_table(&self) -> Result<(), ClientError> {
        match self.client.put(PartitionTable::KEY, &self.table, Precondition::DoesNotExist).await {
            Ok(()) => learn(&self.metadata.partition_table, self.table.clone()),
            Err(ClientError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tries as often as there are delays.
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

/// Writes a document unless there is one, and gives the one that is there then.
pub(super) async fn write_if_absent<D: Document + Clone>(
    client: &MetadataClient,
    key: &str,
    first: &D,
) -> Result<D, ClientError> {
    let found = client.update::<D>(key, |found| Ok(found.is_none().then(|| first.clone()))).await?;
    found.ok_or_else(|| ClientError::Retryable(format!("no document at {key}")))
}
