//! What a node's partitions are asked by ingresses and the controller, and what they answer.

use super::PartitionId;
use super::state::{Handler, InvocationId};
use crate::log::Lsn;
use std::fmt;

/// The port that a node's partitions are asked at. In Restate it shares the fabric's.
pub const PARTITION_PORT: u16 = 5126;

/// How a partition shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Applying what others append.
    Follower,
    /// Appending.
    Leader,
    /// Not at all.
    Stopped,
}

/// What an ingress asks a partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoke {
    /// Of this partition.
    pub partition: PartitionId,
    /// Under this name.
    pub id: InvocationId,
    /// To do this.
    pub handler: Handler,
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invoked {
    /// The counter's value then.
    Value(i64),
    /// Ask somebody else: the partition does not lead here, or leads no more.
    NotLeader,
}

/// How a partition stands on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it has read all that was in the log when it started.
    pub active: bool,
    /// The epoch that it leads in, if it does.
    pub leads: Option<u64>,
    /// Whether it is about to lead: it has an epoch, and its announcement is on its way.
    pub campaigns: bool,
    /// The last record that it has applied.
    pub applied: Lsn,
    /// The last record that is durable here.
    pub durable: Lsn,
    /// The last record that is in a snapshot which it has published.
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
