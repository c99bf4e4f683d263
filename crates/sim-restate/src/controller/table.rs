//! Logs and the placement of partitions, in the partition table (March 2025).
//!
//! Source: restatedev/restate, March 2025,
//! `crates/admin/src/cluster_controller/{logs_controller,scheduler}.rs`.

use super::{Controller, Parts};
use crate::log::Generation;
use crate::log::settings::Reconfigures;
use crate::metadata::update;
use crate::partition::PartitionId;
use crate::partition::protocol::Role;
use crate::partition::table::{PartitionTable, Placement};
use sim_raft::NodeId;
use sim_raft::client::ClientError;
use std::collections::BTreeMap;

impl Controller {
    /// Creates missing logs, and reconfigures those whose sequencer is not alive.
    pub(super) async fn tend_logs(&self, table: &PartitionTable) {
        let Parts { metadata, settings, liveness, log, me, .. } = &self.shared.parts;
        if settings.log.reconfigures != Reconfigures::Controller || !liveness.any_alive() {
            return;
        }
        for id in table.ids() {
            let tail = metadata.logs.get().and_then(|logs| logs.tail(id.log()).cloned());
            match tail {
                None => drop(log.ensure(id.log()).await),
                Some(segment) if !liveness.is_alive_as(segment.sequencer) => {
                    let sequencer = self.sequencer(id).unwrap_or(*me);
                    let _ = log.reconfigure(&segment, sequencer).await;
                }
                Some(_) => {}
            }
        }
    }

    /// Returns the node to sequence a partition's log: the partition's leader if it is alive,
    /// otherwise another live node.
    fn sequencer(&self, id: PartitionId) -> Option<Generation> {
        let Parts { liveness, metadata, .. } = &self.shared.parts;
        let placement = metadata.partition_table.get().and_then(|table| table.placement.get(&id).cloned());
        let workers = self.workers();
        let leader =
            placement.and_then(|placement| placement.leader).filter(|leader| workers.contains(leader));
        let node = leader.or_else(|| workers.get(usize::from(id.0) % workers.len().max(1)).copied())?;
        let seen = liveness.watch().get().get(&node).copied()?;
        Some(Generation { id: node, generation: seen.generation })
    }

    /// Writes the placement into the partition table, if it changed: on all live nodes, led by the
    /// sequencer of the partition's log.
    pub(super) async fn place_in_table(&self, table: &PartitionTable) -> Result<(), ClientError> {
        let Parts { metadata, client, liveness, .. } = &self.shared.parts;
        let logs = metadata.logs.get();
        let mut placement = table.placement.clone();
        for id in table.ids() {
            let Some(replicas) = self.choose(id, table.replicas) else { continue };
            let Placement { leader, .. } = placement.get(&id).cloned().unwrap_or_default();
            let sequencer =
                logs.as_ref().and_then(|logs| logs.tail(id.log())).map(|segment| segment.sequencer);
            let sequencer = sequencer.filter(|sequencer| liveness.is_alive_as(*sequencer)).map(|one| one.id);
            let fits = |node: &NodeId| replicas.contains(node);
            let leader = sequencer.filter(fits).or(leader.filter(fits)).or(replicas.first().copied());
            placement.insert(id, Placement { replicas, leader });
        }
        if placement == table.placement {
            return Ok(());
        }
        let updated = update(
            client,
            &metadata.partition_table,
            PartitionTable::KEY,
            |found: Option<&PartitionTable>| {
                let mut next =
                    found.cloned().ok_or_else(|| ClientError::Retryable("no partition table".into()))?;
                if next.version != table.version {
                    return Ok(None);
                }
                next.version += 1;
                next.placement.clone_from(&placement);
                Ok(Some(next))
            },
        );
        updated.await
    }

    /// Sends every node the orders for the partitions that differ from the partition table.
    pub(super) async fn instruct_all(&self) {
        let Some(table) = self.shared.parts.metadata.partition_table.get() else { return };
        let observed = self.observed();
        let mut orders: BTreeMap<NodeId, Vec<(PartitionId, Role)>> = BTreeMap::new();
        for (&id, Placement { replicas, leader }) in &table.placement {
            for &node in replicas {
                let role = if *leader == Some(node) { Role::Leader } else { Role::Follower };
                let right = match role {
                    Role::Leader => observed.leads(node, id),
                    Role::Follower | Role::Stopped => observed.status(node, id).is_some(),
                };
                if !right {
                    orders.entry(node).or_default().push((id, role));
                }
            }
            for (&node, report) in &observed.nodes {
                if report.partitions.contains_key(&id) && !replicas.contains(&node) {
                    orders.entry(node).or_default().push((id, Role::Stopped));
                }
            }
        }
        self.send(orders).await;
    }
}
