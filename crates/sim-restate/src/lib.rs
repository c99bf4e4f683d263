//! A Restate-like cluster under simulation.
//!
//! In reading order: [`settings`] (every parameter, with the real defaults; a model's files set them), [`node`] (the start of a node, step by step, and its roles), [`metadata`] (what
//! a node knows of the cluster), [`liveness`] and [`gossip`] (who is up), [`log`] (what partitions write to and read from), [`partition`] (the state machines that it feeds), [`controller`]
//! (where they are, and who leads), [`ingress`] (the way in for clients), [`control`] (what nodes ask each other).
//!
//! Around it: [`health`] (what a node tells of its roles), [`runner`] and [`checks`] (what starts a cluster and watches it, as the real test harness does), [`journal`] (log lines that
//! tests wait for) and [`logging`] (what lines cost), [`oracle`] (what must hold meanwhile) and [`canary`] (clusters that break it), the scenarios ([`cold_start`], [`restarts`],
//! [`trim_gap`], [`cluster_chaos`], [`metadata_servers`]), [`phases`] for
//! comparing a start with that of a real cluster ([`fidelity`]), and [`shipped`] for what the binary `stormglass` offers.
//!
//! **Invariant:** no duration of the real system is written down here as such. A database opens by its operations,
//! a join waits for a Raft commit; what a model gives are policies, limits and the CPU time of steps.

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
pub mod metadata;
pub mod metadata_servers;
pub mod node;
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
pub use restarts::Restarts;
pub use trim_gap::TrimGap;

pub use shipped::{app, scenarios};
