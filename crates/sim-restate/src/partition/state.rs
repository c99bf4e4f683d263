//! A partition's state machine: counters, one invocation at a time on each.
//!
//! An invocation is two records: the leader proposes it, runs it once it has read it back and the
//! earlier invocations of its counter are done, and proposes its result. Everything that a leader
//! proposes carries its epoch; after the announcement of a later epoch it is ignored. A result is
//! stored under the invocation's idempotency key, so a repeated request gets the same result.

use crate::canary::Canary;
use crate::log::{Generation, Lsn};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The id of an invocation: requests with the same id are one invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InvocationId {
    /// The counter.
    pub object: u64,
    /// The idempotency key, or a number of the ingress's own.
    pub key: Key,
}

/// What distinguishes the invocations of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// The client's idempotency key.
    Idempotent(u64),
    /// The client gave no key: the ingress that received it, and a number.
    Once(Generation, u64),
}

/// The handler of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handler {
    /// Adds this and returns the new value.
    Add(i64),
    /// Returns the value.
    Get,
}

/// A record of a partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// From here on this epoch is valid, and no earlier one.
    AnnounceLeader {
        /// The epoch.
        epoch: u64,
        /// The node that leads in it.
        leader: Generation,
    },
    /// An invocation was accepted.
    Invoke {
        /// The epoch of the leader that proposed it.
        epoch: u64,
        /// Its id.
        id: InvocationId,
        /// Its handler.
        handler: Handler,
    },
    /// An invocation has run.
    Finish {
        /// The epoch of the leader that ran it.
        epoch: u64,
        /// Its id.
        id: InvocationId,
        /// The counter's value after it.
        value: i64,
    },
}

/// What a leader has to do after a record is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// A new leader is valid.
    Leads(u64, Generation),
    /// The invocation is the next one on its counter.
    Run(Task),
    /// The invocation is done, with this result; the next one on its counter may run.
    Done(InvocationId, i64, Option<Task>),
}

/// An invocation to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: InvocationId,
    /// Its handler.
    pub handler: Handler,
    /// The counter's value before it.
    pub value: i64,
}

/// A partition's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    applied: Lsn,
    leader: Option<(u64, Generation)>,
    counters: BTreeMap<u64, i64>,
    /// The handler of each invocation, and its result if it has run.
    invocations: BTreeMap<InvocationId, (Handler, Option<i64>)>,
    /// The invocations of each counter that have not run, in order.
    waiting: BTreeMap<u64, VecDeque<InvocationId>>,
}

impl State {
    /// Returns the last record that it includes.
    pub fn applied(&self) -> Lsn {
        self.applied
    }

    /// Returns the leader that was announced last.
    pub fn leader(&self) -> Option<(u64, Generation)> {
        self.leader
    }

    /// Returns a counter's value.
    pub fn counter(&self, object: u64) -> i64 {
        self.counters.get(&object).copied().unwrap_or(0)
    }

    /// Returns what is known of an invocation: nothing, that it has not run yet, or its result.
    pub fn find(&self, id: InvocationId) -> Option<Option<i64>> {
        self.invocations.get(&id).map(|(_, result)| *result)
    }

    /// Returns the invocations that a new leader has to run.
    pub fn runnable(&self) -> Vec<Task> {
        self.waiting.keys().filter_map(|&object| self.next_on(object)).collect()
    }

    /// Claims one record more than it has: the bug of a canary.
    pub(crate) fn pretend_one_more(&mut self) {
        self.applied = self.applied.next();
    }

    /// Applies the next record.
    ///
    /// # Panics
    ///
    /// If `lsn` is not the next one.
    pub fn apply(&mut self, lsn: Lsn, command: Command, canary: Canary) -> Effect {
        assert_eq!(lsn, self.applied.next(), "records are applied one after the other");
        self.applied = lsn;
        match command {
            Command::AnnounceLeader { epoch, leader } => {
                if self.leader.is_some_and(|(current, _)| current >= epoch) {
                    return Effect::Nothing;
                }
                self.leader = Some((epoch, leader));
                Effect::Leads(epoch, leader)
            }
            Command::Invoke { epoch, .. } | Command::Finish { epoch, .. }
                if canary != Canary::ObeysOldLeaders
                    && self.leader.map(|(current, _)| current) != Some(epoch) =>
            {
                Effect::Nothing
            }
            Command::Invoke { id, handler, .. } => self.take(id, handler, canary),
            Command::Finish { id, value, .. } => self.finish(id, value, canary),
        }
    }

