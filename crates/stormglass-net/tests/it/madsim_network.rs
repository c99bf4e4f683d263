//! Faults also apply to madsim's own network, between nodes that hosts are mounted on.

use madsim::net::Endpoint;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::{Host, Mount, NetProfile, Network};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Nodes with an address in madsim's network, and their hosts.
struct World {
    network: Network,
    nodes: Vec<(NodeHandle, Host, Mount)>,
}

impl World {
    fn new(names: &[&str]) -> World {
        World::on(Network::new(NetProfile::instant(), Seed(1)), names)
    }

    fn on(network: Network, names: &[&str]) -> World {
        let node = |name: &&str| {
            let host = network.host(name);
            let node = Handle::current().create_node().name(*name).ip(host.ip()).build();
            let mount = host.mount_on(node.id());
            node.spawn(async {
                let endpoint = Endpoint::bind("0.0.0.0:7").await.unwrap();
                let mut buffer = [0; 8];
                while let Ok((_, from)) = endpoint.recv_from(1, &mut buffer).await {
                    endpoint.send_to(from, 2, b"pong").await.unwrap();
                }
            });
            (node, host, mount)
        };
        World { nodes: names.iter().map(node).collect(), network }
    }

    /// Returns the round-trip time between madsim's own endpoints, if it is below one second.
    async fn ping(&self, from: usize, to: usize) -> Option<Duration> {
        let to = std::net::SocketAddr::new(self.nodes[to].1.ip(), 7);
        let ping = self.nodes[from].0.spawn(async move {
            let endpoint = Endpoint::bind("0.0.0.0:0").await.unwrap();
            let before = stormglass_rt::now();
            endpoint.send_to(to, 1, b"ping").await.unwrap();
            let answer = stormglass_rt::timeout(MS(1_000), endpoint.recv_from(2, &mut [0; 8])).await;
            answer.map(|_| stormglass_rt::now() - before)
        });
        ping.await.unwrap()
    }

    async fn reach(&self, from: usize, to: usize) -> bool {
        self.ping(from, to).await.is_some()
    }
}

#[test]
fn cuts_and_partitions_clog_madsims_links() {
    Runtime::new().block_on(async {
        let world = World::new(&["n1", "n2", "n3"]);
        stormglass_rt::sleep(MS(100)).await;
        assert!(world.reach(0, 1).await);
        let cut = world.network.cut("n1", "n2").unwrap();
        let partition = world.network.partition(&[&["n1"], &["n2", "n3"]]).unwrap();
        assert!(!world.reach(0, 1).await);
        assert!(!world.reach(2, 0).await);
        assert!(world.reach(1, 2).await);
        // The link n1 to n2 is still cut by the other fault.
        drop(partition);
        assert!(world.reach(2, 0).await);
        assert!(!world.reach(0, 1).await);
        drop(cut);
        assert!(world.reach(0, 1).await);
    });
}

/// Rules and outages that exist before the nodes are mounted, one after the other.
#[test]
fn nodes_that_are_mounted_later_are_cut_off_too() {
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let lose = || LinkRule::new(LinkEffect::Lose);
        let alone = network.inject(lose().from("n1").both_ways()).unwrap();
        let one_way = network.inject(lose().from("n2").to("n[34]")).unwrap();
        let off = network.host("n4").power_off();
        let world = World::on(network, &["n1", "n2", "n3", "n4", "n5"]);
        stormglass_rt::sleep(MS(100)).await;
        let reached = async || {
            let mut pairs = Vec::new();
            for (from, to) in (0..5).flat_map(|from| (from + 1..5).map(move |to| (from, to))) {
                let there_and_back = (world.reach(from, to).await, world.reach(to, from).await);
                assert_eq!(there_and_back.0, there_and_back.1, "a ping needs both directions");
                pairs.extend(there_and_back.0.then_some((from + 1, to + 1)));
            }
            pairs
        };
        assert_eq!(reached().await, [(2, 5), (3, 5)]);
        drop(alone);
        assert_eq!(reached().await, [(1, 2), (1, 3), (1, 5), (2, 5), (3, 5)]);
        drop(off);
        assert_eq!(reached().await, [(1, 2), (1, 3), (1, 4), (1, 5), (2, 5), (3, 4), (3, 5), (4, 5)]);
        drop(one_way);
        assert_eq!(reached().await.len(), 10);
    });
}

#[test]
fn timed_and_flapping_cuts_clog_madsims_links() {
    Runtime::new().block_on(async {
        let world = World::new(&["n1", "n2"]);
        let cut =
            |from, to| LinkRule::new(LinkEffect::Lose).from("n1").during(MS(from).into()..MS(to).into());
        let _cut = world.network.inject(cut(5_000, 10_000)).unwrap();
        let _flapping = world.network.inject(cut(20_000, 40_000).flapping(MS(8_000), MS(4_000))).unwrap();
        let mut reached = Vec::new();
        for second in (1..45).step_by(4) {
            stormglass_rt::sleep_until(MS(second * 1_000).into()).await;
            reached.push((second, world.reach(0, 1).await));
        }
        let lost: Vec<u64> =
            reached.iter().filter(|(_, reached)| !reached).map(|(second, _)| *second).collect();
        // 5 and 9 by the first cut; the second is active from 20, 28 and 36, inactive from 24 and
        // 32.
        assert_eq!(lost, [5, 9, 21, 29, 37]);
    });
}

#[test]
fn a_host_without_power_is_unreachable_in_madsims_network() {
    Runtime::new().block_on(async {
        let world = World::new(&["n1", "n2"]);
        stormglass_rt::sleep(MS(100)).await;
        let off = world.nodes[1].1.power_off();
        assert!(!world.reach(0, 1).await);
        drop(off);
        assert!(world.reach(0, 1).await);
    });
}

#[test]
fn loss_and_delay_on_all_links_change_madsims_configuration() {
    Runtime::new().block_on(async {
        let world = World::new(&["n1", "n2"]);
        stormglass_rt::sleep(MS(100)).await;
        let late = world.network.inject(LinkRule::new(LinkEffect::Delay(Latency::from_millis(200)))).unwrap();
        assert!(world.ping(0, 1).await.unwrap() >= MS(400));
        drop(late);
        assert!(world.ping(0, 1).await.unwrap() < MS(100));
        let lossy = world.network.inject(LinkRule::new(LinkEffect::Lose).with_probability(0.5)).unwrap();
        let mut answers = 0;
        for _ in 0..40 {
            answers += u32::from(world.reach(0, 1).await);
        }
        // A quarter of 40, give or take three standard deviations of 2.7.
        assert!((2..=18).contains(&answers), "{answers}");
        drop(lossy);
        // madsim's network cannot represent loss or delay of one link.
        let _one =
            world.network.inject(LinkRule::new(LinkEffect::Lose).from("n1").with_probability(0.99)).unwrap();
        for _ in 0..20 {
            assert!(world.reach(0, 1).await);
        }
    });
}
