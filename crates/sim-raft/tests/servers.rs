//! Metadata servers over simulated disks and network: provisioning, joining, reads, writes,
//! restarts, and what each costs in syncs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sim_raft::api::{
    Answer, FABRIC_PORT, Precondition, RAFT_PORT, Refusal, RefusalKind, Reply, Request, Value, Write,
};
use sim_raft::client::ClientError;
use sim_raft::storage::RaftStore;
use sim_raft::{
    ClientSettings, MetadataClient, MetadataServer, MetadataState, NodeId, NodesConfiguration, NodesWatch,
    RaftSettings, ServerConfig, Status, publish,
};
use sim_rocksdb::WalRecoveryMode;
use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Scope, Seed, Trace};
use stormglass_fs::fault::{DiskEffect, DiskRule};
use stormglass_fs::{Disk, DiskProfile, Loss};
use stormglass_net::{LinkProfile, NetProfile, Network, fault as net_fault};
use stormglass_rt as rt;
use stormglass_rt::worker::Workers;
use stormglass_rt::{Mount, Watch, channel};

const SYNC: Duration = Duration::from_millis(20);

/// A set of metadata servers without the rest of a cluster.
struct Servers {
    recorder: Recorder,
    network: Network,
    disks: BTreeMap<String, Disk>,
    nodes: BTreeMap<String, (madsim::task::NodeId, NodesWatch)>,
    incarnations: BTreeMap<String, u32>,
    settings: RaftSettings,
    stops: BTreeMap<String, Watch<bool>>,
    statuses: BTreeMap<String, Watch<Status>>,
    /// The worker threads of the nodes, if they have any.
    workers: Option<Vec<Mount<Workers>>>,
}

impl Servers {
    fn new() -> Servers {
        let recorder = Recorder::new(Keep::Events);
        let link = LinkProfile { latency: Latency::from_micros(100), ..LinkProfile::default() };
        let profile = NetProfile { link, ..NetProfile::instant() };
        let network = Network::recorded(profile, Seed(1), &recorder);
        Servers {
            recorder,
            network,
            disks: BTreeMap::new(),
            nodes: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            settings: RaftSettings::default(),
            stops: BTreeMap::new(),
            statuses: BTreeMap::new(),
            workers: None,
        }
    }

    /// Starts a server on its disk and returns the configuration that its node knows.
    fn start(&mut self, name: &str) -> NodesWatch {
        let mut profile = DiskProfile::instant();
        profile.sync.latency = Latency::Constant(SYNC);
        let disk = self
            .disks
            .entry(name.into())
            .or_insert_with(|| Disk::recorded(name, profile, Seed(1), &self.recorder));
        let incarnation = self.incarnations.entry(name.into()).or_insert(0);
        *incarnation += 1;
        let node =
            madsim::runtime::Handle::current().create_node().name(format!("{name}/{incarnation}")).build();
        if let Some(workers) = &mut self.workers {
            workers.push(rt::mount(node.id(), Workers::new(&self.recorder, Duration::ZERO)));
        }
        let watch: NodesWatch = Watch::new(&self.recorder, None);
        self.nodes.insert(name.into(), (node.id(), watch.clone()));
        let (host, disk, recorder) = (self.network.host(name), disk.clone(), self.recorder.clone());
        let config =
            ServerConfig { name: name.into(), incarnation: *incarnation, settings: self.settings.clone() };
        let scope =
            Scope { node: recorder.symbol(name), task: recorder.symbol("server"), ..Scope::default() };
        let (known, stop) = (watch.clone(), Watch::new(&self.recorder, false));
        self.stops.insert(name.into(), stop.clone());
        let status = Watch::new(&self.recorder, Status::default());
        self.statuses.insert(name.into(), status.clone());
        node.spawn(rt::scoped(&self.recorder, scope, async move {
            let (requests, incoming) = channel(&recorder);
            let mut fabric = host.serve::<Request, Answer>(FABRIC_PORT).unwrap();
            let listener = host.listen(RAFT_PORT).unwrap();
            rt::spawn(&recorder, "fabric", async move {
                while let Some(call) = fabric.next().await {
                    requests.send(call.split());
                }
            });
            let store = RaftStore::open(&disk, "db", WalRecoveryMode::default()).await.unwrap();
            let server =
                MetadataServer::new(config, Seed(1), host, store, incoming, known).with_status(status);
            server.with_stop_signal(stop).run(listener).await.unwrap();
        }));
        watch
    }

