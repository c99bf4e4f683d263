//! Calls: deadlines, callers that give up, streams of answers, connections that break.

use madsim::runtime::{Handle, Runtime};
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::{Host, LinkProfile, NetProfile, Network};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn now() -> u64 {
    stormglass_rt::now().as_nanos() / 1_000_000
}

/// 10 ms one way.
fn run(body: impl AsyncFnOnce(Network, Host, Host)) {
    Runtime::new().block_on(async {
        let link = LinkProfile { latency: Latency::from_millis(10), ..LinkProfile::default() };
        let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        body(network, a, b).await;
    });
}

/// The call gives up after 100 ms, connecting included. The service has it since 30 ms, knows the deadline, and hears of its passing at 110 ms.
#[test]
fn a_deadline_ends_a_call_at_both_ends() {
    run(async |_, a, b| {
        let mut service = b.serve::<(), ()>(80).unwrap();
        let served = madsim::task::spawn_local(async move {
            let call = service.next().await.unwrap();
            let (taken, deadline) = (now(), call.deadline().unwrap());
            let ((), reply) = call.split();
            assert!(!reply.is_cancelled());
            reply.cancelled().await;
            assert!(reply.is_cancelled());
            (taken, deadline, now())
        });
        let channel = a.channel::<(), ()>(b.address(80));
        let error = channel.call_within(MS(100), ()).await.unwrap_err();
        assert_eq!((error.kind(), now()), (ErrorKind::TimedOut, 100));
        let (taken, deadline, cancelled) = served.await.unwrap();
        assert_eq!((taken, deadline, cancelled), (30, MS(100).into(), 110));
    });
}

/// The connection outlives a call that was given up; one that is answered in time was not cancelled.
#[test]
fn callers_give_up() {
    run(async |_, a, b| {
        let mut service = b.serve::<u64, u64>(80).unwrap();
        let served = madsim::task::spawn_local(async move {
            let mut replies = Vec::new();
            for _ in 0..2 {
                let (millis, reply) = service.next().await.unwrap().split();
                replies.push(madsim::task::spawn_local(async move {
                    let answered = stormglass_rt::timeout(MS(millis), reply.cancelled()).await.is_none();
                    if answered {
                        reply.send(millis);
                    }
                    answered
                }));
            }
            (replies.remove(0).await.unwrap(), replies.remove(0).await.unwrap())
        });
        let channel = a.channel::<u64, u64>(b.address(80));
        let given_up = stormglass_rt::timeout(MS(50), channel.call(1_000)).await;
        assert!(given_up.is_none());
        assert_eq!((channel.call(5).await.unwrap(), now()), (5, 75));
        assert_eq!(served.await.unwrap(), (false, true));
    });
}

/// A process that is killed takes its calls along: the service hears of it.
#[test]
fn a_killed_caller_gives_up() {
    run(async |_, a, b| {
        let mut service = b.serve::<(), ()>(80).unwrap();
        let node = Handle::current().create_node().name("a").build();
        let channel = a.channel::<(), ()>(b.address(80));
        node.spawn(async move { channel.call(()).await });
        let ((), reply) = service.next().await.unwrap().split();
        stormglass_rt::sleep_until(MS(100).into()).await;
        Handle::current().kill(node.id());
        reply.cancelled().await;
        assert_eq!(now(), 110);
    });
}

/// Answers come one after the other, and then the end.
#[test]
fn a_call_has_many_answers() {
    run(async |_, a, b| {
        let mut service = b.serve::<u32, u32>(80).unwrap();
        madsim::task::spawn_local(async move {
            while let Some(call) = service.next().await {
                let (count, reply) = call.split();
                let answers = reply.stream();
                for number in 0..count {
                    answers.send(number).unwrap();
                    stormglass_rt::sleep(MS(100)).await;
                }
                answers.finish();
            }
        });
        let channel = a.channel::<u32, u32>(b.address(80));
        let mut answers = channel.open(3).await.unwrap();
        let mut seen = Vec::new();
        while let Some(answer) = answers.next().await.unwrap() {
            seen.push((answer, now()));
        }
        assert_eq!(seen, [(0, 40), (1, 140), (2, 240)]);
        assert_eq!(answers.next().await.unwrap(), None);
        // Who wants one takes the first; no answer at all is an error.
        assert_eq!(channel.call(2).await.unwrap(), 0);
        assert_eq!(channel.call(0).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

/// A service that dies in the middle resets the stream after what it had sent; a caller that has heard enough stops it.
#[test]
fn streams_of_answers_end_early() {
    run(async |_, a, b| {
        let mut service = b.serve::<bool, u32>(80).unwrap();
        let served = madsim::task::spawn_local(async move {
            let (_, reply) = service.next().await.unwrap().split();
            let answers = reply.stream();
            answers.send(1).unwrap();
            drop(answers);
            let (_, reply) = service.next().await.unwrap().split();
            let answers = reply.stream();
            let mut sent = 0;
            while answers.send(sent).is_ok() {
                sent += 1;
                stormglass_rt::sleep(MS(10)).await;
            }
            sent
        });
        let channel = a.channel::<bool, u32>(b.address(80));
        let mut answers = channel.open(true).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), Some(1));
        assert_eq!(answers.next().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let mut answers = channel.open(true).await.unwrap();
        for number in 0..5 {
            assert_eq!(answers.next().await.unwrap(), Some(number));
        }
        drop(answers);
        let sent = served.await.unwrap();
        // The fifth arrived 10 ms after it was sent; the news took 10 ms back.
        assert!((6..=7).contains(&sent), "{sent}");
    });
}

/// Nothing gets through for a quarter of an hour: the call says so, not that it was reset.
#[test]
fn a_broken_connection_times_out() {
    run(async |network, a, b| {
        let _service = b.serve::<(), ()>(80).unwrap();
        let channel = a.channel::<(), ()>(b.address(80));
        channel.connect().await.unwrap();
        let _cut = network.cut("a", "b").unwrap();
        assert_eq!(channel.call(()).await.unwrap_err().kind(), ErrorKind::TimedOut);
        // 220 ms · (2¹⁰ - 1) + 5 · 120 s after 20 ms.
        assert_eq!(now(), 20 + 225_060 + 600_000);
        assert!(!channel.is_connected());
    });
}

/// A caller that was paused and is killed gives its call up, also where nobody can hear that. (What a paused node was about to do is dropped while madsim holds the list of nodes: whoever looked one up then
/// waited for ever.)
#[test]
fn regression_a_paused_caller_is_killed_while_it_is_cut_off() {
    run(async |network, a, b| {
        let _service = b.serve::<(), ()>(80).unwrap();
        let runtime = Handle::current();
        let caller = runtime.create_node().build();
        let channel = a.channel::<(), ()>(b.address(80));
        caller.spawn(async move { channel.call_within(MS(100), ()).await });
        stormglass_rt::sleep(MS(50)).await;
        let _cut = network.cut("a", "b").unwrap();
        runtime.pause(caller.id());
        // Its deadline passes, and it would do something about that.
        stormglass_rt::sleep(MS(100)).await;
        runtime.kill(caller.id());
        stormglass_rt::sleep(MS(1_000)).await;
        assert_eq!(now(), 1_150);
    });
}
