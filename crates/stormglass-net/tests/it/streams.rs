//! Byte streams: their costs, with the arithmetic, and what the kernels do when processes are
//! killed, paused or cut off.

use expect_test::expect;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use proptest::prelude::*;
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::{
    Host, Keepalive, LinkProfile, Mount, NetProfile, Network, TcpListener, TcpSocket, TcpStream,
    TcpStreamExt, UdpSocket, lookup_host,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn now() -> u64 {
    stormglass_rt::now().as_nanos() / 1_000_000
}

fn profile(millis: u64) -> NetProfile {
    let link = LinkProfile { latency: Latency::from_millis(millis), ..LinkProfile::default() };
    NetProfile { link: link.clone(), wan: link, ..NetProfile::instant() }
}

/// Two nodes with a host each.
struct Pair {
    network: Network,
    client: NodeHandle,
    server: NodeHandle,
    hosts: [Host; 2],
    _mounts: [Mount; 2],
}

impl Pair {
    fn new(profile: NetProfile, seed: Seed) -> Pair {
        let network = Network::new(profile, seed);
        let node = |name| Handle::current().create_node().name(name).build();
        let (client, server) = (node("client"), node("server"));
        let hosts = [network.host("client"), network.host("server")];
        let mounts = [hosts[0].mount_on(client.id()), hosts[1].mount_on(server.id())];
        Pair { network, client, server, hosts, _mounts: mounts }
    }

    /// Returns both ends of a connection between the two hosts.
    async fn connected(&self) -> (TcpStream, TcpStream) {
        let listener = self.server.spawn(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        let client = self.client.spawn(TcpStream::connect("server:80")).await.unwrap().unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, server)
    }
}

fn run<T>(profile: NetProfile, body: impl AsyncFnOnce(Pair) -> T) -> T {
    Runtime::new().block_on(async { body(Pair::new(profile, Seed(1))).await })
}

/// The latency is 100 ms in each direction; the server accepts 100 ms later.
#[test]
fn connecting_takes_a_round_trip() {
    run(profile(100), async |pair| {
        let accepted = pair.server.spawn(async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            listener.accept().await.unwrap();
            now()
        });
        stormglass_rt::sleep(MS(1)).await;
        let connected = pair.client.spawn(async {
            let stream = TcpStream::connect("server:80").await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().to_string(), "10.0.0.2:80");
            assert_eq!(stream.local_addr().unwrap().to_string(), "10.0.0.1:32768");
            now()
        });
        assert_eq!((connected.await.unwrap(), accepted.await.unwrap()), (201, 301));
    });
}

/// Refused after a round trip; a host without power, or an address that no host has, times out
/// after 127 s.
#[test]
fn a_closed_port_refuses_and_an_absent_host_times_out() {
    run(profile(100), async |pair| {
        let connect = |to: &'static str| {
            let before = now();
            let connecting = pair.client.spawn(TcpStream::connect(to));
            async move { (connecting.await.unwrap().unwrap_err().kind(), now() - before) }
        };
        assert_eq!(connect("server:80").await, (ErrorKind::ConnectionRefused, 200));
        assert_eq!(connect("10.9.9.9:80").await, (ErrorKind::TimedOut, 127_000));
        let _off = pair.hosts[1].power_off();
        assert_eq!(connect("server:80").await, (ErrorKind::TimedOut, 127_000));
    });
}

/// 5 MiB of window and a round trip of 100 ms: 50 MiB are 10 windows, the first sent at 0 ms. A
/// window update takes half a round trip, so each window follows the one before by a round trip:
/// 50 + 9 · 100 ms.
#[test]
fn the_window_bounds_the_throughput() {
    run(profile(50), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        let before = now();
        let writing = pair.client.spawn(async move {
            client.write_all(&vec![1; 50 << 20]).await.unwrap();
        });
        let mut received = Vec::new();
        assert_eq!(server.read_to_end(&mut received).await.unwrap(), 50 << 20);
        assert_eq!(now() - before, 950);
        writing.await.unwrap();
    });
}