    fn kill(&mut self, name: &str) {
        let (node, _) = self.nodes.remove(name).unwrap();
        madsim::runtime::Handle::current().kill(node);
    }

    async fn ask(&self, name: &str, request: Request) -> Answer {
        let host = self.network.host("tester");
        let channel = host.channel(self.network.host(name).address(FABRIC_PORT));
        channel.call(request).await.unwrap_or_else(|error| Err(Refusal::unavailable(error.to_string(), None)))
    }

    fn client(&self, endpoints: &[&str]) -> MetadataClient {
        let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        let host = self.network.host("tester");
        MetadataClient::new(host, "tester", 1, ClientSettings::default(), &endpoints, Seed(1))
    }

    /// Repeats a request until it is served.
    async fn eventually(&self, name: &str, request: Request) -> Reply {
        for _ in 0..200 {
            match self.ask(name, request.clone()).await {
                Ok(reply) => return reply,
                Err(refusal) if refusal.kind == RefusalKind::Unavailable => {
                    rt::sleep(Duration::from_millis(50)).await
                }
                Err(refusal) => panic!("{refusal}"),
            }
        }
        panic!("{name} did not serve {request:?} within 10 s");
    }

    /// Starts a cluster of these members, the first one provisioned.
    async fn cluster(&mut self, names: &[&str]) {
        let first = NodesConfiguration::first("test", names[0]);
        self.start(names[0]);
        self.eventually(names[0], Request::Provision { nodes: first }).await;
        for name in &names[1..] {
            let client = self.client(&names[..1]);
            let joined = self.join(&client, name).await;
            let watch = self.start(name);
            publish(&watch, &joined);
            let member = |nodes: &Option<std::sync::Arc<NodesConfiguration>>| {
                nodes
                    .as_ref()
                    .and_then(|nodes| nodes.find(name))
                    .is_some_and(|(_, node)| node.metadata == MetadataState::Member)
            };
            rt::timeout(Duration::from_secs(10), watch.until(member))
                .await
                .expect("the server becomes a member within 10 s");
        }
    }

    /// Adds a node to the configuration, as a starting node does; retries until that succeeds.
    async fn join(&self, client: &MetadataClient, name: &str) -> NodesConfiguration {
        for _ in 0..100 {
            let updated = client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
                let mut nodes = nodes.cloned().unwrap();
                nodes.join(name);
                nodes.version += 1;
                Ok(Some(nodes))
            });
            match updated.await {
                Ok(nodes) => return nodes.unwrap(),
                Err(_) => rt::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("{name} did not join within 5 s");
    }
}

fn play<T>(scenario: impl AsyncFnOnce(&mut Servers) -> T) -> (T, Trace) {
    let mut servers = Servers::new();
    let runtime = madsim::runtime::Runtime::new();
    let result = runtime.block_on(scenario(&mut servers));
    drop(runtime);
    (result, servers.recorder.finish())
}

fn put(key: &str, version: u64, precondition: Precondition) -> Request {
    let value = Value { version, bytes: vec![version as u8] };
    Request::Write(Write::Put { key: key.into(), value, precondition })
}

fn get(key: &str) -> Request {
    Request::Get { key: key.into() }
}

fn value(version: u64) -> Reply {
    Reply::Value(Some(Value { version, bytes: vec![version as u8] }))
}

#[test]
fn a_server_that_is_not_provisioned_refuses_requests() {
    play(async |servers| {
        servers.start("node-1");
        rt::sleep(Duration::from_secs(1)).await;
        let refusal = servers.ask("node-1", get("k")).await.unwrap_err();
        assert_eq!((refusal.message.as_str(), refusal.kind), ("not provisioned", RefusalKind::Unavailable));
        let refusal = servers.ask("node-1", Request::Join { node: NodeId(2), storage: 1 }).await.unwrap_err();
        assert_eq!((refusal.message.as_str(), refusal.leader), ("not a member", None));
    });
}

#[test]
fn provisioning_happens_once() {
    play(async |servers| {
        servers.start("node-1");
        let nodes = NodesConfiguration::first("test", "node-1");
        let provision = Request::Provision { nodes };
        assert_eq!(servers.eventually("node-1", provision.clone()).await, Reply::Provisioned(true));
        assert_eq!(servers.eventually("node-1", provision).await, Reply::Provisioned(false));
    });
}

