//! The messages of a node's control service: requests from other nodes, from the cluster
//! controller and from the tests' tools, and their responses.
//!
//! In Restate these are services of a node's fabric (`NodeCtlSvc`, `CoreNodeSvc`, the partition
//! manager's) and, on a node that can be the controller, `ClusterCtrlSvc`. They answer once the
//! node has started.

use crate::liveness::NodeLiveness;
use crate::log::Lsn;
use crate::metadata::Versions;
use crate::partition::PartitionId;
use crate::partition::protocol::{Role, SnapshotError, Status};
use crate::partition::snapshots::Snapshot;
use crate::partition::state::State;
use crate::partition::views::PartitionViews;
use sim_raft::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The port of the control service.
pub const CONTROL_PORT: u16 = 5128;

/// A request to a node.
#[derive(Clone, Debug)]
pub enum ControlRequest {
    /// Returns which nodes are alive and where partitions are, as this node's failure detector
    /// sees it.
    ClusterState,
    /// Returns the statuses of this node's partitions (`GetNodeState`). The sender's versions of
    /// the documents come with it.
    NodeState(Versions),
    /// Runs partitions in these roles (`ControlProcessors`).
    Control(Vec<(PartitionId, Role)>),
    /// Creates a snapshot of a partition that includes this record.
    Snapshot(PartitionId, Lsn),
    /// Returns the state of a partition, for a test that compares replicas.
    PartitionState(PartitionId),
    /// Returns what this node's controller has observed of the cluster.
    Observed,
    /// Has the leader of a partition create a snapshot that includes this record, and trims the
    /// log up to it if the flag is set (`restatectl snapshots create`).
    CreateSnapshot(PartitionId, Lsn, bool),
    /// Registers a service (`POST /deployments`).
    Register(String),
    /// Sets the number of replicas of each partition (`restatectl config set`).
    Replicate(u8),
}

/// The response of a node.
#[derive(Clone, Debug)]
pub enum ControlResponse {
    /// Which nodes are alive and where partitions are; `None` as long as this node is not alive in
    /// its own view.
    ClusterState(Option<ClusterState>),
    /// The statuses of its partitions.
    NodeState(NodeReport),
    /// The request is done, or in progress.
    Done,
    /// The snapshot, or why there is none.
    Snapshot(Result<Snapshot, SnapshotError>),
    /// The state, if the partition runs here.
    State(Option<Arc<State>>),
    /// What the controller has observed.
    Observed(Arc<ObservedState>),
    /// The request failed.
    Failed(String),
}

/// Which nodes are alive and where partitions are.
#[derive(Clone, Debug)]
pub struct ClusterState {
    /// The states of the nodes.
    pub nodes: BTreeMap<NodeId, NodeLiveness>,
    /// Where partitions are.
    pub partitions: Arc<PartitionViews>,
}

/// The statuses of one node's partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// The generation of the node that sends the report.
    pub generation: u32,
    /// The partitions that have started.
    pub partitions: BTreeMap<PartitionId, Status>,
}

/// The cluster as a controller has observed it: the last answer of each node that has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedState {
    /// The report of each node.
    pub nodes: BTreeMap<NodeId, NodeReport>,
}

impl ObservedState {
    /// Returns whether a node leads a partition, in any epoch.
    pub(crate) fn leads(&self, node: NodeId, partition: PartitionId) -> bool {
        self.status(node, partition).is_some_and(|status| status.leads.is_some())
    }

    /// Returns the status of a partition on a node.
    pub fn status(&self, node: NodeId, partition: PartitionId) -> Option<&Status> {
        self.nodes.get(&node)?.partitions.get(&partition)
    }

    /// Returns the node that leads a partition: the one with the highest epoch, if several nodes
    /// say that they lead it.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        let leads = |node: &NodeId| self.status(*node, partition).and_then(|status| status.leads);
        self.nodes.keys().copied().filter(|node| leads(node).is_some()).max_by_key(leads)
    }
}
