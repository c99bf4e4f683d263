//! Fault plans: each fault affects only the named nodes and only while it is active; before that,
//! a run is equal to a run without the plan.

use crate::story::{Boxed, Story};
use madsim::net::Endpoint;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::fault::{DiskEffect, DiskError, DiskRule, LinkEffect, LinkRule, Slowdown};
use stormglass_core::{Keep, Kind, Latency, Seed, SimTime};
use stormglass_net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use stormglass_plan::strategy::plans;
use stormglass_rt as rt;
use stormglass_sim::fs::FileExt;
use stormglass_sim::{Node, Played, Run, Scenario, Settings, SettingsError, World, scenario};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Counts of what each node observes, per second: `"node-2 synced"` → the count in each second.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, [u32; 10]>>>);

impl Seen {
    fn count(&self, node: &str, what: &str) {
        let second = (rt::now().as_nanos() / 1_000_000_000).min(9) as usize;
        self.0.lock().unwrap().entry(format!("{node} {what}")).or_default()[second] += 1;
    }

    /// Returns the counts in each second.
    fn of(&self, what: &str) -> [u32; 10] {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }
}

/// Three nodes on separate machines. Each one continuously writes and syncs, sends to the next
/// node over UDP, over TCP and over madsim's own network, and looks up its name, for ten seconds.
#[derive(Clone, Default)]
struct Busy(Seen);

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

#[scenario(about = "three busy nodes")]
impl Scenario for Busy {
    fn nodes(&self, (): &()) -> Vec<String> {
        NODES.map(String::from).to_vec()
    }

    async fn play(&self, world: World) {
        let seen = self.0.clone();
        for (index, name) in NODES.into_iter().enumerate() {
            let (node, next) = (world.node_on(name, name), NODES[(index + 1) % 3]);
            let (seen, me) = (seen.clone(), node.clone());
            node.run("main", move || run_all(me.clone(), next, seen.clone()));
        }
        rt::sleep(MS(10_000)).await;
    }
}

async fn run_all(node: Node, next: &'static str, seen: Seen) {
    seen.count(node.name(), "started");
    if node.disk().read("synced").await.is_ok_and(|synced| !synced.is_empty()) {
        seen.count(node.name(), "found what it had synced");
    }
    if node.disk().read("unsynced").await.is_ok_and(|unsynced| !unsynced.is_empty()) {
        seen.count(node.name(), "found what it had not synced");
    }
    node.spawn("disk", write(node.clone(), seen.clone()));
    node.spawn("datagrams", datagrams(node.clone(), next, seen.clone()));
    node.spawn("server", serve(node.clone()));
    node.spawn("client", connect(node.clone(), next, seen.clone()));
    node.spawn("madsim", endpoint(node.clone(), next, seen));
}

async fn write(node: Node, seen: Seen) {
    let write = || async {
        node.disk().write("unsynced", b"x").await?;
        let file = node.disk().create("synced").await?;
        if file.write_at(b"0123456789", 0).await? < 10 {
            seen.count(node.name(), "short");
        }
        file.sync_all().await?;
        node.disk().drop_caches();
        if node.disk().read("synced").await? != b"0123456789" {
            seen.count(node.name(), "corrupt");
        }
        let calls = || node.disk().counters().of(Kind::Readdir).times;
        let before = calls();
        node.disk().read_dir("/").await?;
        if calls() > before + 1 {
            seen.count(node.name(), "short directory");
        }
        Ok::<(), io::Error>(())
    };
    loop {
        let began = rt::now();
        match write().await {
            Ok(()) => seen.count(node.name(), "synced"),
            Err(error) => seen.count(node.name(), &format!("{:?}", error.kind())),
        }
        if rt::now() - began > MS(100) {
            seen.count(node.name(), "slow disk");
        }
        rt::sleep(MS(20)).await;
    }
}

