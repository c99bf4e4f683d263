//! A log server: stores records of many segments in one database, durably.
//!
//! Every change waits in one queue. Its writer takes all queued changes, makes them durable with
//! one write and one sync, and answers only then: under load many appends share a sync. Reads and
//! other requests that change nothing are answered at once, from memory.

use super::loglet::{Found, Loglet, LogletInfo};
use super::{LogId, LogletId, Offset, Record};
use crate::canary::Canary;
use crate::health::{Health, LogServerStatus};
use serde::{Deserialize, Serialize};
use sim_rocksdb::{Batch, Engine};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::Recorder;
use stormglass_net::rpc::{self, Service};
use stormglass_rt::channel::{self, Receiver, Sender};
use stormglass_rt::{self as rt, worker};

/// The port of a node's log server. In Restate it shares the fabric's.
pub const LOG_SERVER_PORT: u16 = 5124;

/// The column families of its database.
pub const FAMILIES: [&str; 2] = ["data", "metadata"];
const DATA: usize = 0;
const METADATA: usize = 1;

/// A request to a log server.
#[derive(Clone, Debug)]
pub enum LogServerRequest {
    /// Stores records.
    Store {
        /// The segment.
        loglet: LogletId,
        /// The offset of the first record.
        first: Offset,
        /// The records, in order.
        records: Arc<[Record]>,
        /// All records below this offset are acknowledged.
        global: Offset,
        /// Whether a sealed segment accepts them too: they may be acknowledged already, and need
        /// more copies.
        repair: bool,
    },
    /// Accepts no more records for a segment.
    Seal(LogletId),
    /// Reports the state of a segment.
    Info(LogletId),
    /// Reads records.
    Read {
        /// The segment.
        loglet: LogletId,
        /// The offset of the first record.
        from: Offset,
        /// The offset after the last one.
        end: Offset,
        /// The maximal number of records.
        most: usize,
    },
    /// Drops the records up to an offset.
    Trim(LogletId, Offset),
}

impl LogServerRequest {
    fn loglet(&self) -> LogletId {
        match *self {
            LogServerRequest::Store { loglet, .. }
            | LogServerRequest::Seal(loglet)
            | LogServerRequest::Info(loglet)
            | LogServerRequest::Read { loglet, .. }
            | LogServerRequest::Trim(loglet, _) => loglet,
        }
    }
}

/// The response of a log server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogServerResponse {
    /// The change is durable; the state of the segment after it.
    Done(LogletInfo),
    /// The records are not stored, because the segment is sealed; the state of the segment.
    Sealed(LogletInfo),
    /// The state of the segment.
    Info(LogletInfo),
    /// The records.
    Found(Found),
}

/// The log server of a node. Clones are handles to the same one; the node itself calls it through
/// them.
#[derive(Clone, Debug)]
pub struct LogServer {
    loglets: Arc<Mutex<BTreeMap<LogletId, Loglet>>>,
    writes: Sender<Work>,
    recorder: Recorder,
    /// Whether its writes block the worker thread.
    blocks: bool,
    canary: Canary,
    health: Health,
}

/// A job for the database's one writer.
#[derive(Debug)]
enum Work {
    Write(LogServerRequest, ReplyTo),
    /// Flush the database, confirm, and end.
    Close(Sender<()>),
}

/// Where to send a response.
#[derive(Debug)]
enum ReplyTo {
    Remote(rpc::Reply<LogServerResponse>),
    Local(Sender<LogServerResponse>),
}

impl ReplyTo {
    fn send(self, response: LogServerResponse) {
        match self {
            ReplyTo::Remote(reply) => worker::run_in_other_task(move || reply.send(response)),
            ReplyTo::Local(sender) => sender.send(response),
        }
    }
}

/// The state of a segment as it is stored in the database.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    tail: Offset,
    sealed: bool,
    trimmed: Offset,
}

impl LogServer {
    /// Starts a log server with the contents of the database; sets `health` to failsafe when its
    /// disk fails. `blocks` is
    /// [`LogSettings::blocking_writes`](super::LogSettings::blocking_writes).
    pub fn start(
        store: Engine,
        recorder: &Recorder,
        blocks: bool,
        canary: Canary,
        health: Health,
    ) -> LogServer {
        let (writes, queue) = channel::channel(recorder);
        let loglets = Arc::new(Mutex::new(restore(&store)));
        let server = LogServer { loglets, writes, recorder: recorder.clone(), blocks, canary, health };
        rt::spawn(recorder, "log server", server.clone().write(store, queue));
        server
    }

    /// Serves other nodes.
    pub fn serve(&self, mut service: Service<LogServerRequest, LogServerResponse>) {
        let server = self.clone();
        rt::spawn(&self.recorder, "log server requests", async move {
            while let Some(call) = service.next().await {
                let (request, reply) = call.split();
                match server.answer_from_memory(&request) {
                    Some(response) => reply.send(response),
                    None => server.queue(request, ReplyTo::Remote(reply)),
                }
            }
        });
    }

