//! The network against a model: a stream arrives in order, once, and whole unless it is reset; a
//! datagram arrives once or not at all, as its link says; and the links' counters add up.

use crate::properties::{record, record_planted};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::{Latency, Seed, SimTime};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::{LinkProfile, Mount, NetProfile, Network, TcpListener, TcpStream, UdpSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PROPERTY: &str = "the network: streams in order and whole or reset, datagrams once, counters add up";
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A rule on links that is active for a time.
#[derive(Clone, Debug)]
struct Rule {
    effect: LinkEffect,
    from_client: bool,
    percent: u32,
    begins: u64,
    lasts: u64,
}

impl Rule {
    fn rule(&self) -> LinkRule {
        let time = SimTime::from_nanos(self.begins * 1_000_000);
        let rule = LinkRule::new(self.effect.clone()).with_probability(f64::from(self.percent) / 100.0);
        let rule = rule.during(time..time + MS(self.lasts));
        if self.from_client { rule.from("client").to("server") } else { rule.from("server").to("client") }
    }
}

#[derive(Clone, Debug)]
struct Case {
    rules: Vec<Rule>,
    writes: Vec<usize>,
    /// When all connections are reset, if they are.
    reset: Option<u64>,
    datagrams: u32,
    latency: u64,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let effect = prop_oneof![
        3 => Just(LinkEffect::Lose),
        2 => (1..50u64).prop_map(|by| LinkEffect::Delay(Latency::Uniform { min: MS(0), max: MS(by) })),
        1 => Just(LinkEffect::ShortRead),
        1 => Just(LinkEffect::ShortWrite),
    ];
    let rule = (effect, any::<bool>(), 20..=100u32, 0..1_000u64, 100..1_500u64).prop_map(
        |(effect, from_client, percent, begins, lasts)| Rule { effect, from_client, percent, begins, lasts },
    );
    let reset = proptest::option::weighted(0.4, 5..800u64);
    (vec(rule, 0..6), vec(1..60_000usize, 1..12), reset, 0..60u32, 0..20u64, any::<u64>()).prop_map(
        |(rules, writes, reset, datagrams, latency, seed)| Case {
            rules,
            writes,
            reset,
            datagrams,
            latency,
            seed,
        },
    )
}

/// What arrived, and how the stream ended.
#[derive(Clone, Debug, Default)]
struct Arrived {
    bytes: Vec<u8>,
    has_end: bool,
    error: Option<std::io::ErrorKind>,
    datagrams: Vec<u32>,
}

fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

async fn write(case: Case) {
    let Ok(mut stream) = TcpStream::connect("server:80").await else { return };
    let mut at = 0;
    for len in case.writes {
        let bytes: Vec<u8> = (at..at + len).map(byte).collect();
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        at += len;
        stormglass_rt::sleep(MS(40)).await;
    }
    drop(stream.shutdown().await);
    // The kernel sends what is left; the end of the stream stays open for the other side's.
    drop(stream.read(&mut [0; 1]).await);
}

async fn read(listener: TcpListener, arrived: Arc<Mutex<Arrived>>) {
    let Ok((mut stream, _)) = listener.accept().await else { return };
    let mut buffer = vec![0; 10_000];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return arrived.lock().unwrap().has_end = true,
            Ok(len) => arrived.lock().unwrap().bytes.extend_from_slice(&buffer[..len]),
            Err(error) => return arrived.lock().unwrap().error = Some(error.kind()),
        }
    }
}

fn node(name: &str, network: &Network) -> (NodeHandle, Mount) {
    let node = Handle::current().create_node().name(name).build();
    let mount = network.host(name).mount_on(node.id());
    (node, mount)
}

