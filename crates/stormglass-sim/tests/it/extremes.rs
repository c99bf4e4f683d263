//! Extreme but valid values of profiles and plans: no run panics, because no sum and no product
//! overflows. What is beyond is refused with key, value and bound.

use crate::story::{Boxed, Story};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;
use stormglass_core::{Keep, Seed, Symbol, Verdict};
use stormglass_net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use stormglass_rt as rt;
use stormglass_sim::fs::FileExt;
use stormglass_sim::{Node, Run, Settings, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DURATIONS: [&str; 4] = ["0s", "1ns", "3ms", "365days"];
const LATENCIES: [&str; 10] = [
    "0s",
    "365days",
    "{ uniform = { min = '0s', max = '365days' } }",
    "{ exponential = { mean = '365days', max = '365days' } }",
    "{ log-normal = { median = '365days', sigma = 5.0, max = '365days' } }",
    "{ bimodal = { body = '0s', tail = '365days', tail-probability = 1e-300 } }",
    "{ empirical = ['0s', '365days'] }",
    "{ sum = ['365days', '365days', '365days'] }",
    "{ scaled = { of = '365days', factor = 1e6 } }",
    "{ scaled = { of = { scaled = { of = '365days', factor = 1e6 } }, factor = 1e6 } }",
];
const SLOWDOWNS: [&str; 3] = ["1.0", "1e6", "inf"];
const BYTES: [&str; 4] = ["0", "1", "65536", "1152921504606846976"];
const SIZES: [&str; 3] = ["1", "65536", "4294967295"];

const KEYS: &[(&str, &[&str])] = &[
    ("disk.sync.latency", &LATENCIES),
    ("disk.sync.delay", &DURATIONS),
    ("disk.sync.per-mib", &DURATIONS),
    ("disk.write.latency", &LATENCIES),
    ("disk.write.per-mib", &DURATIONS),
    ("disk.read.latency", &LATENCIES),
    ("disk.miss.per-mib", &DURATIONS),
    ("disk.miss.latency", &LATENCIES),
    ("disk.device.per-mib", &DURATIONS),
    ("disk.device.iops", &["0", "1", "4294967295"]),
    ("disk.device.queue-depth", &["0", "1", "65535"]),
    ("disk.device.stall.every", &LATENCIES),
    ("disk.device.stall.length", &LATENCIES),
    ("disk.device.stall.factor", &SLOWDOWNS),
    ("disk.device.episodes", &["[{ at = '365days', length = '365days', factor = inf }]"]),
    ("disk.write-back.background-bytes", &BYTES),
    ("disk.write-back.limit-bytes", &BYTES),
    ("disk.write-back.expire", &DURATIONS),
    ("disk.write-back.commit", &DURATIONS),
    ("disk.capacity-bytes", &BYTES),
    ("net.link.latency", &LATENCIES),
    ("net.link.delay", &DURATIONS),
    ("net.link.per-mib", &DURATIONS),
    ("net.loopback.latency", &LATENCIES),
    ("net.handshake-round-trips", &["0", "10"]),
    ("net.delayed-ack", &DURATIONS),
    ("net.lookup", &LATENCIES),
    ("net.send-buffer", &SIZES),
    ("net.receive-buffer", &SIZES),
    ("net.datagram-buffer", &SIZES),
    ("cpu.cores", &["1", "1024"]),
    ("cpu.slowdown", &["1e-300", "1.0", "1e6"]),
    ("cpu.spread", &["0.0", "2.0"]),
    ("cpu.background", &["0.0", "1024.0"]),
    ("cpu.handling", &DURATIONS),
];

fn assignment() -> impl Strategy<Value = (&'static str, String)> {
    select(KEYS).prop_flat_map(|(key, values)| (Just(key), select(values).prop_map(String::from)))
}

fn fault() -> impl Strategy<Value = String> {
    let latency = |kind: &'static str| {
        let quoted = |text: &str| if text.starts_with('{') { text.into() } else { format!("'{text}'") };
        select(LATENCIES.to_vec()).prop_map(move |by| format!("kind = '{kind}', by = {}", quoted(by)))
    };
    let kind = prop_oneof![
        select(SLOWDOWNS.to_vec())
            .prop_map(|factor| format!("kind = 'slow-disk', node = '*', factor = {factor}")),
        latency("slow-link"),
        latency("disk-delay").prop_map(|fault| format!("{fault}, node = '*'")),
        Just("kind = 'lossy-link', probability = 1e-300".to_string()),
        select(vec!["1ms", "365days"]).prop_map(|period| format!(
            "kind = 'flap', from = '*', to = '*', period = '{period}', down = '1ns'"
        )),
        select(vec!["kill", "power-loss", "pause"]).prop_map(|kind| format!("kind = '{kind}', node = '*'")),
    ];
    (kind, select(vec!["0s", "1ns", "100ms", "365days"]), select(vec!["1ns", "200ms", "365days"]))
        .prop_map(|(kind, at, lasts)| format!("{{ {kind}, at = '{at}', lasts = '{lasts}' }}"))
}

