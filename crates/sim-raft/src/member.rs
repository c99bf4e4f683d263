//! A member of the Raft group: its event loop.
//!
//! One task handles one event at a time, in this order of priority: a message of a peer, a tick, a
//! new configuration, a request, the status report. After each event it processes what raft-rs has
//! made ready, inline: send messages, install a snapshot, apply committed entries, append entries
//! and sync, store the hard state and sync, send the messages that had to wait for that, apply
//! again. So a slow sync delays ticks and messages, and afterwards the missed ticks fire in a
//! burst. (Source: restatedev/restate 1.7, `crates/metadata-server/src/raft/server/member.rs`; in
//! March 2025 the priority was random.)
//!
//! Submodules: `election` (the election timeout) and `recovery` (facts at the start), then parts
//! of [`Member`]: `client_requests`, `ready`, `leadership`, `report`.

mod client_requests;
mod election;
mod leadership;
mod ready;
mod recovery;
mod report;

use crate::api::{Answer, Request};
use crate::canary::Canary;
use crate::facts::{Fact, Facts};
use crate::known_nodes::{KnownNodes, NodesWatch};
use crate::kv::{CommandId, KvState};
use crate::nodes::{MetadataState, NodeId, NodesConfiguration};
use crate::requests::Requests;
use crate::server_state::{MEMBER_NOTE, ServerConfig, ServerState};
use crate::settings::NextEvent;
use crate::standing::StandingCell;
use crate::status::Status;
use crate::storage::RaftStore;
use crate::transport::Transport;
use election::ElectionTimeout;
use raft::eraftpb::{Message, MessageType};
use raft::{Config, RawNode, ReadOnlyOption};
use recovery::record_recovery;
use sim_rocksdb::EngineError;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::task::{Context, Poll};
use stormglass_core::{Recorder, Seed, Stream};
use stormglass_net::{Host, rpc};
use stormglass_rt::channel::Receiver;
use stormglass_rt::{self as rt, Alarm, MissedTickBehavior, Ticker, Watch};

type ReplySender = rpc::Reply<Answer>;

/// Why the event loop of a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The server received the stop signal.
    Stopped,
    /// The server was removed from the group.
    Removed,
}

/// A member of the Raft group.
pub(crate) struct Member {
    me: NodeId,
    config: ServerConfig,
    seed: Seed,
    host: Host,
    choice: Stream,
    stop: Option<Watch<bool>>,
    /// The time limit of a leadership transfer, once the stop signal has started one.
    stop_deadline: Option<Alarm>,
    /// Whether it was removed from the group.
    removed: bool,
    facts: Facts,
    recorder: Recorder,
    raw_node: RawNode<RaftStore>,
    kv: KvState,
    applied: u64,
    transport: Transport,
    inbox: Receiver<Message>,
    requests: Requests,
    nodes: NodesWatch,
    ticker: Ticker,
    status: Watch<Status>,
    standing: StandingCell,
    status_ticker: Ticker,
    /// The version of the configuration that the transport uses.
    nodes_seen: u64,
    last_request_number: u64,
    pending_writes: BTreeMap<CommandId, ReplySender>,
    pending_reads: BTreeMap<u64, PendingRead>,
    /// Read index and number of the reads that a quorum has confirmed, until that index is applied.
    confirmed_reads: VecDeque<(u64, u64)>,
    pending_joins: BTreeMap<NodeId, Vec<ReplySender>>,
    pending_removals: BTreeMap<NodeId, Vec<ReplySender>>,
    election_timeout: ElectionTimeout,
    is_leader: bool,
    is_candidate: bool,
    /// The leader in the status that was reported last.
    reported_leader: u64,
}

/// A read that waits for its read index.
struct PendingRead {
    key: String,
    version_only: bool,
    reply: ReplySender,
}

enum Event {
    Message(Message),
    Tick,
    Nodes,
    Request(Request, ReplySender),
    Status,
    Stop,
}

