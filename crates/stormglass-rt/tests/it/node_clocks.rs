//! Clocks of nodes that are wrong, and the run's date.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what std's clocks show is tested")]

use madsim::runtime::{Handle, NodeHandle, Runtime};
use std::future::poll_fn;
use std::time::{Duration, Instant, SystemTime};
use stormglass_core::{Keep, Recorder, Scope, SignedDuration, SimTime};
use stormglass_rt::{self as rt, NodeClock, Ticker};

const EVER: SimTime = SimTime::from_nanos(u64::MAX);

/// What a task on the node returns.
async fn on<T: Send + 'static>(node: &NodeHandle, task: impl Future<Output = T> + Send + 'static) -> T {
    let recorder = Recorder::new(Keep::Nothing);
    rt::spawn_on(&recorder, node, Scope::default(), task).await.unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How much later the node's time of day is than the main node's, in milliseconds.
async fn ahead(node: &NodeHandle) -> i64 {
    let there = on(node, async { (SystemTime::now(), rt::now()) });
    let (there, at) = there.await;
    let here = rt::time_of_day(at);
    let millis = |duration: Duration| duration.as_millis() as i64;
    there.duration_since(here).map_or_else(|error| -millis(error.duration()), millis)
}

fn node() -> (NodeHandle, NodeClock) {
    let node = Handle::current().create_node().build();
    let clock = NodeClock::of(node.id());
    (node, clock)
}

#[test]
fn a_skew_shows_in_std_system_time_of_that_node_alone_and_ends() {
    Runtime::new().block_on(async {
        let ((node, clock), (other, _)) = (node(), node());
        let at = |second| SimTime::ZERO + seconds(second);
        clock.skew(at(10)..at(20), SignedDuration::before(seconds(3)));
        assert_eq!((ahead(&node).await, ahead(&other).await), (0, 0));
        rt::sleep_until(at(15)).await;
        assert_eq!((ahead(&node).await, ahead(&other).await), (-3_000, 0));
        rt::sleep_until(at(20)).await;
        assert_eq!((ahead(&node).await, ahead(&other).await), (0, 0));
    });
}

#[test]
fn a_jump_stays_and_adds_up_with_others() {
    Runtime::new().block_on(async {
        let (node, clock) = node();
        clock.step(SignedDuration::after(seconds(3_600)));
        clock.step(SignedDuration::before(seconds(60)));
        assert_eq!(ahead(&node).await, 3_540_000);
        rt::sleep(seconds(1_000)).await;
        assert_eq!(ahead(&node).await, 3_540_000);
    });
}

#[test]
fn a_skew_affects_neither_instant_nor_sleeps() {
    Runtime::new().block_on(async {
        let (node, clock) = node();
        let before = Instant::now();
        clock.step(SignedDuration::before(seconds(5)));
        let (instant, slept) = on(&node, async {
            let (instant, at) = (Instant::now(), rt::now());
            rt::sleep(seconds(1)).await;
            assert_eq!(rt::monotonic(), rt::now() - SimTime::ZERO);
            (instant, rt::now() - at)
        })
        .await;
        assert!(instant - before < Duration::from_millis(1));
        assert!((seconds(1)..seconds(1) + Duration::from_micros(1)).contains(&slept));
    });
}

/// 1,000 ppm fast for 100 s: 100 ms ahead. Then the rate is right, and the deviation stays.
#[test]
fn a_drift_adds_up_and_stays_when_it_ends() {
    Runtime::new().block_on(async {
        let (node, clock) = node();
        clock.drift(SimTime::ZERO..SimTime::ZERO + seconds(100), 1_000.0);
        rt::sleep_until(SimTime::ZERO + seconds(50)).await;
        assert_eq!(ahead(&node).await, 50);
        rt::sleep_until(SimTime::ZERO + seconds(1_000)).await;
        assert_eq!(ahead(&node).await, 100);
        let monotonic = on(&node, async { (rt::monotonic(), rt::now() - SimTime::ZERO) }).await;
        assert_eq!(monotonic.0 - monotonic.1, Duration::from_millis(100));
    });
}

/// A clock that is 10 % slow shows 9 s when 10 s have passed; one that is 25 ‰ fast shows 10.25 s.
#[test]
fn sleeps_timeouts_and_ticks_of_a_drifting_node_run_at_its_rate() {
    for (ppm, local, real) in [(-100_000.0, 9.0, 10.0), (25_000.0, 10.25, 10.0)] {
        Runtime::new().block_on(async {
            let (node, clock) = node();
            clock.drift(SimTime::ZERO..EVER, ppm);
            let local = Duration::from_secs_f64(local);
            let took = on(&node, async move {
                let mut took = Vec::new();
                let began = rt::now();
                rt::sleep(local).await;
                took.push(rt::now() - began);
                let began = rt::now();
                assert_eq!(rt::timeout(local, std::future::pending::<()>()).await, None);
                took.push(rt::now() - began);
                let recorder = Recorder::new(Keep::Nothing);
                let began = rt::now();
                let mut ticker = Ticker::after(&recorder, recorder.symbol("tick"), local);
                poll_fn(|context| ticker.poll_tick(context)).await;
                poll_fn(|context| ticker.poll_tick(context)).await;
                took.push((rt::now() - began) / 2);
                took
            })
            .await;
            for took in took {
                let error = took.as_secs_f64() - real;
                assert!((0.0..1e-6).contains(&error), "{took:?} for {local:?} at {ppm} ppm");
            }
        });
    }
}

#[test]
fn set_date_is_what_std_shows_on_every_node_and_in_madsims_own_tasks() {
    Runtime::new().block_on(async {
        let began = SystemTime::UNIX_EPOCH + seconds(86_400 * 365 * 40);
        rt::set_date(began);
        let (node, clock) = node();
        rt::sleep(seconds(7)).await;
        let since = |date: SystemTime| date.duration_since(began).unwrap().as_secs();
        assert_eq!(since(SystemTime::now()), 7);
        assert_eq!(since(node.spawn(async { SystemTime::now() }).await.unwrap()), 7);
        assert_eq!(since(rt::time_of_day(SimTime::ZERO + seconds(2))), 2);
        clock.step(SignedDuration::after(seconds(100)));
        assert_eq!(since(on(&node, async { SystemTime::now() }).await), 107);
        assert_eq!(since(SystemTime::now()), 7);
    });
}

/// 40 years back from about 2022 is the 1980s; 60 years back would be before 1970.
#[test]
fn a_date_before_1970_is_1970() {
    Runtime::new().block_on(async {
        let (node, clock) = node();
        for _ in 0..60 {
            clock.step(SignedDuration::before(seconds(86_400 * 365)));
        }
        let shown = on(&node, async { SystemTime::now() }).await;
        assert!(shown.duration_since(SystemTime::UNIX_EPOCH).unwrap() < seconds(1));
    });
}
