//! The placement of partitions, in one document for each of them (1.7).
//!
//! Source: restatedev/restate 1.7
//! `crates/admin/src/cluster_controller/service/{scheduler,scheduler_task}.rs`.

use super::{Controller, Planned};
use crate::partition::PartitionId;
use crate::partition::protocol::Role;
use crate::partition::table::{Configuration, EpochMetadata, PartitionTable};
use sim_raft::NodeId;
use sim_raft::client::ClientError;
use std::collections::BTreeMap;

impl Controller {
    /// Reads the documents of all partitions, when this controller begins to decide.
    pub(super) async fn load_epochs(&self, table: &PartitionTable) -> Result<(), ClientError> {
        if self.plan(|plan| plan.loaded) {
            return Ok(());
        }
        for id in table.ids() {
            let found = self.shared.parts.client.get::<EpochMetadata>(&EpochMetadata::key(id)).await?;
            found.iter().for_each(|found| self.adopt(id, found));
        }
        self.plan(|plan| plan.loaded = true);
        Ok(())
    }

    /// Takes over the contents of a partition's document.
    fn adopt(&self, id: PartitionId, found: &EpochMetadata) {
        self.plan(|plan| {
            let planned = plan.partitions.entry(id).or_default();
            planned.current.clone_from(&found.current);
            planned.next.clone_from(&found.next);
        });
        self.shared.parts.views.place(id, found.current.as_ref(), found.next.as_ref());
    }

    /// Chooses the nodes of each partition, and changes them if the choice would be different now:
    /// a dead node loses its partitions as soon as there is another node for them. New nodes
    /// become the current ones once one of them has caught up.
    pub(super) async fn place(&self, table: &PartitionTable) -> Result<(), ClientError> {
        let observed = self.observed();
        for id in table.ids() {
            let Planned { current, next, .. } = self.planned(id);
            let wanted = self.choose(id, table.replicas);
            let newest = next.as_ref().or(current.as_ref());
            if let Some(replicas) = wanted
                && newest.is_none_or(|newest| newest.replicas != replicas)
            {
                let configuration =
                    Configuration { version: newest.map_or(1, |newest| newest.version + 1), replicas };
                self.change(id, |epochs| {
                    // Another controller may have written first.
                    if epochs.current.is_none() {
                        epochs.current = Some(configuration.clone());
                    } else if epochs.next.as_ref().or(epochs.current.as_ref()) == newest {
                        epochs.next = Some(configuration.clone());
                    }
                })
                .await?;
            }
            if let Planned { next: Some(next), .. } = self.planned(id) {
                let active = |node: &NodeId| observed.status(*node, id).is_some_and(|status| status.active);
                if next.replicas.iter().any(active) {
                    self.change(id, |epochs| {
                        if epochs.next.as_ref() == Some(&next) {
                            epochs.current = epochs.next.take();
                        }
                    })
                    .await?;
                }
            }
        }
        Ok(())
    }

    fn planned(&self, id: PartitionId) -> Planned {
        self.plan(|plan| plan.partitions.entry(id).or_default().clone())
    }

    /// Changes a partition's document, and takes over what it contains afterwards.
    async fn change(&self, id: PartitionId, change: impl Fn(&mut EpochMetadata)) -> Result<(), ClientError> {
        let key = EpochMetadata::key(id);
        let updated = self.shared.parts.client.update::<EpochMetadata>(&key, |found| {
            let before = found.cloned().unwrap_or_default();
            let mut after = before.clone();
            change(&mut after);
            after.version += 1;
            Ok((before.current != after.current || before.next != after.next).then_some(after))
        });
        updated.await?.iter().for_each(|updated| self.adopt(id, updated));
        Ok(())
    }

    /// Chooses each partition's leader: of the live replicas the last one that has caught up,
    /// otherwise the last one. If none is alive the leader stays.
    pub(super) fn choose_leaders(&self, table: &PartitionTable) {
        let (workers, observed) = (self.workers(), self.observed());
        self.plan(|plan| {
            for id in table.ids() {
                let Some(Planned { current: Some(current), leader, .. }) = plan.partitions.get_mut(&id)
                else {
                    continue;
                };
                let active = |node: &NodeId| observed.status(*node, id).is_some_and(|status| status.active);
                let up = current.replicas.iter().copied().filter(|node| workers.contains(node));
                *leader = up.max_by_key(active).or(*leader);
            }
        });
    }

    pub(super) async fn instruct_leaders(&self) {
        let observed = self.observed();
        let planned = self.plan(|plan| plan.partitions.clone());
        let mut orders: BTreeMap<NodeId, Vec<(PartitionId, Role)>> = BTreeMap::new();
        for (id, planned) in planned {
            if let Some(leader) = planned.leader
                && !observed.leads(leader, id)
            {
                orders.entry(leader).or_default().push((id, Role::Leader));
            }
        }
        self.send(orders).await;
    }
}