/// Plays the case and compares. It is interesting if something was lost or reset. `defect` is a rule
/// that the model lacks.
fn arrives_as_the_model_says(case: &Case, defect: Option<LinkEffect>) -> Result<bool, String> {
    let case = case.clone();
    Runtime::new().block_on(async move {
        let link = LinkProfile { latency: Latency::from_millis(case.latency), ..LinkProfile::default() };
        let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(case.seed));
        let ((client, _one), (server, _other)) = (node("client", &network), node("server", &network));
        let rules = case.rules.iter().map(Rule::rule).chain(defect.map(LinkRule::new));
        let _rules: Vec<_> = rules.map(|rule| network.inject(rule).unwrap()).collect();
        let arrived = Arc::new(Mutex::new(Arrived::default()));
        let listener = server.spawn(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        let socket = server.spawn(UdpSocket::bind("0.0.0.0:9")).await.unwrap().unwrap();
        let sink = arrived.clone();
        server.spawn(async move {
            let mut message = [0; 4];
            while socket.recv_from(&mut message).await.is_ok() {
                sink.lock().unwrap().datagrams.push(u32::from_le_bytes(message));
            }
        });
        let reader = server.spawn(read(listener, arrived.clone()));
        // Datagrams are counted alone, before the stream begins.
        let count = case.datagrams;
        let sent = client.spawn(async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for number in 0..count {
                socket.send_to(&number.to_le_bytes(), "server:9").await.unwrap();
                stormglass_rt::sleep(MS(10)).await;
            }
            stormglass_rt::sleep(MS(500)).await;
        });
        sent.await.unwrap();
        let links = network.netstat().links;
        let counters =
            links.iter().find(|(from, to, _)| (from.as_str(), to.as_str()) == ("client", "server"));
        let (sent, lost) = counters.map_or((0, 0), |(_, _, it)| (it.sent, it.lost));
        let began = stormglass_rt::now();
        client.spawn(write(case.clone()));
        if let Some(reset) = case.reset {
            stormglass_rt::sleep(MS(reset)).await;
            network.reset_connections("*", "*").unwrap();
        }
        let is_over = stormglass_rt::timeout(Duration::from_secs(600), reader).await.is_some();
        let total: usize = case.writes.iter().sum();
        let Arrived { bytes, has_end, error, datagrams } = arrived.lock().unwrap().clone();
        let seen = datagrams.len() as u64;
        let once = datagrams.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
        let have_no_delay = case.rules.iter().all(|rule| !matches!(rule.effect, LinkEffect::Delay(_)));
        let checks = [
            ("each datagram arrives once", once == seen),
            ("counters of datagrams add up", sent == u64::from(count) && seen + lost == sent),
            ("datagrams of a link with one latency stay in order", !have_no_delay || datagrams.is_sorted()),
            ("the stream arrives in order", bytes.iter().enumerate().all(|(at, it)| *it == byte(at))),
            ("the stream is no longer than what was written", bytes.len() <= total),
            ("the stream has an end only when it is whole", !has_end || bytes.len() == total),
            ("the stream breaks only if it is reset", error.is_none() || case.reset.is_some()),
            ("the stream ends", is_over || case.reset.is_some()),
        ];
        let failed = checks.iter().find(|(_, holds)| !holds);
        failed.map_or(
            Ok(lost > 0 || error.is_some() || stormglass_rt::now() - began > MS(2_000)),
            |(what, _)| {
                Err(format!(
                    "{what}: {seen} of {sent} datagrams, {lost} lost; {} of {total} bytes",
                    bytes.len()
                ))
            },
        )
    })
}

#[test]
fn messages_arrive_as_the_model_says() {
    let property = stormglass::property!().cases(200).at_least(0.25);
    let tally = property.check(cases(), |case| arrives_as_the_model_says(case, None));
    record(PROPERTY, &tally);
}

/// Rules that the model knows nothing of.
#[test]
fn planted_defects_of_the_network_are_found() {
    for (defect, effect) in
        [("duplicates datagrams", LinkEffect::Duplicate), ("flips bits", LinkEffect::Corrupt)]
    {
        let property = stormglass::property!().cases(10);
        let found =
            property.find_shallow(cases(), |case| arrives_as_the_model_says(case, Some(effect.clone())));
        record_planted("the network", defect, &found, 10);
    }
}
