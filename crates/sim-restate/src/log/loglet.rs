//! What a log server stores of one segment, as a plain struct.

use super::{Offset, Record};
use std::collections::BTreeMap;

/// One server's part of a segment.
#[derive(Clone, Debug, Default)]
pub struct Loglet {
    records: BTreeMap<Offset, Record>,
    /// One more than the highest offset that it has ever had a record for.
    tail: Offset,
    /// The first offset without a record, counted from the trimmed ones on.
    solid: Offset,
    sealed: bool,
    trimmed: Offset,
    /// The highest known offset below which all records are acknowledged.
    global: Offset,
}

/// What a server reports of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogletInfo {
    /// One more than the highest offset that this server has ever had a record for.
    pub tail: Offset,
    /// The first offset without a record: all before are here, or were trimmed.
    pub solid: Offset,
    /// One more than the last offset that the server knows to be acknowledged.
    pub global: Offset,
    /// Whether it accepts no more records.
    pub sealed: bool,
    /// The last offset that was trimmed.
    pub trimmed: Offset,
}

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Records from the requested offset on, without holes; empty if this server does not have the
    /// first.
    Records(Vec<Record>),
    /// Everything up to this offset was trimmed.
    Trimmed(Offset),
}

impl Loglet {
    /// Returns the loglet as it is read back from a database. If all its records were trimmed, it ends
    /// after the last trimmed one, as in the RocksDB log store of Restate.
    pub fn restored(
        records: BTreeMap<Offset, Record>,
        tail: Offset,
        sealed: bool,
        trimmed: Offset,
    ) -> Loglet {
        let last = records.keys().last().map_or(1, |last| last + 1);
        let (tail, solid, global) = (tail.max(last).max(trimmed + 1), trimmed + 1, trimmed + 1);
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

    /// Returns whether it accepts no more records.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Stores records from the offset `first` on; trimmed ones stay trimmed.
    pub fn store(&mut self, first: Offset, records: &[Record]) {
        for (offset, record) in (first..).zip(records) {
            if offset > self.trimmed {
                self.records.insert(offset, record.clone());
            }
        }
        self.tail = self.tail.max(first + records.len() as u64);
        self.extend_solid();
    }

    /// Accepts no more records from now on.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// Takes note that everything below `global` is acknowledged.
    pub fn learn(&mut self, global: Offset) {
        self.global = self.global.max(global);
    }

    /// Returns the offset up to which a trim drops records: at most the last one that this server has, as in Restate
    /// (`LogletWorker::process_trim`).
    pub fn trimmable(&self, to: Offset) -> Offset {
        to.min(self.tail.max(1) - 1)
    }

    /// Drops the records up to an offset, as far as this server has any.
    pub fn trim(&mut self, to: Offset) {
        let to = self.trimmable(to);
        if to > self.trimmed {
            self.records = self.records.split_off(&(to + 1));
            self.trimmed = to;
            self.extend_solid();
        }
    }

    /// Returns what the server reports.
    pub fn info(&self) -> LogletInfo {
        let Loglet { tail, solid, sealed, trimmed, global, .. } = *self;
        LogletInfo { tail: tail.max(1), solid: solid.max(1), global: global.max(1), sealed, trimmed }
    }

    /// Returns records from an offset on, below `end`, up to `most` of them.
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

    /// A server whose records were all trimmed started again and reported a tail before the trim
    /// point: a partition then had applied more than the log had.
    #[test]
    fn a_restored_loglet_ends_after_its_trim_point() {
        let loglet = Loglet::restored(BTreeMap::new(), 20, false, 20);
        assert_eq!((loglet.info().tail, loglet.info().solid), (21, 21));
    }

    #[test]
    fn a_trim_beyond_the_tail_ends_at_the_tail() {
        let mut loglet = Loglet::default();
        loglet.store(1, &[record(1), record(2)]);
        loglet.trim(5);
        assert_eq!((loglet.info().trimmed, loglet.info().tail), (2, 3));
    }

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
        // A late copy of a trimmed record does not bring it back.
        loglet.store(1, &[record(1)]);
        assert_eq!(loglet.read(2, 9, 10), Found::Trimmed(2));
        assert_eq!(loglet.read(3, 4, 10), Found::Records(vec![record(3)]));
    }
}
