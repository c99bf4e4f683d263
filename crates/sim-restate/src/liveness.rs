//! Which nodes are alive, as one node sees them.

use crate::log::Generation;
use sim_raft::NodeId;
use std::collections::BTreeMap;
use stormglass_core::Recorder;
use stormglass_rt::Watch;

/// The state of a node in another node's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeState {
    /// No news of it for longer than the failure threshold.
    #[default]
    Dead,
    /// There is news of it again, for less than the suspect interval.
    Suspect,
    /// It is alive.
    Alive,
    /// It is shutting down.
    FailingOver,
}

/// A node's last known generation and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLiveness {
    /// The generation.
    pub generation: u32,
    /// Its state.
    pub state: NodeState,
}

/// A node's view of the states of all nodes. Clones share it. The failure detector writes it or,
/// in a model without one, the cluster controller.
#[derive(Clone, Debug)]
pub struct Liveness {
    seen: Watch<BTreeMap<NodeId, NodeLiveness>>,
}

impl Liveness {
    /// Returns a view without nodes.
    pub fn new(recorder: &Recorder) -> Liveness {
        Liveness { seen: Watch::new(recorder, BTreeMap::new()) }
    }

    /// Replaces the view; wakes its watchers if it changed.
    pub fn set(&self, seen: BTreeMap<NodeId, NodeLiveness>) {
        self.seen.change(|known| {
            let changed = *known != seen;
            *known = seen;
            changed
        });
    }

    /// Returns the view as a watch, to wait for changes.
    pub fn watch(&self) -> &Watch<BTreeMap<NodeId, NodeLiveness>> {
        &self.seen
    }

    /// Returns whether a node is alive.
    pub fn is_alive(&self, node: NodeId) -> bool {
        self.seen.with(|seen| seen.get(&node).is_some_and(|seen| seen.state == NodeState::Alive))
    }

    /// Returns whether a node is alive in this generation.
    pub fn is_alive_as(&self, node: Generation) -> bool {
        let alive = NodeLiveness { generation: node.generation, state: NodeState::Alive };
        self.seen.with(|seen| seen.get(&node.id) == Some(&alive))
    }

    /// Returns whether any node is alive.
    pub fn any_alive(&self) -> bool {
        self.seen.with(|seen| seen.values().any(|seen| seen.state == NodeState::Alive))
    }
}
