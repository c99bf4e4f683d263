//! How many partitions there are, on which nodes, and which node leads each: documents of the
//! metadata store.

use super::PartitionId;
use crate::log::Generation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::NodeId;
use sim_raft::client::Document;
use std::collections::BTreeMap;

/// The partitions of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTable {
    /// From 1.
    pub version: u64,
    /// The number of partitions.
    pub partitions: u16,
    /// The number of replicas of each; `None` stands for all live nodes.
    pub replicas: Option<u8>,
    /// Where each partition runs, in a model that stores that here.
    pub placement: BTreeMap<PartitionId, Placement>,
}

/// The number of replicas of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"everywhere\" or a number of nodes, from 1")]
pub enum Replication {
    /// This number.
    Nodes(u8),
    /// One on each live node.
    Everywhere(Everywhere),
}

/// The keyword for all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Everywhere {
    /// All live nodes.
    Everywhere,
}

/// Where a partition runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The nodes that run it.
    pub replicas: Vec<NodeId>,
    /// The node that is to lead it.
    pub leader: Option<NodeId>,
}

impl Document for PartitionTable {
    fn version(&self) -> u64 {
        self.version
    }
}

impl PartitionTable {
    /// The document's key.
    pub const KEY: &str = "partition_table";

    /// Returns the first version: `partitions` partitions, not placed yet.
    pub fn first(partitions: u16, replication: Replication) -> PartitionTable {
        let replicas = match replication {
            Replication::Nodes(count) => Some(count),
            Replication::Everywhere(_) => None,
        };
        PartitionTable { version: 1, partitions, replicas, placement: BTreeMap::new() }
    }

    /// Returns the ids of the partitions.
    pub fn ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions).map(PartitionId)
    }
}

/// Which node leads a partition, and since 1.7 on which nodes it runs: one document for each
/// partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochMetadata {
    /// From 1.
    pub version: u64,
    /// The last epoch that was assigned; each belongs to one node.
    pub epoch: u64,
    /// The node that has this epoch.
    pub leader: Option<Generation>,
    /// Where the partition runs.
    pub current: Option<Configuration>,
    /// Where it will run once a new replica has caught up.
    pub next: Option<Configuration>,
}

/// The nodes that run a partition, with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// From 1; each change is a new version.
    pub version: u64,
    /// The nodes.
    pub replicas: Vec<NodeId>,
}

impl Document for EpochMetadata {
    fn version(&self) -> u64 {
        self.version
    }
}

impl EpochMetadata {
    /// Returns the key of a partition's document.
    pub fn key(partition: PartitionId) -> String {
        format!("pp_epoch_{}", partition.0)
    }

    /// Assigns the next epoch to a node.
    #[must_use]
    pub fn claimed_by(mut self, node: Generation) -> EpochMetadata {
        self.version += 1;
        self.epoch += 1;
        self.leader = Some(node);
        self
    }
}
