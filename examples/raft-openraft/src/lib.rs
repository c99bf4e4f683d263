//! A replicated store of numbers on openraft, as it is published: its own tokio runtime, our log on
//! the node's disk (`journal`), our network on its sockets (`network`).
//!
//! [`Bugs`] are mistakes that a program around openraft can make. The tests show that each is found.

mod journal;
mod machine;
mod network;
mod server;

pub use network::{Answer, Request, ask};
pub use server::serve;

use serde::{Deserialize, Serialize};
use std::io::Cursor;

openraft::declare_raft_types!(
    /// The types of this store.
    pub Types:
        D = Command,
        R = Option<u64>,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
);

/// The port of each node, for the other nodes and for clients.
pub const PORT: u16 = 7000;

/// What the log holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Command {
    pub key: String,
    /// The new value. The command returns the one before.
    pub value: u64,
}

/// Mistakes of the program around openraft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// A vote is answered before it is durable.
    pub unsynced_vote: bool,
    /// Entries are acknowledged, and committed, before they are durable.
    pub unsynced_log: bool,
    /// The log is cut off after a snapshot that is not durable yet.
    pub unsynced_snapshot: bool,
    /// Entries that another leader has overwritten come back after a restart.
    pub lost_truncation: bool,
    /// It is not recorded which entries are committed. openraft 0.9 says that it need not be.
    pub unsaved_commit: bool,
    /// The node that receives a read answers it, although it may no longer be the leader.
    pub stale_reads: bool,
}

impl Bugs {
    /// Returns the bug of this name, or none for `none`.
    pub fn named(name: &str) -> Option<Bugs> {
        let none = Bugs::default();
        Some(match name {
            "none" => none,
            "unsynced-vote" => Bugs { unsynced_vote: true, ..none },
            "unsynced-log" => Bugs { unsynced_log: true, ..none },
            "unsynced-snapshot" => Bugs { unsynced_snapshot: true, ..none },
            "lost-truncation" => Bugs { lost_truncation: true, ..none },
            "unsaved-commit" => Bugs { unsaved_commit: true, ..none },
            "stale-reads" => Bugs { stale_reads: true, ..none },
            _ => return None,
        })
    }
}
