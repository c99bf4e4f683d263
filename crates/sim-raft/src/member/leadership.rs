//! Gaining, losing and transferring leadership.

use super::Member;
use crate::api::Refusal;
use crate::facts::Fact;
use raft::StateRole;
use stormglass_rt as rt;
use stormglass_rt::Alarm;

impl Member {
    /// Starts to transfer leadership to the active follower with the longest log. Returns false if
    /// this member is not the leader, there is no such follower, or the settings disable it. If
    /// the transfer takes longer than an election timeout, the member stops anyway. (Source:
    /// restatedev/restate PR #3956.)
    pub(super) fn transfer_leadership(&mut self) -> bool {
        let settings = &self.config.settings;
        let progress = self.raw_node.raft.prs();
        let active =
            progress.iter().filter(|(id, progress)| **id != u64::from(self.me.0) && progress.recent_active);
        let longest_log = active.max_by_key(|(id, progress)| (progress.matched, std::cmp::Reverse(**id)));
        let Some((&to, _)) = longest_log.filter(|_| self.is_leader && settings.leader_transfer) else {
            return false;
        };
        let limit = settings.tick_interval * settings.election_ticks;
        self.stop_deadline = Some(Alarm::new(rt::now() + limit));
        self.note("metadata server: handing leadership over");
        self.raw_node.transfer_leader(to);
        true
    }

    /// Records changes of this member's role and of the leader. On losing leadership, fails the
    /// pending requests.
    pub(super) fn update_role(&mut self) {
        let is_leader = self.raw_node.raft.state == StateRole::Leader;
        let is_candidate = matches!(self.raw_node.raft.state, StateRole::PreCandidate | StateRole::Candidate);
        if is_candidate && !self.is_candidate {
            self.note("metadata server: campaigns");
        }
        self.is_candidate = is_candidate;
        if is_leader && !self.is_leader {
            self.note("metadata server: won leadership");
            self.facts.record(Fact::Leads { term: self.raw_node.raft.term });
        }
        if !is_leader && self.is_leader {
            self.note("metadata server: lost leadership");
            let hint = self.leader_hint();
            let lost = || Err(Refusal::unavailable("lost leadership", hint.clone()).into_ambiguous());
            let writes = std::mem::take(&mut self.pending_writes).into_values();
            let reads = std::mem::take(&mut self.pending_reads).into_values().map(|read| read.reply);
            let joins = std::mem::take(&mut self.pending_joins).into_values().flatten();
            let removals = std::mem::take(&mut self.pending_removals).into_values().flatten();
            let pending = writes.chain(reads).chain(joins).chain(removals);
            pending.for_each(|reply| self.reply(reply, lost()));
            self.confirmed_reads.clear();
        }
        if is_leader != self.is_leader || self.raw_node.raft.leader_id != self.reported_leader {
            self.is_leader = is_leader;
            self.report_status();
        }
    }
}
