//! How many partitions there are, on which nodes, and who leads each: documents of the metadata store.

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
    /// How many there are.
    pub partitions: u16,
    /// On how many nodes each is; nothing stands for all that are up.
    pub replicas: Option<u8>,
    /// Where each is, in a model that keeps that here.
    pub placement: BTreeMap<PartitionId, Placement>,
}

/// On how many nodes a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"everywhere\" or a number of nodes, from 1")]
pub enum Replication {
    /// On so many.
    Nodes(u8),
    /// On all that are up.
    Everywhere(Everywhere),
}

/// The word for all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Everywhere {
    /// All that are up.
    Everywhere,
}

/// Where a partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The nodes that run it.
    pub replicas: Vec<NodeId>,
    /// The one that shall lead it.
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

    /// The first version: so many partitions, nowhere yet.
    pub fn first(partitions: u16, replication: Replication) -> PartitionTable {
        let replicas = match replication {
            Replication::Nodes(count) => Some(count),
            Replication::Everywhere(_) => None,
        };
        PartitionTable { version: 1, partitions, replicas, placement: BTreeMap::new() }
    }

    /// The partitions.
    pub fn ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions).map(PartitionId)
    }
}

/// Who leads a partition, and since 1.7 on which nodes it is: a document for each partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochMetadata {
    /// From 1.
    pub version: u64,
    /// The last epoch that was given out; each belongs to one node.
    pub epoch: u64,
    /// To this one.
    pub leader: Option<Generation>,
    /// Where the partition is.
    pub current: Option<Configuration>,
    /// Where it will be once it has caught up there.
    pub next: Option<Configuration>,
}

/// On which nodes a partition is, since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// From 1; each change makes a new one.
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
    /// The key of a partition's document.
    pub fn key(partition: PartitionId) -> String {
        format!("pp_epoch_{}", partition.0)
    }

    /// Gives the next epoch to a node.
    #[must_use]
    pub fn claimed_by(mut self, node: Generation) -> EpochMetadata {
        self.version += 1;
        self.epoch += 1;
        self.leader = Some(node);
        self
    }
}
