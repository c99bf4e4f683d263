//! Which segments each log consists of: one document for all of them.

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
    /// Its number.
    pub id: LogletId,
    /// The number of its first record.
    pub base: Lsn,
    /// Who gives its records their places.
    pub sequencer: Generation,
    /// Whose log servers store them.
    pub nodeset: Vec<NodeId>,
    /// How many of these store each.
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

    /// The first version: no logs yet.
    pub fn first() -> Logs {
        Logs { version: 1, chains: BTreeMap::new() }
    }

    /// The open segment of a log.
    pub fn tail(&self, log: LogId) -> Option<&Segment> {
        self.chains.get(&log)?.last()
    }

    /// The segment that has a record, or the log's first if the record is older than that, and where it ends if it is closed.
    pub fn segment_of(&self, log: LogId, lsn: Lsn) -> Option<(&Segment, Option<Lsn>)> {
        let chain = self.chains.get(&log)?;
        let place = chain.iter().rposition(|segment| segment.base <= lsn).unwrap_or(0);
        Some((chain.get(place)?, chain.get(place + 1).map(|next| next.base)))
    }

    /// Closes the open segment at `tail` and opens the next, if `sealed` is still the open one. With no log yet, and nothing sealed, begins it at 1.
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

    /// Forgets the segments that are trimmed as a whole.
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
    /// How many servers an f-majority is: with so many sealed no write quorum is left, and among so many is one with any acknowledged record.
    pub fn f_majority(&self) -> usize {
        self.nodeset.len() + 1 - usize::from(self.replication)
    }

    /// The place of a record in it.
    pub fn offset(&self, lsn: Lsn) -> Offset {
        (lsn.0 + 1).saturating_sub(self.base.0)
    }

    /// The record at a place of it.
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

    /// Bases are contiguous, and who has sealed an old segment extends nothing.
    #[test]
    fn a_chain_grows_at_its_open_end_only() {
        let mut logs = Logs::first();
        assert!(logs.extend(LOG, None, Lsn(1), next(1)));
        let first = logs.tail(LOG).unwrap().clone();
        assert!(logs.extend(LOG, Some(first.id), Lsn(8), next(2)));
        assert!(!logs.extend(LOG, Some(first.id), Lsn(9), next(3)), "somebody else was faster");
        assert_eq!(logs.version, 3);
        let (segment, end) = logs.segment_of(LOG, Lsn(7)).unwrap();
        assert_eq!((segment.id, end), (first.id, Some(Lsn(8))));
        let (segment, end) = logs.segment_of(LOG, Lsn(8)).unwrap();
        assert_eq!((segment.id.segment, segment.offset(Lsn(8)), end), (1, 1, None));
        assert_eq!(segment.lsn(1), Lsn(8));
        assert!(!logs.trim(LOG, Lsn(6)) && logs.trim(LOG, Lsn(7)));
        assert_eq!(logs.chains[&LOG].len(), 1);
    }

    /// 3 servers, 2 copies: any 2 servers meet any write quorum. With one copy all have to be asked.
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
