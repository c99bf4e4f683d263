//! The roles of a node: how each is built and started, and how they are shut down.

use super::control::ControlService;
use super::provision::Provisioning;
use super::{Healthy, PROVISION_PORT, Process, StartError};
use crate::controller::{self, Controller};
use crate::gossip;
use crate::health::{
    AdminStatus, IngressStatus, LogServerStatus, MetadataServerStatus, NodeRpcStatus, NodeStatus,
    WorkerStatus,
};
use crate::ingress;
use crate::log::client::{Log, Parts};
use crate::log::server::{LOG_SERVER_PORT, LogServer};
use crate::log::settings::Reconfigures;
use crate::operation_streams::OperationStreams;
use crate::partition::manager::Manager;
use crate::partition::service::SERVICE_PORT;
use crate::partition::snapshots::Repository;
use crate::partition::store::PartitionStore;
use crate::partition::table::PartitionTable;
use crate::partition::worker::Worker;
use crate::peers::Peers;
use crate::settings::{Provision, Step};
use sim_raft::{MetadataServer, ServerConfig, StorageState};
use sim_rocksdb::Batch;
use std::io;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt as rt;

impl Process {
    /// Returns whether the node has the role that a step is for.
    pub(super) fn has_role_for(&self, step: Step) -> bool {
        match step {
            Step::OpenMetadataStore | Step::StartMetadataServer => self.roles.metadata_server,
            Step::OpenLogStore | Step::LogServer => self.roles.log_server,
            Step::OpenPartitionStore | Step::OpenLocalLoglet | Step::Worker => self.roles.worker,
            Step::Ingress => self.roles.ingress,
            Step::BindAdmin | Step::Admin => self.roles.admin,
            _ => true,
        }
    }

