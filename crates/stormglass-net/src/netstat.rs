//! Looking at a network.

use crate::link::Counters;
use crate::network::Network;
use crate::ports::Protocol;
use crate::socket::Side;
use std::fmt;
use std::net::SocketAddr;
use stormglass_rt as rt;

/// What a network looks like at one moment; `Display` gives tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netstat {
    /// Bound ports: the host, whether it is for one-way messages or for connections and calls, the port.
    pub ports: Vec<(String, bool, u16)>,
    /// The ends of connections that are there, each as its own host sees it; calls' are not among them.
    pub sockets: Vec<Socket>,
    /// What was sent from host to host, those that never met left out.
    pub links: Vec<(String, String, Counters)>,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The host that has it, and its address.
    pub local: (String, SocketAddr),
    /// The other end.
    pub peer: (String, SocketAddr),
    /// As netstat's: `ESTABLISHED`, `CLOSE_WAIT`, `FIN_WAIT`, `CLOSING`, `CLOSED`, `TIME_WAIT`.
    pub state: &'static str,
    /// Bytes that have arrived and were not read.
    pub unread: u64,
    /// Bytes on the way and unread at the other end.
    pub outstanding: u64,
}

impl Network {
    /// What the network looks like now.
    pub fn netstat(&self) -> Netstat {
        let shared = &self.shared;
        let (mut ports, mut waiting) = (Vec::new(), Vec::new());
        let names = {
            let state = shared.lock();
            let names = state.names();
            for (protocol, host, port, _) in state.ports.bound() {
                ports.push((names[host.0 as usize].clone(), protocol == Protocol::Datagram, port));
            }
            if rt::is_in_run() {
                waiting.extend(state.ports.waiting(rt::now()));
            }
            names
        };
        let mut sockets = Vec::new();
        for connection in shared.connections() {
            for side in [Side::Client, Side::Server] {
                let look = connection.look(side);
                if look.held || look.state != "CLOSED" && look.state != "CLOSING" {
                    sockets.push(Socket {
                        local: (names[look.hosts[0].0 as usize].clone(), look.addresses[0]),
                        peer: (names[look.hosts[1].0 as usize].clone(), look.addresses[1]),
                        state: look.state,
                        unread: look.unread,
                        outstanding: look.outstanding,
                    });
                }
            }
        }
        for (host, port, remote) in waiting {
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

    /// Resets the connections between hosts whose names match these patterns of shell wildcards, at both ends and at once, as a
    /// middlebox does that has forgotten them. Gives how many there were. Calls' connections are not among them.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn reset_connections(&self, one: &str, other: &str) -> Result<usize, glob::PatternError> {
        let (one, other) = (glob::Pattern::new(one)?, glob::Pattern::new(other)?);
        let matches = |a: &str, b: &str| one.matches(a) && other.matches(b);
        let mut count = 0;
        for connection in self.shared.connections() {
            let (client, server) = connection.names();
            if matches(client, server) || matches(server, client) {
                connection.kill();
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
