//! The start of a node, step by step.
//!
//! The order of the steps is the model's. Each is recorded as an event that took as long as the step, so a
//! timeline shows where a start is and an explanation where it went. Source: restatedev/restate 1.7,
//! `server/src/main.rs`, `crates/node/src/{lib,init}.rs` and the roles beside them.

mod marker;
mod provision;
mod roles;

use crate::controller::Controller;
use crate::health::{
    AdminStatus, Health, IngressStatus, LogServerStatus, MetadataServerStatus, NodeRpcStatus, NodeStatus,
    Statuses, WorkerStatus,
};
use crate::ingress;
use crate::journal::Journal;
use crate::liveness::Liveness;
use crate::log::server::LogServer;
use crate::log::{Generation, Log, Logs};
use crate::logging::{Lines, Logging};
use crate::metadata::{Fetcher, Metadata, Schema, learn};
use crate::oracle::Oracle;
use crate::partition::manager::Manager;
use crate::partition::store::PartitionStore;
use crate::partition::table::PartitionTable;
use crate::partition::views::Views;
use crate::settings::{ClusterSettings, Provision, Step, Strategy};
use sim_raft::api::{Answer, FABRIC_PORT, RAFT_PORT, Request};
use sim_raft::client::ClientError;
use sim_raft::settings::Delays;
use sim_raft::storage::RaftStore;
use sim_raft::transport::PeerListener;
use sim_raft::{Incoming, publish};
use sim_raft::{
    MetadataClient, MetadataServer, MetadataState, NodeConfig, NodesConfiguration, RetryPolicy, Roles,
    ServerConfig, Status, StorageState, WorkerState,
};
use sim_rocksdb::{Batch, Engine, EngineError};
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::{EventId, Kind, Recorder, Seed, SimTime, Symbol};
use stormglass_fs::Disk;
use stormglass_net::Service;
use stormglass_rt::channel::{self, Receiver, Sender};
use stormglass_rt::{self as rt, Watch, worker};
use stormglass_sim::Node;

/// The port of the admin API.
pub const ADMIN_PORT: u16 = 9070;

/// The port where node-1 is asked to provision the cluster, if the harness is to.
pub const PROVISION_PORT: u16 = 9072;

/// The port that tells how far a node's start is, if the harness asks for that.
pub const PROGRESS_PORT: u16 = 9071;

/// How far a start is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many steps are done.
    pub steps: usize,
    /// The step at work; nothing before the first.
    pub next: Option<Step>,
    /// Whether all of them are done.
    pub done: bool,
}

/// The directories of a node's two databases.
const METADATA_STORE: &str = "/data/replicated-metadata-server";
const LOG_STORE: &str = "/data/log-store";
const LOCAL_LOGLET: &str = "/data/local-loglet";
/// The log server's column families.
const LOG_FAMILIES: [&str; 2] = crate::log::server::FAMILIES;

/// The admin API's answer to a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healthy {
    /// Since when it answers, and what that had to wait for: who asks now and then has waited for this, not for its own pauses.
    pub since: SimTime,
    /// The last event before it.
    pub cause: EventId,
}

/// Why a node's start fails.
#[derive(Debug)]
pub enum StartError {
    /// The disk or a database.
    Engine(EngineError),
    /// The metadata store.
    Metadata(ClientError),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Engine(error) => error.fmt(f),
            StartError::Metadata(error) => error.fmt(f),
        }
    }
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> StartError {
        StartError::Engine(error)
    }
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> StartError {
        StartError::Engine(error.into())
    }
}

impl From<ClientError> for StartError {
    fn from(error: ClientError) -> StartError {
        StartError::Metadata(error)
    }
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// The cluster's parameters.
    pub settings: Arc<ClusterSettings>,
    /// The nodes with metadata servers.
    pub peers: Vec<String>,
    /// The run's seed.
    pub seed: Seed,
    /// How often the node has started, this time included.
    pub life: u32,
    /// Whether it provisions the cluster.
    pub provisions: bool,
    /// What it runs.
    pub roles: Roles,
    /// The snapshot repository, if it has one.
    pub repository: Option<Disk>,
    /// Who watches what it does.
    pub oracle: Oracle,
    /// What its log says.
    pub journal: Journal,
    /// Where the harness writes that to.
    pub log_disk: Disk,
}

