//! The Raft loop of a member.
//!
//! One task. It takes one event at a time, in this order of preference: a message of a peer, a tick, a new
//! configuration, a request, the time to tell its status. After each it does all that Raft has made ready, inline: send, take a snapshot in,
//! apply, append and sync, hard state and sync, send what had to wait for that, apply again. So a slow sync holds
//! up ticks and messages, and afterwards the missed ticks come in a burst. (Source:
//! restatedev/restate 1.7, `crates/metadata-server/src/raft/server/member.rs`; in March 2025 it picked the next event by
//! chance.)

use crate::api::{Answer, NodeHint, Refusal, Reply, Request, Write};
use crate::canary::Canary;
use crate::facts::{Fact, Facts, Position};
use crate::kv::{Command, CommandId, KvState, Membership};
use crate::nodes::{MetadataState, NodeId, NodesConfiguration};
use crate::requests::Requests;
use crate::server::{KnownNodes, MEMBER, MetadataServer, NodesWatch, ServerConfig, Status, publish};
use crate::settings::NextEvent;
use crate::storage::RaftStore;
use crate::transport::Transport;
use protobuf::Message as _;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType, Message, MessageType,
    Snapshot,
};
use raft::{Config, RawNode, ReadOnlyOption, ReadState, SnapshotStatus, StateRole};
use sim_rocksdb::EngineError;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Seed, Stream};
use stormglass_net::{Host, rpc};
use stormglass_rt::channel::Receiver;
use stormglass_rt::{self as rt, worker};
use stormglass_rt::{Alarm, Missed, Ticker, Watch};

type ReplyTo = rpc::Reply<Answer>;

/// Why a member ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was told to.
    Stopped,
    /// It is no member any more.
    Removed,
}

pub(crate) struct Member {
    me: NodeId,
    config: ServerConfig,
    seed: Seed,
    host: Host,
    choice: Stream,
    stop: Option<Watch<bool>>,
    /// When it was told to stop and began to hand its leadership over.
    leaving: Option<Alarm>,
    removed: bool,
    facts: Facts,
    recorder: Recorder,
    raw: RawNode<RaftStore>,
    kv: KvState,
    applied: u64,
    transport: Transport,
    inbox: Receiver<Message>,
    requests: Requests,
    nodes: NodesWatch,
    ticker: Ticker,
    status: Watch<Status>,
    status_due: Ticker,
    /// The version of the configuration that the loop has seen.
    nodes_seen: u64,
    number_last: u64,
    writes: BTreeMap<CommandId, ReplyTo>,
    reads: BTreeMap<u64, Read>,
    /// Reads whose index is known, waiting to be applied that far.
    reads_ready: VecDeque<(u64, u64)>,
    joins: BTreeMap<NodeId, Vec<ReplyTo>>,
    removals: BTreeMap<NodeId, Vec<ReplyTo>>,
    election: Election,
    leads: bool,
    campaigns: bool,
    /// The leader of the last status.
    leader_told: u64,
}

struct Read {
    key: String,
    version_only: bool,
    reply: ReplyTo,
}

/// The randomized election timeout, drawn from our stream when raft-rs draws its own: at each change of term,
/// role or leader.
struct Election {
    stream: Stream,
    ticks: u32,
    state: Option<(u64, StateRole, u64)>,
    timeout: usize,
}

enum Event {
    Message(Message),
    Tick,
    Nodes,
    Request(Request, ReplyTo),
    Status,
    Stop,
}

/// Where events come from.
#[derive(Clone, Copy)]
enum Source {
    Messages,
    Ticks,
    Nodes,
    Store,
    Joins,
    Commands,
    Status,
}

impl Source {
    /// All of them, those first that are looked at first.
    const ALL: [Source; 7] = [
        Source::Messages,
        Source::Ticks,
        Source::Nodes,
        Source::Store,
        Source::Joins,
        Source::Commands,
        Source::Status,
    ];
}

