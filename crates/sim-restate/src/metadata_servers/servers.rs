//! The metadata servers' processes, and the supervisor that restarts them.

use crate::metadata_servers::settings::MetadataSettings;
use sim_raft::api::{Answer, FABRIC_PORT, Precondition, RAFT_PORT, Reply, Request, Write};
use sim_raft::check::RaftCheck;
use sim_raft::facts::Fact;
use sim_raft::storage::RaftStore;
use sim_raft::{MetadataClient, MetadataServer, NodesConfiguration, Refusal, ServerConfig};
use sim_raft::{NodesWatch, StandingCell, publish};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_rt::{JoinError, Watch, channel};
use stormglass_sim::{Node, World};

/// The servers of one run. Clones are handles to the same servers.
#[derive(Clone)]
pub struct Servers {
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    settings: MetadataSettings,
    nodes: Vec<Node>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    incarnations: BTreeMap<String, u32>,
    stops: BTreeMap<String, Watch<bool>>,
    check: RaftCheck,
    applied: BTreeMap<String, u64>,
}

impl Servers {
    /// Starts the servers, each on a machine of its own and under supervision: a process that has
    /// ended starts again after a moment. The first server is provisioned.
    pub async fn start(world: &World, settings: &MetadataSettings) -> Servers {
        world.recorder().enable_facts();
        let names = settings.chaos.names();
        let nodes = names.iter().map(|name| world.node_on(name, name));
        let servers = Servers {
            shared: Arc::new(Shared {
                world: world.clone(),
                settings: settings.clone(),
                nodes: nodes.collect(),
                state: Mutex::default(),
            }),
        };
        for node in &servers.shared.nodes {
            let (servers, node) = (servers.clone(), node.clone());
            let name = format!("supervisor of {}", node.name());
            rt::spawn(world.recorder(), &name, async move { servers.supervise(&node).await });
        }
        servers.provision().await;
        servers
    }

