//! The state of a metadata server that outlives its roles: not provisioned, standby, member.

use crate::known_nodes::NodesWatch;
use crate::requests::Requests;
use crate::settings::RaftSettings;
use crate::standing::StandingCell;
use crate::status::Status;
use crate::storage::RaftStore;
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Seed, Stream};
use stormglass_net::Host;
use stormglass_rt::{self as rt, Watch};

/// The log line of a server that becomes a member.
pub const MEMBER_NOTE: &str = "metadata server: member";

/// The name, incarnation and settings of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The name of its node.
    pub name: String,
    /// How often the node has started, including this time.
    pub incarnation: u32,
    /// The settings.
    pub settings: RaftSettings,
}

/// The state of a metadata server that outlives its roles.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: ServerConfig,
    pub(crate) seed: Seed,
    pub(crate) host: Host,
    pub(crate) recorder: Recorder,
    pub(crate) store: RaftStore,
    pub(crate) requests: Requests,
    pub(crate) nodes: NodesWatch,
    pub(crate) stop: Option<Watch<bool>>,
    pub(crate) choice: Stream,
    pub(crate) status: Watch<Status>,
    pub(crate) standing: StandingCell,
}

impl ServerState {
    /// Records a log line of the server.
    pub(crate) fn note(&self, what: &str) {
        let subject = self.recorder.symbol(what);
        self.recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
    }

    /// Reports a status.
    pub(crate) fn report(&self, status: Status) {
        status.report_to(&self.status, &self.recorder);
    }
}