/// A MiB on 10 Mbit/s takes 2²³ bits / 10⁷ = 839 ms, and 10 ms of latency; two of them share the
/// line.
#[test]
fn two_transfers_share_a_line() {
    let mut profile = profile(10);
    profile.link.per_mib = MS(839);
    run(profile, async |pair| {
        let (one, other) = (pair.connected().await, pair.connected().await);
        let before = now();
        let mut transfers = Vec::new();
        for (mut client, mut server) in [one, other] {
            let writing =
                pair.client.spawn(async move { client.write_all(&vec![1; 1 << 20]).await.unwrap() });
            transfers.push(pair.server.spawn(async move {
                server.read_to_end(&mut Vec::new()).await.unwrap();
                writing.await.unwrap();
                now()
            }));
        }
        let mut ends = Vec::new();
        for transfer in transfers {
            ends.push(transfer.await.unwrap() - before);
        }
        ends.sort_unstable();
        assert_eq!(ends[1], 2 * 839 + 10);
    });
}

/// One in ten segments is lost: the median of 200 echoes is unaffected, and the slowest have
/// waited for a retransmission of 200 ms and a round trip.
#[test]
fn loss_affects_only_the_tail_of_latencies() {
    run(profile(1), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        let _lossy = pair.network.inject(LinkRule::new(LinkEffect::Lose).with_probability(0.1)).unwrap();
        pair.server.spawn(async move {
            let mut byte = [0];
            while server.read_exact(&mut byte).await.is_ok() {
                server.write_all(&byte).await.unwrap();
            }
        });
        let mut took = Vec::new();
        for _ in 0..200 {
            let before = now();
            client.write_all(b"x").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            took.push(now() - before);
        }
        took.sort_unstable();
        assert_eq!(took[100], 2);
        assert!(took[198] >= 202 + 2, "{took:?}");
    });
}

/// When a process is killed, its kernel sends a FIN; or an RST, if there is unread data.
#[test]
fn a_killed_process_closes_its_streams() {
    for (unread, end) in [(false, Ok(0)), (true, Err(ErrorKind::ConnectionReset))] {
        run(profile(1), async |pair| {
            let (mut client, server) = pair.connected().await;
            pair.server.spawn(async move {
                let _open = server;
                std::future::pending::<()>().await;
            });
            if unread {
                client.write_all(b"hello").await.unwrap();
            }
            stormglass_rt::sleep(MS(10)).await;
            Handle::current().kill(pair.server.id());
            let before = now();
            assert_eq!(client.read(&mut [0]).await.map_err(|error| error.kind()), end);
            assert_eq!(now() - before, 1);
        });
    }
}

/// A paused process reads nothing: its buffers fill, and its peer's writes wait until it is
/// resumed.
#[test]
fn a_paused_process_stops_reading() {
    run(profile(1), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        let reading = pair.server.spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            let mut sum = 0;
            while let Ok(len @ 1..) = server.read(&mut buffer).await {
                sum += len;
            }
            sum
        });
        stormglass_rt::sleep(MS(10)).await;
        Handle::current().pause(pair.server.id());
        let writing = pair.client.spawn(async move {
            client.write_all(&vec![1; 8 << 20]).await.unwrap();
            now()
        });
        stormglass_rt::sleep(MS(5_000)).await;
        let netstat = pair.network.netstat();
        let outstanding: Vec<u64> = netstat.sockets.iter().map(|socket| socket.outstanding).collect();
        assert_eq!(outstanding, [5 << 20, 0]);
        assert_eq!(netstat.sockets[1].unread, 5 << 20);
        Handle::current().resume(pair.server.id());
        assert_eq!(reading.await.unwrap(), 8 << 20);
        assert!(writing.await.unwrap() >= 5_010);
    });
}

/// Reading from a host without power waits for ever, unless keepalive probes it: after 60 s, then
/// every 5 s, 3 times without an answer.
#[test]
fn keepalive_detects_a_host_without_power() {
    for (back_after, ends) in [
        (None, (ErrorKind::TimedOut, 60_000 + 3 * 5_000)),
        (Some(62_000), (ErrorKind::ConnectionReset, 65_000)),
    ] {
        run(profile(10), async |pair| {
            let (mut client, server) = pair.connected().await;
            let off = pair.hosts[1].power_off();
            drop(server);
            let waited = stormglass_rt::timeout(Duration::from_secs(86_400), client.read(&mut [0])).await;
            assert!(waited.is_none(), "half-open: the read never returns");
            let keepalive = Keepalive { time: MS(60_000), interval: MS(5_000), retries: 3 };
            client.set_keepalive(Some(keepalive)).unwrap();
            let before = now();
            if let Some(back_after) = back_after {
                pair.server.spawn(async move {
                    stormglass_rt::sleep(MS(back_after)).await;
                    drop(off);
                });
            } else {
                std::mem::forget(off);
            }
            let error = client.read(&mut [0]).await.unwrap_err();
            assert_eq!((error.kind(), now() - before), ends);
        });
    }
}