/// A process that was started.
#[derive(Clone, Debug)]
pub struct Running {
    /// Tells it to stop, as SIGTERM does.
    stop: Watch<bool>,
    /// Whether its metadata server runs.
    serving: Watch<bool>,
    /// What that is.
    status: Watch<Status>,
    /// How its roles are.
    health: Health,
    /// Whether all steps of its start are done.
    started: Watch<bool>,
    /// Whether its roles have stopped.
    stopped: Watch<bool>,
}

impl Running {
    /// What its metadata server tells of itself.
    pub(crate) fn status(&self) -> &Watch<Status> {
        &self.status
    }

    /// How its roles are.
    pub fn statuses(&self) -> Statuses {
        let now = self.health.now();
        match self.status.with(|status| MetadataServerStatus::from(status)) {
            MetadataServerStatus::StartingUp => now,
            metadata_server => Statuses { metadata_server, ..now },
        }
    }

    /// Tells it to stop and waits until it has: partitions are made durable, own segments of logs sealed, a metadata server that leads hands over. What then is left is for
    /// [`Node::kill`] to end.
    pub async fn stop(&self) {
        self.stop.set(true);
        if self.started.get() {
            self.stopped.until(|stopped| *stopped).await;
        }
        // One that is no member has nothing to hand over.
        if matches!(self.status.get(), Status::Member { .. }) {
            self.serving.until(|serving| !serving).await;
        }
    }
}

/// Starts a node's process. It runs until it is killed; a start that fails ends it with a note.
pub fn start(node: &Node, start: Start) -> Running {
    let process = Process::new(node.clone(), start);
    let recorder = process.recorder.clone();
    let running = process.running.clone();
    node.spawn("main", async move {
        match process.run().await {
            // The roles live in tasks of their own; what the main task holds must not go.
            Ok(process) => process.until_stopped().await,
            Err(error) => {
                let subject = recorder.symbol(&format!("start failed: {error}"));
                recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
            }
        }
    });
    running
}

/// A starting process, and what its steps have made so far.
struct Process {
    node: Node,
    name: String,
    settings: Arc<ClusterSettings>,
    seed: Seed,
    life: u32,
    provisions: bool,
    /// Whether the marker says that the cluster is.
    provisioned: bool,
    roles: Roles,
    repository: Option<Disk>,
    oracle: Oracle,
    journal: Journal,
    log_disk: Disk,
    logging: Option<Logging>,
    recorder: Recorder,
    client: MetadataClient,
    metadata: Metadata,
    liveness: Liveness,
    views: Views,
    requests: (Sender<Incoming>, Option<Receiver<Incoming>>),
    fabric: Option<Service<Request, Answer>>,
    peers: Option<PeerListener>,
    admin: Option<Service<(), Healthy>>,
    ingress: Option<Service<ingress::Request, ingress::Response>>,
    metadata_store: Option<RaftStore>,
    log_store: Option<Engine>,
    partition_store: Option<Engine>,
    local_loglet: Option<Engine>,
    joined: Option<NodesConfiguration>,
    log_server: Option<LogServer>,
    log: Option<Log>,
    manager: Option<Manager>,
    controller: Option<Controller>,
    running: Running,
}

impl Process {
    fn new(node: Node, start: Start) -> Process {
        let Start { settings, peers, seed, life, provisions, roles, repository, oracle, journal, log_disk } =
            start;
        let name = node.name().to_string();
        let recorder = node.disk().recorder().clone();
        let client_settings = settings.metadata_client.clone();
        let metadata = Metadata::new(&recorder);
        let client = MetadataClient::new(node.host().clone(), &name, life, client_settings, &peers, seed)
            .with_nodes(metadata.nodes.clone());
        let (sender, receiver) = channel::channel(&recorder);
        let (stop, serving) = (Watch::new(&recorder, false), Watch::new(&recorder, false));
        let (started, stopped) = (Watch::new(&recorder, false), Watch::new(&recorder, false));
        let status = Watch::new(&recorder, Status::default());
        let health = Health::new(&recorder);
        let running = Running { stop, serving, status, health, started, stopped };
        Process {
            liveness: Liveness::new(&recorder),
            views: Views::new(&recorder),
            metadata,
            requests: (sender, Some(receiver)),
            node,
            name,
            settings,
            seed,
            life,
            provisions,
            provisioned: false,
            roles,
            repository,
            oracle,
            journal,
            log_disk,
            logging: None,
            recorder,
            client,
            fabric: None,
            peers: None,
            admin: None,
            ingress: None,
            metadata_store: None,
            log_store: None,
            partition_store: None,
            local_loglet: None,
            joined: None,
            log_server: None,
            log: None,
            manager: None,
            controller: None,
            running,
        }
    }

