//! What loss, delay and cuts cost, with the arithmetic; every fault on and off.

use expect_test::expect;
use madsim::runtime::Runtime;
use proptest::prelude::*;
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed, SimTime};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::{Connection, Host, LinkProfile, Listener, NetProfile, Network};

const MS: fn(u64) -> Duration = Duration::from_millis;
const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

fn profile(latency: Latency) -> NetProfile {
    NetProfile { link: LinkProfile { latency, ..LinkProfile::default() }, ..NetProfile::instant() }
}

/// Two hosts, 10 ms apart each way.
fn pair(recorder: &Recorder) -> (Network, Host, Host) {
    let network = Network::recorded(profile(Latency::from_millis(10)), Seed(1), recorder);
    let (a, b) = (network.host("a"), network.host("b"));
    (network, a, b)
}

fn lose() -> LinkRule {
    LinkRule::new(LinkEffect::Lose)
}

fn now() -> u64 {
    // Timers come up to 100 ns late each.
    (stormglass_rt::now().as_nanos() + 500_000) / 1_000_000
}

async fn connected(a: &Host, b: &Host) -> (Listener<u64, u64>, Connection<u64, u64>, Connection<u64, u64>) {
    let mut listener = b.listen::<u64, u64>(80).unwrap();
    let client = a.connect::<u64, u64>(b.address(80)).await.unwrap();
    let server = listener.accept().await;
    (listener, client, server)
}

/// Accepted at 30 ms. A segment that is lost once is sent again a round trip and 200 ms later and arrives 10 ms after that: at
/// 260 ms. One that is lost twice waits 220 + 440 ms; three times, 220 + 440 + 880.
#[test]
fn a_lost_segment_costs_a_retransmission_timeout() {
    for (losses, arrives) in [(0, 40), (1, 260), (2, 700), (3, 1_580)] {
        Runtime::new().block_on(async {
            let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
            let (_listener, client, mut server) = connected(&a, &b).await;
            let guard = network.inject(lose().from("a").times(losses)).unwrap();
            client.send(1).unwrap();
            assert_eq!(server.recv().await, Some(1));
            assert_eq!((now(), guard.applied()), (arrives, losses));
        });
    }
}

/// With three more segments behind it, a loss is known a round trip after the third: sent at 30, 31, 32, 33 ms; again at 53
/// ms; all there at 63 ms, in order.
#[test]
fn traffic_behind_a_loss_tells_of_it() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (_listener, client, mut server) = connected(&a, &b).await;
        let _guard = network.inject(lose().from("a").times(1)).unwrap();
        for number in 0..4 {
            client.send(number).unwrap();
            stormglass_rt::sleep(MS(1)).await;
        }
        for number in 0..4 {
            assert_eq!(server.recv().await, Some(number));
        }
        assert_eq!(now(), 63);
    });
}

/// A lost SYN is sent again after 1, 2, 4 s; a lost answer costs the same. 10 ms there and 10 ms back come on top.
#[test]
fn a_lost_syn_costs_seconds() {
    for (fault, connected_at) in [
        (lose().times(0), 20),
        (lose().from("a").times(1), 1_020),
        (lose().from("a").times(2), 3_020),
        (lose().from("b").times(3), 7_020),
    ] {
        Runtime::new().block_on(async {
            let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
            let _listener = b.listen::<(), ()>(80).unwrap();
            let _guard = network.inject(fault).unwrap();
            a.connect::<(), ()>(b.address(80)).await.unwrap();
            assert_eq!(now(), connected_at);
        });
    }
}

/// Nothing gets through for ever: 1 + 2 + 4 + 8 + 16 + 32 + 64 s.
#[test]
fn connecting_to_nowhere_times_out() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let _cut = network.cut("a", "b").unwrap();
        let error = a.connect::<(), ()>(b.address(80)).await.unwrap_err();
        assert_eq!((error.kind(), now()), (ErrorKind::TimedOut, 127_000));
    });
}

/// What was sent while the link was cut arrives after it has healed, in order and once: cut from 30 to 1,000 ms, attempts at
/// 250, 690 and 1,570 ms.
#[test]
fn a_cut_heals() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (_listener, client, mut server) = connected(&a, &b).await;
        let cut = network.cut("a", "b").unwrap();
        (0..3).for_each(|number| client.send(number).unwrap());
        stormglass_rt::sleep_until(AT(1_000)).await;
        drop(cut);
        for number in 0..3 {
            assert_eq!(server.recv().await, Some(number));
        }
        assert_eq!(now(), 1_580);
        client.send(9).unwrap();
        assert_eq!(server.recv().await, Some(9));
        assert_eq!(now(), 1_590);
    });
}

