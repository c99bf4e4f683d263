//! The phases of a start, as the logs of a real cluster give them, read off a trace.
//!
//! The names are those of the measurements of restate-server 1.7.12: a phase ends when the real server would write
//! the log line that stands beside it.

use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::{Kind, SimTime, Trace};

/// A moment of a node's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// "Starting Restate Server".
    ProcessUp,
    /// "Opened rocksdb database", of the metadata server.
    MetadataDbOpen,
    /// "Opened rocksdb database", of the log server.
    LogDbOpen,
    /// "Trying to join the cluster".
    Joining,
    /// "Run as member of the metadata cluster".
    MetadataMember,
    /// "My Node ID is".
    NodeId,
    /// "Restate node roles were started".
    RolesStarted,
    /// "Admin API starting".
    AdminListening,
}

impl Phase {
    /// Every phase, in the usual order.
    pub const ALL: [Phase; 8] = [
        Phase::ProcessUp,
        Phase::MetadataDbOpen,
        Phase::LogDbOpen,
        Phase::Joining,
        Phase::MetadataMember,
        Phase::NodeId,
        Phase::RolesStarted,
        Phase::AdminListening,
    ];

    /// Its name in the measurements.
    pub fn name(self) -> &'static str {
        match self {
            Phase::ProcessUp => "process_up",
            Phase::MetadataDbOpen => "metadata_db_open",
            Phase::LogDbOpen => "log_db_open",
            Phase::Joining => "joining",
            Phase::MetadataMember => "metadata_member",
            Phase::NodeId => "node_id",
            Phase::RolesStarted => "roles_started",
            Phase::AdminListening => "admin_listening",
        }
    }

    /// The event that ends it.
    fn ended_by(self) -> (Kind, &'static str) {
        use crate::settings::Step;
        match self {
            Phase::ProcessUp => (Kind::Step, Step::Boot.title()),
            Phase::MetadataDbOpen => (Kind::Step, Step::OpenMetadataStore.title()),
            Phase::LogDbOpen => (Kind::Step, Step::OpenLogStore.title()),
            Phase::Joining => (Kind::Step, Step::StartMetadataServer.title()),
            Phase::MetadataMember => (Kind::Note, stormglass_raft::server::MEMBER),
            Phase::NodeId => (Kind::Step, Step::NodeId.title()),
            Phase::RolesStarted => (Kind::Step, Step::Worker.title()),
            Phase::AdminListening => (Kind::Step, Step::Admin.title()),
        }
    }
}

/// One start of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStart {
    /// The node.
    pub node: String,
    /// The how manyth start of it, from 1.
    pub life: u32,
    /// When its process was started.
    pub began: SimTime,
    /// How long after that it reached each phase; those that it did not reach are not there.
    pub reached: BTreeMap<Phase, Duration>,
}

/// Every start of every node, in order.
pub fn starts(trace: &Trace) -> Vec<NodeStart> {
    let mut starts: Vec<NodeStart> = Vec::new();
    for event in &trace.events {
        let subject = trace.text(event.subject);
        let ends = |phase: &Phase| phase.ended_by() == (event.kind, subject);
        let Some(phase) = Phase::ALL.into_iter().find(ends) else { continue };
        let (node, at) = (trace.text(event.node), SimTime::from_nanos(event.at_nanos));
        let last = starts.iter().rposition(|start| start.node == node);
        let last = match (phase, last) {
            (Phase::ProcessUp, last) => {
                let life = last.map_or(1, |last| starts[last].life + 1);
                let began = SimTime::from_nanos(event.at_nanos - event.took_nanos);
                starts.push(NodeStart { node: node.into(), life, began, reached: BTreeMap::new() });
                starts.len() - 1
            }
            (_, Some(last)) => last,
            (_, None) => continue,
        };
        let NodeStart { began, reached, .. } = &mut starts[last];
        reached.entry(phase).or_insert(at - *began);
    }
    starts
}

/// When each node reached each phase in its first life.
pub fn phases(trace: &Trace) -> BTreeMap<Phase, BTreeMap<String, SimTime>> {
    let mut phases: BTreeMap<Phase, BTreeMap<String, SimTime>> = BTreeMap::new();
    for NodeStart { node, began, reached, .. } in starts(trace).into_iter().filter(|start| start.life == 1) {
        for (phase, after) in reached {
            phases.entry(phase).or_default().insert(node.clone(), began + after);
        }
    }
    phases
}
