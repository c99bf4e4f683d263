//! The replicated map, a deterministic state machine without a clock: every member applies the
//! same entries.

use crate::api::{Precondition, Refusal, RefusalKind, Reply, Value, Write};
use crate::nodes::{MetadataState, NodeId, NodesConfiguration};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A write in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Identifies the request, for the member that answers it.
    pub id: CommandId,
    /// The write.
    pub write: Write,
}

/// The member that proposed a command, and its number of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId {
    /// The member that proposed it.
    pub node: NodeId,
    /// The incarnation of that member: the numbers start again after a restart.
    pub generation: u32,
    /// The number of the command.
    pub number: u64,
}

/// The members of the Raft group. An entry with a configuration change contains the next
/// membership.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The version, from 1: it counts the changes.
    pub version: u64,
    /// The voters, with the id of the storage with which each has joined.
    pub members: BTreeMap<NodeId, u64>,
}

/// The map and the membership: the state in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Snapshot")]
pub struct KvState {
    values: BTreeMap<String, Value>,
    membership: Membership,
    /// The cluster configuration, decoded from its value.
    #[serde(skip_serializing)]
    nodes: Option<Arc<NodesConfiguration>>,
}

/// The stored form of a [`KvState`].
#[derive(Deserialize)]
struct Snapshot {
    values: BTreeMap<String, Value>,
    membership: Membership,
}

impl From<Snapshot> for KvState {
    fn from(Snapshot { values, membership }: Snapshot) -> KvState {
        let nodes = values.get(NodesConfiguration::KEY).map(decode);
        KvState { values, membership, nodes }
    }
}

fn refusal(key: &str, precondition: Precondition, found: Option<u64>) -> Refusal {
    let message = format!("{key}: {precondition:?} does not hold, found {found:?}");
    Refusal { kind: RefusalKind::PreconditionFailed { found }, message, leader: None, ambiguous: false }
}

fn decode(value: &Value) -> Arc<NodesConfiguration> {
    let nodes = postcard::from_bytes(&value.bytes);
    Arc::new(nodes.expect("the value of this key is an encoded NodesConfiguration"))
}