impl Member {
    pub(crate) fn new(
        server: MetadataServer,
        me: NodeId,
        transport: Transport,
        inbox: Receiver<Message>,
    ) -> Result<Member, EngineError> {
        server.note(MEMBER);
        let MetadataServer { config, seed, host, recorder, mut store, requests, nodes, stop, choice, status } =
            server;
        let settings = &config.settings;
        if settings.canary == Canary::ForgetsItsVote {
            store.forget_vote();
        }
        let facts = Facts::new(&recorder);
        facts.tell(Fact::Is(me));
        tell_beginning(&facts, &store)?;
        store.check()?;
        let kv = store.snapshot_state()?;
        let applied = raft::Storage::first_index(&store).map_err(corrupt)? - 1;
        let raft_config = Config {
            id: u64::from(me.0),
            election_tick: settings.election_ticks as usize,
            heartbeat_tick: settings.heartbeat_ticks as usize,
            applied,
            max_size_per_msg: 64 << 10,
            max_inflight_msgs: 256,
            max_uncommitted_size: 4 << 20,
            max_committed_size_per_ready: 4 << 20,
            check_quorum: true,
            pre_vote: true,
            read_only_option: ReadOnlyOption::Safe,
            ..Config::default()
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&raft_config, store, &logger).map_err(corrupt)?;
        let election = Election {
            stream: seed.stream(("metadata-server", &config.name, "election", u64::from(config.life))),
            ticks: settings.election_ticks,
            state: None,
            timeout: 0,
        };
        let ticker = Ticker::new(&recorder, recorder.symbol("raft tick"), settings.tick_interval);
        let ticker = ticker.missed(settings.missed_ticks);
        let status_due =
            Ticker::after(&recorder, recorder.symbol("metadata server status"), settings.status_interval);
        let status_due = status_due.missed(Missed::Burst);
        let mut member = Member {
            me,
            config,
            seed,
            host,
            choice,
            stop,
            leaving: None,
            removed: false,
            facts,
            recorder,
            raw,
            kv,
            applied,
            transport,
            inbox,
            requests,
            nodes,
            ticker,
            status,
            status_due,
            nodes_seen: 0,
            number_last: 0,
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            reads_ready: VecDeque::new(),
            joins: BTreeMap::new(),
            removals: BTreeMap::new(),
            election,
            leads: false,
            campaigns: false,
            leader_told: 0,
        };
        member.tell_members();
        member.publish();
        member.tell_status();
        Ok(member)
    }

    pub(crate) async fn run(mut self) -> Result<(Exit, MetadataServer), EngineError> {
        // The answer to its join may have taken longer than its membership lasted.
        self.removed = self.is_let_go();
        // A voter campaigns at once (Restate PR #2657); with pre-vote that deposes nobody who is alive.
        if self.raw.raft.promotable() {
            self.raw.campaign().map_err(corrupt)?;
            self.process_ready().await?;
        }
        loop {
            if self.removed {
                self.note("metadata server: no member any more");
                return Ok((Exit::Removed, self.into_server()));
            }
            if self.leaving.is_some() && !self.leads {
                return Ok((Exit::Stopped, self.into_server()));
            }
            match self.next_event().await {
                Event::Stop => {
                    if self.leaving.is_some() || !self.begin_to_leave() {
                        return Ok((Exit::Stopped, self.into_server()));
                    }
                }
                Event::Message(message) => match self.step(message) {
                    Ok(()) | Err(raft::Error::ProposalDropped) => {}
                    // A message from someone who is no peer any more.
                    Err(raft::Error::StepPeerNotFound) if !self.config.settings.strangers_are_fatal => {}
                    Err(error) => return Err(corrupt(error)),
                },
                Event::Tick => {
                    self.election.prepare(&mut self.raw);
                    self.raw.tick();
                }
                Event::Nodes => {
                    self.refresh_hosts();
                    self.removed |= self.is_let_go();
                }
                Event::Request(request, reply) => self.handle(request, reply),
                Event::Status => self.tell_status(),
            }
            self.process_ready().await?;
        }
    }

    /// What the next life of the server begins with.
    fn into_server(mut self) -> MetadataServer {
        let store = self.raw.mut_store().take();
        let Member { config, seed, host, choice, stop, recorder, requests, nodes, status, .. } = self;
        MetadataServer { config, seed, host, recorder, store, requests, nodes, stop, choice, status }
    }

    fn canary(&self) -> Canary {
        self.config.settings.canary
    }

    fn step(&mut self, mut message: Message) -> raft::Result<()> {
        if self.canary() == Canary::SkipsTheTermCheck && message.get_msg_type() == MessageType::MsgAppend {
            message.term = message.term.max(self.raw.raft.term);
        }
        self.raw.step(message)
    }

