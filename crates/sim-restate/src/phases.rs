//! The phases of a start, named as in the measurements of a real cluster, derived from a trace.
//!
//! The names are those of the measurements of restate-server 1.7.12: a phase ends when the real
//! server would write the log line in the phase's documentation.

use crate::partition::log_lines::is_started_text;
use crate::signal::Signal;
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
    /// "Opened rocksdb database", of the partitions.
    StoreDbOpen,
    /// The node's own failure detector considers it alive.
    SelfAlive,
    /// "Partition 0 started", or that of any other partition: the first one.
    PartitionStarted,
}

impl Phase {
    /// Every phase, in the usual order.
    pub const ALL: [Phase; 11] = [
        Phase::ProcessUp,
        Phase::MetadataDbOpen,
        Phase::LogDbOpen,
        Phase::Joining,
        Phase::MetadataMember,
        Phase::NodeId,
        Phase::RolesStarted,
        Phase::AdminListening,
        Phase::StoreDbOpen,
        Phase::SelfAlive,
        Phase::PartitionStarted,
    ];

    /// Returns its name in the measurements.
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
            Phase::StoreDbOpen => "store_db_open",
            Phase::SelfAlive => "self_alive",
            Phase::PartitionStarted => "partition_started",
        }
    }

    /// Returns whether an event of this kind and subject ends the phase.
    fn is_ended_by(self, kind: Kind, subject: &str) -> bool {
        use crate::settings::Step;
        let step = |step: Step| (Kind::Step, step.title());
        let (expected, text) = match self {
            Phase::ProcessUp => step(Step::Boot),
            Phase::MetadataDbOpen => step(Step::OpenMetadataStore),
            Phase::LogDbOpen => step(Step::OpenLogStore),
            Phase::Joining => step(Step::StartMetadataServer),
            Phase::MetadataMember => (Kind::Note, sim_raft::MEMBER_NOTE),
            Phase::NodeId => step(Step::NodeId),
            Phase::RolesStarted => step(Step::Worker),
            Phase::AdminListening => step(Step::Admin),
            Phase::StoreDbOpen => step(Step::OpenPartitionStore),
            Phase::SelfAlive => (Kind::Note, crate::gossip::SELF_ALIVE),
            Phase::PartitionStarted => return kind == Kind::Step && is_started_text(subject),
        };
        (kind, subject) == (expected, text)
    }
}

/// One start of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStart {
    /// The node.
    pub node: String,
    /// The number of the node's process, from 1.
    pub incarnation: u32,
    /// The signal with which the harness ended the process before, if it did.
    pub after: Option<Signal>,
    /// When its process was started.
    pub began: SimTime,
    /// How long after that it reached each phase; phases that it did not reach are left out.
    pub reached: BTreeMap<Phase, Duration>,
}

/// Returns every start of every node, in order.
pub fn starts(trace: &Trace) -> Vec<NodeStart> {
    let mut starts: Vec<NodeStart> = Vec::new();
    let mut signals = BTreeMap::new();
    for event in &trace.events {
        let subject = trace.text(event.subject);
        if event.kind == Kind::Note
            && let Some((signal, node)) = Signal::from_note(subject)
        {
            signals.insert(node, signal);
        }
        let ends = |phase: &Phase| phase.is_ended_by(event.kind, subject);
        let Some(phase) = Phase::ALL.into_iter().find(ends) else { continue };
        let (node, at) = (trace.text(event.node), SimTime::from_nanos(event.at_nanos));
        let last = starts.iter().rposition(|start| start.node == node);
        let last = match (phase, last) {
            (Phase::ProcessUp, last) => {
                let incarnation = last.map_or(1, |last| starts[last].incarnation + 1);
                let began = SimTime::from_nanos(event.at_nanos - event.took_nanos);
                let (after, reached) = (signals.remove(node), BTreeMap::new());
                starts.push(NodeStart { node: node.into(), incarnation, after, began, reached });
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

/// Returns when each node reached each phase in its first start.
pub fn phases(trace: &Trace) -> BTreeMap<Phase, BTreeMap<String, SimTime>> {
    let mut phases: BTreeMap<Phase, BTreeMap<String, SimTime>> = BTreeMap::new();
    for NodeStart { node, began, reached, .. } in
        starts(trace).into_iter().filter(|start| start.incarnation == 1)
    {
        for (phase, after) in reached {
            phases.entry(phase).or_default().insert(node.clone(), began + after);
        }
    }
    phases
}
