//! Calls: deadlines, cancellation, streams of responses, broken connections.

use madsim::runtime::{Handle, Runtime};
use std::io::ErrorKind;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::{Host, LinkProfile, NetProfile, Network};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn now() -> u64 {
    stormglass_rt::now().as_nanos() / 1_000_000
}

/// Runs `body` with a network and two hosts, whose link has a latency of 10 ms in each direction.
fn run(body: impl AsyncFnOnce(Network, Host, Host)) {
    Runtime::new().block_on(async {
        let link = LinkProfile { latency: Latency::from_millis(10), ..LinkProfile::default() };
        let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
        let (a, b) = (network.host("a"), network.host("b"));
        body(network, a, b).await;
    });
}

/// The call times out after 100 ms, connecting included. The service receives it at 30 ms, reads
/// its deadline, and receives the cancellation at 110 ms.
#[test]
fn a_deadline_cancels_the_call_at_the_service() {
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

/// The connection survives a cancelled call; a call with a response in time is not cancelled.
#[test]
fn a_cancelled_call_keeps_the_connection() {
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

/// A killed process cancels its calls: the service receives the cancellation.
#[test]
fn a_killed_caller_cancels_its_call() {
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

/// Responses arrive one after the other, then the end of the stream.
#[test]
fn a_call_can_have_many_responses() {
    run(async |_, a, b| {
        let mut service = b.serve::<u32, u32>(80).unwrap();
        madsim::task::spawn_local(async move {
            while let Some(call) = service.next().await {
                let (count, reply) = call.split();
                let responses = reply.stream();
                for number in 0..count {
                    responses.send(number).unwrap();
                    stormglass_rt::sleep(MS(100)).await;
                }
                responses.finish();
            }
        });
        let channel = a.channel::<u32, u32>(b.address(80));
        let mut responses = channel.open(3).await.unwrap();
        let mut seen = Vec::new();
        while let Some(response) = responses.next().await.unwrap() {
            seen.push((response, now()));
        }
        assert_eq!(seen, [(0, 40), (1, 140), (2, 240)]);
        assert_eq!(responses.next().await.unwrap(), None);
        // `call` returns the first response; no response at all is an error.
        assert_eq!(channel.call(2).await.unwrap(), 0);
        assert_eq!(channel.call(0).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

/// A service that drops its sender resets the stream after the responses it has sent; a caller
/// that drops the stream cancels the call.
#[test]
fn streams_of_responses_can_end_early() {
    run(async |_, a, b| {
        let mut service = b.serve::<bool, u32>(80).unwrap();
        let served = madsim::task::spawn_local(async move {
            let (_, reply) = service.next().await.unwrap().split();
            let responses = reply.stream();
            responses.send(1).unwrap();
            drop(responses);
            let (_, reply) = service.next().await.unwrap().split();
            let responses = reply.stream();
            let mut sent = 0;
            while responses.send(sent).is_ok() {
                sent += 1;
                stormglass_rt::sleep(MS(10)).await;
            }
            sent
        });
        let channel = a.channel::<bool, u32>(b.address(80));
        let mut responses = channel.open(true).await.unwrap();
        assert_eq!(responses.next().await.unwrap(), Some(1));
        assert_eq!(responses.next().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let mut responses = channel.open(true).await.unwrap();
        for number in 0..5 {
            assert_eq!(responses.next().await.unwrap(), Some(number));
        }
        drop(responses);
        let sent = served.await.unwrap();
        // The fifth arrived 10 ms after it was sent; the cancellation took 10 ms back.
        assert!((6..=7).contains(&sent), "{sent}");
    });
}

/// All segments are lost for a quarter of an hour: the call fails with `TimedOut`, not with
/// `ConnectionReset`.
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

/// A paused caller that is killed cancels its call, also while the cancellation cannot arrive.
/// (madsim drops a paused node's task while it has its list of nodes locked: a destructor that
/// looked up a node deadlocked.)
#[test]
fn regression_killing_a_paused_caller_that_is_cut_off_does_not_deadlock() {
    run(async |network, a, b| {
        let _service = b.serve::<(), ()>(80).unwrap();
        let runtime = Handle::current();
        let caller = runtime.create_node().build();
        let channel = a.channel::<(), ()>(b.address(80));
        caller.spawn(async move { channel.call_within(MS(100), ()).await });
        stormglass_rt::sleep(MS(50)).await;
        let _cut = network.cut("a", "b").unwrap();
        runtime.pause(caller.id());
        // Its deadline passes, which makes its task ready.
        stormglass_rt::sleep(MS(100)).await;
        runtime.kill(caller.id());
        stormglass_rt::sleep(MS(1_000)).await;
        assert_eq!(now(), 1_150);
    });
}
