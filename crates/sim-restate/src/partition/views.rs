//! What a node has heard of partitions: where they are and who leads them. Nodes tell each other with their gossip.

use super::PartitionId;
use super::table::Configuration;
use crate::log::Generation;
use sim_raft::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_core::Recorder;
use stormglass_rt::Watch;

/// What is known of each partition.
pub type PartitionViews = BTreeMap<PartitionId, PartitionView>;

/// What is known of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// Where it is.
    pub current: Option<Arc<Configuration>>,
    /// Where it will be.
    pub next: Option<Arc<Configuration>>,
    /// The leader with the highest epoch that anybody has seen at work.
    pub leader: Option<(u64, Generation)>,
}

impl PartitionView {
    /// Whether a node shall run the partition.
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

/// A node's views. Clones share them.
#[derive(Clone, Debug)]
pub struct Views {
    watch: Watch<Arc<PartitionViews>>,
}

impl Views {
    /// Nothing heard yet.
    pub fn new(recorder: &Recorder) -> Views {
        Views { watch: Watch::new(recorder, Arc::default()) }
    }

    /// What is known now.
    pub fn get(&self) -> Arc<PartitionViews> {
        self.watch.get()
    }

    /// For whoever waits for something to change.
    pub fn watch(&self) -> &Watch<Arc<PartitionViews>> {
        &self.watch
    }

    /// Takes in what somebody else knows.
    pub fn merge(&self, others: &PartitionViews) {
        self.watch.change(|views| {
            // Most of the time there is nothing new: look before anything is copied.
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

    /// Takes in where a partition is.
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

    /// Takes in that a leader was seen at work.
    pub fn lead(&self, partition: PartitionId, epoch: u64, leader: Generation) {
        let view = PartitionView { leader: Some((epoch, leader)), ..PartitionView::default() };
        self.merge(&BTreeMap::from([(partition, view)]));
    }
}