/// Requests arrive and answers do not: the call hangs until the way back has healed.
#[test]
fn a_one_way_cut_swallows_the_answers() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let mut service = b.serve::<u64, u64>(80).unwrap();
        let served = madsim::task::spawn_local(async move {
            let call = service.next().await.unwrap();
            let answer = *call.request() + 1;
            call.reply(answer);
            (now(), service)
        });
        let channel = a.channel::<u64, u64>(b.address(80));
        channel.connect().await.unwrap();
        let _cut = network.inject(lose().from("b").to("a").during(AT(0)..AT(500))).unwrap();
        assert_eq!(channel.call(1).await.unwrap(), 2);
        // Served at 30 ms; answers at 30, 250 and 690 ms, of which the last gets through.
        assert_eq!((served.await.unwrap().0, now()), (30, 700));
    });
}

/// A connection over which nothing gets through is broken after 15 attempts, and both halves of the sender say so; the peer,
/// who has nothing to send, knows nothing: it is half-open.
#[test]
fn a_connection_breaks_after_a_quarter_of_an_hour() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (_listener, mut client, mut server) = connected(&a, &b).await;
        let _cut = network.cut("a", "b").unwrap();
        client.send(1).unwrap();
        assert_eq!(client.recv().await, None);
        // 30 ms, and 220 ms · (2¹⁰ - 1) = 225.06 s for ten attempts, of which the tenth would wait 112.64 s; then 5 · 120 s.
        assert_eq!(now(), 30 + 225_060 + 600_000);
        assert_eq!(client.send(2).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(stormglass_rt::timeout(MS(10_000), server.recv()).await, None);
    });
}

/// A killed process leaves its kernel: what it had sent into a cut is delivered when the link heals, and then the end; or
/// the end alone, if it had sent nothing.
#[test]
fn a_killed_sender_still_says_goodbye() {
    for sends in [true, false] {
        Runtime::new().block_on(async {
            let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
            let (_listener, client, mut server) = connected(&a, &b).await;
            let handle = madsim::runtime::Handle::current();
            let sender = handle.create_node().name("a").build();
            let cut = network.cut("a", "b").unwrap();
            sender.spawn(async move {
                if sends {
                    client.send(1).unwrap();
                }
                let _open = client;
                std::future::pending::<()>().await;
            });
            stormglass_rt::sleep(MS(100)).await;
            handle.kill(sender.id());
            stormglass_rt::sleep(MS(1)).await;
            drop(cut);
            if sends {
                assert_eq!(server.recv().await, Some(1));
            }
            assert_eq!(server.recv().await, None);
        });
    }
}

/// A host without power says nothing: its peers' connections are half-open. Back again it does not know them and answers with
/// a reset, a round trip after they have sent something; calls find a new connection.
#[test]
fn a_vanished_host_leaves_half_open_connections() {
    Runtime::new().block_on(async {
        let (_network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (listener, mut client, server) = connected(&a, &b).await;
        let mut service = b.serve::<u64, u64>(81).unwrap();
        let channel = a.channel::<u64, u64>(b.address(81));
        channel.connect().await.unwrap();

        let off = b.power_off();
        // What a kill of its node drops.
        drop((server, listener, service));
        assert_eq!(stormglass_rt::timeout(MS(60_000), client.recv()).await, None, "nobody says goodbye");
        let dialled = stormglass_rt::timeout(MS(500), a.connect::<(), ()>(b.address(80))).await;
        assert!(dialled.is_none(), "nor refuses");
        drop(off);

        let sent = now();
        client.send(1).unwrap();
        assert_eq!(client.recv().await, None);
        assert_eq!(now() - sent, 20);
        assert_eq!(client.send(2).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(
            a.connect::<(), ()>(b.address(80)).await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );

        service = b.serve::<u64, u64>(81).unwrap();
        madsim::task::spawn_local(async move {
            while let Some(call) = service.next().await {
                call.reply(7);
            }
        });
        assert_eq!(channel.call(1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(channel.call(1).await.unwrap(), 7);
    });
}

/// What waited in the kernel of a host that loses its power is gone with it.
#[test]
fn a_power_loss_takes_what_waited_to_be_sent_again() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (_listener, client, mut server) = connected(&a, &b).await;
        let cut = network.cut("a", "b").unwrap();
        client.send(1).unwrap();
        drop(a.power_off());
        drop(cut);
        assert_eq!(stormglass_rt::timeout(MS(60_000), server.recv()).await, None);
    });
}

/// Datagrams are lost, or late, and nobody sends them again.
#[test]
fn messages_are_lost_for_good() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (from, mut to) = (a.bind::<u64>(1).unwrap(), b.bind::<u64>(1).unwrap());
        let _lossy = network.inject(lose().from("a").after(1).times(2)).unwrap();
        let _late =
            network.inject(LinkRule::new(LinkEffect::Delay(Latency::from_millis(50))).times(1)).unwrap();
        for number in 0..5 {
            from.send_to(to.address(), number);
        }
        let mut received = Vec::new();
        for _ in 0..3 {
            received.push((to.recv_from().await.0, now()));
        }
        assert_eq!(received, [(3, 10), (4, 10), (0, 60)]);
        assert_eq!(stormglass_rt::timeout(MS(1_000), to.recv_from()).await.map(|(number, _)| number), None);
    });
}