/// A sole voter becomes leader immediately: marker, snapshot and state are one batch (2 syncs, the
/// first of a new log syncs the directory too), then hard state and empty entry (1 each). No
/// election timeout passes.
#[test]
fn a_sole_voter_leads_after_four_syncs() {
    let (took, _) = play(async |servers| {
        servers.start("node-1");
        rt::sleep(Duration::from_secs(1)).await;
        let began = rt::now();
        servers
            .eventually("node-1", Request::Provision { nodes: NodesConfiguration::first("test", "node-1") })
            .await;
        // The read waits in the member's queue until it leads.
        servers.ask("node-1", get("k")).await.unwrap();
        (rt::now() - began).as_millis()
    });
    // 4 × 20 ms, and four messages of 0.1 ms with two connects of 0.2 ms.
    assert!((80..82).contains(&took), "{took} ms");
}

/// One synced append for a write of a sole voter: its commit needs no hard state.
#[test]
fn a_write_of_a_sole_voter_is_one_sync() {
    let (took, trace) = play(async |servers| {
        servers.cluster(&["node-1"]).await;
        servers.eventually("node-1", put("warm", 1, Precondition::None)).await;
        let syncs = servers.recorder.count() as usize;
        let began = rt::now();
        servers.ask("node-1", put("k", 1, Precondition::None)).await.unwrap();
        ((rt::now() - began).as_millis(), syncs)
    });
    let syncs = trace.events[took.1..].iter().filter(|event| event.kind == Kind::Fdatasync).count();
    assert_eq!((took.0, syncs), (20, 1));
}

/// The leader and a follower of three members append concurrently: one sync. Then the leader
/// stores its commit index. If that blocks its worker, the task that sends the answer, in the LIFO
/// slot, waits for it: another sync.
#[test]
fn a_leader_with_blocking_writes_answers_after_its_next_sync() {
    let took = |blocking_writes: bool| {
        let scenario = async |servers: &mut Servers| {
            servers.workers = Some(Vec::new());
            servers.settings.blocking_writes = blocking_writes;
            servers.cluster(&["node-1", "node-2", "node-3"]).await;
            servers.eventually("node-1", put("warm", 1, Precondition::None)).await;
            rt::sleep(Duration::from_secs(1)).await;
            let began = rt::now();
            servers.ask("node-1", put("k", 1, Precondition::None)).await.unwrap();
            (rt::now() - began).as_millis()
        };
        play(scenario).0
    };
    assert_eq!((took(false), took(true)), (20, 40));
}

#[test]
fn writes_are_conditional_and_reads_see_them() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.eventually("node-1", put("k", 1, Precondition::DoesNotExist)).await;
        assert_eq!(servers.ask("node-1", get("k")).await, Ok(value(1)));
        let refusal = servers.ask("node-1", put("k", 2, Precondition::DoesNotExist)).await.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::PreconditionFailed { found: Some(1) });
        servers.ask("node-1", put("k", 2, Precondition::MatchesVersion(1))).await.unwrap();
        let version = servers.ask("node-1", Request::GetVersion { key: "k".into() }).await;
        assert_eq!(version, Ok(Reply::Version(Some(2))));
        let delete = Write::Delete { key: "k".into(), precondition: Precondition::MatchesVersion(2) };
        servers.ask("node-1", Request::Write(delete)).await.unwrap();
        assert_eq!(servers.ask("node-1", get("k")).await, Ok(Reply::Value(None)));
    });
}

#[test]
fn a_follower_refuses_and_names_the_leader() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2"]).await;
        rt::sleep(Duration::from_secs(1)).await;
        let refusal = servers.ask("node-2", get("k")).await.unwrap_err();
        let leader = refusal.leader.expect("a follower of a leader knows it");
        assert_eq!((refusal.message.as_str(), leader.host.as_str()), ("not the leader", "node-1"));
        // The client follows the hint without a pause.
        let client = servers.client(&["node-2"]);
        assert_eq!(client.call(get("k")).await, Ok(Reply::Value(None)));
    });
}

