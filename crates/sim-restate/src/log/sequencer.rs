//! The sequencer of a segment: assigns offsets to records and waits for a write quorum.
//!
//! Records are sent to all log servers of the nodeset (Restate's "flood" spread). They are
//! acknowledged once as many servers as the replication says have stored them, in the order of
//! their offsets: a record is acknowledged only after all records before it.

use super::chain::Segment;
use super::server::{LogServerRequest, LogServerResponse};
use super::servers::Servers;
use super::{Generation, LogletId, Offset, Record};
use crate::canary::Canary;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use stormglass_core::{Recorder, Seed};
use stormglass_net::Host;
use stormglass_net::rpc::Service;
use stormglass_rt as rt;
use stormglass_rt::{JoinError, Watch};

/// The port of a node's sequencers. In Restate it shares the fabric's.
pub const SEQUENCER_PORT: u16 = 5125;

/// A request to a sequencer.
#[derive(Clone, Debug)]
pub enum SequencerRequest {
    /// Appends records.
    Append(Arc<Segment>, Arc<[Record]>),
    /// Returns the tail.
    Tail(Arc<Segment>),
}

/// The response of a sequencer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequencerResponse {
    /// The records are acknowledged; the offset of the first one.
    Appended(Offset),
    /// The offset after the last acknowledged record.
    Tail(Offset),
    /// The segment is sealed.
    Sealed,
    /// This node is not the sequencer any more: it has another generation.
    Gone,
}

/// How far a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// The offset after the last acknowledged record.
    global: Offset,
    sealed: bool,
}

/// The sequencer of one segment.
#[derive(Debug)]
pub struct Sequencer {
    segment: Arc<Segment>,
    next: Mutex<Offset>,
    progress: Watch<Progress>,
}

/// The sequencers of one node, by segment. Clones share them.
#[derive(Clone, Debug)]
pub struct Sequencers {
    me: Generation,
    sequencers: Arc<Mutex<BTreeMap<LogletId, Arc<Sequencer>>>>,
    servers: Servers,
    recorder: Recorder,
    seed: Seed,
    canary: Canary,
}

impl Sequencers {
    /// Returns a node's sequencers, none yet.
    pub(crate) fn new(
        me: Generation,
        servers: &Servers,
        recorder: &Recorder,
        seed: Seed,
        canary: Canary,
    ) -> Sequencers {
        let (servers, recorder) = (servers.clone(), recorder.clone());
        Sequencers { me, sequencers: Arc::default(), servers, recorder, seed, canary }
    }

    /// Returns whether this generation of the node is the segment's sequencer.
    pub fn is_for(&self, segment: &Segment) -> bool {
        segment.sequencer == self.me
    }

