//! Ending a segment and beginning the next: seal, recover acknowledged records, extend the chain,
//! trim.

use super::chain::{Logs, Segment};
use super::client::{Log, LogUnavailable, Shared, tail_of};
use super::loglet::Found;
use super::server::{LogServerRequest, LogServerResponse};
use super::servers::infos;
use super::{Generation, LogId, LogletId, Lsn, Offset, Record};
use crate::metadata::update;
use sim_raft::client::ClientError;
use sim_raft::{NodeId, StorageState};
use stormglass_core::Kind;
use stormglass_rt as rt;

impl Log {
    /// Seals a segment and opens the next, with this sequencer. Does nothing if the segment is no
    /// longer the open one.
    ///
    /// # Errors
    ///
    /// Too few log servers answer, or the metadata store does not.
    pub async fn reconfigure(&self, segment: &Segment, sequencer: Generation) -> Result<(), LogUnavailable> {
        let log = segment.id.log;
        let Shared { metadata, recorder, .. } = &*self.shared;
        if tail_of(metadata.logs.get().as_deref(), log).is_some_and(|tail| tail.id != segment.id) {
            return Ok(());
        }
        let began = rt::now();
        let tail = self.seal(segment).await.ok_or(LogUnavailable)?;
        self.extend(log, Some(segment.id), segment.lsn(tail), sequencer).await.map_err(|_| LogUnavailable)?;
        recorder.record(rt::now(), Kind::Step, self.shared.reconfigured, rt::now() - began, u64::from(log.0));
        Ok(())
    }

    /// Seals a segment on an f-majority, makes sure that its acknowledged records are found there,
    /// and returns its tail. `None` if too few servers answer.
    pub(crate) async fn seal(&self, segment: &Segment) -> Option<Offset> {
        let Shared { servers, sequencers, .. } = &*self.shared;
        sequencers.seal_here(segment.id);
        let quorum = segment.f_majority();
        let responses = servers
            .call_all(segment, &LogServerRequest::Seal(segment.id), |responses| responses.len() >= quorum)
            .await;
        if responses.len() < quorum {
            return None;
        }
        let global = infos(&responses).map(|info| info.global).max()?;
        let end = infos(&responses).map(|info| info.tail).max()?;
        let trimmed = infos(&responses).map(|info| info.trimmed).max()?;
        let global = global.max(trimmed + 1);
        // Records between the two offsets may be acknowledged; such a record is on at least one of
        // these servers. Each record found is copied until it has enough copies.
        let mut found: Vec<Record> = Vec::new();
        'search: while global + (found.len() as u64) < end {
            let from = global + found.len() as u64;
            for (node, _) in &responses {
                let request = LogServerRequest::Read { loglet: segment.id, from, end, most: usize::MAX };
                if let LogServerResponse::Found(Found::Records(records)) =
                    servers.call(*node, request).await.ok()?
                    && !records.is_empty()
                {
                    found.extend(records);
                    continue 'search;
                }
            }
            break;
        }
        let tail = global + found.len() as u64;
        if !found.is_empty() {
            // Whether these records belong to the log is only known once the chain says where the
            // segment ends, so they are not reported as acknowledged yet.
            let (loglet, records) = (segment.id, found.into());
            let request = LogServerRequest::Store { loglet, first: global, records, global, repair: true };
            let wanted = usize::from(segment.replication);
            let stored = servers.call_all(segment, &request, |responses| responses.len() >= wanted).await;
            if stored.len() < wanted {
                return None;
            }
        }
        servers.learn(segment, global);
        Some(tail)
    }

    pub(super) async fn extend(
        &self,
        log: LogId,
        sealed: Option<LogletId>,
        tail: Lsn,
        sequencer: Generation,
    ) -> Result<(), ClientError> {
        let Shared { client, metadata, settings, .. } = &*self.shared;
        let nodeset = self.nodeset(log);
        if nodeset.len() < usize::from(settings.replication) {
            return Err(ClientError::Retryable("too few log servers".into()));
        }
        update(client, &metadata.logs, Logs::KEY, |logs: Option<&Logs>| {
            let mut logs = logs.cloned().ok_or_else(|| ClientError::Retryable("no logs yet".into()))?;
            let next = (sequencer, nodeset.clone(), settings.replication);
            Ok(logs.extend(log, sealed, tail, next).then_some(logs))
        })
        .await
    }

    /// Returns the log servers of a new segment: 2r − 1, which survives r − 1 losses, out of the
    /// live ones if there are enough, starting at the log's own position in their order.
    fn nodeset(&self, log: LogId) -> Vec<NodeId> {
        let Shared { metadata, settings, liveness, .. } = &*self.shared;
        let nodes = metadata.nodes.get();
        let stores: Vec<NodeId> = nodes
            .iter()
            .flat_map(|nodes| &nodes.nodes)
            .filter(|(_, node)| node.storage == StorageState::ReadWrite)
            .map(|(&id, _)| id)
            .collect();
        let up: Vec<NodeId> =
            stores.iter().copied().filter(|&id| id == self.shared.me.id || liveness.is_alive(id)).collect();
        let replication = usize::from(settings.replication);
        let mut chosen = if up.len() >= replication { up } else { stores };
        let count = (2 * replication - 1).min(chosen.len());
        let turn = usize::from(log.0) % chosen.len().max(1);
        chosen.rotate_left(turn);
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }

    /// Trims a log up to this record, as far as its records are acknowledged, and returns the last
    /// trimmed record.
    ///
    /// # Errors
    ///
    /// Too few log servers answer, or the metadata store does not.
    pub async fn trim(&self, log: LogId, to: Lsn) -> Result<Lsn, LogUnavailable> {
        let Shared { metadata, servers, client, .. } = &*self.shared;
        let chain = metadata.logs.get().and_then(|logs| logs.chains.get(&log).cloned()).unwrap_or_default();
        let mut last = Lsn(0);
        for (place, segment) in chain.iter().enumerate().filter(|(_, segment)| segment.base <= to) {
            // A closed segment is acknowledged up to its end, an open one up to the tail known
            // here.
            let end = chain.get(place + 1).map(|next| segment.offset(next.base));
            let end = end.unwrap_or_else(|| servers.tail(segment.id).get());
            let offset = segment.offset(to).min(end.saturating_sub(1));
            let quorum = segment.f_majority();
            let responses = servers
                .call_all(segment, &LogServerRequest::Trim(segment.id, offset), |responses| {
                    responses.len() >= quorum
                })
                .await;
            if responses.len() < quorum {
                return Err(LogUnavailable);
            }
            last = last.max(segment.lsn(offset + 1).previous());
        }
        let updated = update(client, &metadata.logs, Logs::KEY, |logs: Option<&Logs>| {
            let mut logs = logs.cloned().ok_or_else(|| ClientError::Retryable("no logs yet".into()))?;
            Ok(logs.trim(log, last).then_some(logs))
        });
        updated.await.map_err(|_| LogUnavailable)?;
        Ok(last)
    }

    /// Seals the segments whose sequencer is this node, as a node does when it shuts down.
    pub async fn seal_own(&self) {
        for segment in self.shared.sequencers.open() {
            self.seal(&segment).await;
        }
    }
}