/// Each member that is added makes a version of the configuration, on top of the one of its node's
/// join.
#[test]
fn members_are_added_one_by_one() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        let client = servers.client(&["node-1"]);
        let nodes = client.get::<NodesConfiguration>(NodesConfiguration::KEY).await.unwrap().unwrap();
        let members = nodes.nodes.values().filter(|node| node.metadata == MetadataState::Member).count();
        // 1 provisioned + 2 nodes joined + 2 members added.
        assert_eq!((members, nodes.version), (3, 5));
    });
}

/// Acknowledged writes survive a kill of all servers at once, and a leader is elected again.
#[test]
fn acknowledged_writes_survive_a_restart_of_everyone() {
    play(async |servers| {
        let names = ["node-1", "node-2", "node-3"];
        servers.cluster(&names).await;
        for version in 1..=5 {
            servers.eventually("node-1", put("k", version, Precondition::None)).await;
        }
        names.iter().for_each(|name| servers.kill(name));
        rt::sleep(Duration::from_millis(10)).await;
        names.iter().for_each(|name| drop(servers.start(name)));
        let client = servers.client(&names);
        for _ in 0..200 {
            match client.call(get("k")).await {
                Ok(reply) => return assert_eq!(reply, value(5)),
                Err(ClientError::Retryable(_)) => rt::sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no leader within 10 s");
    });
}

/// All three lose power simultaneously during writes, with torn sectors: after the restart the
/// acknowledged writes are there, and at most the one write that was in flight.
#[test]
fn acknowledged_writes_survive_a_power_loss_of_everyone() {
    for (seed, loss) in (0..6).flat_map(|seed| Loss::ALL.map(|loss| (seed, loss))) {
        play(async |servers| {
            let names = ["node-1", "node-2", "node-3"];
            servers.cluster(&names).await;
            let client = servers.client(&names);
            let mut acknowledged = 0;
            let writing = async {
                loop {
                    let write = put("k", acknowledged + 1, Precondition::None);
                    if client.call(write).await.is_ok() {
                        acknowledged += 1;
                    }
                }
            };
            rt::timeout(Duration::from_millis(501 + 37 * seed), writing).await;
            assert!(acknowledged > 2, "{acknowledged}");
            for name in names {
                servers.kill(name);
                servers.disks[name].power_loss(loss);
            }
            rt::sleep(Duration::from_millis(10)).await;
            names.iter().for_each(|name| drop(servers.start(name)));
            for _ in 0..200 {
                if let Ok(Reply::Value(Some(value))) = client.call(get("k")).await {
                    let range = acknowledged..=acknowledged + 1;
                    return assert!(
                        range.contains(&value.version),
                        "{loss:?}: {} of {acknowledged}",
                        value.version
                    );
                }
                rt::sleep(Duration::from_millis(50)).await;
            }
            panic!("{loss:?}, seed {seed}: no server serves within 10 s");
        });
    }
}

/// A network partition separates the leader from both followers, not from its clients: it
/// acknowledges nothing, the followers elect a leader and serve, and after the partition has
/// healed the old leader is a follower and has their writes.
#[test]
fn a_partitioned_leader_acknowledges_nothing() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
        let cut = servers.network.partition(&[&["node-1"], &["node-2", "node-3"]]).unwrap();
        let partitioned = servers.ask("node-1", put("k", 9, Precondition::None));
        let answered = rt::timeout(Duration::from_secs(2), partitioned).await;
        assert!(!matches!(answered, Some(Ok(_))), "{answered:?}");
        let client = servers.client(&["node-2", "node-3"]);
        let write = put("k", 2, Precondition::MatchesVersion(1));
        let written = async {
            while client.call(write.clone()).await.is_err() {
                rt::sleep(Duration::from_millis(50)).await;
            }
        };
        rt::timeout(Duration::from_secs(10), written).await.expect("two of three serve");
        drop(cut);
        // Retransmission has backed off to seconds meanwhile.
        rt::sleep(Duration::from_secs(10)).await;
        let client = servers.client(&["node-1"]);
        assert_eq!(client.call(get("k")).await, Ok(value(2)));
        let refusal = servers.ask("node-1", get("k")).await.unwrap_err();
        assert!(refusal.leader.is_some(), "it is a follower: {refusal}");
    });
}

fn notes<'a>(trace: &'a Trace, node: &str) -> Vec<&'a str> {
    let own = trace.events.iter().filter(|event| event.kind == Kind::Note && trace.text(event.node) == node);
    own.map(|event| trace.text(event.subject)).collect()
}

