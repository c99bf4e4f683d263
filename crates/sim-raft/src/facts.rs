//! Facts that members record for checkers, as events of the trace.
//!
//! A fact is recorded once it cannot become false: an entry or a vote when it is durable, an
//! applied entry when it is applied. Facts are recorded only if they are enabled
//! ([`stormglass_core::Recorder::enable_facts`]).

use crate::nodes::NodeId;
use raft::eraftpb::{Entry, Snapshot};
use stormglass_core::{Event, Recorder, Symbol};
use stormglass_rt as rt;

/// The index and term of an entry of the log, with a digest of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The index. Below 2²⁴.
    pub index: u64,
    /// The term. Below 2¹⁶.
    pub term: u64,
    /// 24 bits of the CRC-32 of the type and data of an entry, or of the data of a snapshot.
    pub digest: u64,
}

impl Position {
    /// Returns the position of an entry.
    pub fn of(entry: &Entry) -> Position {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[entry.get_entry_type() as u8]);
        hasher.update(&entry.data);
        Position { index: entry.index, term: entry.term, digest: u64::from(hasher.finalize() & 0xff_ffff) }
    }

    /// Returns the position of the last entry that a snapshot covers.
    pub(crate) fn of_snapshot(snapshot: &Snapshot) -> Position {
        let metadata = snapshot.get_metadata();
        let digest = u64::from(crc32fast::hash(snapshot.get_data()) & 0xff_ffff);
        Position { index: metadata.index, term: metadata.term, digest }
    }

    fn pack(self) -> u64 {
        let Position { index, term, digest } = self;
        assert!(
            index < 1 << 24 && term < 1 << 16,
            "index {index} or term {term} is out of range (below 2²⁴ and 2¹⁶)"
        );
        index << 40 | term << 24 | digest
    }

    fn unpack(value: u64) -> Position {
        Position { index: value >> 40, term: value >> 24 & 0xffff, digest: value & 0xff_ffff }
    }
}

/// A fact about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The member has this id.
    Is(NodeId),
    /// The member has started an incarnation; its log begins after this snapshot.
    Recovered {
        /// The position of the snapshot.
        snapshot: Position,
    },
    /// The log of the member ends here at the start of an incarnation.
    LogEnds {
        /// The index of the last entry.
        index: u64,
    },
    /// The current term of the member, which is durable.
    Term(u64),
    /// The vote of the member, which is durable.
    Vote {
        /// The term of the election.
        term: u64,
        /// The candidate.
        candidate: NodeId,
    },
    /// The member is the leader.
    Leads {
        /// The term.
        term: u64,
    },
    /// The member starts to store entries from this index on: until they are durable, the entries
    /// that they replace may be lost.
    Storing {
        /// The index of the first entry.
        index: u64,
    },
    /// An entry is durable; entries of the same or a higher index are replaced.
    Stored(Position),
    /// The member has applied an entry.
    Applied(Position),
    /// A snapshot replaces the log up to here.
    Restored(Position),
    /// The voters of the configuration that the member has applied.
    Members {
        /// The membership's version. Below 2¹⁶.
        version: u64,
        /// One bit for each voter: bit `id`. Ids are below 48.
        members: u64,
    },
}