impl KvState {
    /// Creates the state with which a cluster is provisioned.
    pub fn first(nodes: &NodesConfiguration, member: NodeId, storage: u64) -> KvState {
        let membership = Membership { version: 1, members: BTreeMap::from([(member, storage)]) };
        let mut state = KvState { membership, ..KvState::default() };
        state.store_nodes(nodes.clone());
        state
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Returns the membership.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Returns the cluster configuration, if there is one.
    pub fn nodes(&self) -> Option<&Arc<NodesConfiguration>> {
        self.nodes.as_ref()
    }

    /// Checks whether the precondition of a write holds.
    ///
    /// # Errors
    ///
    /// The refusal to answer with, if it does not hold.
    pub fn check(&self, write: &Write) -> Result<(), Refusal> {
        let (Write::Put { key, precondition, .. } | Write::Delete { key, precondition }) = write;
        let found = self.values.get(key).map(|value| value.version);
        let holds = match *precondition {
            Precondition::None => true,
            Precondition::DoesNotExist => found.is_none(),
            Precondition::MatchesVersion(version) => found == Some(version),
        };
        if holds { Ok(()) } else { Err(refusal(key, *precondition, found)) }
    }

    /// Checks whether this state is enough to refuse a write before it goes through the log. The
    /// state may be older than what is committed: a new leader has not applied everything yet. So a
    /// write is refused only if a later state refuses it too: the key exists, or has a greater version
    /// than the write's condition.
    ///
    /// As in Restate, this relies on versions that only grow and on keys that are never deleted. A key
    /// that is deleted in a later state is refused wrongly.
    ///
    /// # Errors
    ///
    /// The refusal to answer with.
    pub fn check_early(&self, write: &Write) -> Result<(), Refusal> {
        let (Write::Put { key, precondition, .. } | Write::Delete { key, precondition }) = write;
        let found = self.values.get(key).map(|value| value.version);
        let is_too_late = match *precondition {
            Precondition::None => false,
            Precondition::DoesNotExist => found.is_some(),
            Precondition::MatchesVersion(version) => found.is_some_and(|found| found > version),
        };
        if is_too_late { Err(refusal(key, *precondition, found)) } else { Ok(()) }
    }

    /// Applies a committed write.
    ///
    /// # Errors
    ///
    /// As [`KvState::check`]; the state does not change.
    pub fn apply(&mut self, write: Write) -> Result<Reply, Refusal> {
        self.check(&write)?;
        Ok(self.apply_unchecked(write))
    }

    /// Applies a write without checking its precondition.
    pub(crate) fn apply_unchecked(&mut self, write: Write) -> Reply {
        let (Write::Put { key, .. } | Write::Delete { key, .. }) = &write;
        let is_nodes = key == NodesConfiguration::KEY;
        match write {
            Write::Put { key, value, .. } => {
                if is_nodes {
                    self.nodes = Some(decode(&value));
                }
                self.values.insert(key, value);
            }
            Write::Delete { key, .. } => {
                self.nodes.take_if(|_| is_nodes);
                self.values.remove(&key);
            }
        }
        Reply::Written
    }

    /// Applies a committed change of the membership, and writes the next version of the cluster
    /// configuration with the metadata state of each node. A concurrent write of that document
    /// then fails its precondition.
    pub fn apply_membership(&mut self, membership: Membership) {
        let before = std::mem::replace(&mut self.membership, membership);
        let Some(mut nodes) = self.nodes.as_deref().cloned() else { return };
        nodes.version += 1;
        for (id, node) in &mut nodes.nodes {
            if self.membership.members.contains_key(id) {
                node.metadata = MetadataState::Member;
            } else if before.members.contains_key(id) {
                // It was removed. A node in state `Provisioning` stays so: it has yet to join.
                node.metadata = MetadataState::Standby;
            }
        }
        self.store_nodes(nodes);
    }

    fn store_nodes(&mut self, nodes: NodesConfiguration) {
        let bytes = postcard::to_stdvec(&nodes).expect("plain data has an encoding");
        self.values.insert(NodesConfiguration::KEY.into(), Value { version: nodes.version, bytes });
        self.nodes = Some(Arc::new(nodes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(version: u64, precondition: Precondition) -> Write {
        Write::Put { key: "k".into(), value: Value { version, bytes: vec![] }, precondition }
    }

    #[test]
    fn preconditions_are_checked_when_applied() {
        let mut kv = KvState::default();
        assert!(kv.apply(put(1, Precondition::MatchesVersion(1))).is_err());
        assert_eq!(kv.apply(put(1, Precondition::DoesNotExist)), Ok(Reply::Written));
        let refusal = kv.apply(put(2, Precondition::DoesNotExist)).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::PreconditionFailed { found: Some(1) });
        assert_eq!(kv.apply(put(2, Precondition::MatchesVersion(1))), Ok(Reply::Written));
        assert_eq!(kv.get("k").unwrap().version, 2);
    }

    /// A new leader whose state was older than what was committed refused a write whose condition held.
    #[test]
    fn an_older_state_refuses_early_only_what_a_later_one_refuses() {
        let mut old = KvState::default();
        let write = put(2, Precondition::MatchesVersion(1));
        assert_eq!(old.check_early(&write), Ok(()), "the key may have been created since");
        old.apply(put(3, Precondition::DoesNotExist)).unwrap();
        assert!(old.check_early(&write).is_err(), "versions only grow");
        assert_eq!(
            old.check_early(&put(5, Precondition::MatchesVersion(4))),
            Ok(()),
            "it may have grown since"
        );
        assert!(old.check_early(&put(1, Precondition::DoesNotExist)).is_err());
        assert_eq!(old.check_early(&put(9, Precondition::None)), Ok(()));
    }

    #[test]
    fn a_membership_change_writes_a_new_version_of_the_configuration() {
        let mut nodes = NodesConfiguration::first("c", "node-1");
        let second = nodes.join("node-2");
        let mut kv = KvState::first(&nodes, NodeId(1), 1);
        kv.apply_membership(Membership {
            version: 2,
            members: BTreeMap::from([(NodeId(1), 1), (second, 2)]),
        });
        let nodes = kv.nodes().unwrap();
        assert_eq!((nodes.version, nodes.nodes[&second].metadata), (2, MetadataState::Member));
    }
}