/// Acknowledged probes change nothing, and end with the stream.
#[test]
fn keepalive_keeps_a_live_connection() {
    run(profile(10), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        client.set_keepalive(Some(Keepalive { time: MS(1_000), interval: MS(100), retries: 2 })).unwrap();
        stormglass_rt::sleep(MS(60_000)).await;
        server.write_all(b"hello").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        let sent = || pair.network.netstat().links[0].2.sent;
        let probed = sent();
        assert!(probed > 50, "{probed}");
        drop((client, server));
        stormglass_rt::sleep(MS(10_000)).await;
        assert!(sent() <= probed + 2);
    });
}

/// The kernel whose process closes first keeps the ports in TIME_WAIT for a minute.
#[test]
fn the_first_to_close_is_in_time_wait() {
    run(profile(1), async |pair| {
        let (client, server) = pair.connected().await;
        drop(client);
        stormglass_rt::sleep(MS(10)).await;
        expect![[r#"
            client:32768 -> server:80 FIN_WAIT
            server:80 -> client:32768 CLOSE_WAIT
            client -> server: 3 sent, last in 1ms
            server -> client: 1 sent, last in 1ms
        "#]]
        .assert_eq(&pair.network.netstat().to_string());
        drop(server);
        stormglass_rt::sleep(MS(10)).await;
        let states =
            || -> Vec<&str> { pair.network.netstat().sockets.iter().map(|socket| socket.state).collect() };
        assert_eq!(states(), ["TIME_WAIT"]);
        let local = "10.0.0.1:32768".parse().unwrap();
        let bind = || {
            pair.client.spawn(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(local).map_err(|error| error.kind())
            })
        };
        assert_eq!(bind().await.unwrap(), Err(ErrorKind::AddrInUse));
        stormglass_rt::sleep(MS(60_000)).await;
        assert_eq!(bind().await.unwrap(), Ok(()));
        assert!(states().is_empty());
    });
}

/// A middlebox that loses its state: both ends of the matching connections are reset, and no
/// others.
#[test]
fn reset_connections_resets_those_that_match() {
    run(profile(1), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        assert_eq!(pair.network.reset_connections("client", "elsewhere").unwrap(), 0);
        assert_eq!(pair.network.reset_connections("server", "client").unwrap(), 1);
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

/// A FIN that is in transit when its connection is reset does not arrive: the stream ended as if it
/// were whole, without the data before the FIN.
#[test]
fn a_fin_that_arrives_after_a_reset_is_no_end_of_the_stream() {
    run(profile(100), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"x").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(pair.network.reset_connections("server", "client").unwrap(), 1);
        stormglass_rt::sleep(MS(500)).await;
        assert_eq!(server.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    });
}

/// A lookup of a name takes the profile's latency; a fault makes it fail, or delays it.
#[test]
fn names_are_looked_up() {
    let lookup = Latency::from_millis(30);
    run(NetProfile { lookup, ..profile(1) }, async |pair| {
        let ask = |name: &'static str| {
            let before = now();
            let asking = pair
                .client
                .spawn(async move { lookup_host(name).await.map(|mut found| found.next().unwrap()) });
            async move { (asking.await.unwrap().map_err(|error| error.to_string()), now() - before) }
        };
        let found = Ok("10.0.0.2:80".parse().unwrap());
        let unknown = Err("failed to lookup address information: Name or service not known".to_string());
        let failing =
            Err("failed to lookup address information: Temporary failure in name resolution".to_string());
        assert_eq!(ask("server:80").await, (found.clone(), 30));
        assert_eq!(ask("10.0.0.2:80").await, (found.clone(), 0));
        assert_eq!(ask("nobody:80").await, (unknown, 30));
        let guard = pair
            .network
            .inject(LinkRule::new(LinkEffect::Unresolved).from("client").to("s*").times(1))
            .unwrap();
        assert_eq!(ask("server:80").await, (failing, 30));
        assert_eq!(guard.applied(), 1);
        assert_eq!(ask("server:80").await, (found.clone(), 30));
        let _late = pair
            .network
            .inject(LinkRule::new(LinkEffect::Delay(Latency::from_millis(500))).to("server"))
            .unwrap();
        assert_eq!(ask("server:80").await, (found, 530));
    });
}

/// A fault makes binding a port fail, as if another process had it.
#[test]
fn a_port_in_use_fault_fails_binding() {
    run(profile(1), async |pair| {
        let fault = LinkRule::new(LinkEffect::PortInUse).from("server").port(80).times(1);
        let guard = pair.network.inject(fault).unwrap();
        let bind = |node: &NodeHandle, at: &'static str| {
            let binding = node.spawn(TcpListener::bind(at));
            async move { binding.await.unwrap().map(drop).map_err(|error| error.kind()) }
        };
        assert_eq!(bind(&pair.client, "0.0.0.0:80").await, Ok(()));
        assert_eq!(bind(&pair.server, "0.0.0.0:81").await, Ok(()));
        assert_eq!(bind(&pair.server, "0.0.0.0:80").await, Err(ErrorKind::AddrInUse));
        assert_eq!(bind(&pair.server, "0.0.0.0:80").await, Ok(()));
        assert_eq!(guard.applied(), 1);
    });
}

