//! Partitions: state machines, each fed by its log; they run on some of the nodes, one of which
//! leads.
//!
//! In reading order, which is the order of dependence: [`table`] (how many there are and where:
//! documents of the metadata store), [`views`] (what a node knows of them from gossip), [`state`]
//! (the state machine, without clock or network), [`service`] (the user's code that a leader
//! calls), [`protocol`] (requests to a node's partitions), [`store`] (the database), [`snapshots`]
//! (the repository), `trim` (the log up to a snapshot), `worker` (what a node's partitions share),
//! `open` (load, import or create), [`processor`] (a running partition), [`manager`] (which
//! partitions run, and what happens when one stops).
//!
//! **Invariant:** a state follows from the log alone. The side effects of a leader (calls of the
//! service, answers) may happen more than once or not at all.
//!
//! Source: restatedev/restate `crates/worker/src/{partition_processor_manager.rs,partition}`,
//! `crates/partition-store`.

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

/// The id of a partition, from 0. Its log has the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// Returns the partition of an object, out of `partitions`. Restate takes ranges of a hash of
    /// the key.
    pub fn of(object: u64, partitions: u16) -> PartitionId {
        PartitionId((object % u64::from(partitions)) as u16)
    }

    /// Returns the id of its log.
    pub fn log(self) -> LogId {
        LogId(self.0)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0)
    }
}
