#![doc = include_str!("../README.md")]
//!
//! In reading order: [`profile`] (what a link costs), [`network`] (hosts, links, ports), `lane` (how one value
//! gets across), `delayed_ack`, [`endpoint`], [`connection`], [`rpc`].
//!
//! **Invariants:** this crate knows no plan, no scenario and no disk. A value in flight is delivered by a timer's
//! callback, so a message type's destructor must not set timers.

pub mod connection;
mod delayed_ack;
pub mod endpoint;
mod lane;
pub mod network;
pub mod profile;
pub mod rpc;

pub use connection::{Connection, Listener, RecvHalf, SendHalf};
pub use endpoint::Endpoint;
pub use network::{Address, Host, Network};
pub use profile::{LinkProfile, NetProfile};
pub use rpc::{Call, Channel, Service};
