//! Which segments each log consists of: one document of the metadata store for all logs.

use super::{Generation, LogId, LogletId, Lsn, Offset};
use serde::{Deserialize, Serialize};
use sim_raft::NodeId;
use sim_raft::client::Document;
use std::collections::BTreeMap;

/// The chains of all logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logs {
    /// From 1.
    pub version: u64,
    /// The segments of each log, in order. Each ends where the next begins; the last is open.
    pub chains: BTreeMap<LogId, Vec<Segment>>,
}

/// A part of a log with one sequencer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The segment's id.
    pub id: LogletId,
    /// The sequence number of its first record.
    pub base: Lsn,
    /// The node, in one generation, that assigns offsets to its records.
    pub sequencer: Generation,
    /// The nodes whose log servers store it.
    pub nodeset: Vec<NodeId>,
    /// The number of log servers that store each record.
    pub replication: u8,
}

impl Document for Logs {
    fn version(&self) -> u64 {
        self.version
    }
}

impl Logs {
    /// The document's key in the metadata store.
    pub const KEY: &str = "bifrost_config";

    /// Returns the first version: no logs yet.
    pub fn first() -> Logs {
        Logs { version: 1, chains: BTreeMap::new() }
    }

    /// Returns the open segment of a log.
    pub fn tail(&self, log: LogId) -> Option<&Segment> {
        self.chains.get(&log)?.last()
    }

    /// Returns the segment that contains a record, or the log's first segment if the record is
    /// older than that, and where the segment ends if it is closed.
    pub fn segment_of(&self, log: LogId, lsn: Lsn) -> Option<(&Segment, Option<Lsn>)> {
        let chain = self.chains.get(&log)?;
        let place = chain.iter().rposition(|segment| segment.base <= lsn).unwrap_or(0);
        Some((chain.get(place)?, chain.get(place + 1).map(|next| next.base)))
    }

    /// Closes the open segment at `tail` and opens the next, if `sealed` is still the open one. If
    /// there is no log yet and `sealed` is `None`, creates the log, at 1. Returns whether the
    /// chain changed.
    pub fn extend(
        &mut self,
        log: LogId,
        sealed: Option<LogletId>,
        tail: Lsn,
        next: (Generation, Vec<NodeId>, u8),
    ) -> bool {
        let chain = self.chains.entry(log).or_default();
        if chain.last().map(|last| last.id) != sealed {
            return false;
        }
        let segment = sealed.map_or(0, |sealed| sealed.segment + 1);
        let (sequencer, nodeset, replication) = next;
        chain.push(Segment { id: LogletId { log, segment }, base: tail, sequencer, nodeset, replication });
        self.version += 1;
        true
    }

    /// Removes the segments that are trimmed as a whole. Returns whether there were any.
    pub fn trim(&mut self, log: LogId, to: Lsn) -> bool {
        let Some(chain) = self.chains.get_mut(&log) else { return false };
        let keep = chain.iter().rposition(|segment| segment.base <= to.next()).unwrap_or(0);
        chain.drain(..keep);
        let trimmed = keep > 0;
        self.version += u64::from(trimmed);
        trimmed
    }
}

impl Segment {
    /// Returns how many servers an f-majority is: once so many are sealed, no write quorum is
    /// left, and so many servers together have every acknowledged record.
    pub fn f_majority(&self) -> usize {
        self.nodeset.len() + 1 - usize::from(self.replication)
    }

    /// Returns the offset of a record in the segment.
    pub fn offset(&self, lsn: Lsn) -> Offset {
        (lsn.0 + 1).saturating_sub(self.base.0)
    }

    /// Returns the sequence number of the record at an offset.
    pub fn lsn(&self, offset: Offset) -> Lsn {
        Lsn(self.base.0 + offset - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(3);

    fn next(node: u32) -> (Generation, Vec<NodeId>, u8) {
        (Generation { id: NodeId(node), generation: 1 }, vec![NodeId(1), NodeId(2), NodeId(3)], 2)
    }

    /// Bases are contiguous, and a segment that is no longer the open one cannot be extended.
    #[test]
    fn a_chain_grows_at_its_open_end_only() {
        let mut logs = Logs::first();
        assert!(logs.extend(LOG, None, Lsn(1), next(1)));
        let first = logs.tail(LOG).unwrap().clone();
        assert!(logs.extend(LOG, Some(first.id), Lsn(8), next(2)));
        assert!(!logs.extend(LOG, Some(first.id), Lsn(9), next(3)), "the segment is no longer the open one");
        assert_eq!(logs.version, 3);
        let (segment, end) = logs.segment_of(LOG, Lsn(7)).unwrap();
        assert_eq!((segment.id, end), (first.id, Some(Lsn(8))));
        let (segment, end) = logs.segment_of(LOG, Lsn(8)).unwrap();
        assert_eq!((segment.id.segment, segment.offset(Lsn(8)), end), (1, 1, None));
        assert_eq!(segment.lsn(1), Lsn(8));
        assert!(!logs.trim(LOG, Lsn(6)) && logs.trim(LOG, Lsn(7)));
        assert_eq!(logs.chains[&LOG].len(), 1);
    }

    /// 3 servers, 2 copies: any 2 servers meet any write quorum. With one copy all 3 have to be
    /// asked.
    #[test]
    fn an_f_majority_meets_every_write_quorum() {
        let (sequencer, nodeset, _) = next(1);
        let segment = |replication| Segment {
            id: LogletId { log: LOG, segment: 0 },
            base: Lsn(1),
            sequencer,
            nodeset: nodeset.clone(),
            replication,
        };
        assert_eq!([1, 2, 3].map(|replication| segment(replication).f_majority()), [3, 2, 1]);
    }
}
