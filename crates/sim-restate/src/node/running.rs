//! The handle to a node's process: its statuses, and its shutdown.

use crate::health::{Health, MetadataServerStatus, Statuses};
use sim_raft::Status;
use stormglass_rt::Watch;

/// A process that was started.
#[derive(Clone, Debug)]
pub struct Running {
    /// Tells it to stop, as SIGTERM does.
    pub(super) stop: Watch<bool>,
    /// Whether its metadata server runs.
    pub(super) serving: Watch<bool>,
    /// What that is.
    pub(super) status: Watch<Status>,
    /// How its roles are.
    pub(super) health: Health,
    /// Whether all steps of its start are done.
    pub(super) started: Watch<bool>,
    /// Whether its roles have stopped.
    pub(super) stopped: Watch<bool>,
}

impl Running {
    /// What its metadata server tells of itself.
    pub(crate) fn status(&self) -> &Watch<Status> {
        &self.status
    }

    /// How its roles are.
    pub fn statuses(&self) -> Statuses {
        let now = self.health.now();
        match self.status.look(|status| MetadataServerStatus::from(status)) {
            MetadataServerStatus::StartingUp => now,
            metadata_server => Statuses { metadata_server, ..now },
        }
    }

    /// Tells it to stop and waits until it has: partitions are made durable, own segments of logs sealed, a metadata server that leads hands over. What then is left is for
    /// [`Node::kill`] to end.
    pub async fn stop(&self) {
        self.stop.set(true);
        if self.started.get() {
            self.stopped.until(|stopped| *stopped).await;
        }
        // One that is no member has nothing to hand over.
        if matches!(self.status.get(), Status::Member { .. }) {
            self.serving.until(|serving| !serving).await;
        }
    }
}
