//! The state of a run at a time: its nodes, their disks, ports, sockets and links, the open waits, and what
//! the scenario adds.

use crate::node::Node;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::{SimTime, Wait};
use stormglass_fs::DiskState;
use stormglass_net::Network;

/// The state of a run at a time: see [`crate::Run::state_at`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunState {
    /// The time: that asked for, or the end of the run if that is earlier.
    pub at: SimTime,
    /// The nodes, in the order of names.
    pub nodes: Vec<NodeState>,
    /// The waits that have begun and not ended.
    pub waits: Vec<OpenWait>,
    /// The messages that holds have queued.
    pub held: Vec<Held>,
    /// What the scenario adds, by name: [`crate::World::state`].
    pub scenario: BTreeMap<String, serde_json::Value>,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeState {
    /// The name.
    pub name: String,
    /// The state of its process.
    pub process: ProcessState,
    /// The number of processes of this node that have ended by themselves or by a signal.
    pub ended: u64,
    /// The exit status of the last one, as the standard library displays it.
    pub exit_status: Option<String>,
    /// The number of open file descriptors of the process.
    pub descriptors: u64,
    /// Its disk.
    pub disk: DiskState,
    /// The ports that it listens on, or that it has bound for datagrams.
    pub ports: Vec<Port>,
    /// Its ends of connections.
    pub sockets: Vec<Socket>,
    /// The links from it that were used.
    pub links: Vec<Link>,
}

/// The state of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It is not known to be down: one that the scenario starts itself counts as running.
    Up,
    /// A signal or a fault has stopped it.
    Paused,
    /// It has ended and was not started again.
    Down,
}

/// A bound port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Whether it receives datagrams or one-way messages, as against connections and calls.
    pub datagrams: bool,
}

/// An end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// The local port.
    pub port: u16,
    /// The host and the port of the other end.
    pub peer: String,
    /// The state, in netstat's words.
    pub state: &'static str,
    /// Bytes that have arrived and were not read.
    pub unread: u64,
    /// Bytes in transit and unread at the other end.
    pub outstanding: u64,
}

/// A directed link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The other host.
    pub to: String,
    /// Messages and segments sent so far.
    pub sent: u64,
    /// How many of them were lost.
    pub lost: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A wait that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenWait {
    /// Its name.
    pub name: String,
    /// The node that is waited for.
    pub node: String,
    /// When it began.
    pub began: SimTime,
    /// How long it has lasted.
    pub lasts: Duration,
    /// Its deadline.
    pub deadline: Duration,
}

/// A message that a hold has queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The sending host.
    pub from: String,
    /// The receiving host.
    pub to: String,
    /// The service's port.
    pub port: u16,
    /// The size in bytes; 0 if it has none.
    pub bytes: u64,
    /// When it was queued.
    pub since: SimTime,
}

/// A closure that returns what a scenario adds to the state.
pub(crate) type Addition = Box<dyn Fn() -> serde_json::Value + Send>;

/// Returns the state of these nodes.
pub(crate) fn of_nodes(nodes: &[Node], network: &Network) -> Vec<NodeState> {
    let netstat = network.netstat();
    let state = |node: &Node| {
        let (name, host) = (node.name().to_string(), node.host().name());
        let (ended, status) = {
            let life = node.life();
            (life.ended, life.status())
        };
        let process = {
            let process = node.process();
            match (process.is_down(), process.is_paused()) {
                (true, _) => ProcessState::Down,
                (false, true) => ProcessState::Paused,
                (false, false) => ProcessState::Up,
            }
        };
        let ports = netstat.ports.iter().filter(|(of, ..)| *of == host);
        let sockets = netstat.sockets.iter().filter(|socket| socket.local.0 == host);
        let links = netstat.links.iter().filter(|(from, _, counters)| *from == host && counters.sent > 0);
        NodeState {
            process,
            ended,
            exit_status: status.map(|status| status.to_string()),
            descriptors: node.descriptors().open(),
            disk: node.disk().state(),
            ports: ports.map(|&(_, datagrams, port)| Port { port, datagrams }).collect(),
            sockets: sockets
                .map(|socket| Socket {
                    port: socket.local.1.port(),
                    peer: format!("{}:{}", socket.peer.0, socket.peer.1.port()),
                    state: socket.state,
                    unread: socket.unread,
                    outstanding: socket.outstanding,
                })
                .collect(),
            links: links
                .map(|(_, to, counters)| Link {
                    to: to.clone(),
                    sent: counters.sent,
                    lost: counters.lost,
                    bytes: counters.bytes,
                })
                .collect(),
            name,
        }
    };
    nodes.iter().map(state).collect()
}

/// Returns the waits of these that have not ended at `at`.
pub(crate) fn open_waits(waits: &[Wait], is_open: impl Fn(&Wait) -> bool, at: SimTime) -> Vec<OpenWait> {
    let open = waits.iter().filter(|wait| is_open(wait));
    let state = |wait: &Wait| OpenWait {
        name: wait.name.clone(),
        node: wait.node.clone(),
        began: wait.began,
        lasts: at.saturating_since(wait.began),
        deadline: wait.deadline,
    };
    open.map(state).collect()
}

/// Returns the messages that holds have queued.
pub(crate) fn held(network: &Network) -> Vec<Held> {
    let queued = network.held().into_iter();
    queued
        .map(|message| Held {
            from: message.from,
            to: message.to,
            port: message.port,
            bytes: message.bytes,
            since: message.since,
        })
        .collect()
}
