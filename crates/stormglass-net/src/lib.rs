#![doc = include_str!("../README.md")]
//!
//! **Reading order** is the order of dependence: a module uses only modules above it.
//!
//! 1. Data without a network: [`profile`] (latencies, bandwidths, buffer sizes), `error`
//!    (Linux's numbers), `interest`, `cached_readiness` and `readiness` (what tokio knows of a
//!    socket), `ip_options`, `address`, `location`, `power`, `keepalive`, `retransmission` and
//!    `delayed_ack` (TCP's timers), `inbox`, `queue` (messages that a hold keeps).
//! 2. A network: [`fault`] (rules), `link` (what happens to a message that is sent), `ephemeral`
//!    (choice of free ports), `ports`, `registry` (connections and names of Unix sockets), `groups`
//!    (members of multicast groups), `madsim_network` (the same faults in madsim's own network),
//!    [`network`], `cast` (receivers of broadcast and multicast), `bound_port`, [`host`].
//! 3. Faults on it: `inject`, [`partition`], [`hold`].
//! 4. How values are delivered: `delivery` (one timer for each), `datagram`, `ordered_stream` (one
//!    direction of a connection).
//! 5. Connections: `handshake`, `socket_pair` (both kernels' state), `keepalive_probe`,
//!    `stream_socket` (one end, as a process has it open), `stream_readiness`, `accept_descriptor`, `backlog`.
//! 6. What programs use, for messages of any type: [`endpoint`], [`connection`], [`rpc`]; for
//!    bytes, by tokio's names: `names` (lookups), `byte_stream`, `stream_halves`, [`tcp`], `udp`, [`unix`].
//! 7. [`netstat`], a snapshot of all this.
//! 8. [`integrations`]: traits of libraries (axum, hyper-util, tonic) for these sockets.
//!
//! Without simulation `real` stands in for all of them, and is tokio's.
//!
//! **Invariants:** this crate uses no plan, no scenario and no disk. A value in transit is
//! delivered by a timer's callback, so a message type's destructor must not set timers.

mod keepalive;

mod ext;

pub use ext::TcpStreamExt;
pub use keepalive::Keepalive;

#[cfg(not(madsim))]
mod real;
#[cfg(not(madsim))]
pub use real::*;

#[cfg(madsim)]
pub use simulated::*;

#[cfg(madsim)]
pub mod profile;

#[cfg(madsim)]
mod error;

#[cfg(madsim)]
mod interest;

#[cfg(madsim)]
mod cached_readiness;

#[cfg(madsim)]
mod readiness;

#[cfg(madsim)]
mod ip_options;

#[cfg(madsim)]
mod address;

#[cfg(madsim)]
mod location;

#[cfg(madsim)]
mod power;

#[cfg(madsim)]
mod retransmission;

#[cfg(madsim)]
mod delayed_ack;

#[cfg(madsim)]
mod inbox;

#[cfg(madsim)]
mod queue;

#[cfg(madsim)]
pub mod fault;

#[cfg(madsim)]
mod link;

#[cfg(madsim)]
mod ephemeral;

#[cfg(madsim)]
mod ports;

#[cfg(madsim)]
mod registry;

#[cfg(madsim)]
mod groups;

#[cfg(madsim)]
mod madsim_network;

#[cfg(madsim)]
pub mod network;

#[cfg(madsim)]
mod cast;

#[cfg(madsim)]
mod bound_port;

#[cfg(madsim)]
pub mod host;

#[cfg(madsim)]
mod inject;
#[cfg(madsim)]
mod injected;

#[cfg(madsim)]
pub mod partition;

#[cfg(madsim)]
pub mod hold;

#[cfg(madsim)]
mod delivery;

#[cfg(madsim)]
mod datagram;

#[cfg(madsim)]
mod ordered_stream;

#[cfg(madsim)]
mod handshake;

#[cfg(madsim)]
mod socket_pair;

#[cfg(madsim)]
mod keepalive_probe;

#[cfg(madsim)]
mod stream_socket;

#[cfg(madsim)]
mod stream_readiness;

#[cfg(madsim)]
mod accept_descriptor;

#[cfg(madsim)]
mod backlog;

#[cfg(madsim)]
pub mod endpoint;

#[cfg(madsim)]
pub mod connection;

#[cfg(madsim)]
pub mod rpc;

#[cfg(madsim)]
mod names;

#[cfg(madsim)]
mod byte_stream;

#[cfg(madsim)]
mod stream_halves;

#[cfg(madsim)]
pub mod tcp;

#[cfg(madsim)]
mod udp;

#[cfg(madsim)]
pub mod unix;

#[cfg(madsim)]
pub mod netstat;

#[cfg(madsim)]
pub mod integrations;

#[cfg(madsim)]
mod simulated {
    pub use crate::address::Address;
    pub use crate::connection::{Connection, Listener, Permit, RecvHalf, SendHalf};
    pub use crate::endpoint::Endpoint;
    pub use crate::hold::Hold;
    pub use crate::host::{Host, Mount, NotMounted, PowerOff};
    pub use crate::inject::FaultGuard;
    pub use crate::interest::{Interest, Ready};
    pub use crate::link::Counters;
    pub use crate::location::Location;
    pub use crate::names::{ToSocketAddrs, lookup_host};
    pub use crate::netstat::{Netstat, Socket};
    pub use crate::network::Network;
    pub use crate::partition::Partition;
    pub use crate::profile::{LinkProfile, NetProfile};
    pub use crate::rpc::{Call, Channel, Service};
    pub use crate::tcp::{TcpListener, TcpSocket, TcpStream};
    pub use crate::udp::UdpSocket;
    pub use crate::unix::{UnixDatagram, UnixListener, UnixSocket, UnixStream};
    pub use stormglass_core::fault::OldAddress;
}