/// A source of events.
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
    /// All sources, in the order of priority.
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
        server: ServerState,
        me: NodeId,
        transport: Transport,
        inbox: Receiver<Message>,
    ) -> Result<Member, EngineError> {
        server.note(MEMBER_NOTE);
        let ServerState {
            config,
            seed,
            host,
            recorder,
            mut store,
            requests,
            nodes,
            stop,
            choice,
            status,
            standing,
        } = server;
        let settings = &config.settings;
        if settings.canary_at(rt::now()) == Canary::ForgetsItsVote {
            store.forget_vote();
        }
        let facts = Facts::new(&recorder);
        facts.record(Fact::Is(me));
        record_recovery(&facts, &store).map_err(corrupt)?;
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
        let raw_node = RawNode::new(&raft_config, store, &logger).map_err(corrupt)?;
        let stream =
            seed.stream(("metadata-server", &config.name, "election", u64::from(config.incarnation)));
        let election_timeout = ElectionTimeout::new(stream, settings.election_ticks);
        let ticker = Ticker::new(&recorder, recorder.symbol("raft tick"), settings.tick_interval);
        let ticker = ticker.missed_tick_behavior(settings.missed_ticks);
        let status_ticker =
            Ticker::after(&recorder, recorder.symbol("metadata server status"), settings.status_interval);
        let status_ticker = status_ticker.missed_tick_behavior(MissedTickBehavior::Burst);
        let mut member = Member {
            me,
            config,
            seed,
            host,
            choice,
            stop,
            stop_deadline: None,
            removed: false,
            facts,
            recorder,
            raw_node,
            kv,
            applied,
            transport,
            inbox,
            requests,
            nodes,
            ticker,
            status,
            standing,
            status_ticker,
            nodes_seen: 0,
            last_request_number: 0,
            pending_writes: BTreeMap::new(),
            pending_reads: BTreeMap::new(),
            confirmed_reads: VecDeque::new(),
            pending_joins: BTreeMap::new(),
            pending_removals: BTreeMap::new(),
            election_timeout,
            is_leader: false,
            is_candidate: false,
            reported_leader: 0,
        };
        member.record_members();
        member.publish();
        member.report_status();
        Ok(member)
    }

    /// Runs the event loop until the server is stopped or removed from the group. Returns the
    /// reason and the state of the server.
    pub(crate) async fn run(mut self) -> Result<(Exit, ServerState), EngineError> {
        // It may have been removed again before the answer to its join arrived.
        self.removed = self.is_removed_by_configuration();
        // A voter campaigns at once (Restate PR #2657); pre-vote prevents that from deposing a
        // live leader.
        if self.raw_node.raft.promotable() {
            self.raw_node.campaign().map_err(corrupt)?;
            self.process_ready().await?;
        }
        loop {
            if self.removed {
                self.note("metadata server: no member any more");
                return Ok((Exit::Removed, self.into_server()));
            }
            if self.stop_deadline.is_some() && !self.is_leader {
                return Ok((Exit::Stopped, self.into_server()));
            }
            match self.next_event().await {
                Event::Stop => {
                    if self.stop_deadline.is_some() || !self.transfer_leadership() {
                        return Ok((Exit::Stopped, self.into_server()));
                    }
                }
                Event::Message(message) => match self.step(message) {
                    Ok(()) | Err(raft::Error::ProposalDropped) => {}
                    // The sender is no peer any more.
                    Err(raft::Error::StepPeerNotFound) if !self.config.settings.strangers_are_fatal => {}
                    Err(error) => return Err(corrupt(error)),
                },
                Event::Tick => {
                    self.election_timeout.replace_draw(&mut self.raw_node);
                    self.raw_node.tick();
                }
                Event::Nodes => {
                    self.refresh_hosts();
                    self.removed |= self.is_removed_by_configuration();
                }
                Event::Request(request, reply) => self.handle(request, reply),
                Event::Status => self.report_status(),
            }
            self.process_ready().await?;
        }
    }

    /// Returns the state that the server needs in its next role.
    fn into_server(mut self) -> ServerState {
        let store = self.raw_node.mut_store().take();
        self.standing.set(None);
        let Member { config, seed, host, choice, stop, recorder, requests, nodes, status, standing, .. } =
            self;
        ServerState { config, seed, host, recorder, store, requests, nodes, stop, choice, status, standing }
    }

    fn canary(&self) -> Canary {
        self.config.settings.canary_at(rt::now())
    }

    fn step(&mut self, mut message: Message) -> raft::Result<()> {
        if self.canary() == Canary::SkipsTheTermCheck && message.get_msg_type() == MessageType::MsgAppend {
            message.term = message.term.max(self.raw_node.raft.term);
        }
        self.raw_node.step(message)
    }

    /// Whether the newest known configuration says that this server is no member. A member behind
    /// a network partition learns of its removal in no other way.
    fn is_removed_by_configuration(&self) -> bool {
        let own = |nodes: &NodesConfiguration| Some((nodes.version, nodes.nodes.get(&self.me)?.metadata));
        let newest = self.nodes.get().as_deref().and_then(own);
        // Older configurations do not count: they are from before it joined.
        let since = self.raw_node.store().joined().max(self.nodes_version());
        newest.is_some_and(|(version, state)| version > since && state != MetadataState::Member)
    }

    /// Returns the version of the configuration in the applied state, 0 if there is none.
    fn nodes_version(&self) -> u64 {
        self.kv.nodes().map_or(0, |nodes| nodes.version)
    }

    async fn next_event(&mut self) -> Event {
        poll_fn(|context| {
            if let Some(deadline) = &mut self.stop_deadline {
                if deadline.poll(context).is_ready() {
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
            Source::Status => self.status_ticker.poll_tick(context).map(|()| Event::Status),
        }
    }
}

fn corrupt(error: impl std::fmt::Display) -> EngineError {
    EngineError::Corrupt(error.to_string())
}