    fn take(&mut self, id: InvocationId, handler: Handler, canary: Canary) -> Effect {
        let known = self.find(id);
        if known == Some(None) || known.is_some() && canary != Canary::ForgetsIdempotencyKeys {
            return Effect::Nothing;
        }
        self.invocations.insert(id, (handler, None));
        let waiting = self.waiting.entry(id.object).or_default();
        waiting.push_back(id);
        match waiting.len() {
            1 => self.next_on(id.object).map_or(Effect::Nothing, Effect::Run),
            _ => Effect::Nothing,
        }
    }

    fn finish(&mut self, id: InvocationId, value: i64, canary: Canary) -> Effect {
        let Some((_, result)) = self.invocations.get_mut(&id) else { return Effect::Nothing };
        if result.is_some() && canary != Canary::ObeysOldLeaders {
            return Effect::Nothing;
        }
        *result = Some(value);
        self.counters.insert(id.object, value);
        if let Some(waiting) = self.waiting.get_mut(&id.object) {
            waiting.retain(|other| *other != id);
            if waiting.is_empty() {
                self.waiting.remove(&id.object);
            }
        }
        Effect::Done(id, value, self.next_on(id.object))
    }

    fn next_on(&self, object: u64) -> Option<Task> {
        let id = *self.waiting.get(&object)?.front()?;
        let (handler, _) = self.invocations.get(&id)?;
        Some(Task { id, handler: *handler, value: self.counter(object) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_raft::NodeId;

    fn node(id: u32) -> Generation {
        Generation { id: NodeId(id), generation: 1 }
    }

    fn invocation(key: u64) -> InvocationId {
        InvocationId { object: 1, key: Key::Idempotent(key) }
    }

    fn announce(epoch: u64) -> Command {
        Command::AnnounceLeader { epoch, leader: node(epoch as u32) }
    }

    fn add(epoch: u64, key: u64) -> Command {
        Command::Invoke { epoch, id: invocation(key), handler: Handler::Add(1) }
    }

    fn finish(epoch: u64, key: u64, value: i64) -> Command {
        Command::Finish { epoch, id: invocation(key), value }
    }

    fn apply_all(commands: &[Command]) -> (State, Vec<Effect>) {
        let mut state = State::default();
        let effects = (1..).zip(commands).map(|(lsn, &command)| state.apply(Lsn(lsn), command, Canary::None));
        let effects = effects.collect();
        (state, effects)
    }

    /// The second add waits for the first, and the same key again is the same invocation.
    #[test]
    fn invocations_of_a_counter_run_one_after_the_other_and_once() {
        let (state, effects) = apply_all(&[
            announce(1),
            add(1, 0),
            add(1, 1),
            add(1, 0),
            finish(1, 0, 1),
            finish(1, 1, 2),
            add(1, 1),
        ]);
        let task = |key, value| Task { id: invocation(key), handler: Handler::Add(1), value };
        let expected = [
            Effect::Leads(1, node(1)),
            Effect::Run(task(0, 0)),
            Effect::Nothing,
            Effect::Nothing,
            Effect::Done(invocation(0), 1, Some(task(1, 1))),
            Effect::Done(invocation(1), 2, None),
            Effect::Nothing,
        ];
        assert_eq!(effects, expected);
        assert_eq!((state.counter(1), state.find(invocation(1))), (2, Some(Some(2))));
    }

    /// What the leader of epoch 1 has in flight when epoch 2 begins is ignored; the new leader
    /// runs it.
    #[test]
    fn an_old_leader_changes_nothing() {
        let (state, effects) =
            apply_all(&[announce(1), add(1, 0), announce(2), finish(1, 0, 1), add(1, 7), announce(1)]);
        assert_eq!(effects[3..], [Effect::Nothing; 3]);
        assert_eq!(state.counter(1), 0);
        assert_eq!(state.runnable(), [Task { id: invocation(0), handler: Handler::Add(1), value: 0 }]);
        assert_eq!(state.find(invocation(7)), None);
    }
}
