//! The replicated log (Restate's bifrost): what partitions write to and read from.
//!
//! In reading order, which is the order of dependence: [`chain`] (which segments a log consists
//! of, a document of the metadata store), [`loglet`] (what a log server stores of one segment:
//! plain structs), [`server`] (a log server: makes batches durable together), [`servers`] (the log
//! servers as one node reaches them), [`sequencer`] (assigns offsets to a segment's records and
//! waits for a write quorum), [`client`] (append, find the tail), `reconfigure` (seal, extend,
//! trim), [`reader`] (read).
//!
//! A segment has one sequencer, named by its generation, and a nodeset of n log servers, of which
//! r store each record. An append is acknowledged when r servers have it durably and all appends
//! before it are acknowledged. Any n − r + 1 servers (an f-majority) include at least one that has
//! any given acknowledged record; so to end a segment, that many are sealed, and the tail is found
//! among them.
//!
//! **Invariant:** no record is acknowledged on a segment after an f-majority of its servers is
//! sealed, and no record acknowledged before is beyond the tail at which the next segment begins.
//!
//! Source: restatedev/restate `crates/bifrost/src/{appender.rs,providers/replicated_loglet}` and
//! `crates/log-server`.

pub mod chain;
pub mod client;
pub mod loglet;
pub mod reader;
mod reconfigure;
pub mod sequencer;
pub mod server;
pub mod servers;
pub mod settings;

pub use chain::{Logs, Segment};
pub use client::Log;
pub use reader::{Entry, Reader};
pub use settings::{LogSettings, Reconfigures};

use serde::{Deserialize, Serialize};
use sim_raft::NodeId;
use std::fmt;
use std::sync::Arc;

/// The id of a log: the number of the partition that writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(pub u16);

/// A log sequence number, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Returns the next number.
    #[must_use]
    pub fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }

    /// Returns the previous number; 0, which no record has, stays 0.
    #[must_use]
    pub fn previous(self) -> Lsn {
        Lsn(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a segment: its log and its position in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogletId {
    /// The log.
    pub log: LogId,
    /// The position, from 0.
    pub segment: u32,
}

impl fmt::Display for LogletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.log.0, self.segment)
    }
}

/// The position of a record in its segment, from 1.
pub type Offset = u64;

/// An encoded record.
pub type Record = Arc<[u8]>;

/// A node in one generation: each start of its process has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation {
    /// The node.
    pub id: NodeId,
    /// How often the node has joined the cluster.
    pub generation: u32,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.generation)
    }
}
