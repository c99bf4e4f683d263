//! What the partitions of a node share.

use super::PartitionId;
use super::service;
use super::snapshots::Repository;
use super::store::PartitionStore;
use super::trim::trim_to_snapshot;
use super::views::Views;
use crate::journal::Journal;
use crate::log::client::{Log, LogUnavailable};
use crate::log::{Generation, Lsn};
use crate::logging::Logging;
use crate::metadata::Metadata;
use crate::operation_streams::OperationStreams;
use crate::oracle::Oracle;
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use sim_raft::MetadataClient;
use std::sync::Arc;
use stormglass_core::{Recorder, Seed};
use stormglass_sim::Node;

/// What the partitions of a node share.
pub(crate) struct Worker {
    pub(crate) node: Node,
    pub(crate) me: Generation,
    pub(crate) log: Log,
    pub(crate) client: MetadataClient,
    pub(crate) metadata: Metadata,
    pub(crate) views: Views,
    pub(crate) store: PartitionStore,
    pub(crate) repository: Option<Repository>,
    pub(crate) services: Peers<service::ServiceRequest, i64>,
    pub(crate) settings: Arc<ClusterSettings>,
    pub(crate) recorder: Recorder,
    pub(crate) oracle: Oracle,
    pub(crate) journal: Journal,
    pub(crate) logging: Logging,
    pub(crate) seed: Seed,
    pub(crate) streams: OperationStreams,
}

impl Worker {
    /// Trims a partition's log up to the last record in a snapshot.
    pub(super) async fn trim(&self, id: PartitionId, archived: Lsn) -> Result<(), LogUnavailable> {
        trim_to_snapshot(&self.log, &self.oracle, self.settings.cluster.canary, id, archived).await
    }

    pub(crate) fn note(&self, what: &str) {
        self.journal.note(self.node.name(), what.to_string());
    }
}