impl Fact {
    fn name(self) -> &'static str {
        NAMES[self.number()]
    }

    fn number(self) -> usize {
        match self {
            Fact::Recovered { .. } => 0,
            Fact::LogEnds { .. } => 1,
            Fact::Term(_) => 2,
            Fact::Vote { .. } => 3,
            Fact::Leads { .. } => 4,
            Fact::Stored(_) => 5,
            Fact::Applied(_) => 6,
            Fact::Restored(_) => 7,
            Fact::Members { .. } => 8,
            Fact::Is(_) => 9,
            Fact::Storing { .. } => 10,
        }
    }

    fn value(self) -> u64 {
        match self {
            Fact::Recovered { snapshot: position }
            | Fact::Stored(position)
            | Fact::Applied(position)
            | Fact::Restored(position) => position.pack(),
            Fact::LogEnds { index: value }
            | Fact::Storing { index: value }
            | Fact::Term(value)
            | Fact::Leads { term: value } => value,
            Fact::Is(id) => u64::from(id.0),
            Fact::Vote { term, candidate } => term << 32 | u64::from(candidate.0),
            Fact::Members { version, members } => {
                assert!(
                    version < 1 << 16 && members < 1 << 48,
                    "version {version} or members {members:b} is out of range (below 2¹⁶, ids below 48)"
                );
                version << 48 | members
            }
        }
    }

    /// Decodes the fact in an event with this subject; `None` if the event is no fact.
    pub fn decode(subject: &str, event: &Event) -> Option<Fact> {
        let value = event.value;
        let number = NAMES.iter().position(|name| *name == subject)?;
        Some(match number {
            0 => Fact::Recovered { snapshot: Position::unpack(value) },
            1 => Fact::LogEnds { index: value },
            2 => Fact::Term(value),
            3 => Fact::Vote { term: value >> 32, candidate: NodeId(value as u32) },
            4 => Fact::Leads { term: value },
            5 => Fact::Stored(Position::unpack(value)),
            6 => Fact::Applied(Position::unpack(value)),
            7 => Fact::Restored(Position::unpack(value)),
            9 => Fact::Is(NodeId(value as u32)),
            10 => Fact::Storing { index: value },
            _ => Fact::Members { version: value >> 48, members: value & ((1 << 48) - 1) },
        })
    }

    /// Creates a [`Fact::Members`] from the ids of the voters.
    pub(crate) fn members(version: u64, ids: impl Iterator<Item = u64>) -> Fact {
        Fact::Members { version, members: ids.fold(0, |bits, id| bits | 1 << id) }
    }
}

const NAMES: [&str; 11] = [
    "raft recovered",
    "raft log ends",
    "raft term",
    "raft vote",
    "raft leads",
    "raft stored",
    "raft applied",
    "raft restored",
    "raft members",
    "raft is",
    "raft storing",
];

/// The handle with which a member records its facts.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    recorder: Recorder,
    symbols: Option<[Symbol; NAMES.len()]>,
}

impl Facts {
    pub(crate) fn new(recorder: &Recorder) -> Facts {
        let symbols = recorder.has_facts_enabled().then(|| NAMES.map(|name| recorder.symbol(name)));
        Facts { recorder: recorder.clone(), symbols }
    }

    /// Whether facts are enabled.
    pub(crate) fn is_enabled(&self) -> bool {
        self.symbols.is_some()
    }

    /// Records a fact, if facts are enabled.
    pub(crate) fn record(&self, fact: Fact) {
        if let Some(symbols) = &self.symbols {
            self.recorder.record_fact(rt::now(), symbols[fact.number()], fact.value());
        }
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fact::Recovered { snapshot: position }
            | Fact::Stored(position)
            | Fact::Applied(position)
            | Fact::Restored(position) => {
                write!(f, "{} {} of term {}", self.name(), position.index, position.term)
            }
            Fact::Is(id) => write!(f, "{} {id}", self.name()),
            Fact::LogEnds { index } | Fact::Storing { index } => write!(f, "{} at {index}", self.name()),
            Fact::Term(term) | Fact::Leads { term } => write!(f, "{} {term}", self.name()),
            Fact::Vote { term, candidate } => write!(f, "{} for {candidate} in term {term}", self.name()),
            Fact::Members { version, members } => write!(f, "{} {members:b}, version {version}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Keep;

    #[test]
    fn facts_round_trip_through_events() {
        let position = Position { index: 70_000, term: 300, digest: 0xab_cdef };
        let recorded = [
            Fact::Is(NodeId(2)),
            Fact::Storing { index: 8 },
            Fact::Recovered { snapshot: position },
            Fact::LogEnds { index: 9 },
            Fact::Term(4),
            Fact::Vote { term: 5, candidate: NodeId(3) },
            Fact::Leads { term: 5 },
            Fact::Stored(position),
            Fact::Applied(position),
            Fact::Restored(position),
            Fact::Members { version: 7, members: 0b1110 },
        ];
        let recorder = Recorder::new(Keep::Nothing);
        assert!(!Facts::new(&recorder).is_enabled());
        recorder.enable_facts();
        madsim::runtime::Runtime::new().block_on(async {
            let facts = Facts::new(&recorder);
            recorded.iter().for_each(|&fact| facts.record(fact));
        });
        let events = recorder.take_facts();
        let decoded: Vec<Fact> =
            events.iter().filter_map(|event| Fact::decode(&recorder.text(event.subject), event)).collect();
        assert_eq!(decoded, recorded);
    }
}
