//! What a metadata server is asked and what it answers.

use crate::nodes::{NodeId, NodesConfiguration};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The port of a node's fabric: metadata requests.
pub const FABRIC_PORT: u16 = 5122;
/// The port of the streams between metadata servers. In Restate they share the fabric's.
pub const RAFT_PORT: u16 = 5123;

/// A value with its version. The writer gives the version; by convention one more than it has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// From 1.
    pub version: u64,
    /// The document, encoded.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// What must hold for a write, checked when it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// Nothing.
    None,
    /// There is no such key.
    DoesNotExist,
    /// The key has this version.
    MatchesVersion(u64),
}

/// A conditional write, as it is asked for and as it stands in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Write {
    /// Set a key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Value,
        /// What must hold.
        precondition: Precondition,
    },
    /// Remove a key.
    Delete {
        /// The key.
        key: String,
        /// What must hold.
        precondition: Precondition,
    },
}

/// A request to a metadata server.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A linearizable read.
    Get {
        /// Of this key.
        key: String,
    },
    /// A linearizable read of a value's version alone.
    GetVersion {
        /// Of this key.
        key: String,
    },
    /// A conditional write.
    Write(Write),
    /// Become the first member of a new cluster.
    Provision {
        /// With this configuration.
        nodes: NodesConfiguration,
    },
    /// Take the sender in as a member.
    Join {
        /// The sender.
        node: NodeId,
        /// Which storage it has: one that lost its disk has another.
        storage: u64,
    },
    /// Let a member go.
    Remove {
        /// The member.
        node: NodeId,
    },
}

/// The answer to a request.
pub type Answer = Result<Reply, Refusal>;

/// What a request that was served gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A read: the value, if there is one.
    Value(Option<Value>),
    /// A read: the version, if there is a value.
    Version(Option<u64>),
    /// A write was applied.
    Written,
    /// Provisioned now (true) or already before (false).
    Provisioned(bool),
    /// The sender is a member.
    Joined {
        /// The version of the configuration that says so, or a later one.
        nodes: u64,
    },
    /// It is no member.
    Removed,
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What the caller can do about it.
    pub kind: RefusalKind,
    /// Why, in words.
    pub message: String,
    /// The node that probably leads.
    pub leader: Option<NodeHint>,
    /// Whether the request may take effect all the same.
    pub ambiguous: bool,
}

/// A node and the host to reach it at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHint {
    /// Its id.
    pub id: NodeId,
    /// Its host.
    pub host: String,
}

/// What the caller of a refused request can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Try again, perhaps elsewhere. A write may or may not take effect.
    Unavailable,
    /// The precondition does not hold: read again. The version found is given.
    PreconditionFailed {
        /// The key's version now.
        found: Option<u64>,
    },
    /// Nothing.
    Internal,
}

impl Refusal {
    /// Try again, perhaps at the hinted node.
    pub fn unavailable(message: impl Into<String>, leader: Option<NodeHint>) -> Refusal {
        Refusal { kind: RefusalKind::Unavailable, message: message.into(), leader, ambiguous: false }
    }

    /// Do not try again.
    pub fn internal(message: impl Into<String>) -> Refusal {
        Refusal { kind: RefusalKind::Internal, message: message.into(), leader: None, ambiguous: false }
    }
}

impl Refusal {
    /// The request may take effect all the same: it was under way.
    #[must_use]
    pub fn perhaps_done(self) -> Refusal {
        Refusal { ambiguous: true, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