/// A copy of a datagram takes a latency of its own; streams are not affected, since TCP drops copies.
#[test]
fn messages_are_copied_and_segments_are_not() {
    Runtime::new().block_on(async {
        let network = Network::new(profile(Latency::Uniform { min: MS(1), max: MS(50) }), Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        let (from, mut to) = (a.bind::<u64>(1).unwrap(), b.bind::<u64>(1).unwrap());
        let (_listener, client, mut server) = connected(&a, &b).await;
        let guard = network.inject(LinkRule::new(LinkEffect::Duplicate).from("a")).unwrap();
        from.send_to(to.address(), 7);
        client.send(7).unwrap();
        let mut times = Vec::new();
        for _ in 0..2 {
            assert_eq!(to.recv_from().await.0, 7);
            times.push(stormglass_rt::now());
        }
        assert_ne!(times[0], times[1]);
        assert_eq!(server.recv().await, Some(7));
        assert_eq!(stormglass_rt::timeout(MS(1_000), server.recv()).await, None);
        assert_eq!(guard.applied(), 1);
    });
}

/// A refusal comes after a round trip, whoever listens; who is connected already stays so.
#[test]
fn connects_can_be_refused() {
    Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (_listener, client, mut server) = connected(&a, &b).await;
        let guard = network.inject(LinkRule::new(LinkEffect::Refuse).to("b")).unwrap();
        let error = a.connect::<u64, u64>(b.address(80)).await.unwrap_err();
        assert_eq!((error.kind(), now()), (ErrorKind::ConnectionRefused, 50));
        client.send(1).unwrap();
        assert_eq!(server.recv().await, Some(1));
        drop(guard);
        a.connect::<u64, u64>(b.address(80)).await.unwrap();
    });
}

/// Of 2,000 messages over a stream that loses a tenth, one at a time, about a tenth is late by a timeout: the median is 10 ms, the
/// 99th percentile at least 230.
#[test]
fn loss_moves_the_tail_by_a_timeout() {
    let mut waits = Runtime::new().block_on(async {
        let (network, a, b) = pair(&Recorder::new(Keep::Nothing));
        let (_listener, client, mut server) = connected(&a, &b).await;
        let _lossy = network.inject(lose().from("a").with_probability(0.1)).unwrap();
        let mut waits = Vec::new();
        for number in 0..2_000 {
            let sent = stormglass_rt::now();
            client.send(number).unwrap();
            server.recv().await.unwrap();
            waits.push((stormglass_rt::now() - sent).as_millis());
        }
        waits
    });
    waits.sort_unstable();
    assert_eq!(waits[1_000], 10);
    assert!(waits[1_980] >= 230, "{}", waits[1_980]);
    let late = waits.iter().filter(|&&wait| wait >= 230).count();
    // 200 are expected; five standard deviations are 67.
    assert!((133..=267).contains(&late), "{late}");
}