/// With a threshold of five entries, twenty writes truncate the log: a follower that was down
/// meanwhile gets a snapshot.
#[test]
fn a_follower_that_was_down_gets_a_snapshot() {
    let ((), trace) = play(async |servers| {
        servers.settings.trim_threshold = 5;
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.kill("node-3");
        for version in 1..=20 {
            servers.eventually("node-1", put("k", version, Precondition::None)).await;
        }
        servers.start("node-3");
        rt::sleep(Duration::from_secs(5)).await;
        // It is needed for the quorum: one of the others is killed.
        servers.kill("node-2");
        assert_eq!(servers.eventually("node-1", get("k")).await, value(20));
    });
    let restored =
        notes(&trace, "node-3").iter().filter(|note| note.ends_with("restored from a snapshot")).count();
    assert_eq!(restored, 2, "when it joined, and when it came back");
}

/// A removed member is a standby; once the configuration wants it as a member again, it joins.
#[test]
fn a_removed_member_can_join_again() {
    let ((), trace) = play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        let removed = servers.eventually("node-1", Request::Remove { node: NodeId(3) }).await;
        assert_eq!(removed, Reply::Removed);
        assert_eq!(servers.eventually("node-1", Request::Remove { node: NodeId(3) }).await, Reply::Removed);
        rt::sleep(Duration::from_secs(1)).await;
        let refusal = servers.ask("node-3", get("k")).await.unwrap_err();
        assert_eq!(refusal.message, "not a member");
        let client = servers.client(&["node-1"]);
        let wanted = client.update::<NodesConfiguration>(NodesConfiguration::KEY, |nodes| {
            let mut nodes = nodes.cloned().unwrap();
            assert_eq!(nodes.nodes[&NodeId(3)].metadata, MetadataState::Standby);
            nodes.nodes.get_mut(&NodeId(3)).unwrap().metadata = MetadataState::Provisioning;
            nodes.version += 1;
            Ok(Some(nodes))
        });
        let nodes = wanted.await.unwrap().unwrap();
        publish(&servers.nodes["node-3"].1, &nodes);
        let member = |nodes: &Option<std::sync::Arc<NodesConfiguration>>| {
            nodes.as_ref().is_some_and(|nodes| nodes.nodes[&NodeId(3)].metadata == MetadataState::Member)
        };
        rt::timeout(Duration::from_secs(10), servers.nodes["node-3"].1.until(member)).await.unwrap();
        // Two of three are a quorum again: it and node-1.
        servers.kill("node-2");
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
    });
    let own = notes(&trace, "node-3");
    let states: Vec<_> =
        own.iter().filter(|note| note.ends_with("member") || note.ends_with("standby")).collect();
    assert_eq!(
        states,
        [
            "metadata server: standby",
            "metadata server: member",
            "metadata server: standby",
            "metadata server: member"
        ]
        .iter()
        .collect::<Vec<_>>()
    );
}

/// A member that has lost its disk has another storage id, and is always refused: the entries that
/// it had acknowledged are lost.
#[test]
fn a_member_that_has_lost_its_disk_cannot_join() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
        let refusal = servers.ask("node-1", Request::Join { node: NodeId(2), storage: 7 }).await.unwrap_err();
        assert_eq!(
            (refusal.message.as_str(), refusal.kind),
            ("the member has lost its disk", RefusalKind::Internal)
        );
    });
}

/// A leader that is stopped transfers its leadership: no follower waits for an election timeout of
/// a second or more.
#[test]
fn a_stopping_leader_transfers_its_leadership() {
    for (leader_transfer, immediate) in [(true, true), (false, false)] {
        let (took, _) = play(async |servers| {
            servers.settings.leader_transfer = leader_transfer;
            servers.cluster(&["node-1", "node-2", "node-3"]).await;
            servers.eventually("node-1", put("k", 1, Precondition::None)).await;
            servers.stops["node-1"].set(true);
            let stopped = rt::now();
            // The process ends after the server has stopped.
            rt::sleep(Duration::from_millis(100)).await;
            servers.kill("node-1");
            let client = servers.client(&["node-2", "node-3"]);
            let served = async {
                while client.call(get("k")).await.is_err() {
                    rt::sleep(Duration::from_millis(20)).await;
                }
            };
            rt::timeout(Duration::from_secs(20), served).await.expect("the other two serve");
            rt::now() - stopped
        });
        assert_eq!(took < Duration::from_millis(900), immediate, "{took:?}");
    }
}

