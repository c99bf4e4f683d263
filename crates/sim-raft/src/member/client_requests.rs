//! Requests of clients and nodes: reads, writes, and changes of the membership.

use super::{Member, PendingRead, ReplySender};
use crate::api::{Answer, NodeHint, Refusal, Reply, Request, Write};
use crate::canary::Canary;
use crate::kv::{Command, CommandId, Membership};
use crate::nodes::{MetadataState, NodeId};
use crate::storage::RaftStore;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use raft::{RawNode, ReadState};
use stormglass_rt::worker;

impl Member {
    /// Handles a request: answers it, or keeps its sender until raft-rs has processed it.
    pub(super) fn handle(&mut self, request: Request, reply: ReplySender) {
        let answer = match request {
            Request::Provision { .. } => Ok(Reply::Provisioned(false)),
            Request::Join { node, storage } => return self.handle_join(node, storage, reply),
            Request::Remove { node } => return self.handle_remove(node, reply),
            _ if !self.is_leader => Err(Refusal::unavailable("not the leader", self.leader_hint())),
            Request::Get { key } => return self.read(PendingRead { key, version_only: false, reply }),
            Request::GetVersion { key } => return self.read(PendingRead { key, version_only: true, reply }),
            Request::Write(write) => return self.propose(write, reply),
        };
        self.reply(reply, answer);
    }

    /// Starts a linearizable read: asks raft-rs for a read index.
    pub(super) fn read(&mut self, read: PendingRead) {
        if self.canary() == Canary::ReadsWithoutQuorum {
            return self.answer(read);
        }
        self.last_request_number += 1;
        let number = self.last_request_number;
        let in_flight =
            |raw: &RawNode<RaftStore>| raw.raft.pending_read_count() + raw.raft.ready_read_count();
        let before = in_flight(&self.raw_node);
        self.raw_node.read_index(number.to_le_bytes().to_vec());
        if in_flight(&self.raw_node) == before {
            // raft-rs drops reads silently before the first commit of its term (Restate PR #2950).
            return self.reply(read.reply, Err(Refusal::unavailable("reads are not possible yet", None)));
        }
        self.pending_reads.insert(number, read);
    }

    /// Proposes a write.
    pub(super) fn propose(&mut self, write: Write, reply: ReplySender) {
        // A write whose precondition cannot hold any more need not go through the log (Restate
        // 6e4156977).
        if self.config.settings.refuses_early
            && self.canary() != Canary::IgnoresPreconditions
            && let Err(refusal) = self.kv.check_early(&write)
        {
            self.reply(reply, Err(refusal));
            return;
        }
        self.last_request_number += 1;
        let id = CommandId {
            node: self.me,
            generation: self.config.incarnation,
            number: self.last_request_number,
        };
        let data = postcard::to_stdvec(&Command { id, write }).expect("plain data has an encoding");
        match self.raw_node.propose(vec![], data) {
            Ok(()) => drop(self.pending_writes.insert(id, reply)),
            Err(error) => {
                self.reply(reply, Err(Refusal::unavailable(format!("proposal dropped: {error}"), None)));
            }
        }
    }

    /// Handles a join request with the leader's checks, in Restate's order.
    pub(super) fn handle_join(&mut self, node: NodeId, storage: u64, reply: ReplySender) {
        let refusal = if let Some(refusal) = self.cannot_reconfigure() {
            refusal
        } else if let Some(&joined_with) = self.kv.membership().members.get(&node) {
            if joined_with == storage {
                self.reply(reply, Ok(Reply::Joined { nodes: self.nodes_version() }));
                return;
            }
            // The entries that it had acknowledged are lost, so its votes must not count.
            Refusal::internal("the member has lost its disk")
        } else {
            match self.kv.nodes().and_then(|nodes| nodes.nodes.get(&node).map(|node| node.metadata)) {
                None => Refusal::unavailable("unknown node", None),
                Some(MetadataState::Standby) => Refusal::internal("the node shall stay a standby"),
                Some(_) => match self.propose_member(node, storage) {
                    Ok(()) => {
                        self.note("metadata server: adding a member");
                        self.pending_joins.entry(node).or_default().push(reply);
                        return;
                    }
                    Err(error) => Refusal::unavailable(format!("proposal dropped: {error}"), None),
                },
            }
        };
        self.reply(reply, Err(refusal));
    }

