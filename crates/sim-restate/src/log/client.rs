//! The log as a node uses it: append, read, find the tail, seal and extend, trim.

use super::chain::{Logs, Segment};
use super::loglet::{Found, LogletInfo};
use super::sequencer::{SEQUENCER_PORT, Sequenced, SequencerAsk, Sequencers};
use super::server::{Ask, LOG_SERVER_PORT, LogServer, Told};
use super::settings::{LogSettings, Reconfigures};
use super::{Generation, LogId, LogletId, Lsn, Offset, Record};
use crate::liveness::Liveness;
use crate::metadata::{Metadata, name_of, update};
use crate::peers::Peers;
use crate::settings::ClusterSettings;
use sim_raft::NodesWatch;
use sim_raft::client::ClientError;
use sim_raft::{MetadataClient, NodeId, StorageState};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Seed, SimTime, Stream, Symbol};
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_rt::Watch;

/// The log servers, as a node reaches them: its own directly, the others over the network. Clones share what is known of tails.
#[derive(Clone, Debug)]
pub struct Servers {
    shared: Arc<ServersShared>,
}

#[derive(Debug)]
struct ServersShared {
    me: NodeId,
    near: Option<LogServer>,
    far: Peers<Ask, Told>,
    nodes: NodesWatch,
    settings: LogSettings,
    tails: Mutex<BTreeMap<LogletId, Watch<Offset>>>,
    recorder: Recorder,
    back_off: Symbol,
}

impl Servers {
    fn new(parts: &Parts<'_>) -> Servers {
        let recorder = parts.host.network().recorder().clone();
        let connect_timeout = parts.settings.network.connect_timeout;
        let shared = ServersShared {
            me: parts.me.id,
            near: parts.near.clone(),
            far: Peers::new(parts.host, LOG_SERVER_PORT, connect_timeout),
            nodes: parts.metadata.nodes.clone(),
            settings: parts.settings.log.clone(),
            tails: Mutex::default(),
            back_off: recorder.symbol("log server back-off"),
            recorder,
        };
        Servers { shared: Arc::new(shared) }
    }

    /// Asks the log server of a node.
    async fn call(&self, node: NodeId, ask: Ask) -> io::Result<Told> {
        let ServersShared { me, near, far, nodes, settings, .. } = &*self.shared;
        if node == *me
            && let Some(near) = near
        {
            return near.call(ask).await;
        }
        let name = name_of(nodes, node).ok_or(io::ErrorKind::NotFound)?;
        far.call(&name, settings.server_timeout, ask).await
    }

    /// As `call`, again after a failure, as often as the retry policy says.
    pub(super) async fn persist(&self, node: NodeId, ask: Ask, jitter: impl Fn() -> Stream) -> Option<Told> {
        let mut delays = None;
        loop {
            if let Ok(told) = self.call(node, ask.clone()).await {
                return Some(told);
            }
            let ServersShared { settings, recorder, back_off, .. } = &*self.shared;
            let delays = delays.get_or_insert_with(|| settings.server_retry.delays(jitter()));
            rt::pause(recorder, *back_off, delays.next()?).await;
        }
    }

    /// Asks all servers of a segment at once, until `enough` are satisfied by what they have heard, or all have answered or failed.
    async fn ask_all(
        &self,
        segment: &Segment,
        ask: &Ask,
        mut enough: impl FnMut(&[(NodeId, Told)]) -> bool,
    ) -> Vec<(NodeId, Told)> {
        let mut branches: Vec<_> = segment
            .nodeset
            .iter()
            .map(|&node| Some((node, Box::pin(self.call(node, ask.clone())))))
            .collect();
        let mut heard = Vec::new();
        poll_fn(|context| {
            for slot in &mut branches {
                let Some((node, branch)) = slot else { continue };
                if let Poll::Ready(told) = branch.as_mut().poll(context) {
                    heard.extend(told.ok().map(|told| (*node, told)));
                    *slot = None;
                }
            }
            let over = branches.iter().all(Option::is_none) || enough(&heard);
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        heard
    }

    /// Learns that everything of a segment below this place is acknowledged.
    pub(super) fn learn(&self, segment: &Segment, global: Offset) {
        self.tail(segment.id).change(|known| {
            let more = *known < global;
            *known = global.max(*known);
            more
        });
    }

    /// The place below which everything is known to be acknowledged.
    fn tail(&self, loglet: LogletId) -> Watch<Offset> {
        let mut tails = self.shared.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.entry(loglet).or_insert_with(|| Watch::new(&self.shared.recorder, 1)).clone()
    }
}

/// What a node's log is made of.
pub(crate) struct Parts<'a> {
    pub(crate) host: &'a Host,
    pub(crate) me: Generation,
    pub(crate) near: Option<LogServer>,
    pub(crate) metadata: &'a Metadata,
    pub(crate) client: &'a MetadataClient,
    pub(crate) liveness: &'a Liveness,
    pub(crate) settings: &'a ClusterSettings,
    pub(crate) seed: Seed,
}

/// The log, on one node. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    me: Generation,
    metadata: Metadata,
    client: MetadataClient,
    liveness: Liveness,
    servers: Servers,
    sequencers: Sequencers,
    far: Peers<SequencerAsk, Sequenced>,
    settings: LogSettings,
    recorder: Recorder,
    seed: Seed,
    append_back_off: Symbol,
    reconfigured: Symbol,
}

