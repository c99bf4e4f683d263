//! A metadata server from its start on: not provisioned, standby, member.
//!
//! ```text
//!         nothing stored            provision (first node): one batch
//! START ───────────────► WAITING ──────────────────────────────────────────────► MEMBER
//!   │ stored: standby       │ a configuration appears: store marker                 ▲
//!   └──────────► STANDBY ◄──┘                                                       │
//!   │ stored: member │ own entry appears: store it, ask a member to be taken in, store "member"
//!   │                └───────────────────────────────────────────────────────────────┤
//!   └────────────────────────────────────────────────────────────────────────────────┘
//!
//! MEMBER ──────► STANDBY when it is let go; its log stays
//! ```
//!
//! Source: restatedev/restate 1.7, `crates/metadata-server/src/raft/server/{uninitialized,standby,member}.rs`.

use crate::api::{Answer, NodeHint, Refusal, Reply, Request};
use crate::kv::KvState;
use crate::member::{Exit, Member};
use crate::nodes::{MetadataState, NodeId, NodesConfiguration};
use crate::requests::Requests;
use crate::settings::RaftSettings;
use crate::storage::{RaftStore, StoredState};
use crate::transport::{PeerListener, Transport};
use sim_rocksdb::EngineError;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Seed, Stream};
use stormglass_net::Host;
use stormglass_net::rpc;
use stormglass_rt as rt;
use stormglass_rt::Watch;
use stormglass_rt::channel::{self, Receiver};

/// What a server notes when it becomes a member.
pub const MEMBER: &str = "metadata server: member";

/// A request and the way to answer it.
pub type Incoming = (Request, rpc::Reply<Answer>);

/// The newest configuration that a node knows, if it knows one.
pub type KnownNodes = Option<Arc<NodesConfiguration>>;

/// What a server tells of itself (Restate's `MetadataServerSummary`). Not told anew with every change: see
/// [`RaftSettings::status_interval`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It has not looked into its database yet.
    #[default]
    StartingUp,
    /// It belongs to no cluster.
    AwaitingProvisioning,
    /// It belongs to a cluster and is no member.
    Standby,
    /// It is a member.
    Member {
        /// The leader, if it knows one.
        leader: Option<NodeId>,
        /// Its term.
        term: u64,
        /// The index of the last entry that it has applied.
        applied: u64,
        /// The members as of that entry.
        members: Vec<NodeId>,
    },
}

impl Status {
    /// The state's name.
    pub fn name(&self) -> &'static str {
        match self {
            Status::StartingUp => "starting up",
            Status::AwaitingProvisioning => "awaiting provisioning",
            Status::Standby => "standby",
            Status::Member { .. } => "member",
        }
    }

    /// Makes it known, if it is not. Another state is an event, for which nothing waits.
    pub(crate) fn tell(self, known: &Watch<Status>, recorder: &Recorder) {
        known.change(|told| {
            if told.name() != self.name() {
                rt::status(recorder, "metadata server", self.name());
            }
            let news = *told != self;
            *told = self;
            news
        });
    }
}

/// A node's [`KnownNodes`], shared by its server, its client and everything else on it.
pub type NodesWatch = Watch<KnownNodes>;

/// Makes a configuration known on the node if it is newer than what is known.
pub fn publish(watch: &NodesWatch, nodes: &NodesConfiguration) {
    watch.change(|known| {
        let newer = known.as_ref().is_none_or(|known| known.version < nodes.version);
        if newer {
            *known = Some(Arc::new(nodes.clone()));
        }
        newer
    });
}

/// Who a server is.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its node's name.
    pub name: String,
    /// How often the node has started, this time included: separates the lives of one node.
    pub life: u32,
    /// Its settings.
    pub settings: RaftSettings,
}

/// A metadata server that is about to run.
#[derive(Debug)]
pub struct MetadataServer {
    pub(crate) config: ServerConfig,
    pub(crate) seed: Seed,
    pub(crate) host: Host,
    pub(crate) recorder: Recorder,
    pub(crate) store: RaftStore,
    pub(crate) requests: Requests,
    pub(crate) nodes: NodesWatch,
    pub(crate) stop: Option<Watch<bool>>,
    pub(crate) choice: Stream,
    pub(crate) status: Watch<Status>,
}

