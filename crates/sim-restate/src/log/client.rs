//! The log as a node uses it: append records, find the tail.

use super::chain::{Logs, Segment};
use super::sequencer::{SEQUENCER_PORT, SequencerRequest, SequencerResponse, Sequencers};
use super::server::{LogServer, LogServerRequest, LogServerResponse};
use super::servers::{Servers, infos};
use super::settings::{LogSettings, Reconfigures};
use super::{Generation, LogId, Lsn, Offset, Record};
use crate::liveness::Liveness;
use crate::metadata::Metadata;
use crate::operation_streams::OperationStreams;
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use sim_raft::client::ClientError;
use sim_raft::{MetadataClient, NodeId};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::{Recorder, Seed, Stream, Symbol};
use stormglass_net::Host;
use stormglass_rt as rt;

/// What a node's log is made of.
pub(crate) struct Parts<'a> {
    pub(crate) host: &'a Host,
    pub(crate) me: Generation,
    pub(crate) local: Option<LogServer>,
    pub(crate) metadata: &'a Metadata,
    pub(crate) client: &'a MetadataClient,
    pub(crate) liveness: &'a Liveness,
    pub(crate) settings: &'a ClusterSettings,
    pub(crate) seed: Seed,
}

/// The log, on one node. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) me: Generation,
    pub(super) metadata: Metadata,
    pub(super) client: MetadataClient,
    pub(super) liveness: Liveness,
    pub(super) servers: Servers,
    pub(super) sequencers: Sequencers,
    pub(super) remote: Peers<SequencerRequest, SequencerResponse>,
    pub(super) settings: LogSettings,
    pub(super) recorder: Recorder,
    pub(super) streams: OperationStreams,
    pub(super) append_back_off: Symbol,
    pub(super) reconfigured: Symbol,
}

/// A log could not be reconfigured or trimmed: too few log servers answered, or the metadata store
/// did not. The caller may try again.
#[derive(Debug, PartialEq, Eq)]
pub struct LogUnavailable;

impl Log {
    pub(crate) fn new(parts: &Parts<'_>) -> Log {
        let recorder = parts.host.network().recorder().clone();
        let settings = parts.settings;
        let servers =
            Servers::new(parts.host, parts.me.id, parts.local.clone(), &parts.metadata.nodes, settings);
        let shared = Shared {
            me: parts.me,
            metadata: parts.metadata.clone(),
            client: parts.client.clone(),
            liveness: parts.liveness.clone(),
            sequencers: Sequencers::new(parts.me, &servers, &recorder, parts.seed, settings.cluster.canary),
            servers,
            remote: Peers::new(parts.host, SEQUENCER_PORT, settings.network.connect_timeout),
            settings: settings.log.clone(),
            streams: OperationStreams::new(parts.seed, parts.me.id.0, parts.me.generation),
            append_back_off: recorder.symbol("append back-off"),
            reconfigured: recorder.symbol("log reconfigured"),
            recorder,
        };
        Log { shared: Arc::new(shared) }
    }

