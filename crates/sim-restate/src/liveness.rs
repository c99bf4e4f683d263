//! Who is up, as one node sees it.

use crate::log::Generation;
use sim_raft::NodeId;
use std::collections::BTreeMap;
use stormglass_core::Recorder;
use stormglass_rt::Watch;

/// What a node thinks of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeState {
    /// It is not heard of.
    #[default]
    Dead,
    /// It is heard of again, and not yet trusted.
    Suspect,
    /// It is up.
    Alive,
    /// It is about to stop.
    FailingOver,
}

/// A node in the life that was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLiveness {
    /// That life.
    pub generation: u32,
    /// Whether it is up.
    pub state: NodeState,
}

/// A node's view of all nodes. Clones share it. The failure detector writes it, or, in a model without one, the cluster controller.
#[derive(Clone, Debug)]
pub struct Liveness {
    seen: Watch<BTreeMap<NodeId, NodeLiveness>>,
}

impl Liveness {
    /// Nobody has been heard of.
    pub fn new(recorder: &Recorder) -> Liveness {
        Liveness { seen: Watch::new(recorder, BTreeMap::new()) }
    }

    /// Changes the view; wakes those who watch it if it is another then.
    pub fn set(&self, seen: BTreeMap<NodeId, NodeLiveness>) {
        self.seen.change(|known| {
            let changed = *known != seen;
            *known = seen;
            changed
        });
    }

    /// The view, for whoever waits for it to change.
    pub fn watch(&self) -> &Watch<BTreeMap<NodeId, NodeLiveness>> {
        &self.seen
    }

    /// Whether a node is up.
    pub fn is_alive(&self, node: NodeId) -> bool {
        self.seen.look(|seen| seen.get(&node).is_some_and(|seen| seen.state == NodeState::Alive))
    }

    /// Whether a node is up in this life.
    pub fn is_alive_as(&self, node: Generation) -> bool {
        let alive = NodeLiveness { generation: node.generation, state: NodeState::Alive };
        self.seen.look(|seen| seen.get(&node.id) == Some(&alive))
    }

    /// Whether any node is up.
    pub fn any_alive(&self) -> bool {
        self.seen.look(|seen| seen.values().any(|seen| seen.state == NodeState::Alive))
    }
}
