#![doc = include_str!("../README.md")]
//!
//! In reading order: [`profile`] (what a link costs), [`network`] (hosts and where they are), `link` (what becomes of something that
//! is sent), `ports` (who has which), `lane` (how one value gets across), `retransmission` and `delayed_ack` (how long TCP waits), `handshake`
//! (how a connection is made), `socket` (its two ends). On these stand, for messages of any type, [`endpoint`], [`connection`] and [`rpc`]; for
//! bytes, by tokio's names, [`tcp`], `udp` and [`unix`], with `names` for lookups. [`fault`] has rules on links, [`partition`] their shapes, [`hold`] messages kept back,
//! [`netstat`] looks at it all, and `mirror` has madsim's own network suffer the same. `real` is what stands here when
//! nothing is simulated.
//!
//! **Invariants:** this crate knows no plan, no scenario and no disk. A value in flight is delivered by a timer's
//! callback, so a message type's destructor must not set timers.

mod ext;
mod keepalive;
pub use ext::TcpStreamExt;
pub use keepalive::Keepalive;

#[cfg(not(madsim))]
mod real;
#[cfg(not(madsim))]
pub use real::*;

#[cfg(madsim)]
pub use simulated::*;

#[cfg(madsim)]
mod byte_stream;
#[cfg(madsim)]
pub mod connection;
#[cfg(madsim)]
mod delayed_ack;
#[cfg(madsim)]
pub mod endpoint;
#[cfg(madsim)]
pub mod fault;
#[cfg(madsim)]
mod handshake;
#[cfg(madsim)]
pub mod hold;
#[cfg(madsim)]
mod inbox;
#[cfg(madsim)]
mod lane;
#[cfg(madsim)]
mod link;
#[cfg(madsim)]
mod mirror;
#[cfg(madsim)]
mod names;
#[cfg(madsim)]
pub mod netstat;
#[cfg(madsim)]
pub mod network;
#[cfg(madsim)]
pub mod partition;
#[cfg(madsim)]
mod ports;
#[cfg(madsim)]
pub mod profile;
#[cfg(madsim)]
mod retransmission;
#[cfg(madsim)]
pub mod rpc;
#[cfg(madsim)]
mod socket;
#[cfg(madsim)]
pub mod tcp;
#[cfg(madsim)]
mod udp;
#[cfg(madsim)]
pub mod unix;

#[cfg(madsim)]
mod simulated {
    pub use crate::connection::{Connection, Listener, Permit, RecvHalf, SendHalf};
    pub use crate::endpoint::Endpoint;
    pub use crate::fault::FaultGuard;
    pub use crate::hold::Hold;
    pub use crate::link::Counters;
    pub use crate::names::{ToSocketAddrs, lookup_host};
    pub use crate::netstat::Netstat;
    pub use crate::network::{Address, Host, Mount, Network, NotMounted, Place, PowerOff};
    pub use crate::partition::Partition;
    pub use crate::profile::{LinkProfile, NetProfile};
    pub use crate::rpc::{Call, Channel, Service};
    pub use crate::tcp::{TcpListener, TcpSocket, TcpStream};
    pub use crate::udp::UdpSocket;
    pub use crate::unix::{UnixListener, UnixStream};
}
