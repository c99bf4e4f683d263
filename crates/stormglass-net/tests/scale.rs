//! The cost of a message among many nodes.

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

/// Sends a message to each other node in turn, one per millisecond, and receives the messages that
/// have arrived.
async fn gossip(me: u64, count: u64, rounds: u64) {
    let socket = UdpSocket::bind("0.0.0.0:1").await.expect("the port is free");
    let mut buffer = [0; 64];
    for round in 0..rounds {
        let peer = (me + 1 + round % (count - 1)) % count;
        socket.send_to(&[7; 64], address(peer)).await.expect("a datagram is always sent");
        stormglass_rt::sleep(Duration::from_millis(1)).await;
        while socket.try_recv_from(&mut buffer).is_ok() {}
    }
}

/// The number of allocations when `count` nodes gossip for `rounds` rounds.
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
            task.await.expect("the task completes");
        }
    });
    allocations() - before
}

/// The only test in this binary: the allocations of another one would be counted too.
#[test]
fn a_message_costs_the_same_among_ten_nodes_and_a_hundred() {
    const MESSAGES: u64 = 20_000;
    let _profiler = dhat::Profiler::builder().testing().build();
    // The cost of the first messages only, such as the creation of links, is in both terms and cancels
    // in the difference.
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
    assert!(many < 5.1, "{many:.2} allocations for a message and the sleep before it");
}
