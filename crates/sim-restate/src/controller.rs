//! The cluster controller: sees who is up, says where partitions are and who leads them, and in March 2025 what logs consist of.
//!
//! Every node with the admin role has one; the one with the lowest id that is up decides. It asks all nodes at an interval how their partitions stand. Who is up it knows from the failure detector
//! (1.7), or from who answers (March 2025): one unanswered question and a node is dead.
//!
//! Source: restatedev/restate 1.7 `crates/admin/src/cluster_controller/service/{scheduler,scheduler_task}.rs`; March 2025
//! `crates/admin/src/cluster_controller/{logs_controller,observed_cluster_state,scheduler}.rs` and `crates/core/src/cluster_state_refresher.rs`.

use crate::control::{Ask, CONTROL_PORT, NodeReport, Told};
use crate::liveness::{Liveness, NodeState, Seen};
use crate::log::{Generation, Log, Lsn, Reconfigures};
use crate::metadata::{Metadata, Schema, update};
use crate::oracle::Oracle;
use crate::partition::PartitionId;
use crate::partition::manager::Role;
use crate::partition::processor::{NoSnapshot, trim_to_snapshot};
use crate::partition::service;
use crate::partition::settings::PlacedBy;
use crate::partition::snapshots::Snapshot;
use crate::partition::table::{Configuration, EpochMetadata, PartitionTable, Placement};
use crate::partition::views::Views;
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::client::ClientError;
use sim_raft::{MetadataClient, NodeId};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::Recorder;
use stormglass_core::latency::HumanDuration;
use stormglass_net::Host;
use stormglass_rt::{self as rt, MissedTickBehavior, Ticker, Watch};

/// The controller's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ControllerSettings {
    /// How often it looks at the cluster (`admin.heartbeat-interval`). Default: 1.5 s.
    #[serde(with = "HumanDuration")]
    pub heartbeat: Duration,
    /// The limit of asking a node how its partitions stand. Default: 3 s.
    #[serde(with = "HumanDuration")]
    pub node_state_timeout: Duration,
    /// How it knows who is up. Default: `gossip`.
    pub liveness: LivenessBy,
}

/// How the controller knows who is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LivenessBy {
    /// From the failure detector (1.7).
    Gossip,
    /// From who answers it (March 2025).
    Polling,
}

impl Default for ControllerSettings {
    fn default() -> ControllerSettings {
        ControllerSettings {
            heartbeat: Duration::from_millis(1_500),
            node_state_timeout: Duration::from_secs(3),
            liveness: LivenessBy::Gossip,
        }
    }
}

/// What a controller has seen of the nodes: the last answer of each that has given one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How the partitions of each stand.
    pub nodes: BTreeMap<NodeId, NodeReport>,
}

impl Observed {
    fn leads(&self, node: NodeId, partition: PartitionId) -> bool {
        self.status(node, partition).is_some_and(|status| status.leads.is_some())
    }

    /// How a partition stands on a node.
    pub fn status(
        &self,
        node: NodeId,
        partition: PartitionId,
    ) -> Option<&crate::partition::processor::Status> {
        self.nodes.get(&node)?.partitions.get(&partition)
    }

    /// The node that leads a partition, the highest epoch if several think so.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        let leads = |node: &NodeId| self.status(*node, partition).and_then(|status| status.leads);
        self.nodes.keys().copied().filter(|node| leads(node).is_some()).max_by_key(leads)
    }
}

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

/// A controller. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Controller {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    recorder: Recorder,
    peers: Peers<Ask, Told>,
    services: Peers<service::Ask, i64>,
    observed: Mutex<Arc<Observed>>,
    plan: Mutex<Plan>,
}