/// A follower whose sync takes 3 s has missed thirty ticks. In a burst they exceed an election
/// timeout of 10 to 19 ticks, whatever its leader has sent meanwhile: it starts an election.
/// Skipped or delayed ticks do not. The leader keeps its leadership in either case, because of
/// pre-vote.
#[test]
fn a_burst_of_missed_ticks_starts_an_election() {
    for (missed_ticks, campaigns) in [
        (rt::MissedTickBehavior::Burst, 1),
        (rt::MissedTickBehavior::Skip, 0),
        (rt::MissedTickBehavior::Delay, 0),
    ] {
        let (since, trace) = play(async |servers| {
            servers.settings.missed_ticks = missed_ticks;
            servers.cluster(&["node-1", "node-2", "node-3"]).await;
            servers.eventually("node-1", put("k", 1, Precondition::None)).await;
            let slow = DiskRule::new(DiskEffect::Delay(Latency::from_millis(3_000)));
            let slow = slow.on([Kind::Fdatasync, Kind::Fsync]).times(1);
            let _slow = servers.disks["node-2"].inject(slow).unwrap();
            let since = rt::now();
            servers.eventually("node-1", put("k", 2, Precondition::None)).await;
            rt::sleep(Duration::from_secs(5)).await;
            servers.eventually("node-1", get("k")).await;
            since
        });
        let notes =
            trace.events.iter().filter(|event| event.kind == Kind::Note && event.at_nanos > since.as_nanos());
        let notes: Vec<_> = notes.map(|event| (trace.text(event.node), trace.text(event.subject))).collect();
        let count = |what: (&str, &str)| notes.iter().filter(|note| **note == what).count();
        assert_eq!(count(("node-2", "metadata server: campaigns")), campaigns, "{missed_ticks:?}: {notes:?}");
        assert_eq!(count(("node-1", "metadata server: lost leadership")), 0, "{missed_ticks:?}");
    }
}

/// Without the leader the other two elect one within two full timeouts (2 × 20 ticks of 100 ms),
/// and serve.
#[test]
fn two_of_three_elect_a_leader_and_serve() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
        servers.kill("node-1");
        let began = rt::now();
        let client = servers.client(&["node-2", "node-3"]);
        loop {
            if client.call(get("k")).await == Ok(value(1)) {
                break;
            }
            rt::sleep(Duration::from_millis(50)).await;
            let waited = rt::now() - began;
            assert!(waited < Duration::from_secs(4), "no leader after {waited:?}");
        }
        // Survivors refuse votes for an election timeout since the leader's last heartbeat, at
        // most 200 ms old.
        assert!(rt::now() - began > Duration::from_millis(800));
    });
}

/// Without a quorum a write does not return and a read is not served.
#[test]
fn one_of_three_serves_no_requests() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
        servers.kill("node-2");
        servers.kill("node-3");
        let write =
            rt::timeout(Duration::from_secs(10), servers.ask("node-1", put("k", 2, Precondition::None)))
                .await;
        let refusal = write.expect("the quorum check makes it step down").unwrap_err();
        assert_eq!(refusal.message, "lost leadership");
        assert_eq!(servers.ask("node-1", get("k")).await.unwrap_err().message, "not the leader");
    });
}

/// While a sync of the server takes a second, two requests are in its queue and the senders of two
/// others wait. All four callers give up: the requests in the queue are served, the others never.
#[test]
fn the_request_queue_has_a_capacity_of_two() {
    play(async |servers| {
        servers.cluster(&["node-1"]).await;
        servers.eventually("node-1", get("warm")).await;
        let slow = DiskRule::new(DiskEffect::Delay(Latency::from_millis(1_000)));
        let slow = servers.disks["node-1"].inject(slow.on([Kind::Fdatasync, Kind::Fsync])).unwrap();
        let host = servers.network.host("tester");
        let to = servers.network.host("node-1").address(FABRIC_PORT);
        let channel = std::sync::Arc::new(host.channel::<Request, Answer>(to));
        channel.connect().await.unwrap();
        for number in 0..5 {
            let channel = channel.clone();
            let write = put(&format!("k{number}"), 1, Precondition::None);
            let patience = Duration::from_millis(if number == 0 { 60_000 } else { 500 });
            rt::spawn(&servers.recorder, "writer", async move {
                drop(rt::timeout(patience, channel.call(write)).await);
            });
            // The first is being synced when the others come.
            rt::sleep(Duration::from_millis(10)).await;
        }
        rt::sleep(Duration::from_secs(10)).await;
        drop(slow);
        let mut done = Vec::new();
        for number in 0..5 {
            done.push(servers.eventually("node-1", get(&format!("k{number}"))).await != Reply::Value(None));
        }
        assert_eq!(done, [true, true, true, false, false]);
    });
}

