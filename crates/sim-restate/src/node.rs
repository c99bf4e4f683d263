//! The start of a node, step by step.
//!
//! The order of the steps is the model's. Each step is recorded as an event that lasts as long as
//! the step, so a timeline shows how far a start is, and an explanation where its time went.
//! Source: restatedev/restate 1.7, `server/src/main.rs`, `crates/node/src/{lib,init}.rs` and the
//! roles beside them.

mod control;
mod marker;
mod membership;
mod progress;
mod provision;
mod roles;
mod running;

pub use progress::{PROGRESS_PORT, Progress};
pub use running::Running;

use crate::controller::Controller;
use crate::health::{AdminStatus, Health, NodeRpcStatus, NodeStatus};
use crate::ingress;
use crate::journal::Journal;
use crate::liveness::Liveness;
use crate::log::Generation;
use crate::log::client::Log;
use crate::log::server::LogServer;
use crate::logging::{Logging, Occasion};
use crate::metadata::{Fetcher, Metadata};
use crate::oracle::Oracle;
use crate::partition::manager::Manager;
use crate::partition::store::PartitionStore;
use crate::partition::views::Views;
use crate::settings::{ClusterSettings, Provision, Step};
use sim_raft::api::{Answer, FABRIC_PORT, RAFT_PORT, Request};
use sim_raft::client::ClientError;
use sim_raft::settings::Delays;
use sim_raft::storage::RaftStore;
use sim_raft::transport::PeerListener;
use sim_raft::{Incoming, publish};
use sim_raft::{MetadataClient, NodesConfiguration, RetryPolicy, Roles, StandingCell, Status};
use sim_rocksdb::{Engine, EngineError};
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

/// The port for requests to provision the cluster, on node-1, with `cluster.provision =
/// "explicit"`.
pub const PROVISION_PORT: u16 = 9072;

/// The directories of a node's databases.
const METADATA_STORE: &str = "/data/replicated-metadata-server";
const LOG_STORE: &str = "/data/log-store";
const LOCAL_LOGLET: &str = "/data/local-loglet";
/// The log server's column families.
const LOG_FAMILIES: [&str; 2] = crate::log::server::FAMILIES;

/// The admin API's answer to a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healthy {
    /// Since when it answers. A client that polls has waited for this moment, not for its own
    /// pauses.
    pub since: SimTime,
    /// The last event before that moment: its cause.
    pub cause: EventId,
}

/// Why a node's start failed.
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

/// The arguments of a process.
#[derive(Clone, Debug)]
pub struct Start {
    /// The cluster's parameters.
    pub settings: Arc<ClusterSettings>,
    /// The nodes with metadata servers.
    pub peers: Vec<String>,
    /// The run's seed.
    pub seed: Seed,
    /// The number of the node's process, from 1.
    pub incarnation: u32,
    /// Whether it provisions the cluster.
    pub provisions: bool,
    /// Its roles.
    pub roles: Roles,
    /// The snapshot repository, if it has one.
    pub repository: Option<Disk>,
    /// The oracle that observes it.
    pub oracle: Oracle,
    /// The log lines that tests wait for.
    pub journal: Journal,
    /// The disk to which the harness writes the log.
    pub log_disk: Disk,
}

/// Starts a node's process. It runs until it is killed; if its start fails, it ends with a note in
/// the trace.
pub fn start(node: &Node, start: Start) -> Running {
    let process = Process::new(node.clone(), start);
    let recorder = process.recorder.clone();
    let running = process.running.clone();
    node.spawn("main", async move {
        match process.run().await {
            // The roles run in tasks of their own; the main task keeps what they need from being
            // dropped.
            Ok(process) => process.until_stopped().await,
            Err(error) => {
                let subject = recorder.symbol(&format!("start failed: {error}"));
                recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
            }
        }
    });
    running
}

/// A starting process, and what its steps have created so far.
struct Process {
    node: Node,
    name: String,
    settings: Arc<ClusterSettings>,
    seed: Seed,
    incarnation: u32,
    provisions: bool,
    /// Whether the cluster marker says that the cluster is provisioned.
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
        let Start {
            settings,
            peers,
            seed,
            incarnation,
            provisions,
            roles,
            repository,
            oracle,
            journal,
            log_disk,
        } = start;
        let name = node.name().to_string();
        let recorder = node.disk().recorder().clone();
        let client_settings = settings.metadata_client.clone();
        let metadata = Metadata::new(&recorder);
        let client =
            MetadataClient::new(node.host().clone(), &name, incarnation, client_settings, &peers, seed)
                .with_nodes(metadata.nodes.clone());
        let (sender, receiver) = channel::channel(&recorder);
        let (stop, serving) = (Watch::new(&recorder, false), Watch::new(&recorder, false));
        let (started, stopped) = (Watch::new(&recorder, false), Watch::new(&recorder, false));
        let status = Watch::new(&recorder, Status::default());
        let health = Health::new(&recorder);
        let standing = StandingCell::default();
        let running = Running { stop, serving, status, standing, health, started, stopped };
        Process {
            liveness: Liveness::new(&recorder),
            views: Views::new(&recorder),
            metadata,
            requests: (sender, Some(receiver)),
            node,
            name,
            settings,
            seed,
            incarnation,
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
        let progress = self.serve_progress().await?;
        let logging = self.open_log().await;
        for (place, &step) in settings.node.startup.iter().enumerate() {
            let began = rt::now();
            let now = Progress { steps: place, next: Some(step), done: false };
            progress.iter().for_each(|progress| progress.set(now.clone()));
            if !self.has_role_for(step) {
                continue;
            }
            self.run_step(step).await?;
            let subject = self.recorder.symbol(step.title());
            self.recorder.record(rt::now(), Kind::Step, subject, rt::now() - began, 0);
            logging.write(Occasion::Step(step.title())).await;
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

    async fn run_step(&mut self, step: Step) -> Result<(), StartError> {
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
                // A request to provision is answered even if nothing is left to do.
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

    fn delays(&self, what: &str, policy: &RetryPolicy) -> Delays {
        policy.delays(self.seed.stream(("node", &self.name, what, u64::from(self.incarnation))))
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher {
            client: self.client.clone(),
            retry: self.settings.node.metadata_fetch_retry.clone(),
            seed: self.seed,
            node: self.name.clone(),
            incarnation: self.incarnation,
            recorder: self.recorder.clone(),
        }
    }

    /// Returns this node with its current generation.
    ///
    /// # Panics
    ///
    /// Before the node has joined.
    fn me(&self) -> Generation {
        let nodes = self.joined.as_ref().expect("known since the node has joined");
        let (id, own) = nodes.find(&self.name).expect("entered by the join");
        Generation { id, generation: own.generation }
    }

    fn symbol(&self, text: &str) -> Symbol {
        self.recorder.symbol(text)
    }
}
