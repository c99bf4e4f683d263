#![doc = include_str!("../README.md")]
//!
//! In reading order: [`profile`] (what a link costs), [`network`] (hosts, links, ports), `lane` (how one value
//! gets across), `retransmission` and `delayed_ack` (how long TCP waits), [`endpoint`], [`connection`], [`rpc`], [`fault`] (rules on
//! links) and [`partition`] (their shapes), [`netstat`] (looking at it).
//!
//! **Invariants:** this crate knows no plan, no scenario and no disk. A value in flight is delivered by a timer's
//! callback, so a message type's destructor must not set timers.

pub mod connection;
mod delayed_ack;
pub mod endpoint;
pub mod fault;
mod lane;
pub mod netstat;
pub mod network;
pub mod partition;
pub mod profile;
mod retransmission;
pub mod rpc;

pub use connection::{Connection, Listener, RecvHalf, SendHalf};
pub use endpoint::Endpoint;
pub use fault::FaultGuard;
pub use netstat::Netstat;
pub use network::{Address, Counters, Host, Network, PowerOff};
pub use partition::Partition;
pub use profile::{LinkProfile, NetProfile};
pub use rpc::{Call, Channel, Service};