/// Where partitions shall be, as far as this controller knows.
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
    /// Starts one.
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
                // What does not work now is tried again with the next heartbeat.
                let _ = self.schedule().await;
            } else {
                self.plan(|plan| *plan = Plan::default());
            }
        }
    }

    /// Asks every node how its partitions stand, and publishes the answers when all have come or are overdue.
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
                if let Ok(Told::NodeState(report)) = peers.call(&name, limit, Ask::NodeState(versions)).await
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
                (id, Seen { generation, state })
            });
            liveness.set(seen.collect());
        }
        *self.shared.observed.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Observed { nodes: reports });
    }

    fn observed(&self) -> Arc<Observed> {
        self.shared.observed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this is the controller with the lowest id that is up. With nobody up yet, each in March 2025 thinks so of itself.
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

    /// Reads where partitions are, when it begins to decide.
    async fn load_epochs(&self, table: &PartitionTable) -> Result<(), ClientError> {
        if self.plan(|plan| plan.loaded) {
            return Ok(());
        }
        for id in table.ids() {
            let found = self.shared.parts.client.get::<EpochMetadata>(&EpochMetadata::key(id)).await?;
            found.iter().for_each(|found| self.adopt(id, found));
        }
        self.plan(|plan| plan.loaded = true);
        Ok(())
    }

    /// Takes over what a partition's document says.
    fn adopt(&self, id: PartitionId, found: &EpochMetadata) {
        self.plan(|plan| {
            let planned = plan.partitions.entry(id).or_default();
            planned.current.clone_from(&found.current);
            planned.next.clone_from(&found.next);
        });
        self.shared.parts.views.place(id, found.current.as_ref(), found.next.as_ref());
    }

    /// Gives each partition its nodes, and others when others would be chosen now: one that is dead loses its partitions as soon as there is another for them. New
    /// nodes count once one of them has caught up.
    async fn place(&self, table: &PartitionTable) -> Result<(), ClientError> {
        let observed = self.observed();
        for id in table.ids() {
            let Planned { current, next, .. } = self.planned(id);
            let wanted = self.choose(id, table.replicas);
            let newest = next.as_ref().or(current.as_ref());
            if let Some(replicas) = wanted
                && newest.is_none_or(|newest| newest.replicas != replicas)
            {
                let configuration =
                    Configuration { version: newest.map_or(1, |newest| newest.version + 1), replicas };
                self.change(id, |epochs| {
                    // Somebody else may have been faster.
                    if epochs.current.is_none() {
                        epochs.current = Some(configuration.clone());
                    } else if epochs.next.as_ref().or(epochs.current.as_ref()) == newest {
                        epochs.next = Some(configuration.clone());
                    }
                })
                .await?;
            }
            if let Planned { next: Some(next), .. } = self.planned(id) {
                let active = |node: &NodeId| observed.status(*node, id).is_some_and(|status| status.active);
                if next.replicas.iter().any(active) {
                    self.change(id, |epochs| {
                        if epochs.next.as_ref() == Some(&next) {
                            epochs.current = epochs.next.take();
                        }
                    })
                    .await?;
                }
            }
        }
        Ok(())
    }

    fn planned(&self, id: PartitionId) -> Planned {
        self.plan(|plan| plan.partitions.entry(id).or_default().clone())
    }

    /// Changes a partition's document and takes over what it is then.
    async fn change(&self, id: PartitionId, change: impl Fn(&mut EpochMetadata)) -> Result<(), ClientError> {
        let key = EpochMetadata::key(id);
        let updated = self.shared.parts.client.update::<EpochMetadata>(&key, |found| {
            let before = found.cloned().unwrap_or_default();
            let mut after = before.clone();
            change(&mut after);
            after.version += 1;
            Ok((before.current != after.current || before.next != after.next).then_some(after))
        });
        updated.await?.iter().for_each(|updated| self.adopt(id, updated));
        Ok(())
    }

    /// The nodes for a partition, of those that are up: so many, from the partition's own place in their order on. Nothing if there are too few.
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

    /// The nodes with workers that are up.
    fn workers(&self) -> Vec<NodeId> {
        let Parts { metadata, liveness, .. } = &self.shared.parts;
        let nodes = metadata.nodes.get();
        let workers = nodes.iter().flat_map(|nodes| &nodes.nodes).filter(|(_, node)| node.roles.worker);
        workers.map(|(&id, _)| id).filter(|&id| liveness.is_alive(id)).collect()
    }

    /// Chooses each partition's leader: of the replicas that are up the last one that has caught up, or else the last. With none up it stays.
    fn choose_leaders(&self, table: &PartitionTable) {
        let (workers, observed) = (self.workers(), self.observed());
        self.plan(|plan| {
            for id in table.ids() {
                let Some(Planned { current: Some(current), leader, .. }) = plan.partitions.get_mut(&id)
                else {
                    continue;
                };
                let active = |node: &NodeId| observed.status(*node, id).is_some_and(|status| status.active);
                let up = current.replicas.iter().copied().filter(|node| workers.contains(node));
                *leader = up.max_by_key(active).or(*leader);
            }
        });
    }

    async fn instruct_leaders(&self) {
        let observed = self.observed();
        let planned = self.plan(|plan| plan.partitions.clone());
        let mut orders: BTreeMap<NodeId, Vec<(PartitionId, Role)>> = BTreeMap::new();
        for (id, planned) in planned {
            if let Some(leader) = planned.leader
                && !observed.leads(leader, id)
            {
                orders.entry(leader).or_default().push((id, Role::Leader));
            }
        }
        self.send(orders).await;
    }

    /// Tells nodes to run partitions, all at once.
    async fn send(&self, orders: BTreeMap<NodeId, Vec<(PartitionId, Role)>>) {
        let Parts { metadata, settings, .. } = &self.shared.parts;
        let limit = settings.controller.node_state_timeout;
        let sends = orders.into_iter().filter_map(|(node, orders)| {
            let (name, peers) = (metadata.name_of(node)?, self.shared.peers.clone());
            Some(rt::scoped_task(&self.shared.recorder, "control processors", async move {
                // Who did not hear it is told again with the next heartbeat.
                let _ = peers.call(&name, limit, Ask::Control(orders)).await;
            }))
        });
        rt::join_all(sends.collect()).await;
    }

    /// Begins the logs that are missing, and reconfigures those whose sequencer is gone.
    async fn tend_logs(&self, table: &PartitionTable) {
        let Parts { metadata, settings, liveness, log, me, .. } = &self.shared.parts;
        if settings.log.reconfigures != Reconfigures::Controller || !liveness.any_alive() {
            return;
        }
        for id in table.ids() {
            let tail = metadata.logs.get().and_then(|logs| logs.tail(id.log()).cloned());
            match tail {
                None => drop(log.ensure(id.log()).await),
                Some(segment) if !liveness.is_alive_as(segment.sequencer) => {
                    let sequencer = self.sequencer(id).unwrap_or(*me);
                    let _ = log.reconfigure(&segment, sequencer).await;
                }
                Some(_) => {}
            }
        }
    }

    /// The node to sequence a partition's log: the partition's leader if it is up, else one that is.
    fn sequencer(&self, id: PartitionId) -> Option<Generation> {
        let Parts { liveness, metadata, .. } = &self.shared.parts;
        let placement = metadata.partition_table.get().and_then(|table| table.placement.get(&id).cloned());
        let workers = self.workers();
        let leader =
            placement.and_then(|placement| placement.leader).filter(|leader| workers.contains(leader));
        let node = leader.or_else(|| workers.get(usize::from(id.0) % workers.len().max(1)).copied())?;
        let seen = liveness.watch().get().get(&node).copied()?;
        Some(Generation { id: node, generation: seen.generation })
    }

    /// Writes where partitions are into the partition table, if that has changed: on all nodes that are up, led by the sequencer of their log.
    async fn place_in_table(&self, table: &PartitionTable) -> Result<(), ClientError> {
        let Parts { metadata, client, liveness, .. } = &self.shared.parts;
        let logs = metadata.logs.get();
        let mut placement = table.placement.clone();
        for id in table.ids() {
            let Some(replicas) = self.choose(id, table.replicas) else { continue };
            let Placement { leader, .. } = placement.get(&id).cloned().unwrap_or_default();
            let sequencer =
                logs.as_ref().and_then(|logs| logs.tail(id.log())).map(|segment| segment.sequencer);
            let sequencer = sequencer.filter(|sequencer| liveness.is_alive_as(*sequencer)).map(|one| one.id);
            let fits = |node: &NodeId| replicas.contains(node);
            let leader = sequencer.filter(fits).or(leader.filter(fits)).or(replicas.first().copied());
            placement.insert(id, Placement { replicas, leader });
        }
        if placement == table.placement {
            return Ok(());
        }
        let updated = update(
            client,
            &metadata.partition_table,
            PartitionTable::KEY,
            |found: Option<&PartitionTable>| {
                let mut next =
                    found.cloned().ok_or_else(|| ClientError::Retryable("no partition table".into()))?;
                if next.version != table.version {
                    return Ok(None);
                }
                next.version += 1;
                next.placement.clone_from(&placement);
                Ok(Some(next))
            },
        );
        updated.await
    }

    /// Tells every node what is not as the partition table says.
    async fn instruct_all(&self) {
        let Some(table) = self.shared.parts.metadata.partition_table.get() else { return };
        let observed = self.observed();
        let mut orders: BTreeMap<NodeId, Vec<(PartitionId, Role)>> = BTreeMap::new();
        for (&id, Placement { replicas, leader }) in &table.placement {
            for &node in replicas {
                let role = if *leader == Some(node) { Role::Leader } else { Role::Follower };
                let right = match role {
                    Role::Leader => observed.leads(node, id),
                    Role::Follower | Role::Stopped => observed.status(node, id).is_some(),
                };
                if !right {
                    orders.entry(node).or_default().push((id, role));
                }
            }
            for (&node, report) in &observed.nodes {
                if report.partitions.contains_key(&id) && !replicas.contains(&node) {
                    orders.entry(node).or_default().push((id, Role::Stopped));
                }
            }
        }
        self.send(orders).await;
    }

    /// Answers what only a controller can.
    pub(crate) async fn answer(&self, ask: Ask) -> Told {
        match ask {
            Ask::Observed => Told::Observed(self.observed()),
            Ask::CreateSnapshot(partition, least, trim) => {
                Told::Snapshot(self.create_snapshot(partition, least, trim).await)
            }
            Ask::Register(host) => self.register(host).await,
            Ask::Replicate(nodes) => self.replicate(nodes).await,
            _ => Told::Failed("a node answers that, not its controller".into()),
        }
    }

    /// Has the leader make a snapshot, and forgets what is in it from the log.
    async fn create_snapshot(
        &self,
        partition: PartitionId,
        least: Lsn,
        trim: bool,
    ) -> Result<Snapshot, NoSnapshot> {
        const LIMIT: Duration = Duration::from_secs(60);
        let Parts { metadata, settings, log, views, oracle, .. } = &self.shared.parts;
        let leader = match settings.partition.placed_by {
            PlacedBy::Table => self.observed().leader(partition),
            PlacedBy::Epochs => {
                views.get().get(&partition).and_then(|view| view.leader).map(|(_, node)| node.id)
            }
        };
        let leader = leader.ok_or_else(|| format!("{partition} has no leader"))?;
        let name = metadata.name_of(leader).ok_or("its leader is unknown")?;
        let answer = self.shared.peers.call(&name, LIMIT, Ask::Snapshot(partition, least)).await;
        let snapshot = match answer {
            Ok(Told::Snapshot(made)) => made?,
            Ok(_) => return Err(format!("{name} answers something else")),
            Err(error) => return Err(format!("{name}: {error}")),
        };
        if trim {
            let (canary, archived) = (settings.cluster.canary, snapshot.min_applied_lsn);
            let trimmed = trim_to_snapshot(log, oracle, canary, partition, archived).await;
            trimmed.map_err(|_| "the log cannot be trimmed now".to_string())?;
        }
        Ok(snapshot)
    }

    /// Asks a service what it has, and enters it.
    async fn register(&self, host: String) -> Told {
        let Parts { client, metadata, settings, .. } = &self.shared.parts;
        let limit = settings.network.connect_timeout;
        if let Err(error) = self.shared.services.call(&host, limit, service::Ask::Discover).await {
            return Told::Failed(format!("{host}: {error}"));
        }
        let updated = update(client, &metadata.schema, Schema::KEY, |found: Option<&Schema>| {
            let mut next = found.cloned().unwrap_or(Schema { version: 0, deployments: Vec::new() });
            next.version += 1;
            next.deployments.push(host.clone());
            Ok(Some(next))
        });
        updated.await.map_or_else(|error| Told::Failed(error.to_string()), |()| Told::Done)
    }

    async fn replicate(&self, nodes: u8) -> Told {
        let Parts { client, metadata, .. } = &self.shared.parts;
        let updated = update(
            client,
            &metadata.partition_table,
            PartitionTable::KEY,
            |found: Option<&PartitionTable>| {
                let mut next =
                    found.cloned().ok_or_else(|| ClientError::Retryable("no partition table".into()))?;
                next.version += 1;
                next.replicas = Some(nodes);
                Ok(Some(next))
            },
        );
        updated.await.map_or_else(|error| Told::Failed(error.to_string()), |()| Told::Done)
    }

    fn plan<T>(&self, work: impl FnOnce(&mut Plan) -> T) -> T {
        work(&mut self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
