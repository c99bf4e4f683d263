//! The cluster controller: observes which nodes are alive, decides where partitions run and which
//! node leads each, and in March 2025 which segments logs have.
//!
//! Every node with the admin role has a controller; the one on the live node with the lowest id
//! decides. It asks all nodes for the statuses of their partitions at an interval. It knows which
//! nodes are alive from the failure detector (1.7), or from the answers (March 2025): one request
//! without an answer, and the node counts as dead.
//!
//! Source: restatedev/restate 1.7
//! `crates/admin/src/cluster_controller/service/{scheduler,scheduler_task}.rs`; March 2025
//! `crates/admin/src/cluster_controller/{logs_controller,observed_cluster_state,scheduler}.rs` and
//! `crates/core/src/cluster_state_refresher.rs`.

mod admin;
mod epochs;
pub mod settings;
mod table;

pub use settings::{ControllerSettings, LivenessBy};

use crate::control::{CONTROL_PORT, ControlRequest, ControlResponse, NodeReport, ObservedState};
use crate::liveness::{Liveness, NodeLiveness, NodeState};
use crate::log::Generation;
use crate::log::client::Log;
use crate::metadata::Metadata;
use crate::oracle::Oracle;
use crate::partition::PartitionId;
use crate::partition::protocol::Role;
use crate::partition::service;
use crate::partition::settings::PlacedBy;
use crate::partition::table::Configuration;
use crate::partition::views::Views;
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use sim_raft::client::ClientError;
use sim_raft::{MetadataClient, NodeId};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use stormglass_core::Recorder;
use stormglass_net::Host;
use stormglass_rt::{self as rt, MissedTickBehavior, Ticker, Watch};

/// What a controller needs of its node.
pub(crate) struct Parts {
    pub(crate) host: Host,
    pub(crate) me: Generation,
    pub(crate) client: MetadataClient,
    pub(crate) metadata: Metadata,
    pub(crate) liveness: Liveness,
    pub(crate) views: Views,
    pub(crate) log: Log,
    pub(crate) oracle: Oracle,
    pub(crate) settings: Arc<ClusterSettings>,
    pub(crate) started: Watch<bool>,
}

/// A cluster controller. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Controller {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    recorder: Recorder,
    peers: Peers<ControlRequest, ControlResponse>,
    services: Peers<service::ServiceRequest, i64>,
    observed: Mutex<Arc<ObservedState>>,
    plan: Mutex<Plan>,
}

/// Where partitions are to run, as this controller has read and decided it.
#[derive(Default)]
struct Plan {
    partitions: BTreeMap<PartitionId, Planned>,
    /// Whether the documents have been read.
    loaded: bool,
}

#[derive(Clone, Debug, Default)]
struct Planned {
    current: Option<Configuration>,
    next: Option<Configuration>,
    leader: Option<NodeId>,
}

impl Controller {
    /// Starts a controller.
    pub(crate) fn start(parts: Parts) -> Controller {
        let recorder = parts.host.network().recorder().clone();
        let connect_timeout = parts.settings.network.connect_timeout;
        let shared = Shared {
            peers: Peers::new(&parts.host, CONTROL_PORT, connect_timeout),
            services: Peers::new(&parts.host, service::SERVICE_PORT, connect_timeout),
            observed: Mutex::default(),
            plan: Mutex::default(),
            recorder: recorder.clone(),
            parts,
        };
        let controller = Controller { shared: Arc::new(shared) };
        rt::spawn(&recorder, "cluster controller", controller.clone().run());
        controller
    }

    async fn run(self) {
        let Parts { settings, liveness, started, .. } = &self.shared.parts;
        started.until(|started| *started).await;
        let ControllerSettings { heartbeat, liveness: by, .. } = settings.controller;
        let subject = self.shared.recorder.symbol("controller heartbeat");
        let mut ticker = Ticker::after(&self.shared.recorder, subject, heartbeat)
            .missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = BTreeMap::new();
        loop {
            let tick = poll_fn(|context| {
                if ticker.poll_tick(context).is_ready() {
                    return Poll::Ready(true);
                }
                match by {
                    LivenessBy::Gossip => {
                        liveness.watch().poll_until(context, |now| *now != seen).map(|_| false)
                    }
                    LivenessBy::Polling => Poll::Pending,
                }
            })
            .await;
            if tick {
                self.refresh().await;
            }
            seen = liveness.watch().get();
            if self.decides() {
                // A failure is repeated with the next heartbeat.
                let _ = self.schedule().await;
            } else {
                self.plan(|plan| *plan = Plan::default());
            }
        }
    }

