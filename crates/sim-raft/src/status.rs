//! The status that a metadata server reports.

use crate::nodes::NodeId;
use stormglass_core::Recorder;
use stormglass_rt::{self as rt, Watch};

/// The status that a server reports (Restate's `MetadataServerSummary`). Not every change is
/// reported: see [`crate::RaftSettings::status_interval`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// The server has not read its database yet.
    #[default]
    StartingUp,
    /// The server belongs to no cluster.
    AwaitingProvisioning,
    /// The server belongs to a cluster and is no member.
    Standby,
    /// The server is a member.
    Member {
        /// The leader, if the member knows one.
        leader: Option<NodeId>,
        /// The current term.
        term: u64,
        /// The applied index.
        applied: u64,
        /// The members as of the applied index.
        members: Vec<NodeId>,
    },
}

impl Status {
    /// Returns the name of the state.
    pub fn name(&self) -> &'static str {
        match self {
            Status::StartingUp => "starting up",
            Status::AwaitingProvisioning => "awaiting provisioning",
            Status::Standby => "standby",
            Status::Member { .. } => "member",
        }
    }

    /// Reports the status to those who watch it, if it has changed. A change of the state is
    /// recorded as an event that causes no other.
    pub(crate) fn report_to(self, known: &Watch<Status>, recorder: &Recorder) {
        known.change(|reported| {
            if reported.name() != self.name() {
                rt::record_status(recorder, "metadata server", self.name());
            }
            let is_new = *reported != self;
            *reported = self;
            is_new
        });
    }
}
