//! Servers that are wrong on purpose, one known bug each, to show that the checkers find them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A known bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Canary {
    /// None.
    #[default]
    None,
    /// Tells the leader that entries are durable before they are.
    AcknowledgesBeforeSync,
    /// Does not know after a restart for whom it has voted.
    ForgetsItsVote,
    /// Applies entries when it has them, not when a majority has.
    AppliesBeforeCommit,
    /// A leader answers reads from what it has, without asking whether it still leads.
    ReadsWithoutQuorum,
    /// Takes entries from a leader of an older term.
    SkipsTheTermCheck,
    /// Cuts one entry too many from the log when it stores a snapshot.
    LosesTheLogsTail,
    /// Its snapshots have the members of the snapshot before.
    SnapshotsOldMembers,
    /// Writes whatever the precondition.
    IgnoresPreconditions,
}

impl Canary {
    /// All the bugs.
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
