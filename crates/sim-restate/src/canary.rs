//! Known bugs that can be planted in the cluster, to show that the oracle finds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A known bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Canary {
    /// No bug.
    #[default]
    None,
    /// A partition runs an invocation again although it has stored its idempotency key.
    ForgetsIdempotencyKeys,
    /// A sequencer acknowledges records before a write quorum has them.
    AcknowledgesBeforeTheQuorum,
    /// A snapshot claims one record more than it includes.
    SnapshotsAreAhead,
    /// A log is trimmed one record beyond the snapshot.
    TrimsBeyondTheSnapshot,
    /// Log servers store records of a segment that is sealed.
    StoresAfterTheSeal,
    /// A partition applies records of a leader whose epoch is over.
    ObeysOldLeaders,
}

impl Canary {
    /// All bugs.
    pub const ALL: [Canary; 6] = [
        Canary::ForgetsIdempotencyKeys,
        Canary::AcknowledgesBeforeTheQuorum,
        Canary::SnapshotsAreAhead,
        Canary::TrimsBeyondTheSnapshot,
        Canary::StoresAfterTheSeal,
        Canary::ObeysOldLeaders,
    ];
}
