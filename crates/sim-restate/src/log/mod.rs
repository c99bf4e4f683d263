//! The replicated log: what partitions write to and read from.
//!
//! In reading order: [`chain`] (which segments a log consists of, a document of the metadata store), [`loglet`] (what a log server keeps of one
//! segment: plain structs), [`server`] (a log server: batches made durable together), [`sequencer`] (who gives a segment's records their offsets and waits
//! for a write quorum), [`client`] (append, read, find the tail, seal and extend, trim).
//!
//! A segment has one sequencer, named by its generation, and a nodeset of n log servers, of which r store each record. An append is acknowledged when r have
//! it durably and all before it are acknowledged. Whoever has asked n − r + 1 servers (an f-majority) has met at least one that has any acknowledged
//! record; so that many are sealed to end a segment, and the tail is found among them.
//!
//! **Invariant:** no record is acknowledged on a segment after an f-majority of its servers is sealed, and none acknowledged before is beyond the tail that
//! the next segment begins at.
//!
//! Source: restatedev/restate `crates/bifrost/src/{appender.rs,providers/replicated_loglet}` and `crates/log-server`.

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

/// The number of a log: that of the partition which writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(pub u16);

/// A log sequence number, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }

    /// The one before it; 0, which no record has, stays.
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

/// The number of a segment: its log and its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogletId {
    /// The log.
    pub log: LogId,
    /// From 0.
    pub segment: u32,
}

impl fmt::Display for LogletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.log.0, self.segment)
    }
}

/// The place of a record in its segment, from 1.
pub type Offset = u64;

/// A record, encoded.
pub type Record = Arc<[u8]>;

/// A node in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation {
    /// The node.
    pub id: NodeId,
    /// How often it has joined.
    pub generation: u32,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.generation)
    }
}
