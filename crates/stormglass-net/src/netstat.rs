//! Looking at a network.

use crate::network::{Counters, Network};
use std::fmt;

/// What a network looks like at one moment; `Display` is two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netstat {
    /// Bound ports: the host, whether it is for one-way messages or for connections and calls, the port.
    pub ports: Vec<(String, bool, u16)>,
    /// What was sent from host to host, those that never met left out.
    pub links: Vec<(String, String, Counters)>,
}

impl Network {
    /// What the network looks like now.
    pub fn netstat(&self) -> Netstat {
        Netstat { ports: self.shared.ports(), links: self.shared.links() }
    }
}

impl fmt::Display for Netstat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (host, datagrams, port) in &self.ports {
            writeln!(f, "{host}:{port} {}", if *datagrams { "messages" } else { "listening" })?;
        }
        for (from, to, Counters { sent, lost, latency_last }) in &self.links {
            write!(f, "{from} -> {to}: {sent} sent")?;
            if *lost > 0 {
                write!(f, ", {lost} lost")?;
            }
            writeln!(f, ", last in {latency_last:?}")?;
        }
        Ok(())
    }
}