/// One bit of a datagram is flipped; a stream is not affected.
#[test]
fn datagrams_are_corrupted_and_streams_are_not() {
    run(profile(1), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        let bind = |node: &NodeHandle| node.spawn(UdpSocket::bind("0.0.0.0:7"));
        let (one, other) =
            (bind(&pair.client).await.unwrap().unwrap(), bind(&pair.server).await.unwrap().unwrap());
        let guard = pair.network.inject(LinkRule::new(LinkEffect::Corrupt).times(1)).unwrap();
        client.write_all(&[0; 64]).await.unwrap();
        let mut stream = [1; 64];
        server.read_exact(&mut stream).await.unwrap();
        assert_eq!((stream, guard.applied()), ([0; 64], 0));
        let at = "10.0.0.2:7".parse::<std::net::SocketAddr>().unwrap();
        for ones in [1, 0] {
            one.send_to(&[0; 64], at).await.unwrap();
            let mut buffer = [0; 64];
            other.recv(&mut buffer).await.unwrap();
            assert_eq!(buffer.iter().map(|byte| byte.count_ones()).sum::<u32>(), ones);
        }
        assert_eq!(guard.applied(), 1);
    });
}

/// The link is down for the first second of every three.
#[test]
fn a_link_flaps() {
    run(profile(1), async |pair| {
        let bind = |node: &NodeHandle| node.spawn(UdpSocket::bind("0.0.0.0:7"));
        let (one, other) =
            (bind(&pair.client).await.unwrap().unwrap(), bind(&pair.server).await.unwrap().unwrap());
        let flapping = LinkRule::new(LinkEffect::Lose).from("client").flapping(MS(3_000), MS(1_000));
        let _flapping = pair.network.inject(flapping).unwrap();
        let at = "10.0.0.2:7".parse::<std::net::SocketAddr>().unwrap();
        let mut arrived = Vec::new();
        for second in 0..6u8 {
            stormglass_rt::sleep_until(MS(u64::from(second) * 1_000 + 500).into()).await;
            one.send_to(&[second], at).await.unwrap();
        }
        stormglass_rt::sleep(MS(10)).await;
        let mut buffer = [0];
        while other.try_recv_from(&mut buffer).is_ok() {
            arrived.push(buffer[0]);
        }
        assert_eq!(arrived, [1, 2, 4, 5]);
    });
}

/// A rule can apply to one service: another port of the same host is not affected, in either
/// direction.
#[test]
fn a_single_port_can_be_cut() {
    run(profile(1), async |pair| {
        let (mut client, mut server) = pair.connected().await;
        let cut = LinkRule::new(LinkEffect::Lose).port(81).both_ways().to("server");
        let cut = pair.network.inject(cut).unwrap();
        client.write_all(b"hello").await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();
        server.write_all(b"hello").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        let connecting = pair.client.spawn(TcpStream::connect("server:81"));
        assert!(stormglass_rt::timeout(MS(500), connecting).await.is_none());
        assert_eq!(cut.applied(), 1);
    });
}

