//! Servers with a deliberate bug each, to show that the checkers find it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A deliberate bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Canary {
    /// No bug.
    #[default]
    None,
    /// Acknowledges entries to the leader before they are synced.
    AcknowledgesBeforeSync,
    /// Does not restore its vote after a restart.
    ForgetsItsVote,
    /// Applies entries when it has stored them, before they are committed.
    AppliesBeforeCommit,
    /// A leader answers reads from its applied state, without the read index.
    ReadsWithoutQuorum,
    /// Accepts entries from a leader of an older term.
    SkipsTheTermCheck,
    /// Deletes one entry too many from the log when it stores a snapshot.
    LosesTheLogsTail,
    /// Its snapshots contain the configuration of the snapshot before.
    SnapshotsOldMembers,
    /// Applies writes without checking their preconditions.
    IgnoresPreconditions,
}

impl Canary {
    /// All bugs.
    pub const ALL: [Canary; 8] = [
        Canary::AcknowledgesBeforeSync,
        Canary::ForgetsItsVote,
        Canary::AppliesBeforeCommit,
        Canary::ReadsWithoutQuorum,
        Canary::SkipsTheTermCheck,
        Canary::LosesTheLogsTail,
        Canary::SnapshotsOldMembers,
        Canary::IgnoresPreconditions,
    ];
}
