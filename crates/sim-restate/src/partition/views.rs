//! A node's view of partitions: where they run and which nodes lead them. Gossip spreads it.

use super::PartitionId;
use super::table::Configuration;
use crate::log::Generation;
use sim_raft::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_core::Recorder;
use stormglass_rt::Watch;

/// The view of all partitions.
pub type PartitionViews = BTreeMap<PartitionId, PartitionView>;

/// The view of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// Where it runs.
    pub current: Option<Arc<Configuration>>,
    /// Where it will run.
    pub next: Option<Arc<Configuration>>,
    /// The leader with the highest epoch that any node has observed.
    pub leader: Option<(u64, Generation)>,
}

impl PartitionView {
    /// Returns whether a node is to run the partition.
    pub fn has(&self, node: NodeId) -> bool {
        self.current.iter().chain(&self.next).any(|configuration| configuration.replicas.contains(&node))
    }

    fn merge(&mut self, other: &PartitionView) -> bool {
        let before = self.clone();
        let version =
            |configuration: &Option<Arc<Configuration>>| configuration.as_ref().map(|one| one.version);
        if version(&other.current) > version(&self.current) {
            self.current.clone_from(&other.current);
        }
        if version(&other.next) > version(&self.next) {
            self.next.clone_from(&other.next);
        }
        if version(&self.next) <= version(&self.current) {
            self.next = None;
        }
        if other.leader > self.leader {
            self.leader = other.leader;
        }
        *self != before
    }
}

/// The view of one node. Clones share it.
#[derive(Clone, Debug)]
pub struct Views {
    watch: Watch<Arc<PartitionViews>>,
}

impl Views {
    /// Returns an empty view.
    pub fn new(recorder: &Recorder) -> Views {
        Views { watch: Watch::new(recorder, Arc::default()) }
    }

    /// Returns the view.
    pub fn get(&self) -> Arc<PartitionViews> {
        self.watch.get()
    }

    /// Returns the view as a watch, to wait for changes.
    pub fn watch(&self) -> &Watch<Arc<PartitionViews>> {
        &self.watch
    }

    /// Merges another node's view.
    pub fn merge(&self, others: &PartitionViews) {
        self.watch.change(|views| {
            // Usually nothing is new: compare before anything is copied.
            let news = |(id, other): (&PartitionId, &PartitionView)| {
                views.get(id).cloned().unwrap_or_default().merge(other)
            };
            if !others.iter().any(news) {
                return false;
            }
            let views = Arc::make_mut(views);
            for (&id, other) in others {
                views.entry(id).or_default().merge(other);
            }
            true
        });
    }

    /// Adds where a partition runs.
    pub fn place(
        &self,
        partition: PartitionId,
        current: Option<&Configuration>,
        next: Option<&Configuration>,
    ) {
        let arc = |configuration: Option<&Configuration>| configuration.cloned().map(Arc::new);
        let view = PartitionView { current: arc(current), next: arc(next), leader: None };
        self.merge(&BTreeMap::from([(partition, view)]));
    }

    /// Adds that a leader was observed.
    pub fn lead(&self, partition: PartitionId, epoch: u64, leader: Generation) {
        let view = PartitionView { leader: Some((epoch, leader)), ..PartitionView::default() };
        self.merge(&BTreeMap::from([(partition, view)]));
    }
}