    async fn run(mut self) -> Result<Process, StartError> {
        let settings = self.settings.clone();
        self.running.health.begin(&self.roles);
        self.running.health.set(NodeStatus::StartingUp);
        let progress = self.tell_progress().await?;
        let logging = self.open_log().await;
        for (place, &step) in settings.node.startup.iter().enumerate() {
            let began = rt::now();
            let now = Progress { steps: place, next: Some(step), done: false };
            progress.iter().for_each(|progress| progress.set(now.clone()));
            if !self.has_role_for(step) {
                continue;
            }
            self.take(step).await?;
            let subject = self.recorder.symbol(step.title());
            self.recorder.record(rt::now(), Kind::Step, subject, rt::now() - began, 0);
            logging.write(Lines::STEP).await;
        }
        let done = Progress { steps: settings.node.startup.len(), next: None, done: true };
        progress.iter().for_each(|progress| progress.set(done.clone()));
        self.serve_control()?;
        self.running.started.set(true);
        self.running.health.set(NodeStatus::Alive);
        Ok(self)
    }

    async fn open_log(&mut self) -> Logging {
        let cpu = self.node.cpu().apart(self.seed, &self.name, "log");
        let settings = &self.settings.node;
        let (line, level) = (settings.work.log_line, settings.log_level);
        let logging = Logging::open(&self.recorder, cpu, line, level, &self.log_disk, &self.name).await;
        self.logging.insert(logging).clone()
    }

    /// Answers whoever asks for more than it has seen, once there is more. Only if the harness follows steps: a port more is an event more.
    async fn tell_progress(&self) -> std::io::Result<Option<Watch<Progress>>> {
        /// Until a process that was just started runs (fork and exec): by then the port of the one before it is free.
        const EXEC: Duration = Duration::from_millis(1);
        if self.settings.admin.strategy != Strategy::Progress {
            return Ok(None);
        }
        rt::sleep(EXEC).await;
        let mut service = self.node.host().serve::<Progress, Progress>(PROGRESS_PORT)?;
        let progress = Watch::new(&self.recorder, Progress::default());
        let (recorder, told) = (self.recorder.clone(), progress.clone());
        rt::spawn(&self.recorder, "progress", async move {
            while let Some(call) = service.next().await {
                let told = told.clone();
                let (seen, reply) = call.split();
                rt::spawn(&recorder, "progress", async move {
                    reply.send(told.until(|now| *now != seen).await);
                });
            }
        });
        Ok(Some(progress))
    }

