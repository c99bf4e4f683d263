//! Partitions: each a state machine that is fed by a log and runs on some of the nodes, on one of them as the leader.
//!
//! In reading order: [`table`] (how many there are and where: documents of the metadata store), [`views`] (what a node has heard of them), [`state`] (the state machine, without
//! clock or network), [`store`] (its databases), [`snapshots`] (the repository), [`processor`] (a partition at work on a node), [`manager`] (which ones are,
//! and what happens when one stops), [`service`] (the user's code that a leader calls).
//!
//! **Invariant:** a state follows from the log alone. What a leader does beside (calling a service, answering) it may do again or not at all.
//!
//! Source: restatedev/restate `crates/worker/src/{partition_processor_manager.rs,partition}`, `crates/partition-store`.

pub mod log_lines;
pub mod manager;
mod open;
pub mod processor;
pub mod protocol;
pub mod service;
pub mod settings;
pub mod snapshots;
pub mod state;
pub mod store;
pub mod table;
pub(crate) mod trim;
pub mod views;
pub(crate) mod worker;

pub use settings::PartitionSettings;

use crate::log::LogId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a partition, from 0. Its log has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// The partition that has an object, of so many. Restate takes ranges of a hash of the key.
    pub fn of(object: u64, partitions: u16) -> PartitionId {
        PartitionId((object % u64::from(partitions)) as u16)
    }

    /// Its log.
    pub fn log(self) -> LogId {
        LogId(self.0)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0)
    }
}
