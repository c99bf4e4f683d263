//! Restate's replicated metadata server, and its client, as a simulation.
//!
//! The consensus core is tikv's raft-rs, which Restate itself runs, with the same flags: pre-vote,
//! quorum check, linearizable reads through the read index. This crate adds everything around it
//! that takes time: the log in a storage engine that syncs every batch, messages over connections
//! that have to be dialled, one event loop in which a slow sync delays ticks and messages.
//!
//! In reading order, which is the order of dependence:
//!
//! - [`canary`]: servers with a deliberate bug, which checkers have to find.
//! - [`settings`]: every interval, timeout and retry policy, with Restate's defaults.
//! - [`nodes`]: the cluster configuration, which the servers store and change; `known_nodes`: the
//!   newest one that a node knows.
//! - [`api`]: the requests and answers of a server.
//! - [`kv`]: the replicated map, a plain struct.
//! - [`storage`]: log, hard state and snapshots in a storage engine, with their syncs.
//! - [`transport`]: peers, connections, dialling.
//! - [`facts`]: facts that members record; [`check`]: the properties that checkers verify with
//!   them.
//! - `status`, `requests`, `server_state`: the reported status, the request queues, and the state
//!   that outlives a server's roles.
//! - `member`: the event loop of a member of the Raft group.
//! - [`server`]: a server from its start: not provisioned, standby, member.
//! - [`client`]: endpoints, leader hints, retries, read-modify-write.
//!
//! **Invariant:** all random numbers come from streams of the run. raft-rs draws its election
//! timeout from `thread_rng`; the event loop of a member replaces it with a draw from a stream
//! before each tick.

pub mod api;
pub mod canary;
pub mod check;
pub mod client;
pub mod facts;
mod known_nodes;
pub mod kv;
mod member;
pub mod nodes;
mod requests;
pub mod server;
mod server_state;
pub mod settings;
mod standing;
mod status;
pub mod storage;
pub mod transport;

pub use api::{Answer, Refusal, Request, Value};
pub use canary::Canary;
pub use client::{ClientError, MetadataClient};
pub use known_nodes::{KnownNodes, NodesWatch, publish};
pub use nodes::{MetadataState, NodeConfig, NodeId, NodesConfiguration, Roles, StorageState, WorkerState};
pub use requests::Incoming;
pub use server::MetadataServer;
pub use server_state::{MEMBER_NOTE, ServerConfig};
pub use settings::{ClientSettings, RaftSettings, RetryPolicy};
pub use standing::{Role, Standing, StandingCell};
pub use status::Status;
