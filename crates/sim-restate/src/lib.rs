//! Restate under simulation: a model of restate-server at two dates (1.7, and March 2025), for
//! engineers who want to know why a Restate cluster or a test of it is slow or fails, and what a
//! change of its code or its parameters would do.
//!
//! Sources: the code of restatedev/restate at both dates, named in each file with its paths; and
//! measurements of restate-server 1.7.12 (`data/real-1.7.12.toml`), with which [`fidelity`]
//! compares the simulation.
//!
//! The reading order is the order of dependence: each file uses only files that come before it.
//! The parameters of an area are in a file `settings` of their own, before everything else.
//!
//! 1. The ground: [`canary`] (known bugs to plant), [`signal`] (SIGKILL and SIGTERM), [`settings`]
//!    (every parameter, with the real defaults; a model's files set them).
//! 2. What a node knows: [`log::chain`], [`partition::table`] and [`metadata`] (the documents of
//!    the metadata store), [`partition::views`] (where partitions run), [`liveness`] (which nodes
//!    are alive), [`health`] (the statuses of a node's roles), [`journal`] and [`logging`] (log
//!    lines that tests wait for, and what lines cost).
//! 3. Data: [`log`] (what partitions write to and read from), [`partition::state`] (the state
//!    machine that a log feeds), [`oracle`] (what must hold meanwhile), [`partition`] (the
//!    processors that run the state machines), [`ingress`] (the HTTP entry for clients).
//! 4. The cluster: [`control`] (messages between nodes), [`gossip`] (the failure detector),
//!    [`controller`] (where partitions run, and which node leads each), [`node`] (the start of a
//!    node, step by step, and its roles).
//! 5. The harness: `machine` (where its processes run), `process` (a node's process over
//!    restarts), [`checks`] and [`runner`] (what starts a cluster and watches it, as the real test
//!    harness does), `tools` (the admin tool and an HTTP client), the scenarios ([`cold_start`],
//!    [`restarts`], [`trim_gap`], [`cluster_chaos`], [`metadata_servers`]), [`phases`] and
//!    [`fidelity`] (a start compared with that of a real cluster), [`shipped`] (what the binary
//!    `stormglass` offers).
//!
//! **Invariant:** no duration of the real system is written down here as such. A database opens by
//! its operations, a join waits for a Raft commit; a model gives policies, limits and the CPU time
//! of steps.

pub mod canary;
pub mod checks;
pub mod cluster_chaos;
pub mod cold_start;
pub mod control;
pub mod controller;
pub mod fidelity;
pub mod gossip;
pub mod health;
pub mod ingress;
pub mod journal;
pub mod liveness;
pub mod log;
pub mod logging;
mod machine;
pub mod metadata;
pub mod metadata_servers;
pub mod node;
mod operation_streams;
pub mod oracle;
pub mod partition;
mod peers;
pub mod phases;
mod process;
pub mod restarts;
pub mod runner;
pub mod settings;
pub mod shipped;
pub mod signal;
mod tools;
pub mod trim_gap;

pub use cluster_chaos::ClusterChaos;
pub use cold_start::ColdStart;
pub use metadata_servers::chaos::MetadataChaos;
pub use metadata_servers::failover::MetadataFailover;
pub use metadata_servers::reconfiguration::MetadataReconfiguration;
pub use metadata_servers::smoke::MetadataSmoke;
pub use metadata_servers::workload::KeyOperation;
pub use restarts::Restarts;
pub use trim_gap::TrimGap;

pub use shipped::{app, scenarios};