    /// Hands leadership over to whoever is furthest, if there is anybody and the settings say so. Whoever hears of nothing within an election
    /// timeout goes anyway. (Source: restatedev/restate PR #3956.)
    fn begin_to_leave(&mut self) -> bool {
        let settings = &self.config.settings;
        let progress = self.raw.raft.prs();
        let alive =
            progress.iter().filter(|(id, progress)| **id != u64::from(self.me.0) && progress.recent_active);
        let furthest = alive.max_by_key(|(id, progress)| (progress.matched, std::cmp::Reverse(**id)));
        let Some((&to, _)) = furthest.filter(|_| self.leads && settings.leader_transfer) else {
            return false;
        };
        let limit = settings.tick_interval * settings.election_ticks;
        self.leaving = Some(Alarm::new(rt::now() + limit));
        self.note("metadata server: handing leadership over");
        self.raw.transfer_leader(to);
        true
    }

    /// Whether the newest configuration says that it shall be no member, which a member that was cut off hears nowhere else.
    fn is_let_go(&self) -> bool {
        let own = |nodes: &NodesConfiguration| Some((nodes.version, nodes.nodes.get(&self.me)?.metadata));
        let newest = self.nodes.get().as_deref().and_then(own);
        // Once a member, it is one until it was let go, even if it shall be one again by now.
        let since = self.raw.store().joined().max(self.nodes_version());
        newest.is_some_and(|(version, state)| version > since && state != MetadataState::Member)
    }

    /// The version of the configuration that it has applied, 0 if none.
    fn nodes_version(&self) -> u64 {
        self.kv.nodes().map_or(0, |nodes| nodes.version)
    }