    /// Serves other nodes.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn serve(&self, host: &Host) -> std::io::Result<()> {
        let mut service: Service<SequencerRequest, SequencerResponse> = host.serve(SEQUENCER_PORT)?;
        let all = self.clone();
        rt::spawn(&self.recorder, "sequencers", async move {
            while let Some(call) = service.next().await {
                let (request, reply) = call.split();
                let sequencers = all.clone();
                rt::spawn(&all.recorder, "append request", async move {
                    let sequenced = sequencers.answer(request).await;
                    reply.send(sequenced);
                });
            }
        });
        Ok(())
    }

    async fn answer(&self, request: SequencerRequest) -> SequencerResponse {
        match request {
            SequencerRequest::Append(segment, _) | SequencerRequest::Tail(segment)
                if !self.is_for(&segment) =>
            {
                SequencerResponse::Gone
            }
            SequencerRequest::Append(segment, records) => self.append_through(&segment, records).await,
            SequencerRequest::Tail(segment) => self.tail(&segment),
        }
    }

    /// Returns the offset after the last acknowledged record.
    pub(crate) fn tail(&self, segment: &Arc<Segment>) -> SequencerResponse {
        match self.of(segment).progress.get() {
            Progress { sealed: true, .. } => SequencerResponse::Sealed,
            Progress { global, .. } => SequencerResponse::Tail(global),
        }
    }

    /// Appends records and waits until they are acknowledged. A caller that stops waiting leaves
    /// no hole: records with an offset are still sent.
    pub(crate) async fn append(&self, segment: &Arc<Segment>, records: Arc<[Record]>) -> SequencerResponse {
        let (all, segment) = (self.clone(), segment.clone());
        let append = async move { all.append_through(&segment, records).await };
        match rt::spawn(&self.recorder, "append", append).await.map_err(JoinError::try_into_panic) {
            Ok(response) => response,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(_)) => SequencerResponse::Gone,
        }
    }

    async fn append_through(&self, segment: &Arc<Segment>, records: Arc<[Record]>) -> SequencerResponse {
        let sequencer = self.of(segment);
        let count = records.len() as u64;
        let first = {
            let mut next = sequencer.next.lock().unwrap_or_else(PoisonError::into_inner);
            let first = *next;
            *next += count;
            first
        };
        let Progress { global, sealed } = sequencer.progress.get();
        if sealed || !self.replicate(&sequencer, first, records, global).await {
            self.seal(&sequencer);
            return SequencerResponse::Sealed;
        }
        let turn = sequencer.progress.until(|progress| progress.sealed || progress.global >= first).await;
        if turn.global < first {
            return SequencerResponse::Sealed;
        }
        sequencer.progress.change(|progress| {
            progress.global = progress.global.max(first + count);
            true
        });
        self.servers.learn(segment, first + count);
        SequencerResponse::Appended(first)
    }

    /// Accepts no more appends, because the segment is sealed or the node shuts down.
    pub(crate) fn seal_here(&self, loglet: LogletId) {
        let sequencer = self.sequencers.lock().unwrap_or_else(PoisonError::into_inner).get(&loglet).cloned();
        sequencer.iter().for_each(|sequencer| self.seal(sequencer));
    }

    /// Returns the segments that are open here.
    pub(crate) fn open(&self) -> Vec<Arc<Segment>> {
        let sequencers = self.sequencers.lock().unwrap_or_else(PoisonError::into_inner);
        let open = sequencers.values().filter(|sequencer| !sequencer.progress.get().sealed);
        open.map(|sequencer| sequencer.segment.clone()).collect()
    }

    fn seal(&self, sequencer: &Sequencer) {
        sequencer.progress.change(|progress| !std::mem::replace(&mut progress.sealed, true));
    }

    fn of(&self, segment: &Arc<Segment>) -> Arc<Sequencer> {
        let mut sequencers = self.sequencers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let progress = Watch::new(&self.recorder, Progress { global: 1, sealed: false });
            Arc::new(Sequencer { segment: segment.clone(), next: Mutex::new(1), progress })
        };
        sequencers.entry(segment.id).or_insert_with(new).clone()
    }

    /// Sends records to every server and waits for a write quorum, or until so many servers are
    /// sealed that no write quorum is left. Returns whether the records are stored.
    async fn replicate(
        &self,
        sequencer: &Sequencer,
        first: Offset,
        records: Arc<[Record]>,
        global: Offset,
    ) -> bool {
        let segment = &sequencer.segment;
        let wanted = match self.canary {
            Canary::AcknowledgesBeforeTheQuorum => 0,
            _ => usize::from(segment.replication),
        };
        let loglet = segment.id;
        let request = LogServerRequest::Store { loglet, first, records, global, repair: false };
        let stream = (u64::from(loglet.log.0), u64::from(loglet.segment), first);
        let mut branches: Vec<Option<Pin<Box<_>>>> = segment
            .nodeset
            .iter()
            .map(|&node| {
                let jitter = self.seed;
                let delays =
                    move || jitter.stream(("store", stream.0 << 32 | stream.1, stream.2, u64::from(node.0)));
                Some(Box::pin(self.servers.call_with_retry(node, request.clone(), delays)))
            })
            .collect();
        if wanted == 0 {
            // Polls each request once: the records are in transit.
            poll_fn(|context| {
                branches.iter_mut().flatten().for_each(|branch| drop(branch.as_mut().poll(context)));
                Poll::Ready(())
            })
            .await;
            return true;
        }
        let (mut stored, mut sealed) = (0, 0);
        poll_fn(|context| {
            for slot in &mut branches {
                let Some(Poll::Ready(response)) = slot.as_mut().map(|branch| branch.as_mut().poll(context))
                else {
                    continue;
                };
                *slot = None;
                match response {
                    Some(LogServerResponse::Done(_)) => stored += 1,
                    Some(LogServerResponse::Sealed(_)) => sealed += 1,
                    _ => {}
                }
            }
            if stored >= wanted {
                return Poll::Ready(true);
            }
            // Too few servers are left that could store it: the others are sealed, or failed as
            // often as the retry policy says.
            let left = branches.iter().flatten().count();
            if sealed >= segment.f_majority() || stored + left < wanted {
                return Poll::Ready(false);
            }
            Poll::Pending
        })
        .await
    }
}
