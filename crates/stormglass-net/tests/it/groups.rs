//! Broadcast and multicast between hosts.

use std::time::Duration;
use stormglass_core::Seed;
use stormglass_net::{Host, Location, NetProfile, Network, UdpSocket};

const GROUP: [u8; 4] = [239, 1, 2, 3];

/// A socket of this host, bound to port 7.
async fn bind(host: &Host, at: &str) -> UdpSocket {
    let _mounted = host.mount();
    UdpSocket::bind(at).await.unwrap()
}

async fn settle() {
    stormglass_rt::sleep(Duration::from_millis(1)).await;
}

/// How many datagrams wait at each socket; takes them.
fn received(sockets: &[&UdpSocket]) -> Vec<usize> {
    let count = |socket: &&UdpSocket| std::iter::from_fn(|| socket.try_recv(&mut [0; 64]).ok()).count();
    sockets.iter().map(count).collect()
}

fn run(test: impl AsyncFnOnce(Network)) {
    madsim::runtime::Runtime::new()
        .block_on(async { test(Network::new(NetProfile::instant(), Seed(1))).await });
}

#[test]
fn a_broadcast_reaches_every_host_of_the_zone() {
    run(async |network| {
        let near = Location::machine("near").zone("a");
        let (one, two, own) = (
            network.host_at("one", Location::machine("1").zone("a")),
            network.host_at("two", Location::machine("2").zone("a")),
            network.host_at("own", near),
        );
        let far = network.host_at("far", Location::machine("far").zone("b"));
        let sender = bind(&own, "0.0.0.0:0").await;
        let mut sockets = Vec::new();
        for host in [&one, &two, &own, &far] {
            sockets.push(bind(host, "0.0.0.0:7").await);
        }
        let sockets: Vec<&UdpSocket> = sockets.iter().collect();
        let error = sender.send_to(b"x", "255.255.255.255:7").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(13));
        sender.set_broadcast(true).unwrap();
        for to in ["255.255.255.255:7", "10.255.255.255:7"] {
            assert_eq!(sender.send_to(b"x", to).await.unwrap(), 1);
            settle().await;
            assert_eq!(received(&sockets), [1, 1, 1, 0], "{to}");
        }
        // Over loopback: the own host alone.
        let local = bind(&own, "127.0.0.1:0").await;
        local.set_broadcast(true).unwrap();
        local.send_to(b"x", "127.255.255.255:7").await.unwrap();
        settle().await;
        assert_eq!(received(&sockets), [0, 0, 1, 0]);
    });
}

#[test]
fn a_multicast_datagram_reaches_the_members() {
    run(async |network| {
        let at = |machine: &str, zone: &str| Location::machine(machine).zone(zone);
        let hosts = [
            network.host_at("member", at("1", "a")),
            network.host_at("other", at("2", "a")),
            network.host_at("own", at("3", "a")),
            network.host_at("far", at("4", "b")),
        ];
        let sender = bind(&hosts[2], "0.0.0.0:0").await;
        let mut sockets = Vec::new();
        for host in &hosts {
            sockets.push(bind(host, "0.0.0.0:7").await);
        }
        for member in [0, 2, 3] {
            sockets[member].join_multicast_v4(GROUP.into(), [0; 4].into()).unwrap();
        }
        let to = (GROUP, 7).into();
        let sockets: Vec<&UdpSocket> = sockets.iter().collect();
        let send = async || {
            let to: std::net::SocketAddr = to;
            sender.send_to(b"x", to).await.unwrap();
            settle().await;
            received(&sockets)
        };
        assert_eq!(send().await, [1, 0, 1, 0]);
        sender.set_multicast_loop_v4(false).unwrap();
        assert_eq!(send().await, [1, 0, 0, 0]);
        sender.set_multicast_ttl_v4(2).unwrap();
        assert_eq!(send().await, [1, 0, 0, 1]);
        sender.set_multicast_ttl_v4(0).unwrap();
        sender.set_multicast_loop_v4(true).unwrap();
        assert_eq!(send().await, [0, 0, 1, 0]);
        sockets[2].leave_multicast_v4(GROUP.into(), [0; 4].into()).unwrap();
        assert_eq!(send().await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_multicast_datagram_of_ipv6_reaches_the_members() {
    run(async |network| {
        let (one, other) = (network.host("one"), network.host("other"));
        let (receiver, bystander) = (bind(&one, "[::]:7").await, bind(&other, "[::]:7").await);
        let sender = bind(&other, "[::]:0").await;
        let group = "ff05::7".parse().unwrap();
        receiver.join_multicast_v6(&group, 0).unwrap();
        sender.send_to(b"x", (group, 7)).await.unwrap();
        settle().await;
        let mut buffer = [0; 8];
        let (len, from) = receiver.try_recv_from(&mut buffer).unwrap();
        assert_eq!((len, from.port()), (1, sender.local_addr().unwrap().port()));
        assert_eq!(Some(from.ip()), "fd00::2".parse().ok());
        assert_eq!(received(&[&bystander]), [0]);
    });
}

#[test]
fn hosts_of_one_namespace_share_membership() {
    run(async |network| {
        let shared = || Location::machine("m").namespace("n");
        let (one, other) = (network.host_at("one", shared()), network.host_at("other", shared()));
        let outside = network.host("outside");
        let (member, bound) = (bind(&one, "0.0.0.0:0").await, bind(&other, "0.0.0.0:7").await);
        member.join_multicast_v4(GROUP.into(), [0; 4].into()).unwrap();
        let sender = bind(&outside, "0.0.0.0:0").await;
        sender.send_to(b"x", (std::net::Ipv4Addr::from(GROUP), 7)).await.unwrap();
        settle().await;
        assert_eq!(received(&[&bound]), [1]);
        drop(member);
        sender.send_to(b"x", (std::net::Ipv4Addr::from(GROUP), 7)).await.unwrap();
        settle().await;
        assert_eq!(received(&[&bound]), [0]);
    });
}

#[test]
fn a_socket_that_is_bound_to_loopback_reaches_the_own_host_alone() {
    run(async |network| {
        let (here, there) = (network.host("here"), network.host("there"));
        let (own, other) = (bind(&here, "0.0.0.0:7").await, bind(&there, "0.0.0.0:7").await);
        let sender = bind(&here, "0.0.0.0:0").await;
        let to = |host: &Host| std::net::SocketAddr::new(host.ip(), 7);
        for (device, expected) in [(None, [1, 1]), (Some(&b"lo"[..]), [1, 0]), (None, [1, 1])] {
            sender.bind_device(device).unwrap();
            sender.send_to(b"x", to(&here)).await.unwrap();
            sender.send_to(b"x", to(&there)).await.unwrap();
            settle().await;
            assert_eq!(received(&[&own, &other]), expected, "{device:?}");
        }
        own.bind_device(Some(b"eth0")).unwrap();
        sender.send_to(b"x", to(&here)).await.unwrap();
        settle().await;
        assert_eq!(received(&[&own]), [0]);
    });
}