/// The locations of hosts decide the class of their links; `set_link` makes exceptions, also for
/// existing links.
#[test]
fn links_have_classes_and_exceptions() {
    let mut profile = profile(1);
    profile.loopback.latency = Latency::from_micros(10);
    profile.wan.latency = Latency::from_millis(80);
    Runtime::new().block_on(async {
        let network = Network::new(profile, Seed(1));
        let at = |name: &str, machine: &str, zone: &str| {
            network.host_at(name, stormglass_net::Location::machine(machine).zone(zone))
        };
        let here = at("here", "m1", "eu");
        let others = [at("same", "m1", "eu"), at("near", "m2", "eu"), at("far", "m3", "us")];
        let took = async || {
            let mut took = Vec::new();
            for other in &others {
                let _listener = other.listen::<(), ()>(80).unwrap();
                let before = stormglass_rt::now();
                here.connect::<(), ()>(other.address(80)).await.unwrap();
                took.push(((stormglass_rt::now() - before).as_micros() / 10 * 10) as u64);
            }
            took
        };
        assert_eq!(took().await, [20, 2_000, 160_000]);
        let slow = LinkProfile { latency: Latency::from_millis(200), ..LinkProfile::default() };
        network.set_link("here", "far", slow).unwrap();
        assert_eq!(took().await, [20, 2_000, 280_000]);
        assert!(network.set_link("n[", "far", LinkProfile::default()).is_err());
    });
}

/// Without a mounted host every function fails with an error that names the remedy.
#[test]
fn a_node_without_a_host_gets_an_error() {
    Runtime::new().block_on(async {
        let error = TcpStream::connect("10.0.0.1:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "no host is mounted on 0: call Host::mount there, or Host::mount_on with its id, and keep the guard"
        );
        assert_eq!(UdpSocket::bind("0.0.0.0:0").await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(TcpSocket::new_v4().unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

proptest! {
    /// Whatever is lost, delayed and cut, as long as the link recovers, and however it is written
    /// and read: the bytes arrive, once, in order, and then the end of the stream.
    #[test]
    fn bytes_arrive_whole_and_in_order(
        seed: u64,
        writes in prop::collection::vec(1usize..200_000, 1..20),
        read in 1usize..100_000,
        loss in 0u32..20,
        cuts in prop::collection::vec((0u64..3_000, 1u64..2_000, any::<bool>()), 0..4),
    ) {
        let total: usize = writes.iter().sum();
        let received = Runtime::new().block_on(async move {
            let link = LinkProfile { latency: Latency::Uniform { min: Duration::ZERO, max: MS(5) }, ..LinkProfile::default() };
            let small = NetProfile { link, send_buffer: 40_000, receive_buffer: 50_000, ..NetProfile::instant() };
            let pair = Pair::new(small, Seed(seed));
            let (mut client, mut server) = pair.connected().await;
            let _lossy = pair.network.inject(LinkRule::new(LinkEffect::Lose).with_probability(f64::from(loss) / 100.0)).unwrap();
            let cuts: Vec<_> = cuts.iter().map(|&(from, len, both)| {
                let time = MS(from).into()..MS(from + len).into();
                let cut = LinkRule::new(LinkEffect::Lose).from("client").during(time);
                pair.network.inject(if both { cut.both_ways() } else { cut }).unwrap()
            }).collect();
            pair.client.spawn(async move {
                let mut at = 0usize;
                for len in writes {
                    let bytes: Vec<u8> = (at..at + len).map(|at| (at % 251) as u8).collect();
                    client.write_all(&bytes).await.unwrap();
                    at += len;
                }
            });
            let mut received = Vec::new();
            let mut buffer = vec![0; read];
            loop {
                match server.read(&mut buffer).await.unwrap() {
                    0 => break,
                    len => received.extend_from_slice(&buffer[..len]),
                }
            }
            drop(cuts);
            received
        });
        prop_assert_eq!(received.len(), total);
        let in_order = received.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8);
        prop_assert!(in_order);
    }
}
