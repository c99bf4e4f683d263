//! The cluster's configuration: one document that every node reads and several change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The plain id of a node, given when it first joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N{}", self.0)
    }
}

/// Who is in the cluster and what each does. Every change makes a new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodesConfiguration {
    /// From 1.
    pub version: u64,
    /// The cluster's name.
    pub cluster: String,
    /// The nodes that have joined.
    pub nodes: BTreeMap<NodeId, NodeConfig>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// Its name, which is its host on the network too.
    pub name: String,
    /// How often it has started: a restart makes a new generation.
    pub generation: u32,
    /// What is desired of its metadata server.
    pub metadata: MetadataState,
    /// What its log store may do.
    pub storage: StorageState,
    /// What its worker may do.
    pub worker: WorkerState,
    /// What it runs.
    pub roles: Roles,
}

/// What a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// A metadata server.
    pub metadata_server: bool,
    /// The admin API, and a cluster controller.
    pub admin: bool,
    /// A log server.
    pub log_server: bool,
    /// A worker: partitions.
    pub worker: bool,
    /// The HTTP ingress.
    pub ingress: bool,
}

impl Roles {
    /// All of them.
    pub const ALL: Roles =
        Roles { metadata_server: true, admin: true, log_server: true, worker: true, ingress: true };
    /// A worker, and the ingress to it.
    pub const WORKER: Roles = Roles { metadata_server: false, admin: false, log_server: false, ..Roles::ALL };
}

/// The desired state of a metadata server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataState {
    /// Not yet told; it tries to become a member.
    Provisioning,
    /// Not a member.
    Standby,
    /// A member.
    Member,
}

/// The state of a log store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageState {
    /// Never used.
    Provisioning,
    /// In use.
    ReadWrite,
}

/// The state of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerState {
    /// Never used.
    Provisioning,
    /// In use.
    Active,
}

impl NodesConfiguration {
    /// The document's key in the metadata store.
    pub const KEY: &str = "nodes_config";

    /// The first version: one node that has never started.
    pub fn first(cluster: &str, name: &str) -> NodesConfiguration {
        let mut nodes = NodesConfiguration { version: 1, cluster: cluster.into(), nodes: BTreeMap::new() };
        let id = nodes.join(name);
        nodes.nodes.get_mut(&id).expect("just added").metadata = MetadataState::Member;
        nodes
    }

    /// The node of this name.
    pub fn find(&self, name: &str) -> Option<(NodeId, &NodeConfig)> {
        self.nodes.iter().find(|(_, node)| node.name == name).map(|(&id, node)| (id, node))
    }

    /// Adds the node, with every role, as generation 1, or raises the generation of one that is known.
    pub fn join(&mut self, name: &str) -> NodeId {
        self.join_as(name, Roles::ALL)
    }

    /// As [`NodesConfiguration::join`], with these roles.
    pub fn join_as(&mut self, name: &str, roles: Roles) -> NodeId {
        if let Some((id, _)) = self.find(name) {
            self.nodes.get_mut(&id).expect("just found").generation += 1;
            return id;
        }
        let id = NodeId(self.nodes.keys().last().map_or(1, |last| last.0 + 1));
        let node = NodeConfig {
            name: name.into(),
            generation: 1,
            metadata: MetadataState::Provisioning,
            storage: StorageState::Provisioning,
            worker: WorkerState::Provisioning,
            roles,
        };
        self.nodes.insert(id, node);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_ends_as_generation_two_and_the_next_as_one() {
        let mut nodes = NodesConfiguration::first("c", "node-1");
        assert_eq!(nodes.join("node-1"), NodeId(1));
        assert_eq!(nodes.join("node-3"), NodeId(2));
        let generations: Vec<u32> = nodes.nodes.values().map(|node| node.generation).collect();
        assert_eq!(generations, [2, 1]);
    }
}
