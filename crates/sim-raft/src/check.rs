//! The safety properties of Raft, checked on the facts that members record.
//!
//! | property | violated by |
//! | --- | --- |
//! | `one-leader-per-term` | two leaders in one term |
//! | `one-vote-per-term` | a member that votes for two candidates in one term, in any of its incarnations |
//! | `terms-grow` | a member whose durable term decreases |
//! | `log-survives` | a member that starts an incarnation with fewer entries than it had recorded as durable |
//! | `log-matching` | two entries of one index and term with different contents, or with different terms of the entry before |
//! | `applied-is-committed` | an entry that is applied before it is durable on a majority of the members |
//! | `applied-equal` | two members that apply different entries at one index |
//! | `applied-in-order` | a member that skips an entry, or applies it twice in one incarnation |
//! | `leader-completeness` | a leader that lacks an entry that any member applied before any member was in its term |
//! | `members-equal` | two members with different voters for one version of the membership |
//!
//! Sources: Ongaro, "Consensus: Bridging Theory and Practice" (2014), figure 3.2, for the names
//! and the safety properties; the rest follows from the definition of a durable log.

use crate::facts::{Fact, Position};
use std::collections::BTreeMap;
use std::fmt;
use stormglass_core::SimTime;

/// A violation of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the property.
    pub property: &'static str,
    /// When it was detected.
    pub at: SimTime,
    /// The fact that violates it, and the reason.
    pub evidence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.property, self.at, self.evidence)
    }
}

/// A checker of the facts of all members. It keeps the first violation.
#[derive(Clone, Debug, Default)]
pub struct RaftCheck {
    members: BTreeMap<String, MemberState>,
    leaders: BTreeMap<u64, String>,
    votes: BTreeMap<(String, u64), u32>,
    /// Every stored entry by index and term, with its digest and the term of the entry before.
    entries: BTreeMap<(u64, u64), (u64, u64)>,
    /// The entry that was applied first at each index.
    applied: BTreeMap<u64, Applied>,
    /// The highest durable term of all members.
    highest_term: u64,
    memberships: BTreeMap<u64, u64>,
    violation: Option<Violation>,
}

/// An applied entry, the member that applied it first, and the last term in which it can have been
/// committed.
#[derive(Clone, Debug)]
struct Applied {
    entry: Position,
    by: String,
    committed_by: u64,
}

/// The durable state of a member, according to its facts.
#[derive(Clone, Debug, Default)]
struct MemberState {
    id: u32,
    term: u64,
    /// The index and term of the last entry that the snapshot covers.
    snapshot: (u64, u64),
    log: BTreeMap<u64, Position>,
    /// Entries from this index on may be lost: they are being replaced.
    storing: Option<u64>,
    applied: u64,
    /// The voters of its configuration, one bit each, and those of the configuration before:
    /// entries that are committed together with a configuration change may be committed by the
    /// voters before it, because in raft-rs a change takes effect when it is applied.
    members: u64,
    members_before: u64,
}

impl MemberState {
    fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.snapshot.0 {
            Some(self.snapshot.1)
        } else {
            self.log.get(&index).map(|entry| entry.term)
        }
    }

    fn has(&self, position: Position) -> bool {
        position.index <= self.snapshot.0 || self.log.get(&position.index) == Some(&position)
    }

    fn last(&self) -> u64 {
        self.log.keys().next_back().copied().unwrap_or(self.snapshot.0)
    }
}

impl RaftCheck {
    /// Checks a fact that this member recorded at this time. Call it in the order of recording.
    pub fn observe(&mut self, at: SimTime, member: &str, fact: Fact) {
        if let Some((property, evidence)) = self.check(member, fact) {
            let evidence = format!("{member}: {fact}: {evidence}");
            self.violation.get_or_insert(Violation { property, at, evidence });
        }
    }

    /// Returns the first violation, if there is one.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Returns the last term that had a leader, and the leader.
    pub fn last_leader(&self) -> Option<(u64, &str)> {
        self.leaders.last_key_value().map(|(&term, leader)| (term, leader.as_str()))
    }

    /// Returns the highest applied index of all members.
    pub fn last_applied(&self) -> u64 {
        self.applied.last_key_value().map_or(0, |(&index, _)| index)
    }

