//! The Ready loop: sends, stores and applies what raft-rs has made ready.

use super::{Member, corrupt};
use crate::api::Reply;
use crate::canary::Canary;
use crate::facts::{Fact, Position};
use crate::kv::{Command, Membership};
use crate::nodes::NodeId;
use protobuf::Message as _;
use raft::SnapshotStatus;
use raft::eraftpb::{ConfChangeV2, ConfState, Entry, EntryType, Message, MessageType, Snapshot};
use sim_rocksdb::EngineError;
use std::collections::BTreeMap;

/// What is rare is awaited on the heap: else the futures of each turn of the loop would be as large,
/// and they are copied when they are made.
impl Member {
    /// Processes what raft-rs has made ready until nothing is left.
    pub(super) async fn process_ready(&mut self) -> Result<(), EngineError> {
        while self.raw_node.has_ready() {
            let mut ready = self.raw_node.ready();
            self.send(ready.take_messages());
            if !ready.snapshot().is_empty() {
                Box::pin(self.install_snapshot(ready.snapshot().clone())).await?;
            }
            self.confirm_reads(ready.take_read_states());
            self.apply(ready.take_committed_entries()).await?;
            if self.canary() == Canary::AcknowledgesBeforeSync {
                self.send(ready.take_persisted_messages());
            }
            if !ready.entries().is_empty() {
                let entries = ready.take_entries();
                self.facts.record(Fact::Storing { index: entries[0].index });
                self.raw_node.mut_store().append(&entries).await?;
                self.record_stored(&entries);
                if self.canary() == Canary::AppliesBeforeCommit {
                    let normal = |entry: &Entry| entry.get_entry_type() == EntryType::EntryNormal;
                    self.apply(entries.into_iter().take_while(normal).collect()).await?;
                }
            }
            if let Some(hard_state) = ready.hs().cloned() {
                self.raw_node.mut_store().store_hard_state(hard_state.clone()).await?;
                self.facts.record(Fact::Term(hard_state.term));
                if hard_state.vote != 0 {
                    let candidate = NodeId(hard_state.vote as u32);
                    self.facts.record(Fact::Vote { term: hard_state.term, candidate });
                }
            }
            self.send(ready.take_persisted_messages());
            let mut light = self.raw_node.advance(ready);
            self.send(light.take_messages());
            self.apply(light.take_committed_entries()).await?;
            self.raw_node.advance_apply();
            self.serve_reads();
            self.trim().await?;
        }
        self.update_role();
        self.keep_standing();
        Ok(())
    }

