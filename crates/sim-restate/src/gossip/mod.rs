//! The failure detector: nodes send each other their own state and what they know of the others'
//! states.
//!
//! [`detector`] has its rules, as a plain struct; this file drives it: a tick at an interval, a
//! socket, and the end of the node's start, before which it only sends the message that the node
//! starts.
//!
//! Restate gossips over connections with room for one message; here it is datagrams: neither is
//! repeated when it is lost.
//!
//! Source: restatedev/restate 1.7, `crates/node/src/failure_detector.rs` and
//! `failure_detector/{fd_state,node_state}.rs`.

pub mod detector;
pub mod settings;

pub use detector::{Detector, Gossip, Special, Tick};
pub use settings::GossipSettings;

use crate::control::{CONTROL_PORT, ControlRequest, ControlResponse};
use crate::liveness::{Liveness, NodeState};
use crate::log::Generation;
use crate::metadata::Metadata;
use crate::partition::views::Views;
use crate::peers::Peers;
use sim_raft::NodeId;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{Kind, Latency, Recorder, Seed, Stream};
use stormglass_net::{Endpoint, Host};
use stormglass_rt::{self as rt, MissedTickBehavior, Ticker, Watch};

/// The port for gossip messages.
pub const GOSSIP_PORT: u16 = 5127;

/// The note of a node when its own failure detector considers it alive.
pub const SELF_ALIVE: &str = "gossip: this node is alive";

/// What a failure detector needs of its node.
pub(crate) struct Parts {
    pub(crate) host: Host,
    pub(crate) me: Generation,
    pub(crate) metadata: Metadata,
    pub(crate) views: Views,
    pub(crate) liveness: Liveness,
    pub(crate) settings: GossipSettings,
    pub(crate) connect_timeout: Duration,
    pub(crate) started: Watch<bool>,
    pub(crate) stop: Watch<bool>,
    pub(crate) seed: Seed,
}

/// The failure detector of a node at work.
struct FailureDetector {
    parts: Parts,
    recorder: Recorder,
    detector: Mutex<Detector>,
    endpoint: Endpoint<Gossip>,
    chance: Mutex<Stream>,
}

/// Starts the failure detector of a node.
///
/// # Errors
///
/// `AddrInUse`.
pub(crate) fn start(parts: Parts) -> std::io::Result<()> {
    let recorder = parts.host.network().recorder().clone();
    let endpoint = parts.host.bind(0)?;
    let inbox = parts.host.bind::<Gossip>(GOSSIP_PORT)?;
    let detector = Mutex::new(Detector::new(parts.me, parts.settings.clone(), rt::now()));
    let chance =
        Mutex::new(parts.seed.stream(("gossip", u64::from(parts.me.id.0), u64::from(parts.me.generation))));
    let all = Arc::new(FailureDetector { parts, recorder: recorder.clone(), detector, endpoint, chance });
    all.refresh();
    all.broadcast(Special::BringUp);
    rt::spawn(&recorder, "cluster state", all.clone().fetch_cluster_state());
    rt::spawn(&recorder, "failure detector", all.run(inbox));
    Ok(())
}

