//! The costs of connecting and sending, with the arithmetic; what happens when the peer is absent.

use madsim::runtime::Runtime;
use proptest::prelude::*;
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed};
use stormglass_net::{LinkProfile, NetProfile, Network};

fn link(latency: Latency) -> NetProfile {
    let link = LinkProfile { latency, ..LinkProfile::default() };
    NetProfile { link, ..NetProfile::instant() }
}

fn millis_now() -> u64 {
    stormglass_rt::now().as_nanos() / 1_000_000
}

/// 100 ms one way × 2 directions = 200 ms, and 200 ms more for each further round trip of the
/// handshake.
#[test]
fn connecting_takes_a_round_trip_and_the_handshake() {
    for (round_trips, millis) in [(0, 200), (1, 400), (3, 800)] {
        let profile = NetProfile { handshake_round_trips: round_trips, ..link(Latency::from_millis(100)) };
        Runtime::new().block_on(async move {
            let network = Network::new(profile, Seed(1));
            let (a, b) = (network.host("a"), network.host("b"));
            let _listener = b.listen::<(), ()>(80).unwrap();
            a.connect::<(), ()>(b.address(80)).await.unwrap();
            assert_eq!(millis_now(), millis);
        });
    }
}

/// A refusal arrives after a round trip, without the rest of the handshake.
#[test]
fn a_closed_port_refuses_after_a_round_trip() {
    let profile = NetProfile { handshake_round_trips: 1, ..link(Latency::from_millis(100)) };
    Runtime::new().block_on(async move {
        let network = Network::new(profile, Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        drop(b.listen::<(), ()>(80).unwrap());
        let error = a.connect::<(), ()>(b.address(80)).await.unwrap_err();
        assert_eq!((error.kind(), millis_now()), (ErrorKind::ConnectionRefused, 200));
        let error = a.channel::<(), ()>(b.address(80)).call(()).await.unwrap_err();
        assert_eq!((error.kind(), millis_now()), (ErrorKind::ConnectionRefused, 400));
    });
}

/// Hosts of one machine use loopback: 2 × 10 µs to connect instead of 2 × 100 ms.
#[test]
fn loopback_has_its_own_cost() {
    let mut profile = link(Latency::from_millis(100));
    profile.loopback.latency = Latency::from_micros(10);
    Runtime::new().block_on(async move {
        let network = Network::new(profile, Seed(1));
        let (a, b) = (network.host_on("a", "m"), network.host_on("b", "m"));
        let _listener = b.listen::<(), ()>(80).unwrap();
        a.connect::<(), ()>(b.address(80)).await.unwrap();
        assert_eq!(stormglass_rt::now().as_nanos() / 1_000, 20);
    });
}

/// A call to a port that is bound but not served: the connection is established, and the call
/// waits until the service receives it.
#[test]
fn a_call_to_a_bound_port_waits_for_its_server() {
    Runtime::new().block_on(async {
        let network = Network::new(link(Latency::from_millis(1)), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let mut service = b.serve::<u32, u32>(80).unwrap();
        madsim::task::spawn_local(async move {
            stormglass_rt::sleep(Duration::from_millis(50)).await;
            let call = service.next().await.unwrap();
            let response = *call.request() + 1;
            call.reply(response);
            std::future::pending::<()>().await;
        });
        assert_eq!(a.channel::<u32, u32>(b.address(80)).call(1).await.unwrap(), 2);
        // Received at 50 ms, and 1 ms for the response.
        assert_eq!(millis_now(), 51);
    });
}

/// Connect 2 ms and three calls of 2 ms each. A delayed acknowledgement of 40 ms stalls each call
/// that immediately follows another: two of three. With pauses longer than the delay no call
/// stalls, and without a delay none does.
#[test]
fn a_delayed_acknowledgement_stalls_calls_in_quick_succession() {
    for (delayed_ack, pause, millis) in [(0, 0, 8), (40, 0, 88), (40, 50, 158), (0, 50, 158)] {
        let delayed_ack = Duration::from_millis(delayed_ack);
        let profile = NetProfile { delayed_ack, ..link(Latency::from_millis(1)) };
        Runtime::new().block_on(async move {
            let network = Network::new(profile, Seed(1));
            let (a, b) = (network.host("a"), network.host("b"));
            let mut service = b.serve::<u32, u32>(80).unwrap();
            madsim::task::spawn_local(async move {
                while let Some(call) = service.next().await {
                    call.reply(0);
                }
            });
            let channel = a.channel::<u32, u32>(b.address(80));
            for _ in 0..3 {
                channel.call(1).await.unwrap();
                stormglass_rt::sleep(Duration::from_millis(pause)).await;
            }
            assert_eq!(millis_now(), millis, "{delayed_ack:?} with pauses of {pause} ms");
        });
    }
}

/// Dropping a service resets all calls without a response, received or not.
#[test]
fn dropping_a_service_resets_its_calls() {
    Runtime::new().block_on(async {
        let network = Network::new(link(Latency::from_millis(1)), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let service = b.serve::<u32, u32>(80).unwrap();
        madsim::task::spawn_local(async move {
            stormglass_rt::sleep(Duration::from_millis(50)).await;
            drop(service);
        });
        let channel = a.channel::<u32, u32>(b.address(80));
        assert_eq!(channel.call(1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(millis_now(), 51);
        assert_eq!(channel.call(1).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

/// Three messages are in transit or unread: the fourth is refused until the peer has read one and
/// its window update has arrived.
#[test]
fn a_full_bounded_connection_refuses_messages() {
    Runtime::new().block_on(async {
        let network = Network::new(link(Latency::from_millis(1)), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let mut listener = b.listen::<u32, u32>(80).unwrap();
        let client = a.connect_bounded::<u32, u32>(b.address(80), 3).await.unwrap();
        let mut server = listener.accept().await;
        (0..3).for_each(|number| client.send(number).unwrap());
        assert_eq!(client.send(3).unwrap_err().kind(), ErrorKind::WouldBlock);
        stormglass_rt::sleep(Duration::from_secs(1)).await;
        assert_eq!(client.send(3).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(server.recv().await, Some(0));
        assert_eq!(client.send(3).unwrap_err().kind(), ErrorKind::WouldBlock);
        stormglass_rt::sleep(Duration::from_millis(2)).await;
        client.send(3).unwrap();
        for number in 1..4 {
            assert_eq!(server.recv().await, Some(number));
        }
    });
}

/// The peer of a dropped connection reads what was sent before, then the end. What it sends is
/// answered with a reset, a round trip later.
#[test]
fn a_close_arrives_after_the_messages_before_it() {
    Runtime::new().block_on(async {
        let network = Network::new(link(Latency::from_millis(1)), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let mut listener = b.listen::<u32, u32>(80).unwrap();
        let client = a.connect::<u32, u32>(b.address(80)).await.unwrap();
        let mut server = listener.accept().await;
        client.send(1).unwrap();
        client.send(2).unwrap();
        drop(client);
        assert_eq!(server.recv().await, Some(1));
        assert_eq!(server.recv().await, Some(2));
        assert_eq!(server.recv().await, None);
        server.send(3).unwrap();
        stormglass_rt::sleep(Duration::from_micros(1_990)).await;
        server.send(4).unwrap();
        stormglass_rt::sleep(Duration::from_micros(20)).await;
        assert_eq!(server.send(5).unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

/// After dropping its sending half a client still receives the response.
#[test]
fn a_half_closed_connection_still_receives() {
    Runtime::new().block_on(async {
        let network = Network::new(link(Latency::from_millis(1)), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let mut listener = b.listen::<u32, u32>(80).unwrap();
        let (requests, mut responses) = a.connect::<u32, u32>(b.address(80)).await.unwrap().into_split();
        let mut server = listener.accept().await;
        requests.send(1).unwrap();
        drop(requests);
        assert_eq!((server.recv().await, server.recv().await), (Some(1), None));
        server.send(2).unwrap();
        assert_eq!(responses.recv().await, Some(2));
    });
}

/// Killing a node closes its sockets: the peer receives the FIN one latency later.
#[test]
fn a_killed_node_closes_its_connections() {
    Runtime::new().block_on(async {
        let network = Network::new(link(Latency::from_millis(1)), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let handle = madsim::runtime::Handle::current();
        let node = handle.create_node().name("b").build();
        let mut listener = b.listen::<u32, u32>(80).unwrap();
        node.spawn(async move {
            let _connection = listener.accept().await;
            std::future::pending::<()>().await;
        });
        let mut client = a.connect::<u32, u32>(b.address(80)).await.unwrap();
        stormglass_rt::sleep(Duration::from_millis(10)).await;
        let killed_at = millis_now();
        handle.kill(node.id());
        assert_eq!(client.recv().await, None);
        assert_eq!(millis_now(), killed_at + 1);
        assert_eq!(
            a.connect::<u32, u32>(b.address(80)).await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    });
}

/// Messages to an unbound port are lost, a port has one owner, and connecting with another type is
/// an error.
#[test]
fn ports_have_one_owner_and_one_type() {
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let endpoint = a.bind::<u32>(1).unwrap();
        endpoint.send_to(b.address(9), 5);
        assert_eq!(a.bind::<u32>(1).unwrap_err().kind(), ErrorKind::AddrInUse);
        let mut other = b.bind::<u32>(1).unwrap();
        endpoint.send_to(other.address(), 7);
        assert_eq!(other.recv_from().await, (7, endpoint.address()));
        let _listener = b.listen::<u8, u8>(1).unwrap();
        assert_eq!(a.connect::<u32, u32>(b.address(1)).await.unwrap_err().kind(), ErrorKind::InvalidData);
        drop(endpoint);
        a.bind::<u32>(1).unwrap();
    });
}

/// A delivery has its sending as cause, and takes the link's latency.
#[test]
fn a_delivery_is_caused_by_its_sending() {
    let recorder = Recorder::new(Keep::Events);
    let network = Network::recorded(link(Latency::from_millis(3)), Seed(1), &recorder);
    Runtime::new().block_on(async {
        let (a, b) = (network.host("a"), network.host("b"));
        let (from, mut to) = (a.bind::<u32>(1).unwrap(), b.bind::<u32>(1).unwrap());
        from.send_to(to.address(), 7);
        to.recv_from().await;
        // The receiver's scope has joined the delivery.
        assert_eq!(recorder.scope().last().number(), 2);
    });
    let trace = recorder.finish();
    let [send, deliver] = trace.events[..] else { panic!("{:?}", trace.events) };
    assert_eq!((send.kind, deliver.kind), (Kind::Send, Kind::Deliver));
    assert_eq!(deliver.cause.index(), Some(0));
    assert_eq!(deliver.took_nanos, 3_000_000);
    assert_eq!((trace.text(deliver.subject), trace.text(deliver.node)), ("a -> b", "b"));
}

proptest! {
    /// A stream keeps the order and loses no message, however latencies vary.
    #[test]
    fn streams_stay_ordered(seed: u64, count in 1usize..60) {
        let profile = link(Latency::Uniform { min: Duration::ZERO, max: Duration::from_millis(5) });
        let received = Runtime::new().block_on(async move {
            let network = Network::new(profile, Seed(seed));
            let (a, b) = (network.host("a"), network.host("b"));
            let mut listener = b.listen::<usize, ()>(80).unwrap();
            let client = a.connect::<usize, ()>(b.address(80)).await.unwrap();
            let mut server = listener.accept().await;
            for message in 0..count {
                client.send(message).unwrap();
                stormglass_rt::sleep(Duration::from_micros((message as u64 * 37) % 500)).await;
            }
            drop(client);
            let mut received = Vec::new();
            while let Some(message) = server.recv().await {
                received.push(message);
            }
            received
        });
        prop_assert_eq!(received, (0..count).collect::<Vec<_>>());
    }
}

/// 10 Mbit/s are 0.8 µs a byte: 838.9 ms for a MiB. Two transfers of a MiB at the same time, in 64
/// parts each, share the line: both are complete after twice that and 10 ms of latency, one alone
/// after once. The other direction has a line of its own, and a message without a size takes no
/// transmission time.
#[test]
fn transfers_share_a_line() {
    const PARTS: u64 = 64;
    let mut profile = link(Latency::from_millis(10));
    profile.link.per_mib = Duration::from_nanos(838_860_800);
    let through = |transfers: usize, backwards: bool| {
        let profile = profile.clone();
        Runtime::new().block_on(async move {
            let network = Network::new(profile, Seed(1));
            let (a, b) = (network.host("a"), network.host("b"));
            let mut listener = b.listen::<u64, u64>(80).unwrap();
            let mut pairs = Vec::new();
            for _ in 0..transfers {
                let client = a.connect::<u64, u64>(b.address(80)).await.unwrap();
                pairs.push((client, listener.accept().await));
            }
            let began = stormglass_rt::now();
            for part in 0..PARTS {
                for (client, server) in &pairs {
                    client.send_sized(part, (1 << 20) / PARTS).unwrap();
                    if backwards {
                        server.send_sized(part, (1 << 20) / PARTS).unwrap();
                    }
                }
            }
            let mut ends = Vec::new();
            for (_, server) in &mut pairs {
                for part in 0..PARTS {
                    assert_eq!(server.recv().await, Some(part));
                }
                ends.push((stormglass_rt::now() - began).as_millis() as u64);
            }
            let (client, mut server) = pairs.remove(0);
            client.send(9).unwrap();
            let sent = stormglass_rt::now();
            assert_eq!(server.recv().await, Some(9));
            assert_eq!((stormglass_rt::now() - sent).as_millis(), 10);
            ends
        })
    };
    assert_eq!(through(1, false), [848]);
    assert_eq!(through(1, true), [848]);
    // The first one's last part is one part ahead of the second's: 13 ms.
    assert_eq!(through(2, false), [1_674, 1_687]);
}
