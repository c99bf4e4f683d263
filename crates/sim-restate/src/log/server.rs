//! A log server: keeps records of many segments in one database, durably.
//!
//! Whatever changes something waits in one queue. Its writer takes all that is there, makes it durable with one write and one sync, and only then answers:
//! under load a sync is shared by many. Reads and questions are answered at once, from memory.

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

/// What a log server is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// To keep records.
    Store {
        /// Of this segment.
        loglet: LogletId,
        /// From this place on.
        first: Offset,
        /// One after the other.
        records: Arc<[Record]>,
        /// Below this place all are acknowledged.
        global: Offset,
        /// Whether a sealed segment takes them too: they are acknowledged already, and one copy more is wanted.
        repair: bool,
    },
    /// To take no more records.
    Seal(LogletId),
    /// What it has.
    Info(LogletId),
    /// For records.
    Read {
        /// Of this segment.
        loglet: LogletId,
        /// From this place on.
        from: Offset,
        /// Below this place.
        end: Offset,
        /// So many at the most.
        most: usize,
    },
    /// To forget the records up to a place.
    Trim(LogletId, Offset),
}

impl Ask {
    fn loglet(&self) -> LogletId {
        match *self {
            Ask::Store { loglet, .. }
            | Ask::Seal(loglet)
            | Ask::Info(loglet)
            | Ask::Read { loglet, .. }
            | Ask::Trim(loglet, _) => loglet,
        }
    }
}

/// What a log server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Done, durably; how things are then.
    Done(LogletInfo),
    /// Not stored: the segment is sealed.
    Sealed(LogletInfo),
    /// How things are.
    Info(LogletInfo),
    /// What was read.
    Found(Found),
}

/// A log server of a node. Clones are handles to the same one, and the way to it for the node itself.
#[derive(Clone, Debug)]
pub struct LogServer {
    loglets: Arc<Mutex<BTreeMap<LogletId, Loglet>>>,
    writes: Sender<Work>,
    recorder: Recorder,
    /// Whether its writes block the thread that it runs on.
    blocks: bool,
    canary: Canary,
    health: Health,
}

/// What there is to do for the database's one writer.
#[derive(Debug)]
enum Work {
    Write(Ask, Desk),
    /// Put all into files of its own, tell so, and end.
    Close(Sender<()>),
}

/// Where an answer goes.
#[derive(Debug)]
enum Desk {
    Far(rpc::Reply<Told>),
    Near(Sender<Told>),
}

impl Desk {
    fn send(self, told: Told) {
        match self {
            Desk::Far(reply) => worker::run_in_other_task(move || reply.send(told)),
            Desk::Near(sender) => sender.send(told),
        }
    }
}

/// The state of a segment as the database has it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    tail: Offset,
    sealed: bool,
    trimmed: Offset,
}

impl LogServer {
    /// Starts with what the database holds; tells `health` when its disk has failed it. `blocks` is [`LogSettings::blocking_writes`](super::LogSettings::blocking_writes).
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

    /// Answers other nodes.
    pub fn serve(&self, mut service: Service<Ask, Told>) {
        let server = self.clone();
        rt::spawn(&self.recorder, "log server requests", async move {
            while let Some(call) = service.next().await {
                let (ask, reply) = call.split();
                match server.look(&ask) {
                    Some(told) => reply.send(told),
                    None => server.queue(ask, Desk::Far(reply)),
                }
            }
        });
    }

    /// Answers the node itself.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` if the disk has failed it.
    pub async fn call(&self, ask: Ask) -> io::Result<Told> {
        if let Some(told) = self.look(&ask) {
            return Ok(told);
        }
        let (sender, mut answer) = channel::channel(&self.recorder);
        self.queue(ask, Desk::Near(sender));
        answer.recv().await.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }

    /// Once its disk has failed it nothing is written any more, and whoever asks for it is told at once.
    fn queue(&self, ask: Ask, desk: Desk) {
        if !self.writes.is_closed() {
            self.writes.send(Work::Write(ask, desk));
        }
    }

    /// Ends it as an orderly shutdown does: its database is flushed, so that the next opening has nothing to recover, and nothing more is stored. (Source: restatedev/restate
    /// `crates/log-server/src/rocksdb_logstore/builder.rs`, `add_to_flush_on_shutdown`.)
    pub async fn close(&self) {
        let (sender, mut closed) = channel::channel(&self.recorder);
        self.writes.send(Work::Close(sender));
        closed.recv().await;
    }

    /// The answer to what changes nothing.
    fn look(&self, ask: &Ask) -> Option<Told> {
        let loglets = self.lock();
        let loglet = loglets.get(&ask.loglet());
        match *ask {
            Ask::Info(_) => Some(Told::Info(loglet.map_or_else(|| Loglet::default().info(), Loglet::info))),
            Ask::Read { from, end, most, .. } => Some(Told::Found(
                loglet.map_or_else(|| Found::Records(Vec::new()), |loglet| loglet.read(from, end, most)),
            )),
            Ask::Store { .. } | Ask::Seal(_) | Ask::Trim(..) => None,
        }
    }