/// A leader that receives nothing from its followers steps down, and the client, which does not
/// know whether its write took effect, repeats it. The write had taken effect, so its precondition
/// does not hold any more.
#[test]
fn a_repeated_write_can_conflict_with_itself() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2", "node-3"]).await;
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
        let client = servers.client(&["node-1", "node-2", "node-3"]);
        client.prefer("node-1");
        // The followers receive the write; their answers are lost.
        let lost_answers =
            net_fault::LinkRule::new(net_fault::LinkEffect::Lose).from("node-[23]").to("node-1");
        let lost_answers = servers.network.inject(lost_answers).unwrap();
        let write = || client.call(put("k", 2, Precondition::MatchesVersion(1)));
        assert_eq!(write().await, Err(ClientError::Retryable("node-1: lost leadership".into())));
        drop(lost_answers);
        let again = loop {
            match write().await {
                Err(ClientError::Retryable(_)) => rt::sleep(Duration::from_millis(100)).await,
                other => break other,
            }
        };
        assert!(matches!(again, Err(ClientError::Conflict(_))), "{again:?}");
        let found = client.call(get("k")).await;
        assert_eq!(found, Ok(value(2)));
    });
}

/// A server reports its status immediately when its role or its leader changes, otherwise at each
/// interval.
#[test]
fn servers_report_their_status() {
    play(async |servers| {
        servers.cluster(&["node-1", "node-2"]).await;
        let status = |name: &str| servers.statuses[name].get();
        rt::sleep(Duration::from_secs(6)).await;
        let Status::Member { leader, members, applied, .. } = status("node-2") else { panic!("a member") };
        assert_eq!((leader, members.len()), (Some(NodeId(1)), 2));
        servers.eventually("node-1", put("k", 1, Precondition::None)).await;
        let before = applied;
        rt::sleep(Duration::from_secs(6)).await;
        let Status::Member { applied, .. } = status("node-2") else { panic!("a member") };
        assert!(applied > before, "{applied}, {before} before");
    });
}

#[test]
fn a_read_modify_write_is_repeated_after_a_conflict() {
    play(async |servers| {
        servers.cluster(&["node-1"]).await;
        servers.eventually("node-1", get("warm")).await;
        let clients = [servers.client(&["node-1"]), servers.client(&["node-1"])];
        let writers = clients.map(|client| {
            rt::scoped_task(&servers.recorder, "writer", async move {
                for _ in 0..5 {
                    let change = |nodes: Option<&NodesConfiguration>| {
                        let mut nodes = nodes.cloned().unwrap();
                        nodes.version += 1;
                        Ok(Some(nodes))
                    };
                    client.update(NodesConfiguration::KEY, change).await.unwrap();
                }
            })
        });
        rt::join_all(writers.into()).await;
        let client = servers.client(&["node-1"]);
        let nodes = client.get::<NodesConfiguration>(NodesConfiguration::KEY).await.unwrap().unwrap();
        // Ten increments on version 1: none was lost.
        assert_eq!(nodes.version, 11);
    });
}

/// The same seed gives the same trace: the draws of raft-rs from `thread_rng` have no influence.
#[test]
#[expect(clippy::disallowed_methods, reason = "a fresh thread for each run")]
fn a_run_with_elections_is_deterministic() {
    let run = || {
        std::thread::spawn(|| {
            let (_, trace) = play(async |servers| {
                servers.cluster(&["node-1", "node-2", "node-3"]).await;
                servers.kill("node-1");
                rt::sleep(Duration::from_secs(5)).await;
            });
            trace
        })
        .join()
        .unwrap()
    };
    let (first, second) = (run(), run());
    assert!(
        first
            .events
            .iter()
            .any(|event| first.text(event.subject) == "metadata server: won leadership" && event.value > 2)
    );
    assert_eq!(first, second);
}
