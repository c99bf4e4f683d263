//! The cluster configuration: one document that every node reads and several nodes change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The id of a node, assigned when it first joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N{}", self.0)
    }
}

/// The nodes of a cluster with their roles and states. Every change has a new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodesConfiguration {
    /// The version, from 1.
    pub version: u64,
    /// The name of the cluster.
    pub cluster: String,
    /// The nodes that have joined.
    pub nodes: BTreeMap<NodeId, NodeConfig>,
}

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// The name of the node, which is also its host on the network.
    pub name: String,
    /// How often the node has started: each restart has a new generation.
    pub generation: u32,
    /// The desired state of its metadata server.
    pub metadata: MetadataState,
    /// The state of its log store.
    pub storage: StorageState,
    /// The state of its worker.
    pub worker: WorkerState,
    /// The roles of the node.
    pub roles: Roles,
}

/// The roles of a node: the components that it runs.
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
    /// All roles.
    pub const ALL: Roles =
        Roles { metadata_server: true, admin: true, log_server: true, worker: true, ingress: true };
    /// A worker, and the ingress to it.
    pub const WORKER: Roles = Roles { metadata_server: false, admin: false, log_server: false, ..Roles::ALL };
}

/// The desired state of a metadata server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataState {
    /// Not decided yet; the server tries to become a member.
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
    /// The key of the document in the metadata store.
    pub const KEY: &str = "nodes_config";

    /// Creates the first version, with one node that has not started yet and is a member.
    pub fn first(cluster: &str, name: &str) -> NodesConfiguration {
        let mut nodes = NodesConfiguration { version: 1, cluster: cluster.into(), nodes: BTreeMap::new() };
        let id = nodes.join(name);
        nodes.nodes.get_mut(&id).expect("just added").metadata = MetadataState::Member;
        nodes
    }

    /// Returns the node of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<(NodeId, &NodeConfig)> {
        self.nodes.iter().find(|(_, node)| node.name == name).map(|(&id, node)| (id, node))
    }

    /// Adds the node with every role as generation 1, or increments the generation of a known
    /// node. Returns its id.
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
    fn the_first_node_has_generation_two_and_the_next_one() {
        let mut nodes = NodesConfiguration::first("c", "node-1");
        assert_eq!(nodes.join("node-1"), NodeId(1));
        assert_eq!(nodes.join("node-3"), NodeId(2));
        let generations: Vec<u32> = nodes.nodes.values().map(|node| node.generation).collect();
        assert_eq!(generations, [2, 1]);
    }
}
