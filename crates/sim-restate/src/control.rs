//! What nodes are asked about themselves and told to do: by each other, by the cluster controller, by the tests' tools.
//!
//! In Restate these are services of a node's fabric (`NodeCtlSvc`, `CoreNodeSvc`, the partition manager's) and, on a node that can be the controller, `ClusterCtrlSvc`. They answer
//! once the node has started.

use crate::controller::{Controller, Observed};
use crate::liveness::{Liveness, NodeState, Seen};
use crate::log::Lsn;
use crate::metadata::{Metadata, Versions};
use crate::partition::PartitionId;
use crate::partition::manager::{Manager, Role};
use crate::partition::processor::{NoSnapshot, Status};
use crate::partition::snapshots::Snapshot;
use crate::partition::state::State;
use crate::partition::views::{PartitionViews, Views};
use sim_raft::NodeId;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use stormglass_core::Recorder;
use stormglass_net::Host;
use stormglass_rt as rt;

/// The port.
pub const CONTROL_PORT: u16 = 5128;

/// What a node is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Who is up and where partitions are, as its failure detector sees it.
    ClusterState,
    /// How its own partitions stand (`GetNodeState`).
    NodeState(Versions),
    /// To run partitions so (`ControlProcessors`).
    Control(Vec<(PartitionId, Role)>),
    /// To make a snapshot of a partition with this record at least.
    Snapshot(PartitionId, Lsn),
    /// The state of a partition: what a test compares.
    Look(PartitionId),
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
pub enum Told {
    /// Who is up and where partitions are; nothing as long as it has no view of its own.
    ClusterState(Option<ClusterState>),
    /// How its partitions stand.
    NodeState(NodeReport),
    /// It is done, or under way.
    Done,
    /// The snapshot, or why there is none.
    Snapshot(Result<Snapshot, NoSnapshot>),
    /// The state, if it has it.
    State(Option<Arc<State>>),
    /// What was observed.
    Observed(Arc<Observed>),
    /// It was not done.
    Failed(String),
}

/// Who is up and where partitions are.
#[derive(Clone, Debug)]
pub struct ClusterState {
    /// Who is up.
    pub nodes: BTreeMap<NodeId, Seen>,
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

/// What answers on a node.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) me: crate::log::Generation,
    pub(crate) liveness: Liveness,
    pub(crate) views: Views,
    pub(crate) metadata: Metadata,
    pub(crate) manager: Option<Manager>,
    pub(crate) controller: Option<Controller>,
}

impl Desk {
    /// Answers from now on.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub(crate) fn serve(self, host: &Host) -> io::Result<()> {
        let mut service = host.serve::<Ask, Told>(CONTROL_PORT)?;
        let recorder: Recorder = host.network().recorder().clone();
        rt::spawn(&recorder.clone(), "control", async move {
            while let Some(call) = service.next().await {
                let (ask, reply) = call.split();
                let desk = self.clone();
                rt::spawn(&recorder, "control request", async move {
                    let told = desk.answer(ask).await;
                    reply.send(told);
                });
            }
        });
        Ok(())
    }

    async fn answer(&self, ask: Ask) -> Told {
        match ask {
            Ask::ClusterState => {
                let nodes = self.liveness.watch().get();
                let ready = nodes.get(&self.me.id).is_some_and(|seen| seen.state == NodeState::Alive);
                Told::ClusterState(ready.then(|| ClusterState { nodes, partitions: self.views.get() }))
            }
            Ask::NodeState(versions) => {
                self.metadata.hear_of(versions);
                let partitions = self.manager.as_ref().map(Manager::statuses).unwrap_or_default();
                Told::NodeState(NodeReport { generation: self.me.generation, partitions })
            }
            Ask::Control(orders) => {
                let Some(manager) = &self.manager else { return Told::Failed("no worker".into()) };
                orders.into_iter().for_each(|(partition, role)| manager.control(partition, role));
                Told::Done
            }
            Ask::Snapshot(partition, least) => match &self.manager {
                Some(manager) => Told::Snapshot(manager.snapshot(partition, least).await),
                None => Told::Snapshot(Err("no worker".into())),
            },
            Ask::Look(partition) => match &self.manager {
                Some(manager) => Told::State(manager.look(partition).await),
                None => Told::State(None),
            },
            Ask::Observed | Ask::CreateSnapshot(..) | Ask::Register(_) | Ask::Replicate(_) => {
                match &self.controller {
                    Some(controller) => controller.answer(ask).await,
                    None => Told::Failed("no cluster controller here".into()),
                }
            }
        }
    }
}