    /// Asks every node for the statuses of its partitions, and publishes the answers when all have
    /// arrived or timed out.
    async fn refresh(&self) {
        let Parts { metadata, settings, liveness, .. } = &self.shared.parts;
        let Some(nodes) = metadata.nodes.get() else { return };
        let polling = settings.controller.liveness == LivenessBy::Polling;
        let asked = nodes.nodes.iter().filter(|(id, _)| polling || liveness.is_alive(**id));
        let reports = Arc::new(Mutex::new(BTreeMap::new()));
        let questions = asked.map(|(&id, node)| {
            let (peers, reports, name) = (self.shared.peers.clone(), reports.clone(), node.name.clone());
            let (limit, versions) = (settings.controller.node_state_timeout, metadata.versions());
            rt::scoped_task(&self.shared.recorder, "node state", async move {
                if let Ok(ControlResponse::NodeState(report)) =
                    peers.call(&name, limit, ControlRequest::NodeState(versions)).await
                {
                    reports.lock().unwrap_or_else(PoisonError::into_inner).insert(id, report);
                }
            })
        });
        rt::join_all(questions.collect()).await;
        let reports = std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner));
        if polling {
            let seen = nodes.nodes.iter().map(|(&id, node)| {
                let report: Option<&NodeReport> = reports.get(&id);
                let state = if report.is_some() { NodeState::Alive } else { NodeState::Dead };
                let generation = report.map_or(node.generation, |report| report.generation);
                (id, NodeLiveness { generation, state })
            });
            liveness.set(seen.collect());
        }
        *self.shared.observed.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(ObservedState { nodes: reports });
    }

    fn observed(&self) -> Arc<ObservedState> {
        self.shared.observed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether this is the controller on the live node with the lowest id. While no node
    /// is alive yet, every controller of March 2025 decides.
    fn decides(&self) -> bool {
        let Parts { metadata, settings, liveness, me, .. } = &self.shared.parts;
        let nodes = metadata.nodes.get();
        let admins = nodes.iter().flat_map(|nodes| &nodes.nodes).filter(|(_, node)| node.roles.admin);
        let first = admins.map(|(&id, _)| id).find(|&id| liveness.is_alive(id));
        match settings.controller.liveness {
            LivenessBy::Gossip => first == Some(me.id),
            LivenessBy::Polling => first.is_none_or(|first| first == me.id),
        }
    }

    async fn schedule(&self) -> Result<(), ClientError> {
        let Parts { metadata, settings, .. } = &self.shared.parts;
        let Some(table) = metadata.partition_table.get() else { return Ok(()) };
        match settings.partition.placed_by {
            PlacedBy::Epochs => {
                self.load_epochs(&table).await?;
                self.choose_leaders(&table);
                self.instruct_leaders().await;
                self.place(&table).await?;
                self.choose_leaders(&table);
                self.instruct_leaders().await;
            }
            PlacedBy::Table => {
                self.tend_logs(&table).await;
                self.place_in_table(&table).await?;
                self.instruct_all().await;
            }
        }
        Ok(())
    }

    /// Returns the nodes for a partition, out of the live workers: as many as it has replicas,
    /// starting at the partition's own position in their order. `None` if there are too few.
    fn choose(&self, id: PartitionId, replicas: Option<u8>) -> Option<Vec<NodeId>> {
        let mut workers = self.workers();
        let count = replicas.map_or(workers.len().max(1), usize::from);
        if workers.len() < count {
            return None;
        }
        let turn = usize::from(id.0) % workers.len();
        workers.rotate_left(turn);
        workers.truncate(count);
        workers.sort_unstable();
        Some(workers)
    }

    /// Returns the live nodes with workers.
    fn workers(&self) -> Vec<NodeId> {
        let Parts { metadata, liveness, .. } = &self.shared.parts;
        let nodes = metadata.nodes.get();
        let workers = nodes.iter().flat_map(|nodes| &nodes.nodes).filter(|(_, node)| node.roles.worker);
        workers.map(|(&id, _)| id).filter(|&id| liveness.is_alive(id)).collect()
    }

    /// Sends each node its orders, all in parallel.
    async fn send(&self, orders: BTreeMap<NodeId, Vec<(PartitionId, Role)>>) {
        let Parts { metadata, settings, .. } = &self.shared.parts;
        let limit = settings.controller.node_state_timeout;
        let sends = orders.into_iter().filter_map(|(node, orders)| {
            let (name, peers) = (metadata.name_of(node)?, self.shared.peers.clone());
            Some(rt::scoped_task(&self.shared.recorder, "control processors", async move {
                // A lost order is sent again with the next heartbeat.
                let _ = peers.call(&name, limit, ControlRequest::Control(orders)).await;
            }))
        });
        rt::join_all(sends.collect()).await;
    }

    fn plan<T>(&self, work: impl FnOnce(&mut Plan) -> T) -> T {
        work(&mut self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