/// Uses every resource of a node once in a while.
async fn use_everything(node: Node, other: &'static str) {
    node.spawn("server", async {
        let Ok(listener) = TcpListener::bind("0.0.0.0:80").await else { return };
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 70_000];
            let _ = stream.read_exact(&mut bytes).await;
            let _ = stream.write_all(&bytes).await;
        }
    });
    let disk = node.clone();
    node.spawn("disk", async move {
        for round in 0..20u8 {
            let Ok(file) = disk.disk().create(&format!("{round}")).await else { continue };
            let _ = file.write_all_at(&[round; 70_000], 0).await;
            let _ = file.sync_all().await;
            disk.disk().drop_caches();
            let _ = disk.disk().read(&format!("{round}")).await;
            rt::sleep(Duration::from_millis(20)).await;
        }
    });
    let cpu = node.clone();
    node.spawn("cpu", async move {
        for work in [0, 1, 1_000_000, u64::MAX] {
            cpu.cpu().compute(Symbol::NONE, Duration::from_nanos(work)).await;
        }
    });
    node.spawn("datagrams", async move {
        let Ok(socket) = UdpSocket::bind("0.0.0.0:9").await else { return };
        for _ in 0..20 {
            let _ = socket.send_to(&[7; 9_000], format!("{other}:9")).await;
            let _ = socket.try_recv_from(&mut [0; 9_000]);
            rt::sleep(Duration::from_millis(20)).await;
        }
    });
    for _ in 0..5 {
        let _ = lookup_host(format!("{other}:80")).await;
        if let Ok(mut stream) = TcpStream::connect(format!("{other}:80")).await {
            let _ = stream.write_all(&[1; 70_000]).await;
            let _ = stream.read_exact(&mut [0; 70_000]).await;
        }
        rt::sleep(Duration::from_millis(20)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_valid_value_overflows(
        sets in vec(assignment(), 0..8),
        faults in vec(fault(), 0..5),
        seed in 0u64..100,
    ) {
        let story = Story(|world: World| -> Boxed {
            Box::pin(async move {
                for (name, other) in [("node-1", "node-2"), ("node-2", "node-1")] {
                    let node = world.node_on(name, name);
                    let me = node.clone();
                    node.run("main", move || use_everything(me.clone(), other));
                }
                rt::sleep(Duration::from_secs(600)).await;
            })
        });
        let faults = format!("[{}]", faults.join(", "));
        let mut all = vec![("plan.fault", faults.as_str()), ("run.horizon", "1s"), ("run.turns", "200000")];
        all.extend(sets.iter().map(|(key, value)| (*key, value.as_str())));
        let settings = Settings::resolve(&story, None, "quiet", &all).unwrap();
        let verdict = Run::new(&story, settings, Seed(seed)).play(Keep::Nothing).outcome.verdict;
        prop_assert!(!matches!(verdict, Verdict::Panicked { .. }), "{}", verdict);
    }
}

#[test]
fn values_beyond_a_bound_are_refused_with_key_value_and_bound() {
    let story = Story(|_: World| -> Boxed { Box::pin(async {}) });
    for (key, value, problem) in [
        ("disk.sync.delay", "2years", "is 2years, the range is 0s to 365days"),
        ("disk.write-back.expire", "2years", "is 2years, the range is 0s to 365days"),
        ("disk.sync.latency", "2years", "a duration is 2years, the range is 0s to 365days"),
        ("disk.device.stall.factor", "1e300", "give 1 to 1000000, or inf to stop the disk"),
        (
            "disk.capacity-bytes",
            "1152921504606846977",
            "is 1152921504606846977, the range is 0 to 1152921504606846976",
        ),
        (
            "disk.device.iops",
            "4294967296",
            "integer `4294967296`, expected a whole number from 0 to 4294967295",
        ),
        ("net.link.per-mib", "2years", "is 2years, the range is 0s to 365days"),
        ("net.delayed-ack", "2years", "is 2years, the range is 0s to 365days"),
        ("net.lookup", "{ scaled = { of = '1s', factor = 1e300 } }", "the range is 0 to 1000000"),
        ("net.handshake-round-trips", "11", "is 11, the range is 0 to 10"),
        ("cpu.slowdown", "1e300", "the range is above 0 to 1000000"),
        ("cpu.handling", "2years", "is 2years, the range is 0s to 365days"),
        ("run.turns", "1000000000001", "is 1000000000001, the range is 1000 to 1000000000000"),
        ("run.horizon", "2years", "is 2years, the range is 1ms to 365days"),
        ("plan.generate.count", "100001", "is 100001, the range is 0 to 100000"),
        ("plan.generate.lasts", "2years", "a duration is 2years, the range is 0s to 365days"),
        ("plan.generate.until", "2years", "is 2years, the range is 0s to 365days"),
    ] {
        let error = Settings::resolve(&story, None, "quiet", &[(key, value)]).unwrap_err().to_string();
        let begin = format!("--set {key}={value}: `{key}`: ");
        assert!(error.starts_with(&begin) && error.contains(problem), "{error}");
    }
}
