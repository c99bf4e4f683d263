//! The handle to a node's process: its statuses, and its shutdown.

use crate::health::{Health, MetadataServerStatus, Statuses};
use sim_raft::{StandingCell, Status};
use stormglass_rt::Watch;

/// The handle to a process that was started.
#[derive(Clone, Debug)]
pub struct Running {
    /// Requests the shutdown, as SIGTERM does.
    pub(super) stop: Watch<bool>,
    /// Whether its metadata server runs.
    pub(super) serving: Watch<bool>,
    /// The status of its metadata server.
    pub(super) status: Watch<Status>,
    /// Where its metadata server stands in Raft.
    pub(super) standing: StandingCell,
    /// The statuses of its roles.
    pub(super) health: Health,
    /// Whether all steps of its start are done.
    pub(super) started: Watch<bool>,
    /// Whether its roles have stopped.
    pub(super) stopped: Watch<bool>,
}

impl Running {
    /// Returns the status of its metadata server.
    pub(crate) fn status(&self) -> &Watch<Status> {
        &self.status
    }

    /// Returns where its metadata server stands in Raft.
    pub(crate) fn standing(&self) -> &StandingCell {
        &self.standing
    }

    /// Returns the statuses of its roles.
    pub fn statuses(&self) -> Statuses {
        let now = self.health.now();
        match self.status.with(|status| MetadataServerStatus::from(status)) {
            MetadataServerStatus::StartingUp => now,
            metadata_server => Statuses { metadata_server, ..now },
        }
    }

    /// Requests the shutdown, as SIGTERM does, and waits until it is complete: partitions are
    /// flushed, the node's own segments of logs sealed, and a leading metadata server hands over.
    /// [`Node::kill`](stormglass_sim::Node::kill) ends what is left of the process.
    pub async fn stop(&self) {
        self.stop.set(true);
        if self.started.get() {
            self.stopped.until(|stopped| *stopped).await;
        }
        // A metadata server that is not a member has nothing to hand over.
        if matches!(self.status.get(), Status::Member { .. }) {
            self.serving.until(|serving| !serving).await;
        }
    }
}
