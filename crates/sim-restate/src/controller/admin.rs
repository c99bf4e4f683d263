//! The requests of the admin tools to the cluster controller: create snapshots, register services,
//! set the replication.

use super::{Controller, Parts};
use crate::control::{ControlRequest, ControlResponse};
use crate::log::Lsn;
use crate::metadata::{Schema, update};
use crate::partition::PartitionId;
use crate::partition::protocol::SnapshotError;
use crate::partition::service;
use crate::partition::settings::PlacedBy;
use crate::partition::snapshots::Snapshot;
use crate::partition::table::PartitionTable;
use crate::partition::trim::trim_to_snapshot;
use sim_raft::client::ClientError;
use std::time::Duration;

impl Controller {
    /// Answers the requests that only a controller can answer.
    pub(crate) async fn answer(&self, request: ControlRequest) -> ControlResponse {
        match request {
            ControlRequest::Observed => ControlResponse::Observed(self.observed()),
            ControlRequest::CreateSnapshot(partition, least, trim) => {
                ControlResponse::Snapshot(self.create_snapshot(partition, least, trim).await)
            }
            ControlRequest::Register(host) => self.register(host).await,
            ControlRequest::Replicate(nodes) => self.replicate(nodes).await,
            _ => ControlResponse::Failed("a node answers that, not its controller".into()),
        }
    }

    /// Has the leader of a partition create a snapshot, and trims the log up to it if `trim`.
    async fn create_snapshot(
        &self,
        partition: PartitionId,
        least: Lsn,
        trim: bool,
    ) -> Result<Snapshot, SnapshotError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let Parts { metadata, settings, log, views, oracle, .. } = &self.shared.parts;
        let leader = match settings.partition.placed_by {
            PlacedBy::Table => self.observed().leader(partition),
            PlacedBy::Epochs => {
                views.get().get(&partition).and_then(|view| view.leader).map(|(_, node)| node.id)
            }
        };
        let leader = leader.ok_or_else(|| format!("{partition} has no leader"))?;
        let name = metadata.name_of(leader).ok_or("its leader is unknown")?;
        let answer = self.shared.peers.call(&name, LIMIT, ControlRequest::Snapshot(partition, least)).await;
        let snapshot = match answer {
            Ok(ControlResponse::Snapshot(made)) => made?,
            Ok(_) => return Err(format!("{name} answers something else").into()),
            Err(error) => return Err(format!("{name}: {error}").into()),
        };
        if trim {
            let (canary, archived) = (settings.cluster.canary, snapshot.min_applied_lsn);
            let trimmed = trim_to_snapshot(log, oracle, canary, partition, archived).await;
            trimmed.map_err(|_| "the log cannot be trimmed now".to_string())?;
        }
        Ok(snapshot)
    }

    /// Discovers the handlers of a service and adds it to the schema.
    async fn register(&self, host: String) -> ControlResponse {
        let Parts { client, metadata, settings, .. } = &self.shared.parts;
        let limit = settings.network.connect_timeout;
        if let Err(error) = self.shared.services.call(&host, limit, service::ServiceRequest::Discover).await {
            return ControlResponse::Failed(format!("{host}: {error}"));
        }
        let updated = update(client, &metadata.schema, Schema::KEY, |found: Option<&Schema>| {
            let mut next = found.cloned().unwrap_or(Schema { version: 0, deployments: Vec::new() });
            next.version += 1;
            next.deployments.push(host.clone());
            Ok(Some(next))
        });
        updated
            .await
            .map_or_else(|error| ControlResponse::Failed(error.to_string()), |()| ControlResponse::Done)
    }

    async fn replicate(&self, nodes: u8) -> ControlResponse {
        let Parts { client, metadata, .. } = &self.shared.parts;
        let updated = update(
            client,
            &metadata.partition_table,
            PartitionTable::KEY,
            |found: Option<&PartitionTable>| {
                let mut next =
                    found.cloned().ok_or_else(|| ClientError::Retryable("no partition table".into()))?;
                next.version += 1;
                next.replicas = Some(nodes);
                Ok(Some(next))
            },
        );
        updated
            .await
            .map_or_else(|error| ControlResponse::Failed(error.to_string()), |()| ControlResponse::Done)
    }
}
