//! What messages cost the host, as ratios in one run: 64 bytes there and back over links of 1 to 10 ms, by ours, by madsim's Endpoint
//! and by turmoil's sockets; and nodes that gossip, ten of them and a hundred.

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use madsim::runtime::{NodeHandle, Runtime};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass_core::{Latency, Seed};
use stormglass_net::network::Mount;
use stormglass_net::{Host, LinkProfile, NetProfile, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Echoes of one measured iteration; two messages each.
const ECHOES: u64 = 2_000;
/// Messages of one measured iteration of gossip. turmoil gets fewer, since it takes longer.
const GOSSIP: u64 = 400_000;
const GOSSIP_OF_TURMOIL: u64 = 40_000;
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_millis(10);
const MESSAGE: [u8; 64] = [7; 64];

/// What each echo costs at the least: two timers.
fn timers() {
    Runtime::new().block_on(async {
        for _ in 0..2 * ECHOES {
            stormglass_rt::sleep(LEAST).await;
        }
    });
}

fn network() -> Network {
    let link = LinkProfile { latency: Latency::Uniform { min: LEAST, max: MOST }, ..LinkProfile::default() };
    Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1))
}

/// A runtime with nodes, and a host on each.
fn nodes(count: u64) -> (Runtime, Network, Vec<(NodeHandle, Host, Mount)>) {
    let (runtime, network) = (Runtime::new(), network());
    let node = |number| {
        let host = network.host(&format!("node-{number}"));
        let node = runtime.create_node().ip(host.ip()).build();
        let mount = host.mount_on(node.id());
        (node, host, mount)
    };
    let nodes = (0..count).map(node).collect();
    (runtime, network, nodes)
}

fn messages() {
    let (runtime, _network, nodes) = nodes(2);
    let [(client, here, _), (server, there, _)] = &nodes[..] else { unreachable!() };
    let mut inbox = there.bind::<[u8; 64]>(1).expect("the port is free");
    let to = inbox.address();
    let endpoint = here.bind::<[u8; 64]>(1).expect("the port is free");
    runtime.block_on(async {
        server.spawn(async move {
            loop {
                let (message, from) = inbox.recv_from().await;
                inbox.send_to(from, message);
            }
        });
        let echoes = client.spawn(async move {
            let mut endpoint = endpoint;
            for _ in 0..ECHOES {
                endpoint.send_to(to, MESSAGE);
                endpoint.recv_from().await;
            }
        });
        echoes.await.expect("it ends");
    });
}

fn calls() {
    let (runtime, _network, nodes) = nodes(2);
    let [(client, here, _), (server, there, _)] = &nodes[..] else { unreachable!() };
    let mut service = there.serve::<[u8; 64], [u8; 64]>(1).expect("the port is free");
    let channel = here.channel::<[u8; 64], [u8; 64]>(service.address());
    runtime.block_on(async {
        server.spawn(async move {
            while let Some(call) = service.next().await {
                let message = *call.request();
                call.reply(message);
            }
        });
        let echoes = client.spawn(async move {
            for _ in 0..ECHOES {
                channel.call(MESSAGE).await.expect("it is answered");
            }
        });
        echoes.await.expect("it ends");
    });
}

/// Echoes over sockets that are named after tokio's, word for word on whatever is called `net`.
macro_rules! sockets {
    () => {
        pub async fn udp_server() -> std::io::Result<()> {
            let socket = net::UdpSocket::bind("0.0.0.0:1").await?;
            let mut buffer = [0; 64];
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..len], from).await?;
            }
        }

        pub async fn udp_client(server: SocketAddr) -> std::io::Result<()> {
            let socket = net::UdpSocket::bind("0.0.0.0:1").await?;
            let mut buffer = [0; 64];
            for _ in 0..ECHOES {
                socket.send_to(&MESSAGE, server).await?;
                socket.recv_from(&mut buffer).await?;
            }
            Ok(())
        }

        pub async fn tcp_server() -> std::io::Result<()> {
            let listener = net::TcpListener::bind("0.0.0.0:1").await?;
            let (mut stream, _) = listener.accept().await?;
            let mut buffer = [0; 64];
            loop {
                stream.read_exact(&mut buffer).await?;
                stream.write_all(&buffer).await?;
            }
        }

        pub async fn tcp_client(server: SocketAddr) -> std::io::Result<()> {
            let mut stream = net::TcpStream::connect(server).await?;
            let mut buffer = [0; 64];
            for _ in 0..ECHOES {
                stream.write_all(&MESSAGE).await?;
                stream.read_exact(&mut buffer).await?;
            }
            Ok(())
        }

        /// Sends its share to one after the other, with a pause after each, and takes what comes.
        pub async fn gossip(
            me: u64,
            count: u64,
            messages: u64,
            pause: Duration,
            address: fn(u64) -> SocketAddr,
        ) -> std::io::Result<()> {
            let socket = net::UdpSocket::bind("0.0.0.0:1").await?;
            let mut buffer = [0; 64];
            for round in 0..messages / count {
                let peer = (me + 1 + round % (count - 1)) % count;
                socket.send_to(&MESSAGE, address(peer)).await?;
                sleep(pause).await;
                while socket.try_recv_from(&mut buffer).is_ok() {}
            }
            Ok(())
        }
    };
}

