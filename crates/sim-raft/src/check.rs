//! What has to hold of the facts that members tell, whatever happens to them.
//!
//! | property | violated by |
//! | --- | --- |
//! | `one-leader-per-term` | two members that lead in one term |
//! | `one-vote-per-term` | a member that votes for two in one term, in all its lives |
//! | `terms-grow` | a member whose durable term goes back |
//! | `log-survives` | a member that begins a life with less than it had told to be durable |
//! | `log-matching` | two entries of one index and term that are not the same, or have not the same before them |
//! | `applied-is-committed` | an entry that is applied and not durable on a majority of the members |
//! | `applied-equal` | two members that apply different entries at one index |
//! | `applied-in-order` | a member that leaves an entry out, or applies it twice in one life |
//! | `leader-completeness` | a leader that lacks an entry which was applied anywhere before anybody was in its term |
//! | `members-equal` | two members that take different sets for one version of the membership |
//!
//! Sources: Ongaro, "Consensus: Bridging Theory and Practice" (2014), figure 3.2, for the names and the safety properties; the rest
//! follows from what a durable log is.

use crate::facts::{Fact, Position};
use std::collections::BTreeMap;
use std::fmt;
use stormglass_core::SimTime;

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: &'static str,
    /// Since when.
    pub at: SimTime,
    /// What was seen.
    pub evidence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.property, self.at, self.evidence)
    }
}

/// A plain struct: facts in, the first violation out.
#[derive(Clone, Debug, Default)]
pub struct RaftCheck {
    members: BTreeMap<String, MemberLog>,
    leaders: BTreeMap<u64, String>,
    votes: BTreeMap<(String, u64), u32>,
    /// Every entry that anybody stored: its digest, and the term before it.
    entries: BTreeMap<(u64, u64), (u64, u64)>,
    /// What was applied first at each index, and by whom.
    applied: BTreeMap<u64, Applied>,
    /// The highest term that anybody has made durable.
    term_highest: u64,
    memberships: BTreeMap<u64, u64>,
    violation: Option<Violation>,
}

/// An entry, who applied it first, and the last term that can have committed it.
#[derive(Clone, Debug)]
struct Applied {
    entry: Position,
    by: String,
    committed_by: u64,
}

/// What a member has told to be durable.
#[derive(Clone, Debug, Default)]
struct MemberLog {
    id: u32,
    term: u64,
    /// The last index and the term that the snapshot covers.
    snapshot: (u64, u64),
    log: BTreeMap<u64, Position>,
    /// What stood from here on may be gone.
    storing: Option<u64>,
    applied: u64,
    /// The members that it takes for such, one bit each, and took for such before: what is committed together with a change was so by
    /// those before it, for raft-rs has a change take effect when it is applied.
    members: u64,
    members_before: u64,
}

impl MemberLog {
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
    /// Takes a fact that this member told at this moment, in order.
    pub fn tell(&mut self, at: SimTime, member: &str, fact: Fact) {
        if let Some((property, evidence)) = self.look(member, fact) {
            let evidence = format!("{member}: {fact}: {evidence}");
            self.violation.get_or_insert(Violation { property, at, evidence });
        }
    }

    /// The first violation, if there is one.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The member that led in the last term that had a leader, and that term.
    pub fn last_leader(&self) -> Option<(u64, &str)> {
        self.leaders.last_key_value().map(|(&term, leader)| (term, leader.as_str()))
    }

    /// How many entries were applied anywhere, the highest index of all.
    pub fn last_applied(&self) -> u64 {
        self.applied.last_key_value().map_or(0, |(&index, _)| index)
    }

    fn look(&mut self, name: &str, fact: Fact) -> Option<(&'static str, String)> {
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
                let sure = own.storing.take().map_or(u64::MAX, |index| index.saturating_sub(1));
                let last = own.last().min(sure).max(own.snapshot.0);
                if index < last {
                    return Some(("log-survives", format!("it was durable up to {last} before")));
                }
            }
            Fact::Term(term) => {
                let before = std::mem::replace(&mut own.term, term);
                self.term_highest = self.term_highest.max(term);
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
                // What an old term has left may be committed by a later one, while a leader of the time between, who was paused, still
                // takes itself for elected.
                let before = |applied: &&Applied| applied.committed_by < term && !own.has(applied.entry);
                if let Some(Applied { entry: position, by, .. }) = self.applied.values().find(before) {
                    let Position { index, term, .. } = *position;
                    return Some((
                        "leader-completeness",
                        format!("it lacks {index} of term {term}, which {by} applied"),
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
                        "another member has something else in that place and term".into(),
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
                // Who leads has made its term durable before: none that committed this is later.
                let committed_by = self.term_highest;
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
                        format!("durable on {now} of {needed} that it takes"),
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
                    return Some(("members-equal", format!("others take {first:b} for that version")));
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
            check.tell(SimTime::from_nanos(number as u64), name, *fact);
        }
        check.violation().map(|violation| violation.property)
    }

    #[test]
    fn what_is_right_is_right() {
        assert_eq!(property_after(&[]), None);
        // A log that was overwritten where nothing was applied, a restart, a snapshot, a new leader.
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
        // Term 3's leader was elected before term 4's committed what term 2 had left, and finds out late.
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
    fn each_property_is_violated_by_its_facts() {
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