    async fn next_event(&mut self) -> Event {
        poll_fn(|context| {
            if let Some(leaving) = &mut self.leaving {
                if leaving.poll(context).is_ready() {
                    return Poll::Ready(Event::Stop);
                }
            } else if let Some(stop) = &self.stop
                && stop.poll_until(context, |stop| *stop).is_ready()
            {
                return Poll::Ready(Event::Stop);
            }
            let first = match self.config.settings.next_event {
                NextEvent::InOrder => 0,
                NextEvent::ByChance => self.choice.below(Source::ALL.len() as u64) as usize,
            };
            let (before, from_first) = Source::ALL.split_at(first);
            for &source in from_first.iter().chain(before) {
                if let Poll::Ready(event) = self.poll_source(source, context) {
                    return Poll::Ready(event);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn poll_source(&mut self, source: Source, context: &mut Context<'_>) -> Poll<Event> {
        let request = |(request, reply)| Event::Request(request, reply);
        match source {
            Source::Messages => match self.inbox.poll_recv(context) {
                Poll::Ready(Some(message)) => Poll::Ready(Event::Message(message)),
                _ => Poll::Pending,
            },
            Source::Ticks => self.ticker.poll_tick(context).map(|()| Event::Tick),
            Source::Nodes => {
                let seen = self.nodes_seen;
                let newer = |nodes: &KnownNodes| nodes.as_ref().is_some_and(|nodes| nodes.version > seen);
                self.nodes.poll_until(context, newer).map(|_| Event::Nodes)
            }
            Source::Store => self.requests.poll_store(context).map(request),
            Source::Joins => self.requests.poll_join(context).map(request),
            Source::Commands => self.requests.poll_command(context).map(request),
            Source::Status => self.status_due.poll_tick(context).map(|()| Event::Status),
        }
    }

    // ---- requests ------------------------------------------------------------------------------------------

    fn handle(&mut self, request: Request, reply: ReplyTo) {
        let answer = match request {
            Request::Provision { .. } => Ok(Reply::Provisioned(false)),
            Request::Join { node, storage } => return self.handle_join(node, storage, reply),
            Request::Remove { node } => return self.handle_remove(node, reply),
            _ if !self.leads => Err(Refusal::unavailable("not the leader", self.leader_hint())),
            Request::Get { key } => return self.read(Read { key, version_only: false, reply }),
            Request::GetVersion { key } => return self.read(Read { key, version_only: true, reply }),
            Request::Write(write) => return self.propose(write, reply),
        };
        self.reply(reply, answer);
    }

    fn read(&mut self, read: Read) {
        if self.canary() == Canary::ReadsWithoutQuorum {
            return self.answer(read);
        }
        self.number_last += 1;
        let number = self.number_last;
        let in_flight =
            |raw: &RawNode<RaftStore>| raw.raft.pending_read_count() + raw.raft.ready_read_count();
        let before = in_flight(&self.raw);
        self.raw.read_index(number.to_le_bytes().to_vec());
        if in_flight(&self.raw) == before {
            // raft-rs drops reads silently before the first commit of its term (Restate PR #2950).
            return self.reply(read.reply, Err(Refusal::unavailable("reads are not possible yet", None)));
        }
        self.reads.insert(number, read);
    }

    fn propose(&mut self, write: Write, reply: ReplyTo) {
        // A write that has lost already need not go through the log (Restate 6e4156977).
        if self.config.settings.refuses_early
            && self.canary() != Canary::IgnoresPreconditions
            && let Err(refusal) = self.kv.check(&write)
        {
            self.reply(reply, Err(refusal));
            return;
        }
        self.number_last += 1;
        let id = CommandId { node: self.me, generation: self.config.life, number: self.number_last };
        let data = postcard::to_stdvec(&Command { id, write }).expect("plain data has an encoding");
        match self.raw.propose(vec![], data) {
            Ok(()) => drop(self.writes.insert(id, reply)),
            Err(error) => {
                self.reply(reply, Err(Refusal::unavailable(format!("proposal dropped: {error}"), None)));
            }
        }
    }

    /// The leader's checks of a join, in Restate's order.
    fn handle_join(&mut self, node: NodeId, storage: u64, reply: ReplyTo) {
        let refusal = if let Some(refusal) = self.cannot_reconfigure() {
            refusal
        } else if let Some(&joined_with) = self.kv.membership().members.get(&node) {
            if joined_with == storage {
                self.reply(reply, Ok(Reply::Joined { nodes: self.nodes_version() }));
                return;
            }
            // What it had acknowledged is gone, and with it the reason to count its votes.
            Refusal::internal("the member has lost its disk")
        } else {
            match self.kv.nodes().and_then(|nodes| nodes.nodes.get(&node).map(|node| node.metadata)) {
                None => Refusal::unavailable("unknown node", None),
                Some(MetadataState::Standby) => Refusal::internal("the node shall stay a standby"),
                Some(_) => match self.propose_member(node, storage) {
                    Ok(()) => {
                        self.note("metadata server: adding a member");
                        self.joins.entry(node).or_default().push(reply);
                        return;
                    }
                    Err(error) => Refusal::unavailable(format!("proposal dropped: {error}"), None),
                },
            }
        };
        self.reply(reply, Err(refusal));
    }

    /// The leader's checks of a removal.
    fn handle_remove(&mut self, node: NodeId, reply: ReplyTo) {
        let membership = self.kv.membership();
        let refusal = if let Some(refusal) = self.cannot_reconfigure() {
            refusal
        } else if !membership.members.contains_key(&node) {
            self.reply(reply, Ok(Reply::Removed));
            return;
        } else if membership.members.len() == 1 {
            Refusal::internal("the last member stays")
        } else {
            let mut next = membership.clone();
            next.members.remove(&node);
            match self.propose_change(ConfChangeType::RemoveNode, node, next) {
                Ok(()) => {
                    self.note("metadata server: letting a member go");
                    self.removals.entry(node).or_default().push(reply);
                    return;
                }
                Err(error) => Refusal::unavailable(format!("proposal dropped: {error}"), None),
            }
        };
        self.reply(reply, Err(refusal));
    }

    /// Why members can neither come nor go now.
    fn cannot_reconfigure(&self) -> Option<Refusal> {
        if !self.leads {
            return Some(Refusal::unavailable("not the leader", self.leader_hint()));
        }
        let under_way = self.raw.raft.has_pending_conf();
        under_way.then(|| Refusal::unavailable("another reconfiguration is under way", None))
    }

    fn propose_member(&mut self, node: NodeId, storage: u64) -> raft::Result<()> {
        let mut next = self.kv.membership().clone();
        next.members.insert(node, storage);
        self.propose_change(ConfChangeType::AddNode, node, next)
    }

    fn propose_change(
        &mut self,
        kind: ConfChangeType,
        node: NodeId,
        mut next: Membership,
    ) -> raft::Result<()> {
        next.version += 1;
        let mut change = ConfChangeSingle::default();
        change.set_change_type(kind);
        change.node_id = u64::from(node.0);
        let mut changes = ConfChangeV2::default();
        changes.set_changes(vec![change].into());
        changes.context = postcard::to_stdvec(&next).expect("plain data has an encoding").into();
        self.raw.propose_conf_change(vec![], changes)
    }

    fn leader_hint(&self) -> Option<NodeHint> {
        let leader = NodeId(self.raw.raft.leader_id as u32);
        if leader == NodeId(0) || leader == self.me {
            return None;
        }
        let host = self.kv.nodes()?.nodes.get(&leader)?.name.clone();
        Some(NodeHint { id: leader, host })
    }

    // ---- what Raft has made ready --------------------------------------------------------------------------

    async fn process_ready(&mut self) -> Result<(), EngineError> {
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            self.send(ready.take_messages());
            if !ready.snapshot().is_empty() {
                self.take_snapshot(ready.snapshot().clone()).await?;
            }
            self.note_reads(ready.take_read_states());
            self.apply(ready.take_committed_entries()).await?;
            if self.canary() == Canary::AcknowledgesBeforeSync {
                self.send(ready.take_persisted_messages());
            }
            if !ready.entries().is_empty() {
                let entries = ready.take_entries();
                self.facts.tell(Fact::Storing { index: entries[0].index });
                self.raw.mut_store().append(&entries).await?;
                self.tell_stored(&entries);
                if self.canary() == Canary::AppliesBeforeCommit {
                    let normal = |entry: &Entry| entry.get_entry_type() == EntryType::EntryNormal;
                    self.apply(entries.into_iter().take_while(normal).collect()).await?;
                }
            }
            if let Some(hard_state) = ready.hs().cloned() {
                self.raw.mut_store().store_hard_state(hard_state.clone()).await?;
                self.facts.tell(Fact::Term(hard_state.term));
                if hard_state.vote != 0 {
                    let candidate = NodeId(hard_state.vote as u32);
                    self.facts.tell(Fact::Vote { term: hard_state.term, candidate });
                }
            }
            self.send(ready.take_persisted_messages());
            let mut light = self.raw.advance(ready);
            self.send(light.take_messages());
            self.apply(light.take_committed_entries()).await?;
            self.raw.advance_apply();
            self.serve_reads();
            self.trim().await?;
        }
        self.notice_leadership();
        Ok(())
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let (to, snapshot) = (message.to, message.get_msg_type() == MessageType::MsgSnapshot);
            let sent = self.transport.send(message);
            if snapshot {
                let status = if sent { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
                self.raw.report_snapshot(to, status);
            } else if !sent {
                self.raw.report_unreachable(to);
            }
        }
    }

    /// Another task answers: that of the request.
    fn reply(&self, reply: ReplyTo, answer: Answer) {
        worker::hand_over(move || reply.send(answer));
    }

    async fn take_snapshot(&mut self, snapshot: Snapshot) -> Result<(), EngineError> {
        self.kv = postcard::from_bytes(snapshot.get_data())
            .map_err(|error| EngineError::Corrupt(format!("snapshot of a peer: {error}")))?;
        self.applied = snapshot.get_metadata().index;
        self.note("metadata server: restored from a snapshot");
        let position = position_of(&snapshot);
        self.raw.mut_store().store_snapshot(snapshot).await?;
        self.facts.tell(Fact::Restored(position));
        self.tell_members();
        self.publish();
        Ok(())
    }

    async fn apply(&mut self, entries: Vec<Entry>) -> Result<(), EngineError> {
        for entry in entries {
            if self.canary() == Canary::AppliesBeforeCommit && entry.index <= self.applied {
                continue;
            }
            assert!(entry.index > self.applied, "entry {} is applied twice", entry.index);
            self.applied = entry.index;
            if self.facts.wanted() {
                self.facts.tell(Fact::Applied(Position::of(&entry)));
            }
            match entry.get_entry_type() {
                EntryType::EntryNormal if entry.data.is_empty() => {}
                EntryType::EntryNormal => self.apply_command(&entry)?,
                EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                    self.apply_members(&entry).await?
                }
            }
        }
        Ok(())
    }

    fn apply_command(&mut self, entry: &Entry) -> Result<(), EngineError> {
        let command: Command = postcard::from_bytes(&entry.data)
            .map_err(|error| EngineError::Corrupt(format!("log entry {}: {error}", entry.index)))?;
        let answer = if self.canary() == Canary::IgnoresPreconditions {
            Ok(self.kv.apply_unchecked(command.write))
        } else {
            self.kv.apply(command.write)
        };
        self.publish();
        if let Some(reply) = self.writes.remove(&command.id) {
            self.reply(reply, answer);
        }
        Ok(())
    }

    async fn apply_members(&mut self, entry: &Entry) -> Result<(), EngineError> {
        let changes = ConfChangeV2::parse_from_bytes(&entry.data).map_err(corrupt)?;
        let next: Membership = postcard::from_bytes(&changes.context)
            .map_err(|error| EngineError::Corrupt(format!("log entry {}: {error}", entry.index)))?;
        let conf_state = self.raw.apply_conf_change(&changes).map_err(corrupt)?;
        self.kv.apply_membership(next);
        self.note("metadata server: applied a new configuration");
        self.refresh_hosts();
        self.publish();
        self.tell_members();
        self.take_own_snapshot(entry.index, conf_state).await?;
        let members = &self.kv.membership().members;
        self.removed |= !members.contains_key(&self.me);
        let is_member = |node: &NodeId| members.contains_key(node);
        let joins = std::mem::take(&mut self.joins).into_iter();
        let removals = std::mem::take(&mut self.removals).into_iter();
        let (joined, waiting): (BTreeMap<_, _>, _) = joins.partition(|(node, _)| is_member(node));
        self.joins = waiting;
        let (waiting, removed): (_, BTreeMap<_, _>) = removals.partition(|(node, _)| is_member(node));
        self.removals = waiting;
        let nodes = self.nodes_version();
        joined.into_values().flatten().for_each(|reply| self.reply(reply, Ok(Reply::Joined { nodes })));
        removed.into_values().flatten().for_each(|reply| self.reply(reply, Ok(Reply::Removed)));
        Ok(())
    }

    /// Takes a snapshot when the log has grown enough since the last, and cuts the log.
    async fn trim(&mut self) -> Result<(), EngineError> {
        let last = self.raw.store().stored_snapshot().get_metadata().index;
        if self.applied - last < self.config.settings.trim_threshold {
            return Ok(());
        }
        let conf_state = self.raw.raft.prs().conf().to_conf_state();
        self.take_own_snapshot(self.applied, conf_state).await
    }

    async fn take_own_snapshot(&mut self, index: u64, conf_state: ConfState) -> Result<(), EngineError> {
        let (canary, store) = (self.canary(), self.raw.mut_store());
        let old = store.stored_snapshot().get_metadata().get_conf_state().clone();
        let conf_state = if canary == Canary::SnapshotsOldMembers { old } else { conf_state };
        let snapshot = store.make_snapshot(index, conf_state, &self.kv)?;
        let (position, lost) = (position_of(&snapshot), u64::from(canary == Canary::LosesTheLogsTail));
        store.store_snapshot_and_cut(snapshot, lost).await?;
        self.facts.tell(Fact::Restored(position));
        Ok(())
    }

    // ---- what checkers want to know ------------------------------------------------------------------------

    fn tell_stored(&self, entries: &[Entry]) {
        if self.facts.wanted() {
            entries.iter().for_each(|entry| self.facts.tell(Fact::Stored(Position::of(entry))));
        }
    }

    fn tell_members(&self) {
        if self.facts.wanted() {
            let voters = self.raw.raft.prs().conf().to_conf_state().voters;
            self.facts.tell(Fact::members(self.kv.membership().version, voters.into_iter()));
        }
    }

    fn note_reads(&mut self, states: Vec<ReadState>) {
        for state in states {
            let number = state.request_ctx.as_slice().try_into().map(u64::from_le_bytes);
            self.reads_ready.push_back((state.index, number.expect("a read's context is its number")));
        }
    }

    fn serve_reads(&mut self) {
        while let Some(&(index, number)) = self.reads_ready.front() {
            if index > self.applied {
                break;
            }
            self.reads_ready.pop_front();
            if let Some(read) = self.reads.remove(&number) {
                self.answer(read);
            }
        }
    }

    fn answer(&mut self, Read { key, version_only, reply }: Read) {
        let value = self.kv.get(&key);
        let answer = if version_only {
            Reply::Version(value.map(|value| value.version))
        } else {
            Reply::Value(value.cloned())
        };
        self.reply(reply, Ok(answer));
    }

    fn notice_leadership(&mut self) {
        let leads = self.raw.raft.state == StateRole::Leader;
        let campaigns = matches!(self.raw.raft.state, StateRole::PreCandidate | StateRole::Candidate);
        if campaigns && !self.campaigns {
            self.note("metadata server: campaigns");
        }
        self.campaigns = campaigns;
        if leads && !self.leads {
            self.note("metadata server: won leadership");
            self.facts.tell(Fact::Leads { term: self.raw.raft.term });
        }
        if !leads && self.leads {
            self.note("metadata server: lost leadership");
            let hint = self.leader_hint();
            let lost = || Err(Refusal::unavailable("lost leadership", hint.clone()).perhaps_done());
            let writes = std::mem::take(&mut self.writes).into_values();
            let reads = std::mem::take(&mut self.reads).into_values().map(|read| read.reply);
            let joins = std::mem::take(&mut self.joins).into_values().flatten();
            let removals = std::mem::take(&mut self.removals).into_values().flatten();
            let waiting = writes.chain(reads).chain(joins).chain(removals);
            waiting.for_each(|reply| self.reply(reply, lost()));
            self.reads_ready.clear();
        }
        if leads != self.leads || self.raw.raft.leader_id != self.leader_told {
            self.leads = leads;
            self.tell_status();
        }
    }

    /// Tells what an operator would see.
    fn tell_status(&mut self) {
        let leader = self.raw.raft.leader_id;
        self.leader_told = leader;
        let status = Status::Member {
            leader: (leader != 0).then_some(NodeId(leader as u32)),
            term: self.raw.raft.term,
            applied: self.applied,
            members: self.kv.membership().members.keys().copied().collect(),
        };
        status.tell(&self.status, &self.recorder);
    }

    // ---- the node's view -----------------------------------------------------------------------------------

    fn publish(&mut self) {
        if let Some(nodes) = self.kv.nodes() {
            publish(&self.nodes, nodes);
        }
        self.refresh_hosts();
    }

    /// The peers' hosts: from the newest configuration known on the node.
    fn refresh_hosts(&mut self) {
        let seen = self.nodes_seen;
        let newer = |nodes: &KnownNodes| nodes.clone().filter(|nodes| nodes.version != seen);
        let Some(nodes) = self.nodes.look(newer) else { return };
        self.nodes_seen = nodes.version;
        let hosts = nodes.nodes.iter().filter(|(id, _)| **id != self.me);
        self.transport.set_hosts(hosts.map(|(&id, node)| (id, node.name.clone())).collect());
    }

    fn note(&self, what: &str) {
        let recorder = &self.recorder;
        let term = self.raw.raft.term;
        recorder.record(rt::now(), Kind::Note, recorder.symbol(what), Duration::ZERO, term);
    }
}

impl Election {
    /// Replaces the library's draw by ours.
    fn prepare(&mut self, raw: &mut RawNode<RaftStore>) {
        let state = (raw.raft.term, raw.raft.state, raw.raft.leader_id);
        if self.state != Some(state) {
            self.state = Some(state);
            self.timeout = (self.ticks + self.stream.below(u64::from(self.ticks)) as u32) as usize;
        }
        raw.raft.set_randomized_election_timeout(self.timeout);
    }
}

/// What a life begins with.
fn tell_beginning(facts: &Facts, store: &RaftStore) -> Result<(), EngineError> {
    if !facts.wanted() {
        return Ok(());
    }
    let hard_state = raft::Storage::initial_state(store).map_err(corrupt)?.hard_state;
    facts.tell(Fact::Recovered { snapshot: position_of(store.stored_snapshot()) });
    facts.tell(Fact::LogEnds { index: raft::Storage::last_index(store).map_err(corrupt)? });
    // All of it: a batch whose sync had failed may be there all the same.
    store.log().for_each(|entry| facts.tell(Fact::Stored(Position::of(entry))));
    facts.tell(Fact::Term(hard_state.term));
    if hard_state.vote != 0 {
        facts.tell(Fact::Vote { term: hard_state.term, candidate: NodeId(hard_state.vote as u32) });
    }
    Ok(())
}

fn position_of(snapshot: &Snapshot) -> Position {
    let metadata = snapshot.get_metadata();
    let digest = u64::from(crc32fast::hash(snapshot.get_data()) & 0xff_ffff);
    Position { index: metadata.index, term: metadata.term, digest }
}

fn corrupt(error: impl std::fmt::Display) -> EngineError {
    EngineError::Corrupt(error.to_string())
}