    fn check(&mut self, name: &str, fact: Fact) -> Option<(&'static str, String)> {
        let own = self.members.entry(name.to_string()).or_default();
        match fact {
            Fact::Is(id) => own.id = id.0,
            Fact::Recovered { snapshot } => {
                own.applied = snapshot.index;
                if snapshot.index < own.snapshot.0 {
                    return Some(("log-survives", format!("its snapshot reached {} before", own.snapshot.0)));
                }
                own.snapshot = (snapshot.index, snapshot.term);
                own.log.retain(|&index, _| index > snapshot.index);
            }
            Fact::LogEnds { index } => {
                let durable = own.storing.take().map_or(u64::MAX, |index| index.saturating_sub(1));
                let last = own.last().min(durable).max(own.snapshot.0);
                if index < last {
                    return Some(("log-survives", format!("it was durable up to {last} before")));
                }
            }
            Fact::Term(term) => {
                let before = std::mem::replace(&mut own.term, term);
                self.highest_term = self.highest_term.max(term);
                if term < before {
                    return Some(("terms-grow", format!("it was {before} before")));
                }
            }
            Fact::Vote { term, candidate } => {
                let first = *self.votes.entry((name.to_string(), term)).or_insert(candidate.0);
                if first != candidate.0 {
                    return Some(("one-vote-per-term", format!("it has voted for N{first} before")));
                }
            }
            Fact::Leads { term } => {
                let first = self.leaders.entry(term).or_insert_with(|| name.to_string());
                if first != name {
                    return Some(("one-leader-per-term", format!("{first} leads in that term")));
                }
                // An entry of an old term may be committed in a later term, before a paused leader
                // of a term in between records that it was elected.
                let before = |applied: &&Applied| applied.committed_by < term && !own.has(applied.entry);
                if let Some(Applied { entry: position, by, .. }) = self.applied.values().find(before) {
                    let Position { index, term, .. } = *position;
                    return Some((
                        "leader-completeness",
                        format!("it lacks entry {index} of term {term}, which {by} has applied"),
                    ));
                }
            }
            Fact::Storing { index } => own.storing = Some(index),
            Fact::Stored(entry) => {
                own.storing = None;
                own.log.split_off(&entry.index);
                let before = entry.index.checked_sub(1).and_then(|index| own.term_at(index));
                own.log.insert(entry.index, entry);
                let before = before?;
                let seen = *self.entries.entry((entry.index, entry.term)).or_insert((entry.digest, before));
                if seen != (entry.digest, before) {
                    return Some((
                        "log-matching",
                        "another member has a different entry at that index and term".into(),
                    ));
                }
            }
            Fact::Applied(entry) => {
                let expected = own.applied + 1;
                own.applied = entry.index;
                if entry.index != expected {
                    return Some(("applied-in-order", format!("{expected} was next")));
                }
                if let Some(Applied { entry: first, by, .. }) = self.applied.get(&entry.index) {
                    if *first != entry {
                        return Some((
                            "applied-equal",
                            format!("{by} has applied one of term {} there", first.term),
                        ));
                    }
                    return None;
                }
                // A leader makes its term durable first, so no later term can have committed this
                // entry.
                let committed_by = self.highest_term;
                self.applied.insert(entry.index, Applied { entry, by: name.to_string(), committed_by });
                let own = &self.members[name];
                let has = |voters: u64| {
                    let durable =
                        self.members.values().filter(|log| voters >> log.id & 1 == 1 && log.has(entry));
                    (durable.count(), voters.count_ones() as usize / 2 + 1)
                };
                let ((now, needed), (before, needed_before)) = (has(own.members), has(own.members_before));
                if now < needed && (own.members_before == 0 || before < needed_before) {
                    return Some((
                        "applied-is-committed",
                        format!("durable on {now} members, a majority is {needed}"),
                    ));
                }
            }
            Fact::Restored(snapshot) => {
                own.snapshot = (snapshot.index, snapshot.term);
                own.log.retain(|&index, _| index > snapshot.index);
                own.applied = own.applied.max(snapshot.index);
            }
            Fact::Members { version, members } => {
                if own.members != members {
                    own.members_before = std::mem::replace(&mut own.members, members);
                }
                let first = *self.memberships.entry(version).or_insert(members);
                if first != members {
                    return Some((
                        "members-equal",
                        format!("others have the members {first:b} for that version"),
                    ));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::NodeId;

    fn entry(index: u64, term: u64) -> Position {
        Position { index, term, digest: index * 100 + term }
    }

    /// Three members that have stored and applied two entries of term 1, led by the first.
    fn three() -> Vec<(&'static str, Fact)> {
        let mut facts = Vec::new();
        for (name, id) in [("a", 1), ("b", 2), ("c", 3)] {
            facts.push((name, Fact::Is(NodeId(id))));
            facts.push((name, Fact::Members { version: 3, members: 0b1110 }));
            facts.extend([(name, Fact::Stored(entry(1, 1))), (name, Fact::Stored(entry(2, 1)))]);
        }
        facts.push(("a", Fact::Leads { term: 1 }));
        for name in ["a", "b", "c"] {
            facts.extend([(name, Fact::Applied(entry(1, 1))), (name, Fact::Applied(entry(2, 1)))]);
        }
        facts
    }

    fn property_after(more: &[(&'static str, Fact)]) -> Option<&'static str> {
        let mut check = RaftCheck::default();
        for (number, (name, fact)) in three().iter().chain(more).enumerate() {
            check.observe(SimTime::from_nanos(number as u64), name, *fact);
        }
        check.violation().map(|violation| violation.property)
    }

    #[test]
    fn correct_histories_violate_nothing() {
        assert_eq!(property_after(&[]), None);
        // A log that is overwritten after the last applied entry, a restart, a snapshot, a new
        // leader.
        let more = [
            ("c", Fact::Stored(entry(3, 1))),
            ("b", Fact::Term(2)),
            ("b", Fact::Vote { term: 2, candidate: NodeId(2) }),
            ("b", Fact::Leads { term: 2 }),
            ("b", Fact::Stored(entry(3, 2))),
            ("c", Fact::Storing { index: 3 }),
            ("c", Fact::Recovered { snapshot: entry(0, 0) }),
            ("c", Fact::LogEnds { index: 2 }),
            ("c", Fact::Stored(entry(3, 2))),
            ("b", Fact::Applied(entry(3, 2))),
            ("b", Fact::Restored(entry(3, 2))),
        ];
        assert_eq!(property_after(&more), None);
        // The leader of term 3 was elected before the leader of term 4 committed an entry of term
        // 2, and records that late.
        let late = [
            ("a", Fact::Stored(entry(3, 2))),
            ("b", Fact::Stored(entry(3, 2))),
            ("c", Fact::Term(3)),
            ("a", Fact::Term(4)),
            ("a", Fact::Applied(entry(3, 2))),
            ("c", Fact::Leads { term: 3 }),
        ];
        assert_eq!(property_after(&late), None);
    }

    #[test]
    fn each_property_has_violating_facts() {
        let cases: [(&str, &[(&str, Fact)]); 10] = [
            ("one-leader-per-term", &[("b", Fact::Leads { term: 1 })]),
            (
                "one-vote-per-term",
                &[
                    ("a", Fact::Vote { term: 2, candidate: NodeId(1) }),
                    ("a", Fact::Vote { term: 2, candidate: NodeId(2) }),
                ],
            ),
            ("terms-grow", &[("a", Fact::Term(3)), ("a", Fact::Term(2))]),
            (
                "log-survives",
                &[("a", Fact::Recovered { snapshot: entry(0, 0) }), ("a", Fact::LogEnds { index: 1 })],
            ),
            ("log-matching", &[("a", Fact::Stored(Position { digest: 7, ..entry(2, 1) }))]),
            ("applied-is-committed", &[("a", Fact::Stored(entry(3, 1))), ("a", Fact::Applied(entry(3, 1)))]),
            (
                "applied-equal",
                &[
                    ("a", Fact::Stored(entry(3, 1))),
                    ("b", Fact::Stored(entry(3, 1))),
                    ("a", Fact::Applied(entry(3, 1))),
                    ("b", Fact::Applied(entry(3, 2))),
                ],
            ),
            ("applied-in-order", &[("a", Fact::Applied(entry(4, 1)))]),
            ("leader-completeness", &[("d", Fact::Is(NodeId(4))), ("d", Fact::Leads { term: 2 })]),
            ("members-equal", &[("a", Fact::Members { version: 3, members: 0b0110 })]),
        ];
        for (property, facts) in cases {
            assert_eq!(property_after(facts), Some(property));
        }
    }
}
