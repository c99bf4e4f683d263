//! async-nats, whose connections break: a server of the protocol's core, a publisher and a
//! subscriber, and the table of what became of the messages.
//!
//! In reading order, which is the order of dependence: [`record`] (what is known of each message),
//! [`server`], [`client`], [`delivery`] (a run in which connections break), [`table`].

pub mod record;

pub mod server;

pub mod client;

pub mod delivery;

pub mod table;
