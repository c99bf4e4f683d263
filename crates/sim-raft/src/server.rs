//! A metadata server and its roles: not provisioned, standby, member.
//!
//! ```text
//!         nothing stored            provision (first node): one batch
//! START ───────────────► WAITING ──────────────────────────────────────────────► MEMBER
//!   │ stored: standby       │ a configuration becomes known: store marker           ▲
//!   └──────────► STANDBY ◄──┘                                                       │
//!   │ stored: member │ it contains this node: store it, join, store "member"         │
//!   │                └───────────────────────────────────────────────────────────────┤
//!   └────────────────────────────────────────────────────────────────────────────────┘
//!
//! MEMBER ──────► STANDBY when it is removed from the group; its log stays
//! ```
//!
//! Source: restatedev/restate 1.7,
//! `crates/metadata-server/src/raft/server/{uninitialized,standby,member}.rs`.

use crate::api::{Answer, NodeHint, Refusal, Reply, Request};
use crate::known_nodes::{KnownNodes, NodesWatch, publish};
use crate::kv::KvState;
use crate::member::{Exit, Member};
use crate::nodes::{MetadataState, NodeId};
use crate::requests::{Incoming, Requests};
use crate::server_state::{ServerConfig, ServerState};
use crate::standing::StandingCell;
use crate::status::Status;
use crate::storage::{RaftStore, StoredRole};
use crate::transport::{PeerListener, Transport};
use sim_rocksdb::EngineError;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use stormglass_core::Seed;
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_rt::Watch;
use stormglass_rt::channel::{self, Receiver};

/// A metadata server that has not started to run.
#[derive(Debug)]
pub struct MetadataServer {
    state: ServerState,
}

