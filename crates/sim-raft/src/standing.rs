//! Where a metadata server stands in Raft: for those who look at a run, who change nothing by it.

use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// The state of a member as of its last turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// The index up to which it knows that entries are committed.
    pub commit: u64,
    /// The index up to which it has applied entries.
    pub applied: u64,
    /// The index of the last entry in its log.
    pub last: u64,
}

/// A role in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks for votes, or whether an election is worthwhile (pre-vote).
    Candidate,
    /// It leads.
    Leader,
}

/// A place where a server keeps its [`Standing`]; clones are the same place. Unlike a
/// [`Watch`](stormglass_rt::Watch) a change wakes no task, so it has no effect on a run.
#[derive(Clone, Debug, Default)]
pub struct StandingCell(Arc<Mutex<Option<Standing>>>);

impl StandingCell {
    /// Returns the last standing; `None` before the server is a member.
    pub fn get(&self) -> Option<Standing> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, standing: Option<Standing>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}