async fn datagrams(node: Node, next: &'static str, seen: Seen) {
    let socket = Arc::new(UdpSocket::bind("0.0.0.0:9").await.unwrap());
    let (sender, mut number) = (socket.clone(), 0u64);
    node.spawn("sender", async move {
        loop {
            number += 1;
            // The number is sent twice, so that a flipped bit is detected.
            let bytes = [number.to_le_bytes(), number.to_le_bytes()].concat();
            drop(sender.send_to(&bytes, format!("{next}:9")).await);
            rt::sleep(MS(20)).await;
        }
    });
    let (mut buffer, mut last) = ([0; 16], 0);
    loop {
        let Ok((_, _)) = socket.recv_from(&mut buffer).await else { continue };
        let number = u64::from_le_bytes(buffer[..8].try_into().unwrap());
        let what = if buffer[..8] != buffer[8..] {
            "spoiled"
        } else if number == last {
            "twice"
        } else {
            "received"
        };
        last = number;
        seen.count(node.name(), what);
    }
}

async fn serve(node: Node) {
    let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        node.spawn("connection", async move {
            let mut bytes = [0; 2];
            while stream.read_exact(&mut bytes).await.is_ok() && stream.write_all(&bytes).await.is_ok() {}
        });
    }
}

/// Connects, sends ten requests over about a fifth of a second, and closes.
async fn connect(node: Node, next: &'static str, seen: Seen) {
    let ask = || async {
        let mut stream = TcpStream::connect(format!("{next}:80")).await?;
        for _ in 0..10 {
            if stream.write(b"xx").await? < 2 {
                seen.count(node.name(), "short write");
                stream.write_all(b"x").await?;
            }
            if stream.read(&mut [0; 2]).await? < 2 {
                seen.count(node.name(), "short read");
                stream.read_exact(&mut [0]).await?;
            }
            rt::sleep(MS(20)).await;
        }
        Ok::<(), io::Error>(())
    };
    loop {
        if lookup_host(format!("{next}:80")).await.is_err() {
            seen.count(node.name(), "unresolved");
        }
        let began = rt::now();
        match ask().await {
            Ok(()) => seen.count(node.name(), "asked"),
            Err(error) => seen.count(node.name(), &format!("tcp {:?}", error.kind())),
        }
        if rt::now() - began > MS(400) {
            seen.count(node.name(), "slow tcp");
        }
        if UdpSocket::bind("0.0.0.0:7").await.is_err_and(|error| error.kind() == ErrorKind::AddrInUse) {
            seen.count(node.name(), "in use");
        }
        rt::sleep(MS(20)).await;
    }
}

/// Sends messages over madsim's own endpoint: a plan also affects code that does not use our
/// sockets.
async fn endpoint(node: Node, next: &'static str, seen: Seen) {
    let endpoint = Arc::new(Endpoint::bind("0.0.0.0:5").await.unwrap());
    let sender = endpoint.clone();
    node.spawn("madsim sender", async move {
        loop {
            drop(sender.send_to(format!("{next}:5"), 1, b"x").await);
            rt::sleep(MS(20)).await;
        }
    });
    loop {
        if endpoint.recv_from(1, &mut [0; 8]).await.is_ok() {
            seen.count(node.name(), "received by madsim");
        }
    }
}

fn play(fault: &str) -> (Seen, Played) {
    let busy = Busy::default();
    let text = format!("[{fault}]");
    let sets = [("plan.fault", text.as_str()), ("disk.names-durable", "file-sync")];
    let settings = Settings::resolve(&busy, None, "quiet", &sets).unwrap();
    let played = Run::new(&busy, settings, Seed(7)).play(Keep::Nothing);
    assert!(played.outcome.verdict.is_passed(), "{}", played.outcome.verdict);
    (busy.0, played)
}

/// Plays a fault from 3 s to 5 s, and asserts that `what` is counted more than `baseline` times in
/// each of these two seconds, and at most `baseline` times in each second before 3 s and after 7
/// s.
#[track_caller]
fn assert_more(fault: &str, what: &str, baseline: u32) {
    let (seen, _) = play(&format!("{{ at = '3s', lasts = '2s', {fault} }}"));
    let counts = seen.of(what);
    assert!(counts[3] > baseline && counts[4] > baseline, "{what}: {counts:?}");
    let others = [&counts[..3], &counts[7..]].concat();
    assert!(others.iter().all(|&count| count <= baseline), "{what}: {counts:?}");
}