    /// Serves other nodes' appends to the sequencers of this node.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn serve(&self, host: &Host) -> io::Result<()> {
        self.shared.sequencers.serve(host)
    }

    /// Makes sure that a log has a first segment. The first caller in the cluster creates it, with
    /// its own node as the sequencer.
    ///
    /// # Errors
    ///
    /// Those of the metadata store.
    pub async fn ensure(&self, log: LogId) -> Result<(), ClientError> {
        let known = self.shared.metadata.logs.get();
        if known.is_some_and(|logs| logs.tail(log).is_some()) {
            return Ok(());
        }
        self.extend(log, None, Lsn(1), self.shared.me).await
    }

    /// Waits until this log has a segment, and returns the chains of all logs.
    pub(super) async fn until_exists(&self, log: LogId) -> Arc<Logs> {
        let logs = self.shared.metadata.logs.until(|logs| tail_of(logs.as_deref(), log).is_some());
        logs.await.expect("waited for")
    }

    /// Appends records and returns the sequence number of the last one, once all are acknowledged.
    /// Repeats failed attempts without end.
    pub async fn append(&self, log: LogId, records: Arc<[Record]>) -> Lsn {
        let Shared { metadata, settings, recorder, append_back_off, .. } = &*self.shared;
        let mut delays = None;
        let mut failing_since = None;
        loop {
            let segment = Arc::new(self.until_exists(log).await.tail(log).expect("it has begun").clone());
            let sequenced = self.sequence(&segment, records.clone()).await;
            if let Ok(SequencerResponse::Appended(first)) = sequenced {
                let last = first + records.len() as u64 - 1;
                self.shared.servers.learn(&segment, last + 1);
                return segment.lsn(last);
            }
            let failing_since = *failing_since.get_or_insert_with(rt::now);
            let overdue = failing_since + settings.auto_recovery;
            let delays =
                delays.get_or_insert_with(|| settings.append_retry.delays(self.jitter("append", log)));
            let delay = delays.next().unwrap_or(settings.append_retry.max);
            let sealed = sequenced.is_ok();
            let may = match settings.reconfigures {
                Reconfigures::Leader => true,
                Reconfigures::Controller => sealed && rt::now() >= overdue,
            };
            if may && self.reconfigure(&segment, self.shared.me).await.is_ok() {
                continue;
            }
            if sealed {
                // Another node may be reconfiguring the log.
                let next = metadata
                    .logs
                    .until(|logs| tail_of(logs.as_deref(), log).is_some_and(|tail| tail.id != segment.id));
                if rt::timeout(delay, next).await.is_some() {
                    continue;
                }
            } else {
                rt::pause(recorder, *append_back_off, delay).await;
            }
        }
    }

    async fn sequence(
        &self,
        segment: &Arc<Segment>,
        records: Arc<[Record]>,
    ) -> io::Result<SequencerResponse> {
        let Shared { sequencers, .. } = &*self.shared;
        if sequencers.is_for(segment) {
            return Ok(sequencers.append(segment, records).await);
        }
        let request = SequencerRequest::Append(segment.clone(), records);
        self.call_sequencer(segment, self.shared.settings.sequencer_timeout, request).await
    }

    async fn call_sequencer(
        &self,
        segment: &Segment,
        limit: Duration,
        request: SequencerRequest,
    ) -> io::Result<SequencerResponse> {
        let Shared { metadata, remote, .. } = &*self.shared;
        let nodes = metadata.nodes.get();
        let node = nodes.as_ref().and_then(|nodes| nodes.nodes.get(&segment.sequencer.id));
        let node = node.ok_or(io::ErrorKind::NotFound)?;
        if node.generation > segment.sequencer.generation {
            return Ok(SequencerResponse::Gone);
        }
        remote.call(&node.name, limit, request).await
    }

    /// Returns the position after the last acknowledged record, as the sequencer reports it; if
    /// the sequencer does not answer, a position that is not before it, as an f-majority of the
    /// log servers reports it. Repeats failed attempts without end.
    pub async fn find_tail(&self, log: LogId) -> Lsn {
        let Shared { settings, recorder, .. } = &*self.shared;
        loop {
            let segment = Arc::new(self.until_exists(log).await.tail(log).expect("it has begun").clone());
            if let Some(TailState { tail, .. }) = self.check_tail(&segment).await {
                return segment.lsn(tail);
            }
            rt::pause(recorder, recorder.symbol("find tail pause"), settings.find_tail_pause).await;
        }
    }

    /// Returns a position of an open segment after every acknowledged record: directly after it,
    /// if the sequencer answers; otherwise after the last record that any server of an f-majority
    /// has.
    pub(super) async fn check_tail(&self, segment: &Arc<Segment>) -> Option<TailState> {
        let Shared { sequencers, servers, settings, .. } = &*self.shared;
        let sequenced = if sequencers.is_for(segment) {
            Ok(sequencers.tail(segment))
        } else {
            self.call_sequencer(segment, settings.find_tail_timeout, SequencerRequest::Tail(segment.clone()))
                .await
        };
        if let Ok(SequencerResponse::Tail(tail)) = sequenced {
            servers.learn(segment, tail);
            return Some(TailState { tail, sealed: false });
        }
        let quorum = segment.f_majority();
        let wanted = quorum.max(usize::from(segment.replication));
        let tail_of =
            |responses: &[(NodeId, LogServerResponse)]| infos(responses).map(|info| info.tail).max();
        let acknowledged =
            |responses: &[(NodeId, LogServerResponse)]| infos(responses).map(|info| info.global).max();
        // Records that a write quorum of unsealed servers has without a hole are as good as
        // acknowledged: every f-majority will find them.
        let safe = |responses: &[(NodeId, LogServerResponse)], tail: Offset| {
            let safe = infos(responses).filter(|info| !info.sealed && info.solid >= tail).count();
            safe >= usize::from(segment.replication)
        };
        // One more server may be needed to see that, if one of the first was down when the last
        // record was written.
        let enough = |responses: &[(NodeId, LogServerResponse)]| {
            let clear = || {
                tail_of(responses)
                    .is_none_or(|tail| acknowledged(responses) >= Some(tail) || safe(responses, tail))
            };
            responses.len() >= wanted && clear()
        };
        let responses = servers.call_all(segment, &LogServerRequest::Info(segment.id), enough).await;
        if responses.len() < quorum {
            return None;
        }
        servers.learn(segment, acknowledged(&responses)?);
        let tail = tail_of(&responses)?;
        if safe(&responses, tail) {
            servers.learn(segment, tail);
        }
        let sealed = infos(&responses).filter(|info| info.sealed).count() >= quorum;
        Some(TailState { tail, sealed })
    }

    /// Returns the stream of the next repeated operation of this kind on a log.
    pub(super) fn jitter(&self, what: &'static str, log: LogId) -> Stream {
        self.shared.streams.next(what, u64::from(log.0))
    }
}

pub(super) fn tail_of(logs: Option<&Logs>, log: LogId) -> Option<&Segment> {
    logs?.tail(log)
}

/// What is known of an open segment's end.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailState {
    /// A position after every acknowledged record.
    pub(super) tail: Offset,
    /// Whether an f-majority is sealed, so that no append can succeed.
    pub(super) sealed: bool,
}