    /// Handles a request of the node itself.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` if its disk has failed.
    pub async fn call(&self, request: LogServerRequest) -> io::Result<LogServerResponse> {
        if let Some(response) = self.answer_from_memory(&request) {
            return Ok(response);
        }
        let (sender, mut answer) = channel::channel(&self.recorder);
        self.queue(request, ReplyTo::Local(sender));
        answer.recv().await.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }

    /// Queues a change. After a failure of the disk nothing is written any more: the reply is
    /// dropped, and the caller gets an error at once.
    fn queue(&self, request: LogServerRequest, reply_to: ReplyTo) {
        if !self.writes.is_closed() {
            self.writes.send(Work::Write(request, reply_to));
        }
    }

    /// Shuts the log server down in order: its database is flushed, so the next opening has
    /// nothing to recover, and nothing more is stored. (Source: restatedev/restate
    /// `crates/log-server/src/rocksdb_logstore/builder.rs`, `add_to_flush_on_shutdown`.)
    pub async fn close(&self) {
        let (sender, mut closed) = channel::channel(&self.recorder);
        self.writes.send(Work::Close(sender));
        closed.recv().await;
    }

    /// Returns the response to a request that changes nothing, and `None` for any other.
    fn answer_from_memory(&self, request: &LogServerRequest) -> Option<LogServerResponse> {
        let loglets = self.lock();
        let loglet = loglets.get(&request.loglet());
        match *request {
            LogServerRequest::Info(_) => {
                Some(LogServerResponse::Info(loglet.map_or_else(|| Loglet::default().info(), Loglet::info)))
            }
            LogServerRequest::Read { from, end, most, .. } => Some(LogServerResponse::Found(
                loglet.map_or_else(|| Found::Records(Vec::new()), |loglet| loglet.read(from, end, most)),
            )),
            LogServerRequest::Store { .. } | LogServerRequest::Seal(_) | LogServerRequest::Trim(..) => None,
        }
    }

    /// Makes the queued changes durable, all that have arrived in the meantime at once.
    async fn write(self, mut store: Engine, mut queue: Receiver<Work>) {
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = queue.recv().await
        {
            let (mut taken, mut next) = (Vec::new(), Some(first));
            while let Some(work) = next {
                match work {
                    Work::Write(request, reply_to) => taken.push((request, reply_to)),
                    Work::Close(closed) => closing = Some(closed),
                }
                next = queue.try_recv();
            }
            let (accepted, refused) = self.sort(taken);
            let mut batch = Batch::new();
            accepted.iter().for_each(|(request, _)| self.put(&mut batch, request));
            if !batch.is_empty()
                && worker::block_or_offload(self.blocks, store.write_synced(batch)).await.is_err()
            {
                // Drops the replies: no caller gets the response that its change is durable.
                self.health.set(LogServerStatus::Failsafe);
                return;
            }
            for (request, reply_to) in accepted {
                let info = self.apply(request);
                reply_to.send(LogServerResponse::Done(info));
            }
            for (loglet, reply_to) in refused {
                let info = self.lock().entry(loglet).or_default().info();
                reply_to.send(LogServerResponse::Sealed(info));
            }
        }
        if let Some(closed) = closing
            && store.flush_all().await.is_ok()
        {
            closed.send(());
        }
    }

    /// Splits changes into those to apply and appends to a sealed segment, which are refused.
    #[expect(clippy::type_complexity, reason = "two lists of what came in")]
    fn sort(
        &self,
        taken: Vec<(LogServerRequest, ReplyTo)>,
    ) -> (Vec<(LogServerRequest, ReplyTo)>, Vec<(LogletId, ReplyTo)>) {
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        let mut sealed_now: BTreeSet<LogletId> = BTreeSet::new();
        let loglets = self.lock();
        for (request, reply_to) in taken {
            let loglet = request.loglet();
            let sealed = self.canary != Canary::StoresAfterTheSeal
                && (sealed_now.contains(&loglet) || loglets.get(&loglet).is_some_and(Loglet::is_sealed));
            match request {
                LogServerRequest::Store { repair: false, .. } if sealed => refused.push((loglet, reply_to)),
                request => {
                    if matches!(request, LogServerRequest::Seal(_)) {
                        sealed_now.insert(loglet);
                    }
                    accepted.push((request, reply_to));
                }
            }
        }
        (accepted, refused)
    }

