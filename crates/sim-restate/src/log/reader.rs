//! Reading a log: record by record, from a position on.

use super::chain::Segment;
use super::client::{Log, Shared};
use super::loglet::Found;
use super::server::{LogServerRequest, LogServerResponse};
use super::settings::Reconfigures;
use super::{LogId, LogletId, Lsn, Offset, Record};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use stormglass_core::SimTime;
use stormglass_rt as rt;

/// What a reader returns next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A record and its sequence number.
    Record(Lsn, Record),
    /// The records from the reader's position up to this one were trimmed.
    Gap(Lsn),
}

/// Reads a log, record by record, and waits at its end for more.
#[derive(Debug)]
pub struct Reader {
    log: Log,
    id: LogId,
    next: Lsn,
    read: VecDeque<Record>,
}

impl Reader {
    /// Returns the next entry.
    pub async fn next(&mut self) -> Entry {
        let mut delays = None;
        loop {
            if let Some(record) = self.read.pop_front() {
                let lsn = self.next;
                self.next = lsn.next();
                return Entry::Record(lsn, record);
            }
            let (segment, end) = self.readable().await;
            if self.next < segment.base {
                return self.skip(segment.base.previous());
            }
            match self.fetch(&segment, end).await {
                Some(Found::Trimmed(to)) => return self.skip(segment.lsn(to)),
                Some(Found::Records(records)) => self.read.extend(records),
                None => {
                    let Shared { settings, recorder, .. } = &*self.log.shared;
                    let jitter = || self.log.jitter("read", self.id);
                    let delays = delays.get_or_insert_with(|| settings.read_retry.delays(jitter()));
                    let delay = delays.next().unwrap_or(settings.read_retry.max);
                    rt::pause(recorder, recorder.symbol("read back-off"), delay).await;
                }
            }
        }
    }

    fn skip(&mut self, to: Lsn) -> Entry {
        self.next = to.next();
        Entry::Gap(to)
    }

    /// Waits until the next record can be read. Returns its segment, and the offset below which
    /// the segment can be read.
    async fn readable(&self) -> (Arc<Segment>, Offset) {
        let Shared { metadata, servers, sequencers, settings, me, .. } = &*self.log.shared;
        let mut sealed_since: Option<(LogletId, SimTime)> = None;
        loop {
            let logs = self.log.until_exists(self.id).await;
            let (segment, end) = logs.segment_of(self.id, self.next).expect("it has begun");
            let segment = Arc::new(segment.clone());
            if let Some(end) = end {
                return (segment.clone(), segment.offset(end));
            }
            let offset = segment.offset(self.next);
            if offset == 0 {
                return (segment, 0);
            }
            let tail = servers.tail(segment.id);
            let version = logs.version;
            let news = poll_fn(|context| {
                let read = tail.poll_until(context, |&tail| tail > offset);
                if read.is_ready() {
                    return Poll::Ready(());
                }
                let closed = metadata
                    .logs
                    .poll_until(context, |logs| logs.as_ref().is_some_and(|logs| logs.version > version));
                closed.map(drop)
            });
            if sequencers.is_for(&segment) {
                news.await;
            } else if rt::timeout(settings.tail_poll, news).await.is_none() {
                let checked = self.log.check_tail(&segment).await;
                // Where leaders reconfigure logs, a leader without anything to append never
                // notices that the segment is sealed; so the reader opens the next one.
                if settings.reconfigures == Reconfigures::Leader
                    && checked.is_some_and(|checked| checked.sealed)
                {
                    let same = sealed_since.filter(|(sealed, _)| *sealed == segment.id);
                    let (_, since) = *sealed_since.insert(same.unwrap_or_else(|| (segment.id, rt::now())));
                    if rt::now() >= since + settings.auto_recovery {
                        // A failure is repeated after the next check.
                        let _ = self.log.reconfigure(&segment, *me).await;
                    }
                }
            }
            let known = tail.get();
            if known > offset {
                return (segment, known);
            }
        }
    }

    /// Asks the segment's servers for the next records, one server after the other, the node's own
    /// first.
    async fn fetch(&self, segment: &Segment, end: Offset) -> Option<Found> {
        let Shared { servers, settings, me, .. } = &*self.log.shared;
        let from = segment.offset(self.next);
        let own = segment.nodeset.iter().filter(|&&node| node == me.id);
        let others = segment.nodeset.iter().filter(|&&node| node != me.id);
        for &node in own.chain(others) {
            let request = LogServerRequest::Read { loglet: segment.id, from, end, most: settings.read_ahead };
            match servers.call(node, request).await {
                Ok(LogServerResponse::Found(Found::Records(records))) if records.is_empty() => {}
                Ok(LogServerResponse::Found(found)) => return Some(found),
                _ => {}
            }
        }
        None
    }
}

impl Log {
    /// Returns a reader of a log from this record on.
    pub fn reader(&self, id: LogId, next: Lsn) -> Reader {
        Reader { log: self.clone(), id, next, read: VecDeque::new() }
    }
}