/// Groups reach nobody outside; whoever is in none reaches all; in a ring of five with a reach of one everybody sees a
/// majority of three, and no two the same one.
#[test]
fn partitions_have_shapes() {
    let names = ["n1", "n2", "n3", "n4", "n5"];
    let reached = |partition: fn(&Network) -> stormglass_net::Partition| {
        Runtime::new().block_on(async {
            let network = Network::new(NetProfile::instant(), Seed(1));
            let _partition = partition(&network);
            let mut inboxes: Vec<_> =
                names.iter().map(|name| network.host(name).bind::<usize>(1).unwrap()).collect();
            for (from, inbox) in inboxes.iter().enumerate() {
                names.iter().for_each(|to| inbox.send_to(network.host(to).address(1), from + 1));
            }
            stormglass_rt::sleep(MS(1)).await;
            let mut reached = Vec::new();
            for inbox in &mut inboxes {
                let mut from = Vec::new();
                while let Some((number, _)) = stormglass_rt::timeout(Duration::ZERO, inbox.recv_from()).await
                {
                    from.push(number.to_string());
                }
                from.sort();
                reached.push(from.concat());
            }
            reached.join(" ")
        })
    };
    assert_eq!(reached(|network| network.cut("zz", "y").unwrap()), "12345 12345 12345 12345 12345");
    assert_eq!(reached(|network| network.cut("n1", "n2").unwrap()), "1345 2345 12345 12345 12345");
    assert_eq!(
        reached(|network| network.partition(&[&["n1", "n2"], &["n[345]"]]).unwrap()),
        "12 12 345 345 345"
    );
    assert_eq!(
        reached(|network| network.partition(&[&["n1", "n2"], &["n4", "n5"]]).unwrap()),
        "123 123 12345 345 345"
    );
    assert_eq!(
        reached(|network| network.ring(&["n1", "n2", "n3", "n4", "n5"], 1).unwrap()),
        "125 123 234 345 145"
    );
    assert_eq!(
        reached(|network| network.majorities_ring(&["n1", "n2", "n3", "n4", "n5"]).unwrap()),
        "125 123 234 345 145"
    );
    assert_eq!(
        reached(|network| network.halves(&["n1", "n2", "n3", "n4", "n5"]).unwrap()),
        "123 123 123 45 45"
    );
    assert_eq!(
        reached(|network| network.bridge(&["n1", "n2", "n3", "n4", "n5"]).unwrap()),
        "123 123 12345 345 345"
    );
    assert_eq!(
        reached(|network| network.isolate("n2", &["n1", "n2", "n3", "n4", "n5"]).unwrap()),
        "1345 2 1345 1345 1345"
    );
    assert_eq!(reached(|network| network.cut_one_way("n1", "n[345]").unwrap()), "12345 12345 2345 2345 2345");
}

/// Off, by whatever condition, a fault leaves the run as it is without the rule.
#[test]
fn a_rule_that_is_off_changes_nothing() {
    let hash = |faults: Vec<LinkRule>| {
        let recorder = Recorder::new(Keep::Nothing);
        Runtime::new().block_on(async {
            let (network, a, b) = pair(&recorder);
            let _guards: Vec<_> = faults.into_iter().map(|fault| network.inject(fault).unwrap()).collect();
            stormglass_rt::sleep(MS(1)).await;
            let from = a.bind::<u64>(1).unwrap();
            let mut to = b.bind::<u64>(1).unwrap();
            if let Ok(mut listener) = b.listen::<u64, u64>(80)
                && let Ok(client) = a.connect::<u64, u64>(b.address(80)).await
            {
                let mut server = listener.accept().await;
                for number in 0..5 {
                    client.send(number).unwrap();
                    server.recv().await;
                }
            }
            from.send_to(to.address(), 1);
            from.send_to(to.address(), 2);
            while stormglass_rt::timeout(MS(100), to.recv_from()).await.is_some() {}
        });
        recorder.finish().hash
    };
    let without = hash(vec![]);
    for effect in [
        LinkEffect::Lose,
        LinkEffect::Delay(Latency::from_millis(1)),
        LinkEffect::Duplicate,
        LinkEffect::Corrupt,
        LinkEffect::Refuse,
        LinkEffect::PortInUse,
        LinkEffect::Unresolved,
    ] {
        let fault = || LinkRule::new(effect.clone());
        let off = vec![
            fault().from("c"),
            fault().from("b").to("c"),
            fault().port(9),
            // On in its first millisecond, which has passed.
            fault().flapping(MS(60_000), MS(1)),
            fault().during(AT(60_000)..AT(61_000)),
            fault().after(1_000),
            fault().times(0),
        ];
        assert_eq!(hash(off), without, "{effect:?}");
        // Where these two bite, the run does not go on: `streams.rs` has them.
        if !matches!(effect, LinkEffect::PortInUse | LinkEffect::Unresolved) {
            assert_ne!(hash(vec![fault().times(1)]), without, "{effect:?}");
        }
    }
}