    fn put(&self, batch: &mut Batch, request: &LogServerRequest) {
        let loglets = self.lock();
        let (empty, loglet) = (Loglet::default(), loglets.get(&request.loglet()));
        let there = loglet.unwrap_or(&empty);
        let LogletInfo { tail, sealed, trimmed, .. } = there.info();
        let mut state = Stored { tail, sealed, trimmed };
        match request {
            LogServerRequest::Store { loglet, first, records, .. } => {
                for (offset, record) in (*first..).zip(records.iter()) {
                    batch.put(DATA, &data_key(*loglet, offset), record);
                }
                return;
            }
            LogServerRequest::Seal(_) if state.sealed => return,
            LogServerRequest::Seal(_) => state.sealed = true,
            LogServerRequest::Trim(_, to) if there.trimmable(*to) <= trimmed => return,
            LogServerRequest::Trim(loglet, to) => {
                let to = there.trimmable(*to);
                (trimmed + 1..=to).for_each(|offset| batch.delete(DATA, &data_key(*loglet, offset)));
                state.trimmed = to;
            }
            LogServerRequest::Info(_) | LogServerRequest::Read { .. } => return,
        }
        let bytes = postcard::to_stdvec(&state).expect("plain data has an encoding");
        batch.put(METADATA, &state_key(request.loglet()), &bytes);
    }

    fn apply(&self, request: LogServerRequest) -> LogletInfo {
        let mut loglets = self.lock();
        let loglet = loglets.entry(request.loglet()).or_default();
        match request {
            LogServerRequest::Store { first, records, global, .. } => {
                loglet.store(first, &records);
                loglet.learn(global);
            }
            LogServerRequest::Seal(_) => loglet.seal(),
            LogServerRequest::Trim(_, to) => loglet.trim(to),
            LogServerRequest::Info(_) | LogServerRequest::Read { .. } => {}
        }
        loglet.info()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LogletId, Loglet>> {
        self.loglets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const STATE: &[u8] = b"loglet-";

fn state_key(LogletId { log, segment }: LogletId) -> Vec<u8> {
    [STATE, &log.0.to_be_bytes(), &segment.to_be_bytes()].concat()
}

fn data_key(LogletId { log, segment }: LogletId, offset: Offset) -> Vec<u8> {
    [&log.0.to_be_bytes()[..], &segment.to_be_bytes(), &offset.to_be_bytes()].concat()
}

/// Parses a segment's id at the start of a key; returns it with the rest of the key.
fn split_key(key: &[u8]) -> Option<(LogletId, &[u8])> {
    let (log, rest) = key.split_first_chunk()?;
    let (segment, rest) = rest.split_first_chunk()?;
    let log = LogId(u16::from_be_bytes(*log));
    Some((LogletId { log, segment: u32::from_be_bytes(*segment) }, rest))
}

fn restore(store: &Engine) -> BTreeMap<LogletId, Loglet> {
    let mut states: BTreeMap<LogletId, (Stored, BTreeMap<Offset, Record>)> = BTreeMap::new();
    for (key, value) in store.range(METADATA, STATE.to_vec()..) {
        let parsed = key.strip_prefix(STATE).and_then(split_key).zip(postcard::from_bytes(value).ok());
        if let Some(((loglet, _), state)) = parsed {
            states.entry(loglet).or_default().0 = state;
        }
    }
    for (key, value) in store.range(DATA, Vec::new()..) {
        if let Some((loglet, offset)) = split_key(key)
            && let Ok(offset) = offset.try_into()
        {
            states.entry(loglet).or_default().1.insert(Offset::from_be_bytes(offset), value.into());
        }
    }
    let restored =
        |(state, records): (Stored, _)| Loglet::restored(records, state.tail, state.sealed, state.trimmed);
    states.into_iter().map(|(loglet, state)| (loglet, restored(state))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogId;
    use std::time::Duration;
    use stormglass_core::{Keep, Seed};
    use stormglass_fs::fault::{DiskEffect, DiskError, DiskRule};
    use stormglass_fs::{Disk, DiskProfile};

    /// Requests that arrive after the failure get an error too, instead of waiting for ever.
    #[test]
    fn requests_after_a_disk_failure_fail_at_once() {
        madsim::runtime::Runtime::new().block_on(async {
            let recorder = Recorder::new(Keep::Nothing);
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
            let store = Engine::open(&disk, "log-store", &FAMILIES).await.expect("there is room");
            let server = LogServer::start(store, &recorder, true, Canary::None, Health::new(&recorder));
            let loglet = LogletId { log: LogId(0), segment: 0 };
            let request = async |request: LogServerRequest| {
                rt::timeout(Duration::from_secs(1), server.call(request)).await
            };
            assert!(matches!(
                request(LogServerRequest::Seal(loglet)).await,
                Some(Ok(LogServerResponse::Done(_)))
            ));
            let _broken = disk.inject(DiskRule::new(DiskEffect::Fail(DiskError::Io)).path("*.log").times(1));
            let other = LogletId { log: LogId(1), segment: 0 };
            for _ in 0..2 {
                let answer = request(LogServerRequest::Seal(other))
                    .await
                    .expect("an answer within a second")
                    .map_err(|error| error.kind());
                assert_eq!(answer, Err(io::ErrorKind::ConnectionReset));
            }
            assert!(matches!(
                request(LogServerRequest::Info(loglet)).await,
                Some(Ok(LogServerResponse::Info(_)))
            ));
        });
    }
}