    /// Returns the servers' nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.shared.nodes
    }

    fn world(&self) -> &World {
        &self.shared.world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn supervise(&self, node: &Node) {
        let mut delays = self.world().seed().stream(("supervisor", node.name()));
        loop {
            let stop = Watch::new(self.world().recorder(), false);
            let incarnation = {
                let mut state = self.state();
                state.stops.insert(node.name().to_string(), stop.clone());
                let incarnation = state.incarnations.entry(node.name().to_string()).or_default();
                *incarnation += 1;
                *incarnation
            };
            let process = Process {
                node: node.clone(),
                incarnation,
                settings: self.shared.settings.clone(),
                endpoints: self.shared.nodes.iter().map(|node| node.name().to_string()).collect(),
                world: self.world().clone(),
            };
            // A process that fails, on a disk error for example, ends like a killed one.
            match node.spawn("process", process.run(stop)).await.map_err(JoinError::try_into_panic) {
                Ok(Err(_)) => self.world().note("metadata server: failed"),
                Err(Ok(panic)) => resume_unwind(panic),
                Ok(Ok(_)) | Err(Err(_)) => {}
            }
            node.kill();
            rt::sleep(Duration::from_millis(10 + delays.below(1_000))).await;
        }
    }

    /// Requests an orderly shutdown of the process.
    pub fn stop(&self, node: &Node) {
        if let Some(stop) = self.state().stops.get(node.name()) {
            stop.set(true);
        }
    }

    async fn provision(&self) {
        let first = &self.shared.nodes[0];
        let host = self.world().node_on("harness", "harness").host().clone();
        let nodes = NodesConfiguration::first("chaos", first.name());
        loop {
            let asked =
                ask(&host, first.name(), Request::Provision { nodes: nodes.clone() }, Duration::from_secs(1));
            if matches!(asked.await, Ok(Reply::Provisioned(_))) {
                return;
            }
            rt::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads what the members have reported since the last call, and reports violated invariants.
    pub fn look(&self) {
        let recorder = self.world().recorder();
        let mut state = self.state();
        for event in recorder.take_facts() {
            let Some(fact) = Fact::decode(&recorder.text(event.subject), &event) else { continue };
            let node = recorder.text(event.node);
            match fact {
                Fact::Applied(position)
                | Fact::Restored(position)
                | Fact::Recovered { snapshot: position } => {
                    state.applied.insert(node.clone(), position.index);
                }
                _ => {}
            }
            state.check.observe(SimTime::from_nanos(event.at_nanos), &node, fact);
        }
        if let Some(violation) = state.check.violation() {
            self.world().violated(violation.property, format!("at {}: {}", violation.at, violation.evidence));
        }
    }

    /// Returns the last term that had a leader, and that leader.
    pub fn leader(&self) -> Option<(u64, String)> {
        self.look();
        self.state().check.last_leader().map(|(term, leader)| (term, leader.to_string()))
    }

    /// Returns whether all servers have applied as much as the most advanced one.
    pub fn are_equal(&self) -> bool {
        self.look();
        let state = self.state();
        let most = state.check.last_applied();
        most > 0 && self.nodes().iter().all(|node| state.applied.get(node.name()) == Some(&most))
    }

    /// Waits until all servers have applied as much as the most advanced one.
    pub async fn until_equal(&self) {
        while !self.are_equal() {
            rt::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// One process of a server.
struct Process {
    node: Node,
    incarnation: u32,
    settings: MetadataSettings,
    endpoints: Vec<String>,
    world: World,
}

impl Process {
    async fn run(self, stop: Watch<bool>) -> Result<(), String> {
        let (host, recorder) = (self.node.host().clone(), self.world.recorder().clone());
        let (requests, incoming) = channel(&recorder);
        let mut fabric = host.serve::<Request, Answer>(FABRIC_PORT).map_err(|error| error.to_string())?;
        let listener = host.listen(RAFT_PORT).map_err(|error| error.to_string())?;
        rt::spawn(&recorder, "fabric", async move {
            while let Some(call) = fabric.next().await {
                requests.send(call.split());
            }
        });
        let known: NodesWatch = Watch::new(&recorder, None);
        rt::spawn(&recorder, "node", self.enter(known.clone()));
        let recovery = self.settings.raft.recovery();
        let store = RaftStore::open(self.node.disk(), "raft", recovery).await;
        let store = store.map_err(|error| error.to_string())?;
        let config = ServerConfig {
            name: self.node.name().to_string(),
            incarnation: self.incarnation,
            settings: self.settings.raft.clone(),
        };
        let server = MetadataServer::new(config, self.world.seed(), host, store, incoming, known);
        let standing = StandingCell::default();
        let kept = standing.clone();
        let name = format!("metadata server of {}", self.node.name());
        self.world.state(&name, move || kept.get());
        server
            .with_stop_signal(stop)
            .with_standing(standing)
            .run(listener)
            .await
            .map_err(|error| error.to_string())
    }

    /// Adds the node to the configuration, as every start does, and fetches the newest
    /// configuration from then on.
    fn enter(&self, known: NodesWatch) -> impl Future<Output = ()> + Send + use<> {
        let (name, settings) = (self.node.name().to_string(), self.settings.clone());
        let host = self.node.host().clone();
        let client = MetadataClient::new(
            host,
            &name,
            self.incarnation,
            settings.metadata_client,
            &self.endpoints,
            self.world.seed(),
        )
        .with_nodes(known.clone());
        async move {
            loop {
                let entered = client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
                    Ok(nodes.cloned().map(|mut nodes| {
                        nodes.join(&name);
                        nodes.version += 1;
                        nodes
                    }))
                });
                let limit = settings.chaos.request_timeout;
                if let Some(Ok(Some(nodes))) = rt::timeout(limit, entered).await {
                    publish(&known, &nodes);
                    break;
                }
                rt::sleep(Duration::from_millis(100)).await;
            }
            loop {
                rt::sleep(settings.chaos.refresh_interval).await;
                let newest = client.get::<NodesConfiguration>(NodesConfiguration::KEY);
                if let Some(Ok(Some(nodes))) = rt::timeout(settings.chaos.request_timeout, newest).await {
                    publish(&known, &nodes);
                }
            }
        }
    }
}

/// Sends one request to one server.
///
/// # Errors
///
/// The server's refusal, or one that says whether the request may have taken effect.
pub async fn ask(host: &Host, server: &str, request: Request, limit: Duration) -> Answer {
    let channel = host.channel::<Request, Answer>(host.network().host(server).address(FABRIC_PORT));
    let deadline = rt::now() + limit;
    match rt::timeout(limit, channel.connect()).await {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(Refusal::unavailable(error.to_string(), None)),
        None => return Err(Refusal::unavailable("not connected in time", None)),
    }
    match channel.call_within(deadline.saturating_since(rt::now()), request).await {
        Ok(answer) => answer,
        Err(error) => Err(Refusal::unavailable(error.to_string(), None).into_ambiguous()),
    }
}

/// Returns a write of this value on condition that the key has version `found`; the new version is
/// the next one.
pub fn swap(key: &str, found: Option<u64>, bytes: Vec<u8>) -> Write {
    let precondition = found.map_or(Precondition::DoesNotExist, Precondition::MatchesVersion);
    let value = sim_raft::Value { version: found.unwrap_or(0) + 1, bytes };
    Write::Put { key: key.into(), value, precondition }
}

/// Returns the host of a client, on a machine of its own.
pub(crate) fn client_host(world: &World, number: u32) -> Host {
    let name = format!("client-{number}");
    world.node_on(&name, &name).host().clone()
}
