//! What nodes are asked about themselves and told to do: by each other, by the cluster controller, by the tests' tools.
//!
//! In Restate these are services of a node's fabric (`NodeCtlSvc`, `CoreNodeSvc`, the partition manager's) and, on a node that can be the controller, `ClusterCtrlSvc`. They answer
//! once the node has started.

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

/// The port.
pub const CONTROL_PORT: u16 = 5128;

/// What a node is asked.
#[derive(Clone, Debug)]
pub enum ControlRequest {
    /// Who is up and where partitions are, as its failure detector sees it.
    ClusterState,
    /// How its own partitions stand (`GetNodeState`).
    NodeState(Versions),
    /// To run partitions so (`ControlProcessors`).
    Control(Vec<(PartitionId, Role)>),
    /// To make a snapshot of a partition with this record at least.
    Snapshot(PartitionId, Lsn),
    /// The state of a partition: what a test compares.
    PartitionState(PartitionId),
    /// What its controller has observed of the cluster.
    Observed,
    /// To have a snapshot made of a partition, with this record at least, and to trim the log up to it if asked for (`restatectl snapshots create`).
    CreateSnapshot(PartitionId, Lsn, bool),
    /// To register a service (`POST /deployments`).
    Register(String),
    /// To have partitions on so many nodes (`restatectl config set`).
    Replicate(u8),
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum ControlResponse {
    /// Who is up and where partitions are; nothing as long as it has no view of its own.
    ClusterState(Option<ClusterState>),
    /// How its partitions stand.
    NodeState(NodeReport),
    /// It is done, or under way.
    Done,
    /// The snapshot, or why there is none.
    Snapshot(Result<Snapshot, SnapshotError>),
    /// The state, if it has it.
    State(Option<Arc<State>>),
    /// What was observed.
    Observed(Arc<ObservedState>),
    /// It was not done.
    Failed(String),
}

/// Who is up and where partitions are.
#[derive(Clone, Debug)]
pub struct ClusterState {
    /// Who is up.
    pub nodes: BTreeMap<NodeId, NodeLiveness>,
    /// Where partitions are.
    pub partitions: Arc<PartitionViews>,
}

/// How a node's partitions stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Which of the node's lives tells it.
    pub generation: u32,
    /// Those that have started.
    pub partitions: BTreeMap<PartitionId, Status>,
}

/// What a controller has seen of the nodes: the last answer of each that has given one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedState {
    /// How the partitions of each stand.
    pub nodes: BTreeMap<NodeId, NodeReport>,
}

impl ObservedState {
    /// Returns whether a node leads a partition, in any epoch.
    pub(crate) fn leads(&self, node: NodeId, partition: PartitionId) -> bool {
        self.status(node, partition).is_some_and(|status| status.leads.is_some())
    }

    /// How a partition stands on a node.
    pub fn status(&self, node: NodeId, partition: PartitionId) -> Option<&Status> {
        self.nodes.get(&node)?.partitions.get(&partition)
    }

    /// The node that leads a partition, the highest epoch if several think so.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        let leads = |node: &NodeId| self.status(*node, partition).and_then(|status| status.leads);
        self.nodes.keys().copied().filter(|node| leads(node).is_some()).max_by_key(leads)
    }
}