    async fn take(&mut self, step: Step) -> Result<(), StartError> {
        let work = self.settings.node.work.clone();
        self.begin_roles_of(step);
        match step {
            Step::Boot => self.compute("boot", work.boot).await,
            Step::BindSockets => {
                self.bind_fabric()?;
                if self.roles.admin {
                    self.bind_admin()?;
                }
                if self.roles.ingress {
                    self.ingress = Some(ingress::bind(self.node.host())?);
                }
            }
            Step::BindFabric => self.bind_fabric()?,
            Step::BindAdmin => self.bind_admin()?,
            Step::ClusterMarker => {
                let provisioned = worker::block(marker::validate_or_create(self.node.disk())).await?;
                // Whoever asks is answered also when there is nothing left to do.
                let asked = self.settings.cluster.provision == Provision::Explicit;
                self.provisions &= asked || !provisioned;
                self.provisioned = provisioned;
            }
            Step::OpenMetadataStore => {
                self.compute("open metadata database", work.open_metadata_store).await;
                let opening =
                    RaftStore::open(self.node.disk(), METADATA_STORE, self.settings.raft.recovery());
                self.metadata_store = Some(worker::offload(opening).await?);
            }
            Step::OpenLogStore => {
                self.compute("open log database", work.open_log_store).await;
                self.log_store =
                    Some(worker::offload(Engine::open(self.node.disk(), LOG_STORE, &LOG_FAMILIES)).await?);
            }
            Step::OpenPartitionStore => {
                self.partition_store =
                    Some(PartitionStore::open(&self.node, work.open_partition_store).await?);
            }
            Step::OpenLocalLoglet => {
                self.compute("open local loglet database", work.open_local_loglet).await;
                self.local_loglet =
                    Some(worker::offload(Engine::open(self.node.disk(), LOCAL_LOGLET, &LOG_FAMILIES)).await?);
            }
            Step::BuildRoles => self.compute("build roles", work.roles).await,
            Step::FetchMetadata => self.metadata.fetch(&self.fetcher()),
            Step::ServeFabric => {
                self.compute("serve fabric", work.serve).await;
                self.serve_fabric();
                self.running.health.set(NodeRpcStatus::Ready);
            }
            Step::StartMetadataServer => self.start_metadata_server()?,
            Step::Join => self.join().await?,
            Step::MarkProvisioned => {
                if !self.provisioned {
                    worker::block(marker::mark_provisioned(self.node.disk())).await?;
                }
                if let Some(nodes) = &self.joined {
                    publish(&self.metadata.nodes, nodes);
                }
            }
            Step::AwaitMetadata => {
                self.metadata.logs.until(Option::is_some).await;
                self.metadata.partition_table.until(Option::is_some).await;
            }
            Step::FailureDetector => self.start_failure_detector()?,
            Step::NodeId => {
                self.journal.log(&self.name, format!("My Node ID is {}", self.me()));
                self.metadata.keep_fresh(&self.fetcher(), self.settings.node.metadata_refresh);
            }
            Step::Ingress => self.start_ingress()?,
            Step::SyncMetadata => self.sync_metadata().await,
            Step::StartBifrost => self.start_bifrost().await?,
            Step::LogServer => self.start_log_server().await?,
            Step::Worker => self.start_worker()?,
            Step::Admin => {
                self.compute("start admin api", work.admin).await;
                self.serve_admin();
                self.start_controller()?;
                self.running.health.set(AdminStatus::Ready);
            }
        }
        Ok(())
    }

    /// Roles are starting up as soon as something is made of them, long before they are started.
    fn begin_roles_of(&self, step: Step) {
        let health = &self.running.health;
        match step {
            Step::OpenMetadataStore => health.set(MetadataServerStatus::StartingUp),
            Step::OpenLogStore => health.set(LogServerStatus::StartingUp),
            Step::OpenPartitionStore => health.set(WorkerStatus::StartingUp),
            Step::BuildRoles => {
                if self.roles.worker {
                    health.set(WorkerStatus::StartingUp);
                }
                if self.roles.ingress {
                    health.set(IngressStatus::StartingUp);
                }
                if self.roles.admin {
                    health.set(AdminStatus::StartingUp);
                }
            }
            Step::ServeFabric => health.set(NodeRpcStatus::StartingUp),
            _ => {}
        }
    }

    async fn compute(&self, what: &str, work: Duration) {
        self.node.cpu().compute(self.recorder.symbol(what), work).await;
    }

    fn bind_fabric(&mut self) -> std::io::Result<()> {
        self.fabric = Some(self.node.host().serve(FABRIC_PORT)?);
        self.peers = Some(self.node.host().listen(RAFT_PORT)?);
        Ok(())
    }

    fn bind_admin(&mut self) -> std::io::Result<()> {
        self.admin = Some(self.node.host().serve(ADMIN_PORT)?);
        Ok(())
    }

    /// Everything that comes in over the fabric goes to the metadata server's queue.
    fn serve_fabric(&mut self) {
        let mut fabric = self.fabric.take().expect("the order of steps is checked");
        let requests = self.requests.0.clone();
        rt::spawn(&self.recorder, "fabric", async move {
            while let Some(call) = fabric.next().await {
                requests.send(call.split());
            }
        });
    }

