//! The requests and answers of a metadata server.

use crate::nodes::{NodeId, NodesConfiguration};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The port of a node's fabric, for metadata requests.
pub const FABRIC_PORT: u16 = 5122;
/// The port of the streams between metadata servers. Restate uses the port of the fabric.
pub const RAFT_PORT: u16 = 5123;

/// A value with its version. The writer sets the version, by convention one more than the version
/// that it has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The version, from 1.
    pub version: u64,
    /// The encoded document.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// The precondition of a write, checked when it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// No precondition.
    None,
    /// The key does not exist.
    DoesNotExist,
    /// The key has this version.
    MatchesVersion(u64),
}

/// A conditional write, in a request and in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Write {
    /// Sets a key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Value,
        /// The precondition.
        precondition: Precondition,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: String,
        /// The precondition.
        precondition: Precondition,
    },
}

/// A request to a metadata server.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A linearizable read.
    Get {
        /// The key.
        key: String,
    },
    /// A linearizable read of the version of a value.
    GetVersion {
        /// The key.
        key: String,
    },
    /// A conditional write.
    Write(Write),
    /// Makes the server the first member of a new cluster.
    Provision {
        /// The configuration of the cluster.
        nodes: NodesConfiguration,
    },
    /// Adds the sender to the members.
    Join {
        /// The sender.
        node: NodeId,
        /// The id of its storage: a node that has lost its disk has another one.
        storage: u64,
    },
    /// Removes a member.
    Remove {
        /// The member.
        node: NodeId,
    },
}

/// The answer to a request.
pub type Answer = Result<Reply, Refusal>;

/// The result of a request that was served.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The value of a read, if there is one.
    Value(Option<Value>),
    /// The version of a read, if there is a value.
    Version(Option<u64>),
    /// The write was applied.
    Written,
    /// The cluster was provisioned by this request (true) or before (false).
    Provisioned(bool),
    /// The sender is a member.
    Joined {
        /// The version of the configuration in which it is, or a later one.
        nodes: u64,
    },
    /// The node is not a member.
    Removed,
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What the caller can do.
    pub kind: RefusalKind,
    /// The reason as text.
    pub message: String,
    /// The node that is probably the leader.
    pub leader: Option<NodeHint>,
    /// Whether the request may still take effect.
    pub ambiguous: bool,
}

/// A node and its host on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHint {
    /// The id of the node.
    pub id: NodeId,
    /// The host of the node.
    pub host: String,
}

/// What the caller of a refused request can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// It can retry, possibly at another node. A write may or may not take effect.
    Unavailable,
    /// It can read again: the precondition does not hold.
    PreconditionFailed {
        /// The current version of the key.
        found: Option<u64>,
    },
    /// It can do nothing.
    Internal,
}

impl Refusal {
    /// Creates a refusal after which the caller can retry, possibly at the node `leader`.
    pub fn unavailable(message: impl Into<String>, leader: Option<NodeHint>) -> Refusal {
        Refusal { kind: RefusalKind::Unavailable, message: message.into(), leader, ambiguous: false }
    }

    /// Creates a refusal after which the caller must not retry.
    pub fn internal(message: impl Into<String>) -> Refusal {
        Refusal { kind: RefusalKind::Internal, message: message.into(), leader: None, ambiguous: false }
    }

    /// Marks the request as in flight: it may still take effect.
    #[must_use]
    pub fn into_ambiguous(self) -> Refusal {
        Refusal { ambiguous: true, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