mod ours {
    use super::*;
    use stormglass_net as net;
    use stormglass_rt::sleep;
    sockets!();

    pub fn address(number: u64) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(0x0a00_0001 + number as u32).into(), 1)
    }
}

mod turmoils {
    use super::*;
    use tokio::time::sleep;
    use turmoil::net;
    sockets!();

    pub fn address(number: u64) -> SocketAddr {
        SocketAddr::new(turmoil::lookup(format!("node-{number}")), 1)
    }
}

fn ours_between(
    client: impl Future<Output = std::io::Result<()>> + Send + 'static,
    server: impl Future<Output = std::io::Result<()>> + Send + 'static,
) {
    let (runtime, _network, nodes) = nodes(2);
    runtime.block_on(async {
        nodes[1].0.spawn(server);
        stormglass_rt::sleep(LEAST).await;
        nodes[0].0.spawn(client).await.expect("it ends").expect("it works");
    });
}

fn udp() {
    ours_between(ours::udp_client(ours::address(1)), ours::udp_server());
}

fn tcp() {
    ours_between(ours::tcp_client(ours::address(1)), ours::tcp_server());
}

fn endpoint() {
    let runtime = Runtime::new();
    let node = |last| runtime.create_node().ip(IpAddr::from([10, 0, 0, last])).build();
    let (client, server) = (node(1), node(2));
    runtime.block_on(async {
        server.spawn(async {
            let endpoint = madsim::net::Endpoint::bind("10.0.0.2:1").await.expect("the port is free");
            let mut buffer = [0; 64];
            loop {
                let (len, from) = endpoint.recv_from(1, &mut buffer).await.expect("it arrives");
                endpoint.send_to(from, 1, &buffer[..len]).await.expect("it is sent");
            }
        });
        stormglass_rt::sleep(LEAST).await;
        let echoes = client.spawn(async {
            let endpoint = madsim::net::Endpoint::bind("10.0.0.1:1").await.expect("the port is free");
            let mut buffer = [0; 64];
            for _ in 0..ECHOES {
                endpoint.send_to("10.0.0.2:1", 1, &MESSAGE).await.expect("it is sent");
                endpoint.recv_from(1, &mut buffer).await.expect("it arrives");
            }
        });
        echoes.await.expect("it ends");
    });
}

fn turmoil() -> turmoil::Sim<'static> {
    let mut builder = turmoil::Builder::new();
    builder
        .min_message_latency(LEAST)
        .max_message_latency(MOST)
        .simulation_duration(Duration::from_secs(3_600));
    builder.build()
}

fn turmoil_udp() {
    let mut sim = turmoil();
    sim.host("node-1", || async { Ok(turmoils::udp_server().await?) });
    sim.client("node-0", async { Ok(turmoils::udp_client(turmoils::address(1)).await?) });
    sim.run().expect("it works");
}

fn turmoil_tcp() {
    let mut sim = turmoil();
    sim.host("node-1", || async { Ok(turmoils::tcp_server().await.or_else(ended)?) });
    sim.client("node-0", async { Ok(turmoils::tcp_client(turmoils::address(1)).await?) });
    sim.run().expect("it works");
}

/// A server whose client has gone has done its work.
fn ended(_: std::io::Error) -> std::io::Result<()> {
    Ok(())
}

/// How long this takes.
#[expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Runs a task on each of the nodes, which are numbered, until all are done.
fn on_each<F>(runtime: &Runtime, nodes: &[(NodeHandle, Host, Mount)], task: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime.block_on(async {
        let spawned = nodes.iter().zip(0..).map(|((node, ..), me)| node.spawn(task(me)));
        for task in spawned.collect::<Vec<_>>() {
            task.await.expect("it ends");
        }
    });
}

/// Gossip among so many nodes, whose links are there: a message has passed over each before.
fn gossip(count: u64, pause: Duration) -> Duration {
    let (runtime, _network, nodes) = nodes(count);
    let gossip = |messages| {
        on_each(&runtime, &nodes, |me| async move {
            ours::gossip(me, count, messages, pause, ours::address).await.expect("it works");
        });
    };
    gossip(count * (count - 1));
    timed(|| gossip(GOSSIP))
}

