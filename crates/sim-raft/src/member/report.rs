//! What a member reports: its status, facts for checkers, log lines, and the configuration that
//! its node knows.

use super::Member;
use crate::facts::{Fact, Position};
use crate::known_nodes::{KnownNodes, publish};
use crate::nodes::NodeId;
use crate::standing::{Role, Standing};
use crate::status::Status;
use raft::StateRole;
use raft::eraftpb::Entry;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt as rt;

impl Member {
    /// Records that entries are durable, for checkers.
    pub(super) fn record_stored(&self, entries: &[Entry]) {
        if self.facts.is_enabled() {
            entries.iter().for_each(|entry| self.facts.record(Fact::Stored(Position::of(entry))));
        }
    }

    /// Records the voters of the current configuration, for checkers.
    pub(super) fn record_members(&self) {
        if self.facts.is_enabled() {
            let voters = self.raw_node.raft.prs().conf().to_conf_state().voters;
            self.facts.record(Fact::members(self.kv.membership().version, voters.into_iter()));
        }
    }

    /// Reports the status that an operator sees.
    pub(super) fn report_status(&mut self) {
        let leader = self.raw_node.raft.leader_id;
        self.reported_leader = leader;
        let status = Status::Member {
            leader: (leader != 0).then_some(NodeId(leader as u32)),
            term: self.raw_node.raft.term,
            applied: self.applied,
            members: self.kv.membership().members.keys().copied().collect(),
        };
        status.report_to(&self.status, &self.recorder);
    }

    /// Makes the applied configuration known on the node.
    pub(super) fn publish(&mut self) {
        if let Some(nodes) = self.kv.nodes() {
            publish(&self.nodes, nodes);
        }
        self.refresh_hosts();
    }

    /// Updates the peers' hosts from the newest configuration known on the node.
    pub(super) fn refresh_hosts(&mut self) {
        let seen = self.nodes_seen;
        let newer = |nodes: &KnownNodes| nodes.clone().filter(|nodes| nodes.version != seen);
        let Some(nodes) = self.nodes.with(newer) else { return };
        self.nodes_seen = nodes.version;
        let hosts = nodes.nodes.iter().filter(|(id, _)| **id != self.me);
        self.transport.set_hosts(hosts.map(|(&id, node)| (id, node.name.clone())).collect());
    }

    /// Keeps where the member stands, for those who look.
    pub(super) fn keep_standing(&self) {
        let raft = &self.raw_node.raft;
        let role = match raft.state {
            StateRole::Leader => Role::Leader,
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
            StateRole::Follower => Role::Follower,
        };
        self.standing.set(Some(Standing {
            role,
            term: raft.term,
            commit: raft.raft_log.committed,
            applied: self.applied,
            last: raft.raft_log.last_index(),
        }));
    }

    /// Records a log line with the current term.
    pub(super) fn note(&self, what: &str) {
        let recorder = &self.recorder;
        let term = self.raw_node.raft.term;
        recorder.record(rt::now(), Kind::Note, recorder.symbol(what), Duration::ZERO, term);
    }
}
