//! What a log server keeps of one segment.

use super::{Offset, Record};
use std::collections::BTreeMap;

/// One server's part of a segment.
#[derive(Clone, Debug, Default)]
pub struct Loglet {
    records: BTreeMap<Offset, Record>,
    /// One more than the last place that it has had a record for.
    tail: Offset,
    /// The first place that it has no record for, from those that were trimmed away on.
    solid: Offset,
    sealed: bool,
    trimmed: Offset,
    /// The highest tail up to which records are known to be acknowledged.
    global: Offset,
}

/// What a server tells of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogletInfo {
    /// One more than the last place that this server has had a record for.
    pub tail: Offset,
    /// The first place that it has no record for: all before are here, or were trimmed away.
    pub solid: Offset,
    /// One more than the last place that it knows to be acknowledged.
    pub global: Offset,
    /// Whether it takes no more records.
    pub sealed: bool,
    /// The last place that was trimmed away.
    pub trimmed: Offset,
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Records from the place asked for, without holes; none if this server does not have the first.
    Records(Vec<Record>),
    /// Everything up to this place was trimmed away.
    Trimmed(Offset),
}

impl Loglet {
    /// As read back from a database.
    pub fn restored(
        records: BTreeMap<Offset, Record>,
        tail: Offset,
        sealed: bool,
        trimmed: Offset,
    ) -> Loglet {
        let last = records.keys().last().map_or(1, |last| last + 1);
        let (tail, solid, global) = (tail.max(last), trimmed + 1, trimmed + 1);
        let mut loglet = Loglet { records, tail, solid, sealed, trimmed, global };
        loglet.extend_solid();
        loglet
    }

    fn extend_solid(&mut self) {
        self.solid = self.solid.max(self.trimmed + 1);
        while self.records.contains_key(&self.solid) {
            self.solid += 1;
        }
    }

    /// Whether it takes no more records.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Takes records from `first` on; those that were trimmed away stay away.
    pub fn store(&mut self, first: Offset, records: &[Record]) {
        for (offset, record) in (first..).zip(records) {
            if offset > self.trimmed {
                self.records.insert(offset, record.clone());
            }
        }
        self.tail = self.tail.max(first + records.len() as u64);
        self.extend_solid();
    }

    /// Takes no more from now on.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// Learns that everything below `global` is acknowledged.
    pub fn learn(&mut self, global: Offset) {
        self.global = self.global.max(global);
    }

    /// Drops the records up to a place.
    pub fn trim(&mut self, to: Offset) {
        if to > self.trimmed {
            self.records = self.records.split_off(&(to + 1));
            self.trimmed = to;
            self.extend_solid();
        }
    }

    /// What there is to tell.
    pub fn info(&self) -> LogletInfo {
        let Loglet { tail, solid, sealed, trimmed, global, .. } = *self;
        LogletInfo { tail: tail.max(1), solid: solid.max(1), global: global.max(1), sealed, trimmed }
    }

    /// Records from a place on, below `end`, so many at the most.
    pub fn read(&self, from: Offset, end: Offset, most: usize) -> Found {
        if from <= self.trimmed {
            return Found::Trimmed(self.trimmed);
        }
        let there = self.records.range(from..end.max(from)).take(most).zip(from..);
        Found::Records(
            there.take_while(|((at, _), due)| *at == due).map(|((_, record), _)| record.clone()).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u8) -> Record {
        vec![n].into()
    }

    #[test]
    fn a_read_stops_at_a_hole_and_tells_of_a_trim() {
        let mut loglet = Loglet::default();
        loglet.store(1, &[record(1), record(2), record(3)]);
        loglet.store(5, &[record(5)]);
        assert_eq!(loglet.read(2, 9, 10), Found::Records(vec![record(2), record(3)]));
        assert_eq!(loglet.read(4, 9, 10), Found::Records(vec![]));
        assert_eq!((loglet.info().tail, loglet.info().solid), (6, 4));
        loglet.trim(2);
        assert_eq!(loglet.read(1, 9, 10), Found::Trimmed(2));
        // A late copy of what is gone does not bring it back.
        loglet.store(1, &[record(1)]);
        assert_eq!(loglet.read(2, 9, 10), Found::Trimmed(2));
        assert_eq!(loglet.read(3, 4, 10), Found::Records(vec![record(3)]));
    }
}