/// What gossip costs beside its messages: so many tasks, each with a pause and a timer in place of a message.
fn pauses(count: u64, pause: Duration) -> Duration {
    let (runtime, _network, nodes) = nodes(count);
    let pauses = |me| async move {
        let mut chance = stormglass_core::Seed(1).stream(("timers", me));
        let span = (MOST - LEAST).as_nanos() as u64;
        for _ in 0..GOSSIP / count {
            let latency = LEAST + Duration::from_nanos(chance.below(span));
            stormglass_rt::wake_at(stormglass_rt::now() + latency, std::task::Waker::noop());
            stormglass_rt::sleep(pause).await;
        }
    };
    timed(|| on_each(&runtime, &nodes, pauses))
}

fn turmoil_gossip(count: u64) -> Duration {
    let mut sim = turmoil();
    for me in 0..count {
        sim.client(format!("node-{me}"), async move {
            Ok(turmoils::gossip(me, count, GOSSIP_OF_TURMOIL, LEAST, turmoils::address).await?)
        });
    }
    timed(|| sim.run().expect("it works"))
}

type Case = (&'static str, fn());

const ECHO: [Case; 8] = [
    ("timers", timers),
    ("message", messages),
    ("call", calls),
    ("udp", udp),
    ("tcp", tcp),
    ("endpoint", endpoint),
    ("turmoil-udp", turmoil_udp),
    ("turmoil-tcp", turmoil_tcp),
];

/// Ten nodes; ten times as many, each as busy; and as many that are a tenth as busy each, so that as much is on its way as among ten.
const GOSSIPING: [fn() -> Duration; 6] = [
    || gossip(10, LEAST),
    || pauses(10, LEAST),
    || gossip(100, LEAST),
    || pauses(100, LEAST),
    || gossip(100, 10 * LEAST),
    || pauses(100, 10 * LEAST),
];

const TURMOIL_GOSSIPING: [fn() -> Duration; 2] = [|| turmoil_gossip(10), || turmoil_gossip(100)];

fn measure(mut group: BenchmarkGroup<'_, WallTime>, cases: &[Case], messages: u64) {
    group.throughput(Throughput::Elements(messages)).sample_size(10);
    for (name, case) in cases {
        group.bench_function(*name, |bencher| bencher.iter(case));
    }
    group.finish();
}

fn main() {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default().output_directory(&output).configure_from_args();
    measure(criterion.benchmark_group("echo"), &ECHO, 2 * ECHOES);
    criterion.final_summary();
    ratios(&output);
    // Whoever names a benchmark, or wants a list, gets no more than that.
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        gossip_ratios();
    }
}

/// Nanoseconds for a message in each of these cases: each runs once a round, so that whatever else the machine does hits all alike,
/// and its least counts.
fn in_turn<const N: usize>(cases: &[fn() -> Duration; N], messages: u64) -> [f64; N] {
    const ROUNDS: usize = 8;
    let mut least = [f64::MAX; N];
    for _ in 0..ROUNDS {
        for (least, case) in least.iter_mut().zip(cases) {
            *least = least.min(case().as_nanos() as f64 / messages as f64);
        }
    }
    least
}

fn gossip_ratios() {
    let [ours_10, pauses_10, ours_100, pauses_100, ours_as_many, pauses_as_many] =
        in_turn(&GOSSIPING, GOSSIP);
    let [turmoil_10, turmoil_100] = in_turn(&TURMOIL_GOSSIPING, GOSSIP_OF_TURMOIL);
    println!("A message of gossip, its pause included:");
    print("100 nodes / 10 nodes, as many on their way", ours_as_many, ours_10);
    print("  of these pauses and timers alone", pauses_as_many, pauses_10);
    print("100 nodes / 10 nodes, ten times as many", ours_100, ours_10);
    print("  of these pauses and timers alone", pauses_100, pauses_10);
    print("100 nodes / 10 nodes, turmoil", turmoil_100, turmoil_10);
    print("turmoil / ours, 100 nodes", turmoil_100, ours_100);
}

fn print(what: &str, above: f64, below: f64) {
    println!("{what:44} {:6.2}   ({above:.0} ns / {below:.0} ns)", above / below);
}

/// Prints the ratios, if the measurements are there; `--list` and `--test` make none.
fn ratios(output: &Path) {
    let echo = |name: &str| -> Option<f64> {
        let file = output.join("echo").join(name).join("new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        Some(estimates["median"]["point_estimate"].as_f64()? / (2 * ECHOES) as f64)
    };
    let print = |what: &str, above: Option<f64>, below: Option<f64>| {
        if let (Some(above), Some(below)) = (above, below) {
            print(what, above, below);
        }
    };
    println!("A message of 64 bytes, there and back:");
    print("one-way message / timer", echo("message"), echo("timers"));
    for ours in ["message", "call", "udp", "tcp"] {
        print(&format!("{ours} / madsim Endpoint"), echo(ours), echo("endpoint"));
    }
    print("turmoil UDP / message", echo("turmoil-udp"), echo("message"));
    print("turmoil UDP / udp", echo("turmoil-udp"), echo("udp"));
    print("turmoil TCP / tcp", echo("turmoil-tcp"), echo("tcp"));
}