    /// Sends messages, and reports to raft-rs those that could not be sent.
    pub(super) fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let (to, snapshot) = (message.to, message.get_msg_type() == MessageType::MsgSnapshot);
            let sent = self.transport.send(message);
            if snapshot {
                let status = if sent { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
                self.raw_node.report_snapshot(to, status);
            } else if !sent {
                self.raw_node.report_unreachable(to);
            }
        }
    }

    /// Installs a snapshot from the leader.
    pub(super) async fn install_snapshot(&mut self, snapshot: Snapshot) -> Result<(), EngineError> {
        self.kv = postcard::from_bytes(snapshot.get_data())
            .map_err(|error| EngineError::Corrupt(format!("snapshot of a peer: {error}")))?;
        self.applied = snapshot.get_metadata().index;
        self.note("metadata server: restored from a snapshot");
        let position = Position::of_snapshot(&snapshot);
        self.raw_node.mut_store().store_snapshot(snapshot).await?;
        self.facts.record(Fact::Restored(position));
        self.record_members();
        self.publish();
        Ok(())
    }

    /// Applies committed entries.
    pub(super) async fn apply(&mut self, entries: Vec<Entry>) -> Result<(), EngineError> {
        for entry in entries {
            if self.canary() == Canary::AppliesBeforeCommit && entry.index <= self.applied {
                continue;
            }
            assert!(entry.index > self.applied, "entry {} is applied twice", entry.index);
            self.applied = entry.index;
            if self.facts.is_enabled() {
                self.facts.record(Fact::Applied(Position::of(&entry)));
            }
            match entry.get_entry_type() {
                EntryType::EntryNormal if entry.data.is_empty() => {}
                EntryType::EntryNormal => self.apply_command(&entry)?,
                EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                    Box::pin(self.apply_conf_change(&entry)).await?
                }
            }
        }
        Ok(())
    }

    /// Applies a write, and answers its request if this member has proposed it.
    pub(super) fn apply_command(&mut self, entry: &Entry) -> Result<(), EngineError> {
        let command: Command = postcard::from_bytes(&entry.data)
            .map_err(|error| EngineError::Corrupt(format!("log entry {}: {error}", entry.index)))?;
        let answer = if self.canary() == Canary::IgnoresPreconditions {
            Ok(self.kv.apply_unchecked(command.write))
        } else {
            self.kv.apply(command.write)
        };
        self.publish();
        if let Some(reply) = self.pending_writes.remove(&command.id) {
            self.reply(reply, answer);
        }
        Ok(())
    }

    /// Applies a configuration change, takes a snapshot, and answers the joins and removals that
    /// it completes.
    pub(super) async fn apply_conf_change(&mut self, entry: &Entry) -> Result<(), EngineError> {
        let changes = ConfChangeV2::parse_from_bytes(&entry.data).map_err(corrupt)?;
        let next: Membership = postcard::from_bytes(&changes.context)
            .map_err(|error| EngineError::Corrupt(format!("log entry {}: {error}", entry.index)))?;
        let conf_state = self.raw_node.apply_conf_change(&changes).map_err(corrupt)?;
        self.kv.apply_membership(next);
        self.note("metadata server: applied a new configuration");
        self.refresh_hosts();
        self.publish();
        self.record_members();
        self.take_snapshot(entry.index, conf_state).await?;
        let members = &self.kv.membership().members;
        self.removed |= !members.contains_key(&self.me);
        let is_member = |node: &NodeId| members.contains_key(node);
        let joins = std::mem::take(&mut self.pending_joins).into_iter();
        let removals = std::mem::take(&mut self.pending_removals).into_iter();
        let (joined, pending): (BTreeMap<_, _>, _) = joins.partition(|(node, _)| is_member(node));
        self.pending_joins = pending;
        let (pending, removed): (_, BTreeMap<_, _>) = removals.partition(|(node, _)| is_member(node));
        self.pending_removals = pending;
        let nodes = self.nodes_version();
        joined.into_values().flatten().for_each(|reply| self.reply(reply, Ok(Reply::Joined { nodes })));
        removed.into_values().flatten().for_each(|reply| self.reply(reply, Ok(Reply::Removed)));
        Ok(())
    }

    /// Takes a snapshot and truncates the log, if enough entries were applied since the last
    /// snapshot.
    pub(super) async fn trim(&mut self) -> Result<(), EngineError> {
        let last = self.raw_node.store().stored_snapshot().get_metadata().index;
        if self.applied - last < self.config.settings.trim_threshold {
            return Ok(());
        }
        let conf_state = self.raw_node.raft.prs().conf().to_conf_state();
        Box::pin(self.take_snapshot(self.applied, conf_state)).await
    }

    /// Takes a snapshot of the applied state and truncates the log.
    pub(super) async fn take_snapshot(
        &mut self,
        index: u64,
        conf_state: ConfState,
    ) -> Result<(), EngineError> {
        let (canary, store) = (self.canary(), self.raw_node.mut_store());
        let old = store.stored_snapshot().get_metadata().get_conf_state().clone();
        let conf_state = if canary == Canary::SnapshotsOldMembers { old } else { conf_state };
        let snapshot = store.make_snapshot(index, conf_state, &self.kv)?;
        let (position, lost) =
            (Position::of_snapshot(&snapshot), u64::from(canary == Canary::LosesTheLogsTail));
        store.store_snapshot_and_truncate(snapshot, lost).await?;
        self.facts.record(Fact::Restored(position));
        Ok(())
    }
}