    /// Makes durable what is asked for, all that has come in the meantime at once.
    async fn write(self, mut store: Engine, mut queue: Receiver<Work>) {
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = queue.recv().await
        {
            let (mut taken, mut next) = (Vec::new(), Some(first));
            while let Some(work) = next {
                match work {
                    Work::Write(ask, desk) => taken.push((ask, desk)),
                    Work::Close(closed) => closing = Some(closed),
                }
                next = queue.try_recv();
            }
            let (accepted, refused) = self.sort(taken);
            let mut batch = Batch::new();
            accepted.iter().for_each(|(ask, _)| self.put(&mut batch, ask));
            if !batch.is_empty()
                && worker::block_or_offload(self.blocks, store.write_synced(batch)).await.is_err()
            {
                // Nobody is told that it is stored.
                self.health.set(LogServerStatus::Failsafe);
                return;
            }
            for (ask, desk) in accepted {
                let info = self.apply(ask);
                desk.send(Told::Done(info));
            }
            for (loglet, desk) in refused {
                let info = self.lock().entry(loglet).or_default().info();
                desk.send(Told::Sealed(info));
            }
        }
        if let Some(closed) = closing
            && store.flush_all().await.is_ok()
        {
            closed.send(());
        }
    }

    /// Refuses what comes after a seal.
    #[expect(clippy::type_complexity, reason = "two lists of what came in")]
    fn sort(&self, taken: Vec<(Ask, Desk)>) -> (Vec<(Ask, Desk)>, Vec<(LogletId, Desk)>) {
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        let mut sealed_now: BTreeSet<LogletId> = BTreeSet::new();
        let loglets = self.lock();
        for (ask, desk) in taken {
            let loglet = ask.loglet();
            let sealed = self.canary != Canary::StoresAfterTheSeal
                && (sealed_now.contains(&loglet) || loglets.get(&loglet).is_some_and(Loglet::is_sealed));
            match ask {
                Ask::Store { repair: false, .. } if sealed => refused.push((loglet, desk)),
                ask => {
                    if matches!(ask, Ask::Seal(_)) {
                        sealed_now.insert(loglet);
                    }
                    accepted.push((ask, desk));
                }
            }
        }
        (accepted, refused)
    }

    fn put(&self, batch: &mut Batch, ask: &Ask) {
        let loglets = self.lock();
        let LogletInfo { tail, sealed, trimmed, .. } =
            loglets.get(&ask.loglet()).map_or_else(|| Loglet::default().info(), Loglet::info);
        let mut state = Stored { tail, sealed, trimmed };
        match ask {
            Ask::Store { loglet, first, records, .. } => {
                for (offset, record) in (*first..).zip(records.iter()) {
                    batch.put(DATA, &data_key(*loglet, offset), record);
                }
                return;
            }
            Ask::Seal(_) if state.sealed => return,
            Ask::Seal(_) => state.sealed = true,
            Ask::Trim(_, to) if *to <= trimmed => return,
            Ask::Trim(loglet, to) => {
                (trimmed + 1..=*to).for_each(|offset| batch.delete(DATA, &data_key(*loglet, offset)));
                state.trimmed = *to;
            }
            Ask::Info(_) | Ask::Read { .. } => return,
        }
        let bytes = postcard::to_stdvec(&state).expect("plain data has an encoding");
        batch.put(METADATA, &state_key(ask.loglet()), &bytes);
    }

    fn apply(&self, ask: Ask) -> LogletInfo {
        let mut loglets = self.lock();
        let loglet = loglets.entry(ask.loglet()).or_default();
        match ask {
            Ask::Store { first, records, global, .. } => {
                loglet.store(first, &records);
                loglet.learn(global);
            }
            Ask::Seal(_) => loglet.seal(),
            Ask::Trim(_, to) => loglet.trim(to),
            Ask::Info(_) | Ask::Read { .. } => {}
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

/// A segment's number from its bytes in a key, and what stands behind them.
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

    /// Also whoever asks after that is told, and does not wait for ever.
    #[test]
    fn whoever_asks_one_whose_disk_has_failed_is_told() {
        madsim::runtime::Runtime::new().block_on(async {
            let recorder = Recorder::new(Keep::Nothing);
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
            let store = Engine::open(&disk, "log-store", &FAMILIES).await.expect("there is room");
            let server = LogServer::start(store, &recorder, true, Canary::None, Health::new(&recorder));
            let loglet = LogletId { log: LogId(0), segment: 0 };
            let ask = async |ask: Ask| rt::timeout(Duration::from_secs(1), server.call(ask)).await;
            assert!(matches!(ask(Ask::Seal(loglet)).await, Some(Ok(Told::Done(_)))));
            let _broken = disk.inject(DiskRule::new(DiskEffect::Fail(DiskError::Io)).path("*.log").times(1));
            let other = LogletId { log: LogId(1), segment: 0 };
            for _ in 0..2 {
                let told = ask(Ask::Seal(other)).await.expect("it is told").map_err(|error| error.kind());
                assert_eq!(told, Err(io::ErrorKind::ConnectionReset));
            }
            assert!(matches!(ask(Ask::Info(loglet)).await, Some(Ok(Told::Info(_)))));
        });
    }
}
