//! The oracle: checks invariants of the log and of the partitions while a cluster runs.
//!
//! Every node reports which acknowledgements it gets and which records it reads; the first
//! contradiction is the run's verdict. None of it takes simulated time.

use crate::canary::Canary;
use crate::log::{LogId, Lsn, Record};
use crate::partition::PartitionId;
use crate::partition::state::{Command, Effect, State};
use sim_raft::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_sim::World;

/// Observes a run. Clones share the observations.
#[derive(Clone)]
pub struct Oracle {
    world: World,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The records of each log, as they were first acknowledged or read.
    records: BTreeMap<LogId, BTreeMap<Lsn, Record>>,
    /// The leader of each epoch.
    leaders: BTreeMap<(PartitionId, u64), NodeId>,
    /// The state that follows from each partition's log, and the effect of each of its records.
    references: BTreeMap<PartitionId, (State, Vec<Effect>)>,
}

impl Oracle {
    /// Returns an oracle of this run.
    pub fn new(world: &World) -> Oracle {
        Oracle { world: world.clone(), seen: Arc::default() }
    }

    /// Checks acknowledged records, where `last` is the number of the last one: every read of
    /// these numbers returns these records (I11, I13).
    pub fn acknowledged(&self, log: LogId, last: Lsn, records: &[Record]) {
        let first = last.0 + 1 - records.len() as u64;
        for (lsn, record) in (first..).map(Lsn).zip(records) {
            self.holds(log, lsn, record, "acknowledged");
        }
    }

    /// Checks a record that was read: every read of its number returns the same record (I11).
    pub fn read(&self, log: LogId, lsn: Lsn, record: &Record) {
        self.holds(log, lsn, record, "read");
    }

    fn holds(&self, log: LogId, lsn: Lsn, record: &Record, how: &str) {
        let mut seen = self.lock();
        let known = seen.records.entry(log).or_default().entry(lsn).or_insert_with(|| record.clone());
        if known != record {
            drop(seen);
            let evidence = format!("record {lsn} of log {} was {how} and is another than before", log.0);
            self.world.violated("log-agreement", evidence);
        }
    }

    /// Checks the effect of a record that a replica has applied: it equals the effect in a state
    /// machine that applies the log alone (I18, I19).
    pub fn applied(&self, partition: PartitionId, lsn: Lsn, command: Command, effect: Effect) {
        let mut seen = self.lock();
        let (state, effects) = seen.references.entry(partition).or_default();
        if lsn == state.applied().next() {
            effects.push(state.apply(lsn, command, Canary::None));
        }
        let expected = effects.get(lsn.previous().0 as usize).copied();
        drop(seen);
        if let Some(expected) = expected
            && expected != effect
        {
            let evidence =
                format!("record {lsn} of {partition} gave {effect:?}, and should give {expected:?}");
            self.world.violated("state-follows-from-the-log", evidence);
        }
    }

    /// Checks a log that was trimmed because of a snapshot: every trimmed record is in the
    /// snapshot (I21).
    pub fn trimmed(&self, log: LogId, to: Lsn, snapshot: Lsn) {
        if to > snapshot {
            let evidence = format!("log {} is trimmed up to {to}, and the snapshot has {snapshot}", log.0);
            self.world.violated("trimmed-needs-a-snapshot", evidence);
        }
    }

    /// Checks the leader of an epoch: no other node leads in it (I15).
    pub fn leads(&self, partition: PartitionId, epoch: u64, node: NodeId) {
        let first = *self.lock().leaders.entry((partition, epoch)).or_insert(node);
        if first != node {
            let evidence = format!("{first} and {node} lead {partition} in epoch {epoch}");
            self.world.violated("one-leader-an-epoch", evidence);
        }
    }

    /// Checks a partition that was loaded or imported on a node: it has applied no record that is
    /// not in the log (I17). `tail` is the tail that the node finds. With old metadata that is the end
    /// of a sealed segment, so a later record may have been acknowledged or read all the same.
    pub fn opened(&self, partition: PartitionId, state: &State, tail: Lsn) {
        let applied = state.applied();
        let is_known =
            || self.lock().records.get(&partition.log()).is_some_and(|log| log.contains_key(&applied));
        if applied >= tail && !is_known() {
            let evidence = format!("{partition} has applied {applied}, and the log ends before {tail}");
            self.world.violated("applied-within-the-log", evidence);
        }
    }

    /// Reports a partition that needs trimmed records which no snapshot in the repository
    /// includes: that must not happen (I21).
    pub fn stuck(&self, partition: PartitionId, gap: Lsn, newest: Option<Lsn>) {
        let newest =
            newest.map_or_else(|| "there is none".to_string(), |lsn| format!("the newest has {lsn}"));
        let evidence =
            format!("the log of {partition} is trimmed up to {gap}, and no snapshot has that: {newest}");
        self.world.violated("trimmed-needs-a-snapshot", evidence);
    }

    /// Checks the states of a partition's replicas: those that have applied the same records are
    /// equal (I18).
    pub fn replicas(&self, partition: PartitionId, states: &[(NodeId, Arc<State>)]) {
        for (place, (node, state)) in states.iter().enumerate() {
            let twin = states[..place].iter().find(|(_, other)| other.applied() == state.applied());
            if let Some((other, twin)) = twin
                && twin != state
            {
                let evidence =
                    format!("{node} and {other} have applied {} of {partition} and differ", state.applied());
                self.world.violated("replicas-agree", evidence);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").finish_non_exhaustive()
    }
}