impl FailureDetector {
    /// Asks the other nodes for their view of the cluster, and adopts the first that arrives.
    async fn fetch_cluster_state(self: Arc<Self>) {
        let Parts { host, metadata, views, connect_timeout, .. } = &self.parts;
        let peers: Peers<ControlRequest, ControlResponse> = Peers::new(host, CONTROL_PORT, *connect_timeout);
        let targets = self.lock().peers();
        let mut asked: Vec<_> = targets
            .into_iter()
            .filter_map(|node| metadata.name_of(node))
            .map(|name| {
                let peers = peers.clone();
                Box::pin(async move {
                    peers.call(&name, Duration::from_secs(3), ControlRequest::ClusterState).await.ok()
                })
            })
            .collect();
        let found = poll_fn(|context| {
            let mut found = None;
            asked.retain_mut(|asked| match asked.as_mut().poll(context) {
                Poll::Ready(Some(ControlResponse::ClusterState(Some(state)))) => {
                    found.get_or_insert(state);
                    false
                }
                Poll::Ready(_) => false,
                Poll::Pending => true,
            });
            match found {
                Some(found) => Poll::Ready(Some(found)),
                None if asked.is_empty() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await;
        if let Some(state) = found {
            if self.lock().adopt_view(&state.nodes) {
                self.publish();
            }
            views.merge(&state.partitions);
        }
    }

    async fn run(self: Arc<Self>, mut inbox: Endpoint<Gossip>) {
        self.parts.started.until(|started| *started).await;
        self.broadcast(Special::ReadyToServe);
        {
            let all = self.clone();
            rt::spawn(&self.recorder, "gossip", async move {
                loop {
                    let (gossip, _) = inbox.recv_from().await;
                    all.receive(&gossip);
                }
            });
        }
        let subject = self.recorder.symbol("gossip");
        let Parts { me, seed, settings, .. } = &self.parts;
        let late = Latency::Uniform { min: Duration::ZERO, max: settings.lateness };
        let chance = seed.stream(("gossip tick", u64::from(me.id.0), u64::from(me.generation)));
        let ticker = Ticker::new(&self.recorder, subject, settings.tick);
        let mut ticker = ticker.missed_tick_behavior(MissedTickBehavior::Skip).delayed_by(late, chance);
        let mut stopping = false;
        loop {
            let stop_requested = poll_fn(|context| {
                if !stopping && self.parts.stop.poll_until(context, |stop| *stop).is_ready() {
                    return Poll::Ready(true);
                }
                ticker.poll_tick(context).map(|()| false)
            })
            .await;
            if stop_requested {
                stopping = true;
                self.lock().fail_over();
                self.broadcast(Special::FailingOver);
            } else {
                self.tick();
            }
        }
    }

    /// Adds the nodes of the cluster's configuration.
    fn refresh(&self) {
        if let Some(nodes) = self.parts.metadata.nodes.get() {
            self.lock().refresh(&nodes);
        }
    }

    fn tick(&self) {
        self.refresh();
        let now = rt::now();
        let Tick { round, changed } = self.lock().tick(now);
        if changed {
            self.publish();
        }
        if !round {
            return;
        }
        let extras = self.lock().wants_extras().then(|| self.parts.views.get());
        let message = self.lock().message(now, extras, self.parts.metadata.versions());
        let targets = self.lock().targets(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner));
        for node in targets {
            self.send(node, message.clone());
        }
    }

    fn receive(&self, gossip: &Gossip) {
        self.parts.metadata.advertise(gossip.versions);
        if let Some(extras) = &gossip.extras {
            self.parts.views.merge(extras);
        }
        if self.lock().receive(gossip, rt::now()) {
            self.publish();
        }
    }

    /// Sends every other node a message about this node alone.
    fn broadcast(&self, special: Special) {
        let versions = self.parts.metadata.versions();
        let message = Gossip { special: Some(special), ..self.lock().message(rt::now(), None, versions) };
        let peers = self.lock().peers();
        for node in peers {
            self.send(node, message.clone());
        }
    }

    fn send(&self, node: NodeId, message: Gossip) {
        if let Some(name) = self.parts.metadata.name_of(node) {
            let to = self.parts.host.network().host(&name).address(GOSSIP_PORT);
            self.endpoint.send_to(to, message);
        }
    }

    /// Publishes the changed states, and records a note for each.
    fn publish(&self) {
        let (seen, changes) = {
            let mut detector = self.lock();
            (detector.seen(), detector.changes())
        };
        for (node, state) in changes {
            let own = node == self.parts.me && state == NodeState::Alive;
            let text = if own { SELF_ALIVE.to_string() } else { format!("gossip: {node} is {state:?}") };
            let subject = self.recorder.symbol(&text);
            self.recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
        }
        self.parts.liveness.set(seen);
    }

    fn lock(&self) -> MutexGuard<'_, Detector> {
        self.detector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
