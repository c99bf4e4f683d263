//! Streams between metadata servers.
//!
//! As Restate's `raft/network`: one bidirectional stream for each pair, dialled on demand by the
//! server that has a message to send. A message without a connection starts a dial, at most one at
//! a time for each peer, and is *not* sent; Raft's next heartbeat tries again. There is no
//! back-off and no queue of unsent messages. A server that is not a member closes the connection.
//! A stream has bounded queues: a message is not sent while the queue of its stream is full. When
//! a dial completes and there is a connection already, the new one is dropped.

use crate::api::RAFT_PORT;
use crate::nodes::NodeId;
use crate::settings::RaftSettings;
use raft::eraftpb::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Kind, Recorder};
use stormglass_net::{Connection, Host, Keepalive, Listener, RecvHalf, SendHalf};
use stormglass_rt::channel::Sender;
use stormglass_rt::{self as rt, worker};

/// A packet between two servers.
#[derive(Debug)]
pub enum Packet {
    /// The first packet of the server that dialled, with its id.
    Hello(NodeId),
    /// The answer of a member that accepts the stream.
    Welcome,
    /// A Raft message.
    Raft(Box<Message>),
}

/// The listener for the streams of a server's peers.
pub type PeerListener = Listener<Packet, Packet>;

/// The peers of one member, and the connections to them. Clones share them.
#[derive(Clone, Debug)]
pub struct Transport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    me: NodeId,
    host: Host,
    connect_timeout: Duration,
    queue: u64,
    keepalive: Keepalive,
    recorder: Recorder,
    inbox: Sender<Message>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<NodeId, String>,
    peers: BTreeMap<NodeId, Peer>,
    connections: u64,
    /// Whether the transport is closed: dials in progress are dropped when they complete.
    closed: bool,
}

#[derive(Debug)]
enum Peer {
    Dialling,
    Connected { sender: SendHalf<Packet>, number: u64 },
}

impl Transport {
    /// Creates a transport without connections. Messages from peers go to `inbox`.
    pub fn new(me: NodeId, host: Host, settings: &RaftSettings, inbox: Sender<Message>) -> Transport {
        let (connect_timeout, queue) = (settings.connect_timeout, settings.message_queue.into());
        // As HTTP/2: one ping, and the connection is closed if it is not answered in time.
        let (time, interval) = (settings.keep_alive_interval, settings.keep_alive_timeout);
        let keepalive = Keepalive { time, interval, retries: 1 };
        let recorder = host.network().recorder().clone();
        let state = Mutex::new(State::default());
        Transport {
            shared: Arc::new(Shared { me, host, connect_timeout, queue, keepalive, recorder, inbox, state }),
        }
    }

    /// Closes the connections to all peers, for a server that is no member any more. The peers
    /// will dial again.
    pub fn close(&self) {
        let peers = {
            let mut state = self.shared.lock();
            state.closed = true;
            std::mem::take(&mut state.peers)
        };
        drop(peers);
    }

    /// Sets the hosts of the peers.
    pub fn set_hosts(&self, hosts: BTreeMap<NodeId, String>) {
        self.shared.lock().hosts = hosts;
    }

    /// Sends a message if there is a connection, or starts to dial. Returns whether it was sent.
    pub fn send(&self, message: Message) -> bool {
        let to = NodeId(message.to as u32);
        let mut state = self.shared.lock();
        match state.peers.get(&to) {
            Some(Peer::Connected { sender, .. }) => {
                let Ok(permit) = sender.try_reserve() else { return false };
                drop(state);
                // The task of the stream sends it.
                worker::run_in_task(message.to, move || permit.send(Packet::Raft(Box::new(message))));
                true
            }
            Some(Peer::Dialling) => false,
            None => {
                if let Some(host) = state.hosts.get(&to).cloned() {
                    state.peers.insert(to, Peer::Dialling);
                    drop(state);
                    let dialling = self.clone();
                    rt::spawn(
                        &self.shared.recorder,
                        "raft dial",
                        async move { dialling.dial(to, &host).await },
                    );
                }
                false
            }
        }
    }

    /// Accepts a stream that a peer has dialled.
    pub fn accept(&self, connection: Connection<Packet, Packet>) {
        let transport = self.clone();
        rt::spawn(&self.shared.recorder, "raft stream", async move {
            connection.set_keepalive(Some(transport.shared.keepalive));
            let (sender, mut receiver) = connection.into_split();
            if let Some(Packet::Hello(peer)) = receiver.recv().await
                && sender.send(Packet::Welcome).is_ok()
            {
                transport.run(peer, sender, receiver).await;
            }
        });
    }

    /// Dials a peer and reads the stream to its end.
    async fn dial(&self, peer: NodeId, host: &str) {
        let shared = &self.shared;
        let address = shared.host.network().host(host).address(RAFT_PORT);
        let dialled = rt::timeout(shared.connect_timeout, async {
            let connection =
                shared.host.connect_bounded::<Packet, Packet>(address, shared.queue).await.ok()?;
            connection.set_keepalive(Some(shared.keepalive));
            let (sender, mut receiver) = connection.into_split();
            sender.send(Packet::Hello(shared.me)).ok()?;
            matches!(receiver.recv().await, Some(Packet::Welcome)).then_some((sender, receiver))
        });
        match dialled.await.flatten() {
            Some((sender, receiver)) => self.run(peer, sender, receiver).await,
            None => {
                let mut state = shared.lock();
                if matches!(state.peers.get(&peer), Some(Peer::Dialling)) {
                    state.peers.remove(&peer);
                }
            }
        }
    }

    /// Reads a stream to its end. A second stream of the same peer is dropped.
    async fn run(&self, peer: NodeId, sender: SendHalf<Packet>, mut receiver: RecvHalf<Packet>) {
        let shared = &self.shared;
        let number = {
            let mut state = shared.lock();
            if state.closed || matches!(state.peers.get(&peer), Some(Peer::Connected { .. })) {
                return;
            }
            state.connections += 1;
            let number = state.connections;
            state.peers.insert(peer, Peer::Connected { sender, number });
            number
        };
        let subject = shared.recorder.symbol("raft: connected to peer");
        shared.recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, u64::from(peer.0));
        while let Some(packet) = receiver.recv().await {
            if let Packet::Raft(message) = packet {
                // While the member is busy, the queues of its streams fill.
                shared.inbox.wait_for_capacity(shared.queue as usize).await;
                shared.inbox.send(*message);
            }
        }
        let mut state = shared.lock();
        if matches!(state.peers.get(&peer), Some(Peer::Connected { number: current, .. }) if *current == number)
        {
            let closed = state.peers.remove(&peer);
            drop(state);
            drop(closed);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