/// As [`assert_more`], for an observation that the fault makes rarer: from 4 s to 5 s it is
/// counted less than half as often as `usual`, and in each second from 1 s to 3 s and after 7 s at
/// least `usual` times.
#[track_caller]
fn assert_less(fault: &str, what: &str, usual: u32) {
    let (seen, _) = play(&format!("{{ at = '3s', lasts = '2s', {fault} }}"));
    let counts = seen.of(what);
    assert!(counts[4] < usual / 2, "{what}: {counts:?}");
    let others = [&counts[1..3], &counts[7..]].concat();
    assert!(others.iter().all(|&count| count >= usual), "{what}: {counts:?}");
}

#[test]
fn killed_process_starts_again_with_its_disk() {
    let (seen, _) = play("{ at = '3s', lasts = '2s', kind = 'kill', node = 'node-2' }");
    assert_eq!(seen.of("node-2 started"), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(seen.of("node-2 found what it had not synced")[5], 1);
    let synced = seen.of("node-2 synced");
    assert!(synced[2] > 20 && synced[3..5] == [0, 0] && synced[6] > 20, "{synced:?}");
    // The connection is refused, because the machine is up.
    assert!(seen.of("node-1 tcp ConnectionRefused")[4] > 5);
    assert_eq!(seen.of("node-1 started"), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn kill_without_duration_is_permanent() {
    let (seen, _) = play("{ at = '3s', kind = 'kill', node = 'node-2' }");
    assert_eq!(seen.of("node-2 started"), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(seen.of("node-2 synced")[4..], [0; 6]);
}

#[test]
fn power_loss_discards_unsynced_writes() {
    let (seen, _) = play("{ at = '3s', lasts = '2s', kind = 'power-loss', node = 'node-2' }");
    assert_eq!(seen.of("node-2 started"), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(seen.of("node-2 found what it had synced")[5], 1);
    assert_eq!(seen.of("node-2 found what it had not synced")[5], 0);
    // No connection is refused, because no machine responds.
    assert_eq!(seen.of("node-1 tcp ConnectionRefused"), [0; 10]);
    assert!(seen.of("node-1 asked")[4] == 0 && seen.of("node-1 asked")[8] > 2);
}

#[test]
fn every_fault_has_its_effect_while_it_is_active() {
    assert_less("kind = 'pause', node = 'node-2'", "node-2 synced", 20);
    for what in ["node-2 received", "node-2 received by madsim"] {
        assert_less("kind = 'cut', from = 'node-1', to = 'node-2'", what, 40);
        assert_less("kind = 'cut', from = 'node-1', to = 'node-2', one-way = true", what, 40);
        assert_less("kind = 'partition', groups = [['node-1'], ['node-[23]']]", what, 40);
    }
    assert_less("kind = 'lossy-link', probability = 0.9", "node-2 received", 40);
    assert_less("kind = 'lossy-link', probability = 0.9", "node-2 received by madsim", 40);
    assert_more("kind = 'slow-link', from = 'node-1', to = 'node-2', by = '15ms'", "node-1 slow tcp", 0);
    assert_more("kind = 'duplicating-link', probability = 0.5", "node-2 twice", 0);
    assert_more("kind = 'corrupting-link', probability = 0.5", "node-2 spoiled", 0);
    assert_more("kind = 'short-reads', to = 'node-1'", "node-1 short read", 0);
    assert_more("kind = 'short-writes', from = 'node-1'", "node-1 short write", 0);
    assert_more("kind = 'refuse', to = 'node-2'", "node-1 tcp ConnectionRefused", 0);
    assert_more("kind = 'unresolved', from = 'node-1'", "node-1 unresolved", 0);
    assert_more("kind = 'port-in-use', node = 'node-1', port = 7", "node-1 in use", 0);
    assert_more("kind = 'slow-disk', node = 'node-2', factor = 1000.0", "node-2 slow disk", 0);
    assert_more(
        "kind = 'disk-delay', node = 'node-2', by = '200ms', operations = ['fsync']",
        "node-2 slow disk",
        0,
    );
    assert_more("kind = 'disk-error', node = 'node-2', error = 'no-space'", "node-2 StorageFull", 0);
    assert_more("kind = 'disk-error', node = 'node-2', error = 'read-only'", "node-2 ReadOnlyFilesystem", 0);
    assert_more("kind = 'disk-short', node = 'node-2'", "node-2 short", 0);
    assert_more("kind = 'disk-short-directory', node = 'node-2'", "node-2 short directory", 0);
    assert_more(
        "kind = 'disk-corruption', node = 'node-2', effect = 'bit-flip', path = 'synced'",
        "node-2 corrupt",
        0,
    );
    assert_more(
        "kind = 'disk-corruption', node = 'node-2', effect = 'phantom', path = 'synced'",
        "node-2 corrupt",
        0,
    );
}

#[test]
fn stalled_disk_resumes_after_the_fault() {
    assert_less("kind = 'slow-disk', node = 'node-2', factor = inf", "node-2 synced", 20);
}

#[test]
fn flapping_link_is_cut_periodically() {
    let flap = "kind = 'flap', from = 'node-1', to = 'node-2', period = '1s', down = '500ms'";
    let (seen, _) = play(&format!("{{ at = '3s', lasts = '2s', {flap} }}"));
    let counts = seen.of("node-2 received");
    assert!((20..30).contains(&counts[3]) && (20..30).contains(&counts[4]) && counts[6] > 40, "{counts:?}");
}

#[test]
fn reset_is_applied_once() {
    let (seen, _) = play("{ at = '3s', kind = 'reset', from = 'node-1', to = 'node-2' }");
    assert_eq!(seen.of("node-1 tcp ConnectionReset"), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

/// Two nodes that share a device share its slowdown, and it is applied once.
#[test]
fn slow_disk_slows_a_shared_device_once() {
    let took = |fault: &str| {
        let took = Arc::new(Mutex::new(Duration::ZERO));
        let measured = took.clone();
        let shared = Story(move |world: World| -> Boxed {
            let measured = measured.clone();
            Box::pin(async move {
                let nodes = [world.node("node-1"), world.node("node-2")];
                let file = nodes[0].disk().create("f").await.unwrap();
                file.write_all_at(b"x", 0).await.unwrap();
                rt::sleep(MS(1_000)).await;
                let began = rt::now();
                file.sync_all().await.unwrap();
                *measured.lock().unwrap() = rt::now() - began;
            })
        });
        let sets = [
            ("machine.shared-disk", "true"),
            ("disk.sync.latency", "10ms"),
            ("disk.sync.delay", "0s"),
            ("plan.fault", fault),
        ];
        let settings = Settings::resolve(&shared, None, "quiet", &sets).unwrap();
        Run::new(&shared, settings, Seed(1)).play(Keep::Nothing);
        took.lock().unwrap().as_secs_f64() * 1e3
    };
    let (fast, slow) = (took("[]"), took("[{ at = '0s', kind = 'slow-disk', node = '*', factor = 10.0 }]"));
    assert!((slow / fast - 10.0).abs() < 0.5, "{fast} ms, {slow} ms");
}

/// Until its first fault, a run is equal to a run without the plan. All faults here start after
/// the run ends.
#[test]
fn fault_changes_nothing_before_it_starts() {
    let baseline = play("").1;
    let all = [
        "kind = 'kill', node = '*'",
        "kind = 'power-loss', node = '*'",
        "kind = 'pause', node = '*'",
        "kind = 'cut', from = 'node-1', to = '*'",
        "kind = 'partition', groups = [['node-1'], ['node-[23]']]",
        "kind = 'flap', from = 'node-1', to = '*', period = '1s', down = '500ms'",
        "kind = 'lossy-link', probability = 0.5",
        "kind = 'slow-link', by = '1s'",
        "kind = 'duplicating-link', probability = 0.5",
        "kind = 'corrupting-link', probability = 0.5",
        "kind = 'short-reads'",
        "kind = 'short-writes'",
        "kind = 'refuse', to = '*'",
        "kind = 'reset', from = '*', to = '*'",
        "kind = 'unresolved'",
        "kind = 'port-in-use', node = '*', port = 7",
        "kind = 'slow-disk', node = '*', factor = 9.0",
        "kind = 'disk-delay', node = '*', by = '1s'",
        "kind = 'disk-error', node = '*', error = 'io'",
        "kind = 'disk-short', node = '*'",
        "kind = 'disk-short-directory', node = '*'",
        "kind = 'disk-corruption', node = '*', effect = 'torn'",
    ];
    for fault in all {
        let later = play(&format!("{{ at = '30s', lasts = '1s', {fault} }}")).1;
        assert_eq!(later.outcome.trace_hash, baseline.outcome.trace_hash, "{fault}");
    }
}

/// A node that the scenario killed stays down.
#[test]
fn plan_does_not_start_a_node_that_the_scenario_killed() {
    let seen = Seen::default();
    let counts = seen.clone();
    let killing = Story(move |world: World| -> Boxed {
        let seen = counts.clone();
        Box::pin(async move {
            let node = world.node("node-1");
            let started = seen.clone();
            node.run("main", move || {
                started.count("node-1", "started");
                std::future::pending::<()>()
            });
            rt::sleep(MS(2_500)).await;
            // The fault at 2 s has already killed the process; at the fault at 4 s it is still
            // down.
            node.kill();
            rt::sleep(MS(6_000)).await;
        })
    });
    let faults = "[{ at = '2s', lasts = '1s', kind = 'kill', node = 'node-1' }, { at = '4s', lasts = '1s', kind = 'power-loss', node = 'node-1' }]";
    let settings = Settings::resolve(&killing, None, "quiet", &[("plan.fault", faults)]).unwrap();
    assert!(Run::new(&killing, settings, Seed(1)).play(Keep::Nothing).outcome.verdict.is_passed());
    assert_eq!(seen.of("node-1 started"), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn generated_faults_are_equal_for_equal_seeds() {
    let busy = Busy::default();
    let sets = [("plan.generate.count", "5"), ("plan.generate.until", "8s")];
    let settings = Settings::resolve(&busy, None, "quiet", &sets).unwrap();
    let run = |seed| Run::new(&busy, settings.clone(), Seed(seed));
    assert!(!run(1).faults().is_empty());
    assert_eq!(run(1).faults(), run(1).faults());
    assert_ne!(run(1).faults(), run(2).faults());
    assert_eq!(run(1).play(Keep::Nothing), run(1).play(Keep::Nothing));
    // The same faults as a written list give the same run.
    let faults = run(1).faults();
    assert_eq!(run(1).with_faults(faults).play(Keep::Nothing).trace, run(1).play(Keep::Nothing).trace);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any plan leads to an outcome, and playing it again gives the same trace.
    #[test]
    fn any_plan_gives_the_same_trace_twice(plan in plans(&NODES, 0..6, MS(9_000), MS(3_000)), seed in 0u64..) {
        let busy = Busy::default();
        let settings = Settings::resolve(&busy, None, "quiet", &[]).unwrap();
        let run = Run::new(&busy, settings, Seed(seed)).with_faults(plan.written);
        let played = run.play(Keep::Nothing);
        prop_assert!(played.outcome.verdict.is_passed(), "{}", played.outcome.verdict);
        prop_assert_eq!(run.play(Keep::Nothing).trace, played.trace);
    }
}

#[test]
fn generated_plan_needs_a_scenario_with_nodes() {
    let alone = Story(|_: World| -> Boxed { Box::pin(async {}) });
    let error = Settings::resolve(&alone, None, "quiet", &[("plan.generate.count", "1")]).unwrap_err();
    assert!(matches!(&error, SettingsError::Value { key, .. } if key == "plan.generate.count"), "{error}");
    assert!(error.to_string().contains("Scenario::nodes"), "{error}");
}

/// The plan cuts two nodes; the scenario isolates one from 1 s to 3 s, and loses half of what another
/// sends until the end.
#[test]
fn the_trace_has_the_rules_that_a_scenario_installs_and_not_those_of_the_plan() {
    let story = Story(|world: World| -> Boxed {
        Box::pin(async move {
            NODES.iter().for_each(|name| drop(world.node(name)));
            rt::sleep(MS(1_000)).await;
            let isolated = world.network().isolate("node-1", &NODES).unwrap();
            let rule = LinkRule::new(LinkEffect::Lose).from("node-2").with_probability(0.5);
            let _lossy = world.network().inject(rule).unwrap();
            rt::sleep(MS(2_000)).await;
            drop(isolated);
            rt::sleep(MS(1_000)).await;
        })
    });
    let cut = "[{ kind = 'cut', from = 'node-2', to = 'node-3', at = '2s' }]";
    let settings = Settings::resolve(&story, None, "quiet", &[("plan.fault", cut)]).unwrap();
    let run = Run::new(&story, settings, Seed(1));
    let played = run.play(Keep::Events);
    let seconds = |at: SimTime| at.as_nanos() / 1_000_000_000;
    let rules: Vec<_> = played.trace.injected.iter().collect();
    let shown: Vec<_> =
        rules.iter().map(|rule| (rule.text.clone(), seconds(rule.at), rule.end.map(seconds))).collect();
    let expected = [
        ("cut node-1 ↔ node-2", 1, Some(3)),
        ("cut node-1 ↔ node-3", 1, Some(3)),
        ("lose 50 % of node-2 → *", 1, None),
    ];
    // The last guard is dropped with the scenario's future, at the end.
    let found: Vec<_> =
        shown.iter().map(|(text, at, end)| (text.as_str(), *at, end.filter(|end| *end < 4))).collect();
    assert_eq!(found, expected);
    let unkept = run.play(Keep::Nothing);
    assert_eq!((&unkept.outcome, unkept.trace.injected.len()), (&played.outcome, 0));
}

/// The plan slows the disk of node-2; the scenario slows the syncs of node-1 from 1 s to 3 s, stalls its device
/// from 2 s to 4 s, and lets one write fail until the end.
#[test]
fn the_trace_has_the_rules_that_a_scenario_installs_on_disks_and_not_those_of_the_plan() {
    let story = Story(|world: World| -> Boxed {
        Box::pin(async move {
            NODES.iter().for_each(|name| drop(world.node(name)));
            rt::sleep(MS(1_000)).await;
            let disk = world.node("node-1").disk().clone();
            let delay = DiskEffect::Delay(Latency::Constant(MS(50)));
            let slow = disk.inject(DiskRule::new(delay).on([Kind::Fsync])).unwrap();
            let fails = DiskRule::new(DiskEffect::Fail(DiskError::Io)).on([Kind::Write]).times(1);
            let _fails = disk.inject(fails).unwrap();
            rt::sleep(MS(1_000)).await;
            disk.stall(rt::now()..rt::now() + MS(2_000), Slowdown::new(60.0).unwrap());
            rt::sleep(MS(1_000)).await;
            drop(slow);
            rt::sleep(MS(2_000)).await;
        })
    });
    let slow = "[{ kind = 'disk-delay', node = 'node-2', by = '9ms', at = '2s' }]";
    let settings = Settings::resolve(&story, None, "quiet", &[("plan.fault", slow)]).unwrap();
    let run = Run::new(&story, settings, Seed(1));
    let played = run.play(Keep::Events);
    let seconds = |at: SimTime| at.as_nanos() / 1_000_000_000;
    let of_rule = |rule: &stormglass_core::Injected| {
        let end = rule.end.map(seconds).filter(|end| *end < 5);
        (rule.text.clone(), rule.from.clone(), seconds(rule.at), end)
    };
    let shown: Vec<_> = played.trace.injected.iter().map(of_rule).collect();
    let of_node = |text: &str, at, end| (text.to_string(), Some("node-1".to_string()), at, end);
    let expected = [
        of_node("slow fsync on node-1", 1, Some(3)),
        of_node("EIO write on node-1, once", 1, None),
        of_node("disk of node-1 60 times slower", 2, Some(4)),
    ];
    assert_eq!(shown, expected);
    assert_eq!(run.play(Keep::Nothing).outcome, played.outcome);
}
