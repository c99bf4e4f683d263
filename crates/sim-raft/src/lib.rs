//! Restate's replicated metadata server, and its client, as a simulation.
//!
//! The consensus core is tikv's raft-rs, which Restate itself runs, with the same flags: pre-vote, quorum
//! check, linearizable reads through the read index. What this crate adds is everything around it that takes
//! time: the log on an engine whose every batch is synced, messages over connections that have to be dialled,
//! one member loop in which a slow sync holds up ticks and messages alike.
//!
//! In reading order:
//!
//! - [`settings`]: every interval, timeout and retry policy, with Restate's defaults.
//! - [`api`]: what a server is asked and answers.
//! - [`nodes`]: the cluster's configuration, which the servers keep and change.
//! - [`kv`]: the replicated map, a plain struct.
//! - [`storage`]: log, hard state and snapshots on an engine, with their syncs.
//! - [`transport`]: peers, connections, dialling.
//! - [`server`]: not provisioned, standby, member; `requests` are its queues, `member` is the Raft loop.
//! - [`facts`]: what members tell checkers; [`check`]: what has to hold of it; [`canary`]: servers that are wrong on purpose.
//! - [`client`]: endpoints, leader hints, retries, read-modify-write.
//!
//! **Invariant:** nothing here draws ambient chance. raft-rs draws its election timeout from `thread_rng`; the
//! member loop replaces it with a draw of ours before each tick.

pub mod api;
pub mod canary;
pub mod check;
pub mod client;
pub mod facts;
pub mod kv;
mod member;
pub mod nodes;
mod requests;
pub mod server;
pub mod settings;
pub mod storage;
pub mod transport;

pub use api::{Answer, Refusal, Request, Value};
pub use canary::Canary;
pub use client::{ClientError, MetadataClient};
pub use nodes::{MetadataState, NodeConfig, NodeId, NodesConfiguration, Roles, StorageState, WorkerState};
pub use server::{MetadataServer, ServerConfig, Status};
pub use settings::{ClientSettings, RaftSettings, RetryPolicy};
