//! A snapshot of a network: ports, sockets, links.

use crate::fault::Action;
use crate::link::Counters;
use crate::network::Network;
use crate::ports::Protocol;
use crate::queue::QueuedMessage;
use crate::registry::Side;
use std::fmt;
use std::net::SocketAddr;
use stormglass_rt as rt;

/// A snapshot of a network; `Display` prints it as text, one line per entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netstat {
    /// Bound ports: the host, whether the port is for one-way messages (`true`) or for connections
    /// and calls, the port.
    pub ports: Vec<(String, bool, u16)>,
    /// The sockets of connections, each as its own host sees it; without those of calls.
    pub sockets: Vec<Socket>,
    /// The counters of links, from host to host; without links that were never used.
    pub links: Vec<(String, String, Counters)>,
}

/// The socket at one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The socket's host, and its address.
    pub local: (String, SocketAddr),
    /// The other end's host, and its address.
    pub peer: (String, SocketAddr),
    /// The state, in netstat's words: `ESTABLISHED`, `CLOSE_WAIT`, `FIN_WAIT`, `CLOSING`,
    /// `CLOSED`, `TIME_WAIT`.
    pub state: &'static str,
    /// Bytes that have arrived and were not read.
    pub unread: u64,
    /// Bytes in transit and unread at the other end.
    pub outstanding: u64,
}

impl Network {
    /// Returns a snapshot of the network.
    pub fn netstat(&self) -> Netstat {
        let shared = &self.shared;
        let (mut ports, mut in_time_wait) = (Vec::new(), Vec::new());
        let names = shared.names();
        {
            let state = shared.lock();
            for (protocol, host, port) in state.ports.bound() {
                ports.push((names[host.0 as usize].clone(), protocol == Protocol::Datagram, port));
            }
            if rt::is_in_run() {
                in_time_wait.extend(state.ports.in_time_wait(rt::now()));
            }
        }
        let mut sockets = Vec::new();
        for connection in shared.connections() {
            for side in [Side::Client, Side::Server] {
                let socket = connection.snapshot(side);
                if socket.is_open || socket.state != "CLOSED" && socket.state != "CLOSING" {
                    sockets.push(Socket {
                        local: (names[socket.hosts[0].0 as usize].clone(), socket.addresses[0]),
                        peer: (names[socket.hosts[1].0 as usize].clone(), socket.addresses[1]),
                        state: socket.state,
                        unread: socket.unread,
                        outstanding: socket.outstanding,
                    });
                }
            }
        }
        for (host, port, remote) in in_time_wait {
            let local = SocketAddr::new(shared.source(host, remote.ip()), port);
            let there = shared.host_of(host, remote.ip()).map_or("?", |there| &names[there.0 as usize]);
            let (local, peer) = ((names[host.0 as usize].clone(), local), (there.to_string(), remote));
            sockets.push(Socket { local, peer, state: "TIME_WAIT", unread: 0, outstanding: 0 });
        }
        let links = shared.links();
        let links =
            links.iter().map(|link| (link.names.0.to_string(), link.names.1.to_string(), link.counters()));
        Netstat { ports, sockets, links: links.collect() }
    }

    /// Returns the messages that holds have queued, in the order of the holds.
    pub fn held(&self) -> Vec<QueuedMessage> {
        let mut held = Vec::new();
        self.shared.faults.each(|_, rule| {
            if let Action::Hold(queue) = &rule.effect {
                held.extend(queue.list());
            }
        });
        held
    }

    /// Resets the connections between hosts whose names match these shell wildcard patterns, at
    /// both ends at the same time, as a middlebox does that has lost its state of them. Returns
    /// how many there were. Calls' connections are not reset.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn reset_connections(&self, one: &str, other: &str) -> Result<usize, glob::PatternError> {
        let (one, other) = (glob::Pattern::new(one)?, glob::Pattern::new(other)?);
        let matches = |a: &str, b: &str| one.matches(a) && other.matches(b);
        let mut count = 0;
        for connection in self.shared.connections() {
            let (client, server) = connection.host_names();
            if matches(client, server) || matches(server, client) {
                connection.reset_both_ends();
                count += 1;
            }
        }
        Ok(count)
    }
}

impl fmt::Display for Netstat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (host, datagrams, port) in &self.ports {
            writeln!(f, "{host}:{port} {}", if *datagrams { "messages" } else { "listening" })?;
        }
        for Socket { local, peer, state, unread, outstanding } in &self.sockets {
            write!(f, "{}:{} -> {}:{} {state}", local.0, local.1.port(), peer.0, peer.1.port())?;
            if *unread > 0 {
                write!(f, ", {unread} B unread")?;
            }
            if *outstanding > 0 {
                write!(f, ", {outstanding} B outstanding")?;
            }
            writeln!(f)?;
        }
        for (from, to, Counters { sent, lost, bytes, latency_last }) in &self.links {
            write!(f, "{from} -> {to}: {sent} sent")?;
            if *bytes > 0 {
                write!(f, ", {bytes} B")?;
            }
            if *lost > 0 {
                write!(f, ", {lost} lost")?;
            }
            writeln!(f, ", last in {latency_last:?}")?;
        }
        Ok(())
    }
}