    fn start_metadata_server(&mut self) -> std::io::Result<()> {
        let config = ServerConfig {
            name: self.name.clone(),
            incarnation: self.life,
            settings: self.settings.raft.clone(),
        };
        let store = self.metadata_store.take().expect("the order of steps is checked");
        let requests = self.requests.1.take().expect("the server starts once");
        let peers = self.peers.take().expect("the order of steps is checked");
        let nodes = self.metadata.nodes.clone();
        let server = MetadataServer::new(config, self.seed, self.node.host().clone(), store, requests, nodes);
        let server =
            server.with_stop_signal(self.running.stop.clone()).with_status(self.running.status.clone());
        let (recorder, serving) = (self.recorder.clone(), self.running.serving.clone());
        serving.set(true);
        rt::spawn(&self.recorder, "metadata server", async move {
            let ended = server.run(peers).await;
            serving.set(false);
            if let Err(error) = ended {
                let subject = recorder.symbol(&format!("metadata server failed: {error}"));
                recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
            }
        });
        if self.provisions {
            let delays = self.delays("provision", &self.settings.node.network_retry);
            let partition = &self.settings.partition;
            let provisioning = provision::Provisioning {
                client: self.client.clone(),
                name: self.name.clone(),
                delays,
                back_off: self.symbol("provision back-off"),
                metadata: self.metadata.clone(),
                recorder: self.recorder.clone(),
                table: PartitionTable::first(partition.count, partition.replication),
            };
            match self.settings.cluster.provision {
                Provision::Auto => rt::spawn(&self.recorder, "auto-provision", async move {
                    provisioning.run().await;
                }),
                Provision::Explicit => {
                    let asked = self.node.host().serve(PROVISION_PORT)?;
                    rt::spawn(&self.recorder, "provision", provisioning.when_asked(asked))
                }
            };
        }
        Ok(())
    }

