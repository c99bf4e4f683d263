//! The messages of a node's partitions: requests of ingresses and of the controller, and what they
//! return.

use super::PartitionId;
use super::state::{Handler, InvocationId};
use crate::log::Lsn;
use std::fmt;

/// The port of a node's partitions. In Restate it shares the fabric's.
pub const PARTITION_PORT: u16 = 5126;

/// The role in which a partition is to run on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It applies what the leader appends.
    Follower,
    /// It appends.
    Leader,
    /// It does not run.
    Stopped,
}

/// An invocation that an ingress sends to a partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoke {
    /// The partition.
    pub partition: PartitionId,
    /// The invocation's id.
    pub id: InvocationId,
    /// What to do.
    pub handler: Handler,
}

/// The response to an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invoked {
    /// The counter's value after it.
    Value(i64),
    /// The partition does not lead here, or not any more: find the leader and send the invocation
    /// there.
    NotLeader,
}

/// The status of a partition on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it has read everything that was in the log when it started.
    pub active: bool,
    /// The epoch in which it leads, if it does.
    pub leads: Option<u64>,
    /// Whether it campaigns: it has an epoch, and its announcement is not yet read back.
    pub campaigns: bool,
    /// The last record that it has applied.
    pub applied: Lsn,
    /// The last record that is durable here.
    pub durable: Lsn,
    /// The last record in a snapshot that it has published.
    pub archived: Lsn,
}

/// Why no snapshot of a partition was created, as text for an operator.
#[derive(Clone, PartialEq, Eq)]
pub struct SnapshotError(pub String);

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason in quotes, as the evidence of a failed run shows it.
impl fmt::Debug for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for SnapshotError {}

impl From<String> for SnapshotError {
    fn from(reason: String) -> SnapshotError {
        SnapshotError(reason)
    }
}

impl From<&str> for SnapshotError {
    fn from(reason: &str) -> SnapshotError {
        SnapshotError(reason.into())
    }
}