/// Why a segment could not be sealed, or the next not be opened: somebody may try again.
#[derive(Debug, PartialEq, Eq)]
pub struct NotReconfigured;

/// What a reader comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A record.
    Record(Lsn, Record),
    /// What lies between was trimmed away, up to this one.
    Gap(Lsn),
}

impl Log {
    pub(crate) fn new(parts: &Parts<'_>) -> Log {
        let recorder = parts.host.network().recorder().clone();
        let servers = Servers::new(parts);
        let settings = parts.settings;
        let shared = Shared {
            me: parts.me,
            metadata: parts.metadata.clone(),
            client: parts.client.clone(),
            liveness: parts.liveness.clone(),
            sequencers: Sequencers::new(parts.me, &servers, &recorder, parts.seed, settings.cluster.canary),
            servers,
            far: Peers::new(parts.host, SEQUENCER_PORT, settings.network.connect_timeout),
            settings: settings.log.clone(),
            seed: parts.seed,
            append_back_off: recorder.symbol("append back-off"),
            reconfigured: recorder.symbol("log reconfigured"),
            recorder,
        };
        Log { shared: Arc::new(shared) }
    }

    /// Answers other nodes' appends.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn serve(&self, host: &Host) -> io::Result<()> {
        self.shared.sequencers.serve(host)
    }

    /// Makes sure that a log has a first segment. Whoever is first makes itself the sequencer.
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

    /// The chains of logs, once this one has a segment.
    async fn begun(&self, log: LogId) -> Arc<Logs> {
        let logs = self.shared.metadata.logs.until(|logs| tail_of(logs.as_deref(), log).is_some());
        logs.await.expect("waited for")
    }

    /// Appends records and gives the number of the last, once all are acknowledged. Tries for ever.
    pub async fn append(&self, log: LogId, records: Arc<[Record]>) -> Lsn {
        let Shared { metadata, settings, recorder, append_back_off, .. } = &*self.shared;
        let mut delays = None;
        let mut failing_since = None;
        loop {
            let segment = Arc::new(self.begun(log).await.tail(log).expect("it has begun").clone());
            let sequenced = self.sequence(&segment, records.clone()).await;
            if let Ok(Sequenced::Appended(first)) = sequenced {
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
                // Somebody else may be at it.
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

    async fn sequence(&self, segment: &Arc<Segment>, records: Arc<[Record]>) -> io::Result<Sequenced> {
        let Shared { sequencers, .. } = &*self.shared;
        if sequencers.is_for(segment) {
            return Ok(sequencers.append(segment, records).await);
        }
        let ask = SequencerAsk::Append(segment.clone(), records);
        self.ask_sequencer(segment, self.shared.settings.sequencer_timeout, ask).await
    }

    async fn ask_sequencer(
        &self,
        segment: &Segment,
        limit: Duration,
        ask: SequencerAsk,
    ) -> io::Result<Sequenced> {
        let Shared { metadata, far, .. } = &*self.shared;
        let nodes = metadata.nodes.get();
        let node = nodes.as_ref().and_then(|nodes| nodes.nodes.get(&segment.sequencer.id));
        let node = node.ok_or(io::ErrorKind::NotFound)?;
        if node.generation > segment.sequencer.generation {
            return Ok(Sequenced::Gone);
        }
        far.call(&node.name, limit, ask).await
    }

    /// Where the next record will be, as the sequencer says; without it, a place that is not before that, as an f-majority of the log servers say. Asks for
    /// ever.
    pub async fn find_tail(&self, log: LogId) -> Lsn {
        let Shared { settings, recorder, .. } = &*self.shared;
        loop {
            let segment = Arc::new(self.begun(log).await.tail(log).expect("it has begun").clone());
            if let Some(Checked { tail, .. }) = self.check_tail(&segment).await {
                return segment.lsn(tail);
            }
            rt::pause(recorder, recorder.symbol("find tail pause"), settings.find_tail_pause).await;
        }
    }

    /// A place of an open segment that is behind every acknowledged record: right behind it, if the sequencer says so; without it, behind what any server of an f-majority has.
    async fn check_tail(&self, segment: &Arc<Segment>) -> Option<Checked> {
        let Shared { sequencers, servers, settings, .. } = &*self.shared;
        let sequenced = if sequencers.is_for(segment) {
            Ok(sequencers.tail(segment))
        } else {
            self.ask_sequencer(segment, settings.find_tail_timeout, SequencerAsk::Tail(segment.clone())).await
        };
        if let Ok(Sequenced::Tail(tail)) = sequenced {
            servers.learn(segment, tail);
            return Some(Checked { tail, sealed: false });
        }
        let quorum = segment.f_majority();
        let wanted = quorum.max(usize::from(segment.replication));
        let tail_of = |heard: &[(NodeId, Told)]| infos(heard).map(|info| info.tail).max();
        let acknowledged = |heard: &[(NodeId, Told)]| infos(heard).map(|info| info.global).max();
        // What a write quorum has without a hole, on servers that are not sealed, is as good as acknowledged: no f-majority will miss it.
        let safe = |heard: &[(NodeId, Told)], tail: Offset| {
            let safe = infos(heard).filter(|info| !info.sealed && info.solid >= tail).count();
            safe >= usize::from(segment.replication)
        };
        // It may take one server more to see that, if one of the first was down when the last record was written.
        let enough = |heard: &[(NodeId, Told)]| {
            let clear =
                || tail_of(heard).is_none_or(|tail| acknowledged(heard) >= Some(tail) || safe(heard, tail));
            heard.len() >= wanted && clear()
        };
        let heard = servers.ask_all(segment, &Ask::Info(segment.id), enough).await;
        if heard.len() < quorum {
            return None;
        }
        servers.learn(segment, acknowledged(&heard)?);
        let tail = tail_of(&heard)?;
        if safe(&heard, tail) {
            servers.learn(segment, tail);
        }
        let sealed = infos(&heard).filter(|info| info.sealed).count() >= quorum;
        Some(Checked { tail, sealed })
    }

    /// Seals a segment and opens the next, with this sequencer. Does nothing if that has been done.
    ///
    /// # Errors
    ///
    /// Too few log servers answer, or the metadata store does not.
    pub async fn reconfigure(&self, segment: &Segment, sequencer: Generation) -> Result<(), NotReconfigured> {
        let log = segment.id.log;
        let Shared { metadata, recorder, .. } = &*self.shared;
        if tail_of(metadata.logs.get().as_deref(), log).is_some_and(|tail| tail.id != segment.id) {
            return Ok(());
        }
        let began = rt::now();
        let tail = self.seal(segment).await.ok_or(NotReconfigured)?;
        self.extend(log, Some(segment.id), segment.lsn(tail), sequencer)
            .await
            .map_err(|_| NotReconfigured)?;
        recorder.record(rt::now(), Kind::Step, self.shared.reconfigured, rt::now() - began, u64::from(log.0));
        Ok(())
    }

    /// Seals a segment on an f-majority, makes sure that what was acknowledged is found there, and gives its tail. Nothing if too few answer.
    pub(crate) async fn seal(&self, segment: &Segment) -> Option<Offset> {
        let Shared { servers, sequencers, .. } = &*self.shared;
        sequencers.seal_here(segment.id);
        let quorum = segment.f_majority();
        let heard = servers.ask_all(segment, &Ask::Seal(segment.id), |heard| heard.len() >= quorum).await;
        if heard.len() < quorum {
            return None;
        }
        let global = infos(&heard).map(|info| info.global).max()?;
        let end = infos(&heard).map(|info| info.tail).max()?;
        let trimmed = infos(&heard).map(|info| info.trimmed).max()?;
        let global = global.max(trimmed + 1);
        // Between the two may lie what is acknowledged; none of it is missing on all of these servers. What is found gets its copies.
        let mut found: Vec<Record> = Vec::new();
        'search: while global + (found.len() as u64) < end {
            let from = global + found.len() as u64;
            for (node, _) in &heard {
                let ask = Ask::Read { loglet: segment.id, from, end, most: usize::MAX };
                if let Told::Found(Found::Records(records)) = servers.call(*node, ask).await.ok()?
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
            // Whether they belong to the log is not known before the chain says where the segment ends: nobody is told yet.
            let (loglet, records) = (segment.id, found.into());
            let ask = Ask::Store { loglet, first: global, records, global, repair: true };
            let wanted = usize::from(segment.replication);
            let stored = servers.ask_all(segment, &ask, |heard| heard.len() >= wanted).await;
            if stored.len() < wanted {
                return None;
            }
        }
        servers.learn(segment, global);
        Some(tail)
    }

    async fn extend(
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

    /// The log servers of a new segment: 2r − 1, which outlives r − 1 losses, of those that are up if there are enough, from the log's own place in their order on.
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

    /// Forgets the records of a log up to this one, as far as they are acknowledged, and gives the last that is gone.
    ///
    /// # Errors
    ///
    /// Too few log servers answer, or the metadata store does not.
    pub async fn trim(&self, log: LogId, to: Lsn) -> Result<Lsn, NotReconfigured> {
        let Shared { metadata, servers, client, .. } = &*self.shared;
        let chain = metadata.logs.get().and_then(|logs| logs.chains.get(&log).cloned()).unwrap_or_default();
        let mut last = Lsn(0);
        for (place, segment) in chain.iter().enumerate().filter(|(_, segment)| segment.base <= to) {
            // A closed segment is known to its end, an open one as far as anybody has told.
            let end = chain.get(place + 1).map(|next| segment.offset(next.base));
            let end = end.unwrap_or_else(|| servers.tail(segment.id).get());
            let offset = segment.offset(to).min(end.saturating_sub(1));
            let quorum = segment.f_majority();
            let heard =
                servers.ask_all(segment, &Ask::Trim(segment.id, offset), |heard| heard.len() >= quorum).await;
            if heard.len() < quorum {
                return Err(NotReconfigured);
            }
            last = last.max(segment.lsn(offset + 1).previous());
        }
        let updated = update(client, &metadata.logs, Logs::KEY, |logs: Option<&Logs>| {
            let mut logs = logs.cloned().ok_or_else(|| ClientError::Retryable("no logs yet".into()))?;
            Ok(logs.trim(log, last).then_some(logs))
        });
        updated.await.map_err(|_| NotReconfigured)?;
        Ok(last)
    }

    /// Seals the segments whose sequencer is here, as a node does that stops.
    pub async fn seal_own(&self) {
        for segment in self.shared.sequencers.open() {
            self.seal(&segment).await;
        }
    }

    /// Reads a log from this record on.
    pub fn reader(&self, id: LogId, next: Lsn) -> Reader {
        Reader { log: self.clone(), id, next, read: VecDeque::new() }
    }

    fn jitter(&self, what: &str, log: LogId) -> Stream {
        let Shared { seed, me, .. } = &*self.shared;
        seed.stream((what, u64::from(log.0), u64::from(me.id.0), rt::now().as_nanos()))
    }
}

fn tail_of(logs: Option<&Logs>, log: LogId) -> Option<&Segment> {
    logs?.tail(log)
}

fn infos(heard: &[(NodeId, Told)]) -> impl Iterator<Item = LogletInfo> {
    heard.iter().filter_map(|(_, told)| match told {
        Told::Done(info) | Told::Sealed(info) | Told::Info(info) => Some(*info),
        Told::Found(_) => None,
    })
}

/// What is known of an open segment's end.
#[derive(Clone, Copy, Debug)]
struct Checked {
    /// A place behind every acknowledged record.
    tail: Offset,
    /// Whether an f-majority is sealed, so that nobody can append.
    sealed: bool,
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
    /// The next entry.
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

    /// The segment that has the next record, and the place up to which it can be read, once there is something.
    async fn readable(&self) -> (Arc<Segment>, Offset) {
        let Shared { metadata, servers, sequencers, settings, me, .. } = &*self.log.shared;
        let mut sealed_since: Option<(LogletId, SimTime)> = None;
        loop {
            let logs = self.log.begun(self.id).await;
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
                // Where writers see to it that a log goes on, one that has nothing to write sees to nothing.
                if settings.reconfigures == Reconfigures::Leader
                    && checked.is_some_and(|checked| checked.sealed)
                {
                    let same = sealed_since.filter(|(sealed, _)| *sealed == segment.id);
                    let (_, since) = *sealed_since.insert(same.unwrap_or_else(|| (segment.id, rt::now())));
                    if rt::now() >= since + settings.auto_recovery {
                        // If that does not work now, it is tried again after the next check.
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

    /// Asks the segment's servers one after the other, the node's own first, for the next records.
    async fn fetch(&self, segment: &Segment, end: Offset) -> Option<Found> {
        let Shared { servers, settings, me, .. } = &*self.log.shared;
        let from = segment.offset(self.next);
        let own = segment.nodeset.iter().filter(|&&node| node == me.id);
        let others = segment.nodeset.iter().filter(|&&node| node != me.id);
        for &node in own.chain(others) {
            let ask = Ask::Read { loglet: segment.id, from, end, most: settings.read_ahead };
            match servers.call(node, ask).await {
                Ok(Told::Found(Found::Records(records))) if records.is_empty() => {}
                Ok(Told::Found(found)) => return Some(found),
                _ => {}
            }
        }
        None
    }
}