    async fn join(&mut self) -> Result<(), StartError> {
        let mut delays = self.delays("join", &self.settings.node.join_retry);
        let back_off = self.symbol("join back-off");
        let (name, roles) = (self.name.clone(), self.roles);
        let metadata =
            if roles.metadata_server { self.settings.node.metadata_state } else { MetadataState::Standby };
        loop {
            let joined = self.client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
                let mut nodes = nodes
                    .cloned()
                    .ok_or_else(|| ClientError::Retryable("the cluster is not provisioned".into()))?;
                let id = nodes.join_as(&name, roles);
                let own = nodes.nodes.get_mut(&id).expect("just joined");
                if own.generation == 1 {
                    own.metadata = metadata;
                }
                nodes.version += 1;
                Ok(Some(nodes))
            });
            match joined.await {
                Ok(nodes) => {
                    self.joined = nodes;
                    return Ok(());
                }
                Err(error @ ClientError::Terminal(_)) => return Err(error.into()),
                Err(error) => match delays.next() {
                    Some(delay) => rt::pause(&self.recorder, back_off, delay).await,
                    None => return Err(error.into()),
                },
            }
        }
    }

    /// Reads what a node should know before it goes on. Without an answer it goes on all the same.
    async fn sync_metadata(&mut self) {
        let delays = |key| self.delays(&format!("sync {key}"), &self.settings.node.network_retry);
        let back_off = "metadata sync back-off";
        let schema = || self.client.get::<Schema>(Schema::KEY);
        if let Ok(Some(found)) = self.persistently(delays(Schema::KEY), back_off, schema).await {
            learn(&self.metadata.schema, found);
        }
        let table = || self.client.get::<PartitionTable>(PartitionTable::KEY);
        if let Ok(Some(found)) = self.persistently(delays(PartitionTable::KEY), back_off, table).await {
            learn(&self.metadata.partition_table, found);
        }
    }

    /// Reads the chain of logs, and writes the first one if nobody has.
    async fn start_bifrost(&mut self) -> Result<(), StartError> {
        let delays = self.delays("bifrost", &self.settings.node.network_retry);
        let first = Logs::first();
        let write = || provision::write_if_absent(&self.client, Logs::KEY, &first);
        let logs = self.persistently(delays, "bifrost back-off", write).await?;
        learn(&self.metadata.logs, logs);
        Ok(())
    }

    /// Tries again after each failure, as long as there are delays; gives the last error then.
    async fn persistently<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        mut delays: Delays,
        back_off: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, ClientError> {
        let back_off = self.symbol(back_off);
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => match delays.next() {
                    Some(delay) => rt::pause(&self.recorder, back_off, delay).await,
                    None => return Err(error),
                },
            }
        }
    }

    async fn start_log_server(&mut self) -> Result<(), StartError> {
        let nodes = self.metadata.nodes.get().expect("known since the node has joined");
        let (id, own) = nodes.find(&self.name).expect("entered by the join");
        if own.storage != StorageState::Provisioning {
            return self.serve_log();
        }
        let store = self.log_store.as_mut().expect("the order of steps is checked");
        let mut marker = Batch::new();
        marker.put(1, b"storage-marker", &id.0.to_be_bytes());
        store.write_synced(marker).await?;
        let delays = self.delays("log-server", &self.settings.node.network_retry);
        let registration = self.registration(delays, "log server back-off", |own| {
            std::mem::replace(&mut own.storage, StorageState::ReadWrite) != StorageState::ReadWrite
        });
        registration.await?;
        self.serve_log()
    }

    /// Enters the worker as active, in the background: one that cannot stays idle, and the next start tries again.
    fn register_worker(&self) {
        let delays = self.delays("worker", &self.settings.node.network_retry);
        let registration = self.registration(delays, "worker back-off", |own| {
            std::mem::replace(&mut own.worker, WorkerState::Active) != WorkerState::Active
        });
        rt::spawn(&self.recorder, "worker registration", async move { drop(registration.await) });
    }

    /// Changes the node's own entry in the cluster's configuration, with retries, and makes the result known on
    /// the node. `change` says whether there was anything to change.
    fn registration(
        &self,
        mut delays: Delays,
        back_off: &str,
        change: impl Fn(&mut NodeConfig) -> bool + Send + Sync + 'static,
    ) -> impl Future<Output = Result<(), ClientError>> + Send + 'static {
        let (client, name) = (self.client.clone(), self.name.clone());
        let (known, recorder, back_off) =
            (self.metadata.nodes.clone(), self.recorder.clone(), self.symbol(back_off));
        async move {
            loop {
                let updated = client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
                    let Some(mut nodes) = nodes.cloned() else {
                        return Err(ClientError::Retryable("no configuration".into()));
                    };
                    nodes.version += 1;
                    let own = nodes.nodes.values_mut().find(|node| node.name == name);
                    Ok(own.is_some_and(&change).then_some(nodes))
                });
                match updated.await {
                    Ok(nodes) => {
                        nodes.iter().for_each(|nodes| publish(&known, nodes));
                        return Ok(());
                    }
                    Err(error @ ClientError::Terminal(_)) => return Err(error),
                    Err(error) => match delays.next() {
                        Some(delay) => rt::pause(&recorder, back_off, delay).await,
                        None => return Err(error),
                    },
                }
            }
        }
    }

    fn serve_admin(&mut self) {
        let mut admin = self.admin.take().expect("the order of steps is checked");
        let healthy = Healthy { since: rt::now(), cause: self.recorder.scope().last() };
        rt::spawn(&self.recorder, "admin api", async move {
            while let Some(call) = admin.next().await {
                call.reply(healthy);
            }
        });
    }

    fn delays(&self, what: &str, policy: &RetryPolicy) -> Delays {
        policy.delays(self.seed.stream(("node", &self.name, what, u64::from(self.life))))
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher {
            client: self.client.clone(),
            retry: self.settings.node.metadata_fetch_retry.clone(),
            seed: self.seed,
            node: self.name.clone(),
            life: self.life,
            recorder: self.recorder.clone(),
        }
    }

    /// This life of the node.
    ///
    /// # Panics
    ///
    /// Before it has joined.
    fn me(&self) -> Generation {
        let nodes = self.joined.as_ref().expect("known since the node has joined");
        let (id, own) = nodes.find(&self.name).expect("entered by the join");
        Generation { id, generation: own.generation }
    }

    fn symbol(&self, text: &str) -> Symbol {
        self.recorder.symbol(text)
    }
}
