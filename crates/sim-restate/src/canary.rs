//! A cluster that is wrong on purpose, one known bug each, to show that the oracles find them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A known bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Canary {
    /// None.
    #[default]
    None,
    /// A partition runs an invocation again although it has seen its idempotency key.
    ForgetsIdempotencyKeys,
    /// A sequencer acknowledges records before a write quorum has them.
    AcknowledgesBeforeTheQuorum,
    /// A snapshot says that it has one record more than it has.
    SnapshotsAreAhead,
    /// A log is trimmed one record beyond the snapshot.
    TrimsBeyondTheSnapshot,
    /// Log servers take records for a segment that is sealed.
    StoresAfterTheSeal,
    /// A partition obeys a leader whose epoch is over.
    ObeysOldLeaders,
}

impl Canary {
    /// All the bugs.
    pub const ALL: [Canary; 6] = [
        Canary::ForgetsIdempotencyKeys,
        Canary::AcknowledgesBeforeTheQuorum,
        Canary::SnapshotsAreAhead,
        Canary::TrimsBeyondTheSnapshot,
        Canary::StoresAfterTheSeal,
        Canary::ObeysOldLeaders,
    ];
}