impl MetadataServer {
    /// A server on this host, over an opened store. Requests come in through `requests`.
    pub fn new(
        config: ServerConfig,
        seed: Seed,
        host: Host,
        mut store: RaftStore,
        requests: Receiver<Incoming>,
        nodes: NodesWatch,
    ) -> MetadataServer {
        store.set_blocks(config.settings.blocking_writes);
        let recorder = host.network().recorder().clone();
        let choice = seed.stream(("metadata-server", &config.name, "choice", u64::from(config.life)));
        let requests = Requests::new(requests, &config.settings, &recorder);
        let status = Watch::new(&recorder, Status::default());
        MetadataServer { config, seed, host, recorder, store, requests, nodes, stop: None, choice, status }
    }

    /// Has it tell its status here.
    #[must_use]
    pub fn telling(mut self, status: Watch<Status>) -> MetadataServer {
        self.status = status;
        self
    }

    fn tell(&self, status: Status) {
        status.tell(&self.status, &self.recorder);
    }

    /// Has a member stop when this becomes true: a leader hands its leadership over first, if its settings say so.
    #[must_use]
    pub fn stopped_by(mut self, stop: Watch<bool>) -> MetadataServer {
        self.stop = Some(stop);
        self
    }

    /// Runs until it is told to stop, or the disk fails. Peers that connect before it is a member are turned away.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    pub async fn run(mut self, listener: PeerListener) -> Result<(), EngineError> {
        let door = Arc::new(Mutex::new(None));
        rt::spawn(&self.recorder, "raft accept", accept(listener, door.clone()));
        if let Some(nodes) = self.store.nodes() {
            publish(&self.nodes, nodes);
        }
        let member = match self.store.server() {
            // Even one that has not heard of it yet: it is counted, and may be needed for a majority.
            Some(StoredState::Member(member)) => member,
            Some(StoredState::Standby) => self.standby().await?,
            None => match self.waiting().await? {
                Some(member) => member,
                None => self.standby().await?,
            },
        };
        let mut member = member;
        loop {
            let (inbox_sender, inbox) = channel::channel(&self.recorder);
            let settings = &self.config.settings;
            let transport = Transport::new(member, self.host.clone(), settings, inbox_sender);
            *door.lock().unwrap_or_else(PoisonError::into_inner) = Some(transport.clone());
            let (exit, mut server) = Member::new(self, member, transport.clone(), inbox)?.run().await?;
            *door.lock().unwrap_or_else(PoisonError::into_inner) = None;
            transport.close();
            match exit {
                Exit::Stopped => return server.store.flush().await,
                Exit::Removed => self = server,
            }
            // Its log stays: what it has acknowledged may still be counted when it is taken in again.
            self.store.store_server(StoredState::Standby, self.storage()).await?;
            member = self.standby().await?;
        }
    }

    /// The storage's own number, drawn when it has none.
    fn storage(&self) -> u64 {
        let life = u64::from(self.config.life);
        let draw = || self.seed.stream(("metadata-server", &self.config.name, "storage", life)).draw();
        self.store.storage().unwrap_or_else(draw)
    }

    /// Waits to be provisioned, or for a configuration that shows that somebody else was.
    async fn waiting(&mut self) -> Result<Option<NodeId>, EngineError> {
        self.tell(Status::AwaitingProvisioning);
        loop {
            let nodes = &self.nodes;
            let requests = &mut self.requests;
            let event = poll_fn(|context| {
                if let Poll::Ready(incoming) = requests.poll_any(context) {
                    return Poll::Ready(Some(incoming));
                }
                nodes.poll_until(context, Option::is_some).map(|_| None)
            });
            match event.await {
                None => {
                    self.store.store_server(StoredState::Standby, self.storage()).await?;
                    return Ok(None);
                }
                Some((Request::Provision { nodes }, reply)) => {
                    let Some((member, _)) = nodes.find(&self.config.name) else {
                        reply.send(Err(Refusal::internal("the configuration does not name this node")));
                        continue;
                    };
                    let storage = self.storage();
                    self.store.provision(member, storage, &KvState::first(&nodes, member, storage)).await?;
                    reply.send(Ok(Reply::Provisioned(true)));
                    return Ok(Some(member));
                }
                Some((Request::Join { .. }, reply)) => {
                    reply.send(Err(Refusal::unavailable("not a member", None)))
                }
                Some((_, reply)) => reply.send(Err(Refusal::unavailable("not provisioned", None))),
            }
        }
    }

    /// Knows the cluster and is no member: finds one that takes it in.
    async fn standby(&mut self) -> Result<NodeId, EngineError> {
        self.note("metadata server: standby");
        self.tell(Status::Standby);
        let name = self.config.name.clone();
        let mut own = Box::pin({
            let (watch, name) = (self.nodes.clone(), name.clone());
            async move {
                let wanted = |nodes: &KnownNodes| {
                    let own = nodes.as_ref().and_then(|nodes| nodes.find(&name));
                    own.is_some_and(|(_, node)| node.metadata != MetadataState::Standby)
                };
                watch.until(wanted).await.expect("one that was found is there")
            }
        });
        let nodes = self.answering(&mut own).await;
        let (me, _) = nodes.find(&name).expect("waited for it");
        self.store.store_nodes(&nodes).await?;

        let life = u64::from(self.config.life);
        let jitter = self.seed.stream(("metadata-server", &name, "join-retry", life));
        let mut delays = self.config.settings.join_retry.delays(jitter);
        let pause = self.recorder.symbol("raft join back-off");
        let mut hint: Option<NodeHint> = None;
        let joined = loop {
            let target = hint.take().or_else(|| self.random_member(me));
            // Having nobody to ask is no refusal.
            let refused = target.is_some();
            let mut attempt = Box::pin(ask_to_join(self.host.clone(), (me, self.storage()), target));
            match self.answering(&mut attempt).await {
                Ok(nodes) => break nodes,
                Err(leader @ Some(_)) => hint = leader,
                Err(None) if refused && self.config.settings.joins_at_once => {}
                Err(None) => {
                    let delay = delays.next().unwrap_or(self.config.settings.join_retry.max);
                    let recorder = self.recorder.clone();
                    let mut pausing = Box::pin(async move { rt::pause(&recorder, pause, delay).await });
                    self.answering(&mut pausing).await;
                }
            }
        };
        self.store.store_joined(me, self.storage(), joined).await?;
        Ok(me)
    }

    /// Waits for something while it turns requests away.
    async fn answering<F: Future + Unpin>(&mut self, future: &mut F) -> F::Output {
        loop {
            let requests = &mut self.requests;
            let polled = poll_fn(|context| {
                if let Poll::Ready(output) = std::pin::Pin::new(&mut *future).poll(context) {
                    return Poll::Ready(Ok(output));
                }
                requests.poll_any(context).map(Err)
            });
            match polled.await {
                Ok(output) => return output,
                Err((request, reply)) => {
                    let hint = self.random_member(NodeId(0));
                    reply.send(match request {
                        Request::Provision { .. } => Ok(Reply::Provisioned(false)),
                        _ => Err(Refusal::unavailable("not a member", hint)),
                    });
                }
            }
        }
    }

    fn random_member(&mut self, me: NodeId) -> Option<NodeHint> {
        let nodes = self.nodes.get()?;
        let members: Vec<NodeHint> = nodes
            .nodes
            .iter()
            .filter(|(id, node)| **id != me && node.metadata == MetadataState::Member)
            .map(|(&id, node)| NodeHint { id, host: node.name.clone() })
            .collect();
        let place = self.choice.below(members.len().max(1) as u64) as usize;
        members.into_iter().nth(place)
    }

    pub(crate) fn note(&self, what: &str) {
        let subject = self.recorder.symbol(what);
        self.recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
    }
}

/// Accepts streams for as long as the server lives; hangs up while it is no member.
async fn accept(mut listener: PeerListener, door: Arc<Mutex<Option<Transport>>>) {
    loop {
        let connection = listener.accept().await;
        let transport = door.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(transport) = transport {
            transport.accept(connection);
        }
    }
}

/// Asks a member to take us in; a refusal may name the leader.
async fn ask_to_join(
    host: Host,
    (node, storage): (NodeId, u64),
    target: Option<NodeHint>,
) -> Result<u64, Option<NodeHint>> {
    let Some(target) = target else { return Err(None) };
    let address = host.network().host(&target.host).address(crate::api::FABRIC_PORT);
    match host.channel::<Request, Answer>(address).call(Request::Join { node, storage }).await {
        Ok(Ok(Reply::Joined { nodes })) => Ok(nodes),
        Ok(Ok(_)) => Err(None),
        Ok(Err(refusal)) => Err(refusal.leader),
        Err(_) => Err(None),
    }
}