    /// Handles a removal request with the leader's checks.
    pub(super) fn handle_remove(&mut self, node: NodeId, reply: ReplySender) {
        let membership = self.kv.membership();
        let refusal = if let Some(refusal) = self.cannot_reconfigure() {
            refusal
        } else if !membership.members.contains_key(&node) {
            self.reply(reply, Ok(Reply::Removed));
            return;
        } else if membership.members.len() == 1 {
            Refusal::internal("the last member stays")
        } else {
            let mut next = membership.clone();
            next.members.remove(&node);
            match self.propose_change(ConfChangeType::RemoveNode, node, next) {
                Ok(()) => {
                    self.note("metadata server: letting a member go");
                    self.pending_removals.entry(node).or_default().push(reply);
                    return;
                }
                Err(error) => Refusal::unavailable(format!("proposal dropped: {error}"), None),
            }
        };
        self.reply(reply, Err(refusal));
    }

    /// Returns why the membership cannot change now, or `None` if it can.
    pub(super) fn cannot_reconfigure(&self) -> Option<Refusal> {
        if !self.is_leader {
            return Some(Refusal::unavailable("not the leader", self.leader_hint()));
        }
        let in_progress = self.raw_node.raft.has_pending_conf();
        in_progress.then(|| Refusal::unavailable("another reconfiguration is under way", None))
    }

    /// Proposes a configuration change that adds a member.
    pub(super) fn propose_member(&mut self, node: NodeId, storage: u64) -> raft::Result<()> {
        let mut next = self.kv.membership().clone();
        next.members.insert(node, storage);
        self.propose_change(ConfChangeType::AddNode, node, next)
    }

    /// Proposes a configuration change that results in the membership `next`.
    pub(super) fn propose_change(
        &mut self,
        kind: ConfChangeType,
        node: NodeId,
        mut next: Membership,
    ) -> raft::Result<()> {
        next.version += 1;
        let mut change = ConfChangeSingle::default();
        change.set_change_type(kind);
        change.node_id = u64::from(node.0);
        let mut changes = ConfChangeV2::default();
        changes.set_changes(vec![change].into());
        changes.context = postcard::to_stdvec(&next).expect("plain data has an encoding").into();
        self.raw_node.propose_conf_change(vec![], changes)
    }

    /// Returns the leader, if another member is known to be.
    pub(super) fn leader_hint(&self) -> Option<NodeHint> {
        let leader = NodeId(self.raw_node.raft.leader_id as u32);
        if leader == NodeId(0) || leader == self.me {
            return None;
        }
        let host = self.kv.nodes()?.nodes.get(&leader)?.name.clone();
        Some(NodeHint { id: leader, host })
    }

    /// Keeps the reads that a quorum has confirmed, with their read index.
    pub(super) fn confirm_reads(&mut self, states: Vec<ReadState>) {
        for state in states {
            let number = state.request_ctx.as_slice().try_into().map(u64::from_le_bytes);
            self.confirmed_reads.push_back((state.index, number.expect("a read's context is its number")));
        }
    }

    /// Answers the confirmed reads whose read index is applied.
    pub(super) fn serve_reads(&mut self) {
        while let Some(&(index, number)) = self.confirmed_reads.front() {
            if index > self.applied {
                break;
            }
            self.confirmed_reads.pop_front();
            if let Some(read) = self.pending_reads.remove(&number) {
                self.answer(read);
            }
        }
    }

    /// Answers a read from the applied state.
    pub(super) fn answer(&mut self, PendingRead { key, version_only, reply }: PendingRead) {
        let value = self.kv.get(&key);
        let answer = if version_only {
            Reply::Version(value.map(|value| value.version))
        } else {
            Reply::Value(value.cloned())
        };
        self.reply(reply, Ok(answer));
    }

    /// Sends an answer. The task of the request sends it, which is woken for that.
    pub(super) fn reply(&self, reply: ReplySender, answer: Answer) {
        worker::run_in_other_task(move || reply.send(answer));
    }
}
