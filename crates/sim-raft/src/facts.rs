//! What members tell checkers, as events of the trace.
//!
//! A fact is told when it is true for good: an entry when it is durable, a vote when it is, an entry applied when it is. Facts are
//! recorded only where somebody wants them ([`stormglass_core::Recorder::want_facts`]).

use crate::nodes::NodeId;
use raft::eraftpb::Entry;
use stormglass_core::{Event, Recorder, Symbol};
use stormglass_rt as rt;

/// Where an entry stands in the log, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its index. Below 2²⁴.
    pub index: u64,
    /// Its term. Below 2¹⁶.
    pub term: u64,
    /// 24 bits of the CRC-32 of its type and content; of a snapshot, of its content.
    pub digest: u64,
}

impl Position {
    /// Of an entry.
    pub fn of(entry: &Entry) -> Position {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[entry.get_entry_type() as u8]);
        hasher.update(&entry.data);
        Position { index: entry.index, term: entry.term, digest: u64::from(hasher.finalize() & 0xff_ffff) }
    }

    fn pack(self) -> u64 {
        let Position { index, term, digest } = self;
        assert!(index < 1 << 24 && term < 1 << 16, "a run's logs stay below 2²⁴ entries and 2¹⁶ terms");
        index << 40 | term << 24 | digest
    }

    fn unpack(value: u64) -> Position {
        Position { index: value >> 40, term: value >> 24 & 0xffff, digest: value & 0xff_ffff }
    }
}

/// Something that is true of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It has this id.
    Is(NodeId),
    /// It has begun a life, with a log from after this snapshot.
    Recovered {
        /// The snapshot's place.
        snapshot: Position,
    },
    /// Its log ends here, when a life begins.
    LogEnds {
        /// The last index.
        index: u64,
    },
    /// Its term is durable.
    Term(u64),
    /// Its vote is durable.
    Vote {
        /// In this term.
        term: u64,
        /// For this member.
        candidate: NodeId,
    },
    /// It leads.
    Leads {
        /// In this term.
        term: u64,
    },
    /// It is about to store entries from this index on: until they are durable, what stood there may be gone.
    Storing {
        /// The first index.
        index: u64,
    },
    /// An entry is durable; whatever stood in its place or after it is gone.
    Stored(Position),
    /// An entry is applied.
    Applied(Position),
    /// A snapshot stands in place of the log up to here.
    Restored(Position),
    /// It takes these for the members.
    Members {
        /// The membership's version. Below 2¹⁶.
        version: u64,
        /// One bit a member, by its id. Ids are below 48.
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
                    "fewer than 2¹⁶ changes of fewer than 48 members"
                );
                version << 48 | members
            }
        }
    }

    /// The fact in an event with this subject, if it is one.
    pub fn read(subject: &str, event: &Event) -> Option<Fact> {
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

    /// Of these members, by their ids.
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

/// Where a member tells its facts.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    recorder: Recorder,
    symbols: Option<[Symbol; NAMES.len()]>,
}

impl Facts {
    pub(crate) fn new(recorder: &Recorder) -> Facts {
        let symbols = recorder.wants_facts().then(|| NAMES.map(|name| recorder.symbol(name)));
        Facts { recorder: recorder.clone(), symbols }
    }

    pub(crate) fn wanted(&self) -> bool {
        self.symbols.is_some()
    }

    pub(crate) fn tell(&self, fact: Fact) {
        if let Some(symbols) = &self.symbols {
            self.recorder.fact(rt::now(), symbols[fact.number()], fact.value());
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
    fn facts_are_read_as_they_were_told() {
        let position = Position { index: 70_000, term: 300, digest: 0xab_cdef };
        let told = [
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
        assert!(!Facts::new(&recorder).wanted());
        recorder.want_facts();
        madsim::runtime::Runtime::new().block_on(async {
            let facts = Facts::new(&recorder);
            told.iter().for_each(|&fact| facts.tell(fact));
        });
        let events = recorder.take_facts();
        let read: Vec<Fact> =
            events.iter().filter_map(|event| Fact::read(&recorder.text(event.subject), event)).collect();
        assert_eq!(read, told);
    }
}
