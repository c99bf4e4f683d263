//! Holds: messages that are queued and released one by one.

use madsim::runtime::Runtime;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::{Host, LinkProfile, NetProfile, Network};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn now() -> u64 {
    stormglass_rt::now().as_nanos() / 1_000_000
}

fn pair() -> (Network, Host, Host) {
    let link = LinkProfile { latency: Latency::from_millis(10), ..LinkProfile::default() };
    let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
    let hosts = (network.host("a"), network.host("b"));
    (network, hosts.0, hosts.1)
}

/// Two heartbeats and a vote: the vote is released first. Each message takes its latency from the
/// moment of its release.
#[test]
fn one_way_messages_are_released_in_any_order() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair();
        let (from, mut to) = (a.bind::<&str>(1).unwrap(), b.bind::<&str>(1).unwrap());
        let hold = network.hold("a", "b").unwrap();
        for message in ["beat", "beat", "vote"] {
            from.send_sized_to(to.address(), message, 8);
            stormglass_rt::sleep(MS(1)).await;
        }
        let queued: Vec<_> = hold
            .queued()
            .iter()
            .map(|message| (message.since.as_nanos() / 1_000_000, message.bytes, message.port))
            .collect();
        assert_eq!(queued, [(0, 8, 1), (1, 8, 1), (2, 8, 1)]);
        stormglass_rt::sleep_until(MS(100).into()).await;
        assert!(hold.release(2));
        assert!(!hold.release(2));
        assert_eq!((to.recv_from().await.0, now()), ("vote", 110));
        drop(hold);
        assert_eq!((to.recv_from().await.0, to.recv_from().await.0, now()), ("beat", "beat", 120));
        from.send_to(to.address(), "free");
        assert_eq!((to.recv_from().await.0, now()), ("free", 130));
    });
}

/// Of a stream the first message is queued and the rest wait behind it; the other direction and
/// another port are not held.
#[test]
fn a_held_stream_stays_in_order() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair();
        let mut listener = b.listen::<u32, u32>(80).unwrap();
        let client = a.connect::<u32, u32>(b.address(80)).await.unwrap();
        let mut server = listener.accept().await;
        let mut client = client;
        let hold = network.hold_port("a", "b", 80).unwrap();
        (0..3).for_each(|number| client.send(number).unwrap());
        assert_eq!(hold.queued().len(), 1);
        server.send(9).unwrap();
        assert_eq!(client.recv().await, Some(9));
        let other = b.listen::<u32, u32>(81).unwrap();
        a.connect::<u32, u32>(b.address(81)).await.unwrap();
        drop(other);
        let before = now();
        for number in 0..2 {
            assert!(hold.release(0));
            assert_eq!((server.recv().await, hold.queued().len()), (Some(number), 1));
        }
        assert_eq!(now(), before + 20);
        assert!(stormglass_rt::timeout(MS(1_000), server.recv()).await.is_none());
        drop(client);
        drop(hold);
        assert_eq!((server.recv().await, server.recv().await), (Some(2), None));
    });
}

/// A released message of a stream that is lost is retransmitted as usual.
#[test]
fn a_released_message_that_is_lost_is_retransmitted() {
    use stormglass_net::fault::{LinkEffect, LinkRule};
    Runtime::new().block_on(async {
        let (network, a, b) = pair();
        let mut listener = b.listen::<u32, u32>(80).unwrap();
        let client = a.connect::<u32, u32>(b.address(80)).await.unwrap();
        let mut server = listener.accept().await;
        let hold = network.hold("a", "b").unwrap();
        (0..3).for_each(|number| client.send(number).unwrap());
        let lossy = network.inject(LinkRule::new(LinkEffect::Lose).from("a").times(1)).unwrap();
        let before = now();
        drop(hold);
        for number in 0..3 {
            assert_eq!(server.recv().await, Some(number));
        }
        // The second was lost, and arrives a round trip, 200 ms and its latency later.
        assert_eq!((now() - before, lossy.applied()), (230, 1));
    });
}

/// The response of a call is held until its release.
#[test]
fn calls_can_be_held() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair();
        let mut service = b.serve::<u32, u32>(80).unwrap();
        madsim::task::spawn_local(async move {
            while let Some(call) = service.next().await {
                let answer = *call.request() + 1;
                call.reply(answer);
            }
        });
        let channel = a.channel::<u32, u32>(b.address(80));
        assert_eq!(channel.call(1).await.unwrap(), 2);
        let hold = network.hold("b", "a").unwrap();
        let call = madsim::task::spawn_local(async move { channel.call(5).await.unwrap() });
        stormglass_rt::sleep(MS(1_000)).await;
        assert_eq!(hold.queued()[0].from, "b");
        assert!(hold.release(0));
        assert_eq!(call.await.unwrap(), 6);
    });
}

#[test]
fn a_hold_that_matches_no_message_changes_no_event() {
    let hash = |hold: Option<(&'static str, &'static str)>| {
        let recorder = stormglass_core::Recorder::new(stormglass_core::Keep::Nothing);
        Runtime::with_seed_and_config(7, madsim::Config::default()).block_on(async {
            let link = LinkProfile {
                latency: Latency::Uniform { min: MS(1), max: MS(9) },
                ..LinkProfile::default()
            };
            let network = Network::recorded(NetProfile { link, ..NetProfile::instant() }, Seed(1), &recorder);
            let (a, b) = (network.host("a"), network.host("b"));
            let _hold = hold.map(|(from, to)| network.hold(from, to).unwrap());
            let (from, mut to) = (a.bind::<u32>(1).unwrap(), b.bind::<u32>(1).unwrap());
            for number in 0..20 {
                from.send_to(to.address(), number);
            }
            while stormglass_rt::timeout(MS(100), to.recv_from()).await.is_some() {}
        });
        recorder.finish().hash
    };
    assert_eq!(hash(Some(("b", "a"))), hash(None));
    assert_ne!(hash(Some(("a", "b"))), hash(None));
}