#[test]
fn a_fault_that_is_none_is_refused() {
    let network = Network::new(NetProfile::instant(), Seed(1));
    let refused = |fault: LinkRule| network.inject(fault).map(drop).unwrap_err().to_string();
    assert_eq!(refused(lose().with_probability(-0.1)), "`probability`: is -0.1, the range is 0 to 1");
    assert!(refused(lose().to("n[")).starts_with("`to`: \"n[\" is no pattern: "));
    for (period, on) in [(0, 0), (0, 1), (2, 0), (2, 3)] {
        let flapping = lose().flapping(MS(period), MS(on));
        assert_eq!(refused(flapping), "`down`: must be above 0s and no longer than `period`");
    }
    assert!(network.ring(&["n1", "n[", "n3", "n4"], 1).is_err());
}

/// The wait for a retransmission has a name of its own among the causes: sending, standing still, arriving.
#[test]
fn a_retransmission_is_explained() {
    let recorder = Recorder::new(Keep::Events);
    let netstat = Runtime::new().block_on(async {
        let (network, a, b) = pair(&recorder);
        let (_listener, client, mut server) = connected(&a, &b).await;
        let _guard = network.inject(lose().from("a").times(1)).unwrap();
        client.send(1).unwrap();
        server.recv().await;
        network.netstat().to_string()
    });
    let trace = recorder.finish();
    let deliver = trace.events.iter().rfind(|event| event.kind == Kind::Deliver).unwrap();
    let stall = trace.event(deliver.cause).unwrap();
    assert_eq!(
        (stall.kind, trace.text(stall.subject), stall.took_nanos / 1_000_000),
        (Kind::Stall, "retransmission", 220)
    );
    assert_eq!(trace.event(stall.cause).unwrap().kind, Kind::Send);
    assert_eq!(trace.counters["lose"], 1);
    expect![[r#"
        b:80 listening
        a:32768 -> b:80 ESTABLISHED
        b:80 -> a:32768 ESTABLISHED
        a -> b: 4 sent, 1 lost, last in 10ms
        b -> a: 1 sent, last in 10ms
    "#]]
    .assert_eq(&netstat);
}

proptest! {
    /// Whatever rules are at work, as long as they heal: a stream delivers everything once and in order.
    #[test]
    fn streams_stay_whole(seed: u64, count in 1u64..60, rules in prop::collection::vec(rule(), 0..6)) {
        let received = Runtime::new().block_on(async move {
            let spread = Latency::Uniform { min: Duration::ZERO, max: MS(5) };
            let network = Network::new(profile(spread), Seed(seed));
            let (a, b) = (network.host("a"), network.host("b"));
            let (_listener, client, mut server) = connected(&a, &b).await;
            let guards: Vec<_> = rules.into_iter().map(|rule| network.inject(rule).unwrap()).collect();
            for number in 0..count {
                client.send(number).unwrap();
                stormglass_rt::sleep(MS(number * 37 % 90)).await;
            }
            drop(client);
            let mut received = Vec::new();
            while let Some(message) = server.recv().await {
                received.push(message);
            }
            drop(guards);
            received
        });
        prop_assert_eq!(received, (0..count).collect::<Vec<_>>());
    }
}

/// Any rule that heals: it ends within five seconds, or applies with less than 30 %. (At 59 % a connection breaks now and then: 16 losses in a
/// row. A link that flaps every 4 s for ever can break one too: attempts come every 120 s in the end, and meet the same phase.)
fn rule() -> impl Strategy<Value = LinkRule> {
    let effect = prop_oneof![
        3 => Just(LinkEffect::Lose),
        2 => (0u64..50).prop_map(|most| LinkEffect::Delay(Latency::Uniform { min: Duration::ZERO, max: MS(most) })),
        1 => Just(LinkEffect::Duplicate),
        1 => Just(LinkEffect::Corrupt),
        1 => Just(LinkEffect::Refuse),
    ];
    let when = prop_oneof![
        (0u64..3_000, 1u64..2_000).prop_map(|(at, length)| (Some(AT(at)..AT(at + length)), None, 1.0)),
        (1u64..1_500).prop_map(|on| (Some(AT(0)..AT(5_000)), Some((MS(1_700), MS(on))), 1.0)),
        (0u32..30).prop_map(|percent| (None, None, f64::from(percent) / 100.0)),
    ];
    (effect, when, 0..4).prop_map(|(effect, (during, flapping, probability), whom)| {
        let mut rule = LinkRule::new(effect).with_probability(probability);
        if let Some(during) = during {
            rule = rule.during(during);
        }
        if let Some((period, on)) = flapping {
            rule = rule.flapping(period, on);
        }
        match whom {
            0 => rule.from("a"),
            1 => rule.to("a"),
            2 => rule.from("a").both_ways(),
            _ => rule,
        }
    })
}
