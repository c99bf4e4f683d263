//! What a message costs among many nodes.

use madsim::runtime::Runtime;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::{LinkProfile, NetProfile, Network, UdpSocket};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn allocations() -> u64 {
    dhat::HeapStats::get().total_blocks
}

fn address(number: u64) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(0x0a00_0001 + number as u32).into(), 1)
}

/// Each node sends to the others in turn, one message a millisecond, and takes what comes.
async fn gossip(me: u64, count: u64, rounds: u64) {
    let socket = UdpSocket::bind("0.0.0.0:1").await.expect("the port is free");
    let mut buffer = [0; 64];
    for round in 0..rounds {
        let peer = (me + 1 + round % (count - 1)) % count;
        socket.send_to(&[7; 64], address(peer)).await.expect("it is sent");
        stormglass_rt::sleep(Duration::from_millis(1)).await;
        while socket.try_recv_from(&mut buffer).is_ok() {}
    }
}

/// Allocations when so many nodes gossip for so many rounds.
fn cost(count: u64, rounds: u64) -> u64 {
    let before = allocations();
    let latency = Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(10) };
    let link = LinkProfile { latency, ..LinkProfile::default() };
    let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
    let runtime = Runtime::new();
    let node = |number| {
        let host = network.host(&format!("node-{number}"));
        let node = runtime.create_node().ip(host.ip()).build();
        let mount = host.mount_on(node.id());
        (node, mount)
    };
    let nodes: Vec<_> = (0..count).map(node).collect();
    runtime.block_on(async {
        let tasks: Vec<_> =
            nodes.iter().zip(0..).map(|((node, _), me)| node.spawn(gossip(me, count, rounds))).collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    allocations() - before
}

/// One test only: another one beside it would be counted too.
#[test]
fn a_message_costs_the_same_among_ten_nodes_and_a_hundred() {
    const MESSAGES: u64 = 20_000;
    let _profiler = dhat::Profiler::builder().testing().build();
    // What only the first messages cost, each link's being made among them, is in both and goes away in the difference.
    let message = |count: u64| {
        let first = 2 * count;
        let more = first + MESSAGES / count;
        (cost(count, more) - cost(count, first)) as f64 / MESSAGES as f64
    };
    let (few, many) = (message(10), message(100));
    assert!(
        (many / few - 1.0).abs() < 0.02,
        "{few:.2} allocations for a message, {many:.2} among more nodes"
    );
    assert!(many < 5.1, "{many:.2} allocations for a message and the pause before it");
}