impl MetadataServer {
    /// Creates a server on this host with an opened storage. It serves the requests that arrive in
    /// `requests`.
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
        let choice = seed.stream(("metadata-server", &config.name, "choice", u64::from(config.incarnation)));
        let requests = Requests::new(requests, &config.settings, &recorder);
        let status = Watch::new(&recorder, Status::default());
        let (stop, standing) = (None, StandingCell::default());
        let state = ServerState {
            config,
            seed,
            host,
            recorder,
            store,
            requests,
            nodes,
            stop,
            choice,
            status,
            standing,
        };
        MetadataServer { state }
    }

    /// Makes the server report its status here.
    #[must_use]
    pub fn with_status(mut self, status: Watch<Status>) -> MetadataServer {
        self.state.status = status;
        self
    }

    /// Makes the server keep its standing in Raft here.
    #[must_use]
    pub fn with_standing(mut self, standing: StandingCell) -> MetadataServer {
        self.state.standing = standing;
        self
    }

    /// Makes a member stop when `stop` becomes true. A leader transfers its leadership first, if
    /// its settings say so.
    #[must_use]
    pub fn with_stop_signal(mut self, stop: Watch<bool>) -> MetadataServer {
        self.state.stop = Some(stop);
        self
    }

    /// Runs the server until it receives the stop signal or the disk fails. It closes the
    /// connections of peers while it is no member.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    pub async fn run(mut self, listener: PeerListener) -> Result<(), EngineError> {
        let current_transport = Arc::new(Mutex::new(None));
        rt::spawn(&self.state.recorder, "raft accept", accept(listener, current_transport.clone()));
        if let Some(nodes) = self.state.store.nodes() {
            publish(&self.state.nodes, nodes);
        }
        let member = match self.state.store.server() {
            // It starts as a member even if it has not applied its own addition yet: it may be
            // needed for a majority.
            Some(StoredRole::Member(member)) => member,
            Some(StoredRole::Standby) => self.standby().await?,
            None => match self.await_provisioning().await? {
                Some(member) => member,
                None => self.standby().await?,
            },
        };
        let mut member = member;
        loop {
            let (inbox_sender, inbox) = channel::channel(&self.state.recorder);
            let settings = &self.state.config.settings;
            let transport = Transport::new(member, self.state.host.clone(), settings, inbox_sender);
            *current_transport.lock().unwrap_or_else(PoisonError::into_inner) = Some(transport.clone());
            let (exit, mut state) = Member::new(self.state, member, transport.clone(), inbox)?.run().await?;
            *current_transport.lock().unwrap_or_else(PoisonError::into_inner) = None;
            transport.close();
            match exit {
                Exit::Stopped => return state.store.flush().await,
                Exit::Removed => self.state = state,
            }
            // Its log stays: the entries that it has acknowledged may be needed for a majority
            // when it joins again.
            self.state.store.store_server(StoredRole::Standby, self.storage_id()).await?;
            member = self.standby().await?;
        }
    }

    /// Returns the id of the storage; draws one if it has none.
    fn storage_id(&self) -> u64 {
        let incarnation = u64::from(self.state.config.incarnation);
        let label = ("metadata-server", &self.state.config.name, "storage", incarnation);
        let draw = || self.state.seed.stream(label).draw();
        self.state.store.storage_id().unwrap_or_else(draw)
    }

    /// Waits until this server is provisioned, or a configuration shows that another one was.
    /// Returns the id of a provisioned server.
    async fn await_provisioning(&mut self) -> Result<Option<NodeId>, EngineError> {
        self.state.report(Status::AwaitingProvisioning);
        loop {
            let nodes = &self.state.nodes;
            let requests = &mut self.state.requests;
            let event = poll_fn(|context| {
                if let Poll::Ready(incoming) = requests.poll_any(context) {
                    return Poll::Ready(Some(incoming));
                }
                nodes.poll_until(context, Option::is_some).map(|_| None)
            });
            match event.await {
                None => {
                    self.state.store.store_server(StoredRole::Standby, self.storage_id()).await?;
                    return Ok(None);
                }
                Some((Request::Provision { nodes }, reply)) => {
                    let Some((member, _)) = nodes.find(&self.state.config.name) else {
                        reply.send(Err(Refusal::internal("the configuration does not name this node")));
                        continue;
                    };
                    let storage_id = self.storage_id();
                    let state = KvState::first(&nodes, member, storage_id);
                    self.state.store.provision(member, storage_id, &state).await?;
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

    /// Runs as a standby: waits until the configuration contains this node, then joins the
    /// members. Returns the node's id.
    async fn standby(&mut self) -> Result<NodeId, EngineError> {
        self.state.note("metadata server: standby");
        self.state.report(Status::Standby);
        let name = self.state.config.name.clone();
        let mut own = Box::pin({
            let (watch, name) = (self.state.nodes.clone(), name.clone());
            async move {
                let wanted = |nodes: &KnownNodes| {
                    let own = nodes.as_ref().and_then(|nodes| nodes.find(&name));
                    own.is_some_and(|(_, node)| node.metadata != MetadataState::Standby)
                };
                watch.until(wanted).await.expect("the condition holds for a configuration only")
            }
        });
        let nodes = self.refuse_requests_until(&mut own).await;
        let (me, _) = nodes.find(&name).expect("the configuration contains this node");
        self.state.store.store_nodes(&nodes).await?;

        let incarnation = u64::from(self.state.config.incarnation);
        let jitter = self.state.seed.stream(("metadata-server", &name, "join-retry", incarnation));
        let mut delays = self.state.config.settings.join_retry.delays(jitter);
        let pause = self.state.recorder.symbol("raft join back-off");
        let mut hint: Option<NodeHint> = None;
        let joined = loop {
            let target = hint.take().or_else(|| self.random_member(me));
            // Without a member to ask there is no refusal.
            let refused = target.is_some();
            let mut attempt = Box::pin(send_join(self.state.host.clone(), (me, self.storage_id()), target));
            match self.refuse_requests_until(&mut attempt).await {
                Ok(nodes) => break nodes,
                Err(leader @ Some(_)) => hint = leader,
                Err(None) if refused && self.state.config.settings.joins_at_once => {}
                Err(None) => {
                    let delay = delays.next().unwrap_or(self.state.config.settings.join_retry.max);
                    let recorder = self.state.recorder.clone();
                    let mut pausing = Box::pin(async move { rt::pause(&recorder, pause, delay).await });
                    self.refuse_requests_until(&mut pausing).await;
                }
            }
        };
        self.state.store.store_joined(me, self.storage_id(), joined).await?;
        Ok(me)
    }

    /// Waits for a future, and refuses requests meanwhile.
    async fn refuse_requests_until<F: Future + Unpin>(&mut self, future: &mut F) -> F::Output {
        loop {
            let requests = &mut self.state.requests;
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

    /// Returns a random member other than `me`, if there is one.
    fn random_member(&mut self, me: NodeId) -> Option<NodeHint> {
        let nodes = self.state.nodes.get()?;
        let members: Vec<NodeHint> = nodes
            .nodes
            .iter()
            .filter(|(id, node)| **id != me && node.metadata == MetadataState::Member)
            .map(|(&id, node)| NodeHint { id, host: node.name.clone() })
            .collect();
        let index = self.state.choice.below(members.len().max(1) as u64) as usize;
        members.into_iter().nth(index)
    }
}

/// Accepts streams of peers; closes their connections while the server is no member.
async fn accept(mut listener: PeerListener, current: Arc<Mutex<Option<Transport>>>) {
    loop {
        let connection = listener.accept().await;
        let transport = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(transport) = transport {
            transport.accept(connection);
        }
    }
}

/// Sends a join request to a member. Returns the version of the configuration that contains this
/// node as a member, or the leader hint of a refusal.
async fn send_join(
    host: Host,
    (node, storage_id): (NodeId, u64),
    target: Option<NodeHint>,
) -> Result<u64, Option<NodeHint>> {
    let Some(target) = target else { return Err(None) };
    let address = host.network().host(&target.host).address(crate::api::FABRIC_PORT);
    match host.channel::<Request, Answer>(address).call(Request::Join { node, storage: storage_id }).await {
        Ok(Ok(Reply::Joined { nodes })) => Ok(nodes),
        Ok(Ok(_)) => Err(None),
        Ok(Err(refusal)) => Err(refusal.leader),
        Err(_) => Err(None),
    }
}