    /// Sets roles to starting up as soon as a part of them is created, long before they are
    /// started.
    pub(super) fn begin_roles_of(&self, step: Step) {
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

    /// Forwards every request over the fabric to the metadata server's queue.
    pub(super) fn serve_fabric(&mut self) {
        let mut fabric = self.fabric.take().expect("the order of steps is checked");
        let requests = self.requests.0.clone();
        rt::spawn(&self.recorder, "fabric", async move {
            while let Some(call) = fabric.next().await {
                requests.send(call.split());
            }
        });
    }

    pub(super) fn start_metadata_server(&mut self) -> std::io::Result<()> {
        let config = ServerConfig {
            name: self.name.clone(),
            incarnation: self.incarnation,
            settings: self.settings.raft.clone(),
        };
        let store = self.metadata_store.take().expect("the order of steps is checked");
        let requests = self.requests.1.take().expect("the server starts once");
        let peers = self.peers.take().expect("the order of steps is checked");
        let nodes = self.metadata.nodes.clone();
        let server = MetadataServer::new(config, self.seed, self.node.host().clone(), store, requests, nodes);
        let server =
            server.with_stop_signal(self.running.stop.clone()).with_status(self.running.status.clone());
        let server = server.with_standing(self.running.standing.clone());
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
            let provisioning = Provisioning {
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

    pub(super) async fn start_log_server(&mut self) -> Result<(), StartError> {
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

    pub(super) fn serve_admin(&mut self) {
        let mut admin = self.admin.take().expect("the order of steps is checked");
        let healthy = Healthy { since: rt::now(), cause: self.recorder.scope().last() };
        rt::spawn(&self.recorder, "admin api", async move {
            while let Some(call) = admin.next().await {
                call.reply(healthy);
            }
        });
    }

    pub(super) fn start_failure_detector(&self) -> io::Result<()> {
        gossip::start(gossip::Parts {
            host: self.node.host().clone(),
            me: self.me(),
            metadata: self.metadata.clone(),
            views: self.views.clone(),
            liveness: self.liveness.clone(),
            settings: self.settings.gossip.clone(),
            connect_timeout: self.settings.network.connect_timeout,
            started: self.running.started.clone(),
            stop: self.running.stop.clone(),
            seed: self.seed,
        })
    }

    /// Starts the log server, for other nodes and for the node itself.
    pub(super) fn serve_log(&mut self) -> Result<(), StartError> {
        let store = self.log_store.take().expect("the order of steps is checked");
        let (health, canary) = (self.running.health.clone(), self.settings.cluster.canary);
        let blocks = self.settings.log.blocking_writes;
        let server = LogServer::start(store, &self.recorder, blocks, canary, health.clone());
        server.serve(self.node.host().serve(LOG_SERVER_PORT)?);
        health.set(LogServerStatus::Ready);
        self.log_server = Some(server);
        Ok(())
    }

    /// Returns the node's handle to the log, created for the first role that uses it.
    fn log(&mut self) -> io::Result<Log> {
        if let Some(log) = &self.log {
            return Ok(log.clone());
        }
        let log = Log::new(&Parts {
            host: self.node.host(),
            me: self.me(),
            local: self.log_server.clone(),
            metadata: &self.metadata,
            client: &self.client,
            liveness: &self.liveness,
            settings: &self.settings,
            seed: self.seed,
        });
        log.serve(self.node.host())?;
        Ok(self.log.insert(log).clone())
    }

    pub(super) fn start_worker(&mut self) -> io::Result<()> {
        if self.settings.node.worker_registers {
            self.register_worker();
        }
        let work = self.settings.node.work.open_partition_store;
        let store = PartitionStore::new(&self.node, work, self.partition_store.take());
        let repository = self.repository.as_ref().map(|disk| {
            let jitter = self.seed.stream(("snapshot repository", &self.name, u64::from(self.incarnation)));
            Repository::new(disk, &self.settings.partition.repository_retry, jitter)
        });
        let worker = Worker {
            node: self.node.clone(),
            me: self.me(),
            log: self.log()?,
            client: self.client.clone(),
            metadata: self.metadata.clone(),
            views: self.views.clone(),
            store,
            repository,
            services: Peers::new(self.node.host(), SERVICE_PORT, self.settings.network.connect_timeout),
            settings: self.settings.clone(),
            recorder: self.recorder.clone(),
            oracle: self.oracle.clone(),
            journal: self.journal.clone(),
            logging: self.logging.clone().expect("opened before the first step"),
            seed: self.seed,
            streams: OperationStreams::new(self.seed, self.me().id.0, self.me().generation),
        };
        self.manager = Some(Manager::start(worker)?);
        self.running.health.set(WorkerStatus::Ready);
        Ok(())
    }

    pub(super) fn start_ingress(&mut self) -> io::Result<()> {
        let service = match self.ingress.take() {
            Some(bound) => bound,
            None => ingress::bind(self.node.host())?,
        };
        let parts = ingress::Parts {
            host: self.node.host().clone(),
            me: self.me(),
            metadata: self.metadata.clone(),
            views: self.views.clone(),
            settings: self.settings.clone(),
            seed: self.seed,
        };
        ingress::start(parts, service);
        self.running.health.set(IngressStatus::Ready);
        Ok(())
    }

    pub(super) fn start_controller(&mut self) -> io::Result<()> {
        self.controller = Some(Controller::start(controller::Parts {
            host: self.node.host().clone(),
            me: self.me(),
            client: self.client.clone(),
            metadata: self.metadata.clone(),
            liveness: self.liveness.clone(),
            views: self.views.clone(),
            log: self.log()?,
            oracle: self.oracle.clone(),
            settings: self.settings.clone(),
            started: self.running.started.clone(),
        }));
        Ok(())
    }

    /// Serves requests of other nodes from now on.
    pub(super) fn serve_control(&self) -> io::Result<()> {
        let service = ControlService {
            me: self.me(),
            liveness: self.liveness.clone(),
            views: self.views.clone(),
            metadata: self.metadata.clone(),
            manager: self.manager.clone(),
            controller: self.controller.clone(),
        };
        service.serve(self.node.host())
    }

    /// Runs until the process gets SIGTERM, then shuts down in order: partitions first, then the
    /// segments whose sequencer is this node, then the log server.
    pub(super) async fn until_stopped(self) {
        self.running.stop.until(|stop| *stop).await;
        let health = &self.running.health;
        health.set(NodeStatus::ShuttingDown);
        health.set(NodeRpcStatus::Stopping);
        if self.log_server.is_some() {
            health.set(LogServerStatus::Stopping);
        }
        if let Some(manager) = &self.manager {
            manager.stop().await;
        }
        // Restate's sequencers do so since ed4440817 (2025-03-31).
        if let Some(log) = &self.log
            && self.settings.log.reconfigures == Reconfigures::Leader
        {
            log.seal_own().await;
        }
        if let Some(log_server) = &self.log_server {
            log_server.close().await;
        }
        self.running.stopped.set(true);
        std::future::pending::<()>().await;
    }
}
