//! The host time of messages: 64 bytes echoed over links of 1 to 10 ms with stormglass-net,
//! madsim's Endpoint and turmoil's sockets; and gossip among 10 and 100 nodes.

use madsim::runtime::{NodeHandle, Runtime};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use stormglass_bench::{Case, Ratios, in_turn, timed};
use stormglass_core::{Latency, Seed};
use stormglass_net::{Host, LinkProfile, Mount, NetProfile, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUNDS: usize = 15;
/// Echoes of one execution; two messages each.
pub const ECHOES: u64 = 2_000;
/// Messages of one execution of gossip; fewer for turmoil, which takes longer.
const GOSSIP: u64 = 200_000;
const GOSSIP_OF_TURMOIL: u64 = 20_000;
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_millis(10);
const MESSAGE: [u8; 64] = [7; 64];

/// The lower bound of an echo: two timers.
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

/// Creates a runtime with nodes, each with a host.
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

/// Echoes over sockets with tokio's API, with the same source for every module named `net`.
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

        /// Sends its share of the messages to one peer after the other, with a pause after each,
        /// and receives what has arrived.
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

pub mod ours {
    use super::*;
    use stormglass_net as net;
    use stormglass_rt::sleep;
    sockets!();

    pub fn address(number: u64) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(0x0a00_0001 + number as u32).into(), 1)
    }
}

pub mod turmoils {
    use super::*;
    use tokio::time::sleep;
    use turmoil::net;
    sockets!();

    pub fn address(number: u64) -> SocketAddr {
        SocketAddr::new(turmoil::lookup(format!("node-{number}")), 1)
    }
}

pub fn ours_between(
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

pub fn tcp() {
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

pub fn turmoil() -> turmoil::Sim<'static> {
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

pub fn turmoil_tcp() {
    let mut sim = turmoil();
    sim.host("node-1", || async { Ok(turmoils::tcp_server().await.or_else(ended)?) });
    sim.client("node-0", async { Ok(turmoils::tcp_client(turmoils::address(1)).await?) });
    sim.run().expect("it works");
}

/// Treats the error that a server gets when its client is gone as success.
fn ended(_: std::io::Error) -> std::io::Result<()> {
    Ok(())
}

/// Runs a task on each node, by number, until all are finished.
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

/// Measures gossip among `count` nodes over existing links: a message has used each link before.
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

/// Measures the cost of gossip without its messages: the same tasks, with a pause and a timer for
/// each message.
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

pub fn measure(ratios: &mut Ratios) {
    echo(ratios);
    gossip_among_hosts(ratios);
}

fn echo(ratios: &mut Ratios) {
    let cases: [(&str, fn()); 8] = [
        ("timers", timers),
        ("message", messages),
        ("call", calls),
        ("UDP", udp),
        ("TCP", tcp),
        ("Endpoint", endpoint),
        ("turmoil UDP", turmoil_udp),
        ("turmoil TCP", turmoil_tcp),
    ];
    let samples = in_turn(ROUNDS, &cases.map(|(name, run)| Case::new(name, 2 * ECHOES, run)));
    let mut add = |what, name, reference_name, reference| {
        ratios.add(what, samples.of(name), reference_name, samples.of(reference));
    };
    add("message, echoed", "message", "timer", "timers");
    add("message, echoed", "message", "madsim Endpoint", "Endpoint");
    add("call", "call", "madsim Endpoint", "Endpoint");
    add("UDP datagram", "UDP", "madsim Endpoint", "Endpoint");
    add("TCP, 64 bytes", "TCP", "madsim Endpoint", "Endpoint");
    add("message, echoed", "message", "turmoil UDP", "turmoil UDP");
    add("UDP datagram", "UDP", "turmoil UDP", "turmoil UDP");
    add("TCP, 64 bytes", "TCP", "turmoil TCP", "turmoil TCP");
}

/// Measures 10 hosts, 100 hosts that gossip at the same rate each, and 100 hosts that gossip at a
/// tenth of the rate, so that the number of messages in flight is that of 10 hosts.
fn gossip_among_hosts(ratios: &mut Ratios) {
    const ROUNDS: usize = 12;
    let ours = |name, run: fn() -> Duration| Case::with_setup(name, GOSSIP, run);
    let turmoils = |name, run: fn() -> Duration| Case::with_setup(name, GOSSIP_OF_TURMOIL, run);
    let samples = in_turn(
        ROUNDS,
        &[
            ours("10", || gossip(10, LEAST)),
            ours("pauses 10", || pauses(10, LEAST)),
            ours("100", || gossip(100, LEAST)),
            ours("pauses 100", || pauses(100, LEAST)),
            ours("100 slow", || gossip(100, 10 * LEAST)),
            ours("pauses 100 slow", || pauses(100, 10 * LEAST)),
            turmoils("turmoil 10", || turmoil_gossip(10)),
            turmoils("turmoil 100", || turmoil_gossip(100)),
        ],
    );
    let mut add = |what: &str, name: &str, reference_name: &str, reference: &str| {
        ratios.add(what, samples.of(name), reference_name, samples.of(reference));
    };
    add("gossip, 100 hosts, as many in flight", "100 slow", "10 hosts", "10");
    add("  pauses and timers alone", "pauses 100 slow", "10 hosts", "pauses 10");
    add("gossip, 100 hosts, 10 times in flight", "100", "10 hosts", "10");
    add("  pauses and timers alone", "pauses 100", "10 hosts", "pauses 10");
    add("turmoil's gossip, 100 hosts", "turmoil 100", "10 hosts", "turmoil 10");
    add("gossip, 10 hosts", "10", "turmoil", "turmoil 10");
    add("gossip, 100 hosts", "100", "turmoil", "turmoil 100");
}
