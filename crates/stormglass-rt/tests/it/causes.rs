//! Causes of events: scopes, channels, watches, tickers.

use madsim::runtime::Runtime;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use stormglass_core::{EventId, Keep, Kind, Recorder, SimTime, Symbol};
use stormglass_rt as rt;
use stormglass_rt::{Alarm, Ticker, Watch, channel};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn note(recorder: &Recorder) -> EventId {
    recorder.record(rt::now(), Kind::Note, Symbol::NONE, Duration::ZERO, 0)
}

/// Two tasks alternate; the cause of each event is the last event of its own task.
#[test]
fn a_task_keeps_its_scope_from_poll_to_poll() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let tasks = ["a", "b"].map(|name| {
            let own = recorder.clone();
            rt::spawn(&recorder, name, async move {
                for _ in 0..3 {
                    rt::sleep(MS(1)).await;
                    note(&own);
                }
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    let trace = recorder.finish();
    for name in ["a", "b"] {
        let own = trace.events.iter().enumerate().filter(|(_, event)| trace.text(event.task) == name);
        let own: Vec<(usize, Option<usize>)> =
            own.map(|(index, event)| (index, event.cause.index())).collect();
        assert_eq!(own.len(), 3);
        assert_eq!(own[0].1, None);
        assert!(own.windows(2).all(|pair| pair[1].1 == Some(pair[0].0)), "{own:?}");
    }
}

/// A value was in the queue while the receiver was busy: the cause of the receiver is its own work.
#[test]
fn the_cause_of_a_receiver_is_the_later_of_its_own_and_the_values() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let (sender, mut receiver) = channel(&recorder);
        let arrival = note(&recorder);
        sender.send(());
        let work = note(&recorder);
        receiver.recv().await;
        assert_eq!(recorder.scope().last(), work, "the receiver was busy until then");
        let later = recorder.scope().with_cause(EventId::START);
        recorder.enter(later);
        sender.send_from((), arrival);
        receiver.recv().await;
        assert_eq!(recorder.scope().last(), arrival, "the receiver was idle until then");
    });
}

#[test]
fn the_setter_of_a_watch_is_the_cause_of_its_waiter() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let watch = Watch::new(&recorder, 0);
        let (own, setter) = (recorder.clone(), watch.clone());
        rt::spawn(&recorder, "setter", async move {
            rt::sleep(MS(5)).await;
            note(&own);
            setter.set(1);
        });
        assert_eq!(watch.until(|&value| value == 1).await, 1);
        assert_eq!(recorder.scope().last().number(), 1);
    });
}

#[test]
fn the_cause_of_a_join_is_its_last_branch() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let branches = [3u64, 9, 6].map(|millis| {
            let own = recorder.clone();
            rt::scoped_task(&recorder, "branch", async move {
                rt::sleep(MS(millis)).await;
                note(&own);
            })
        });
        rt::join_all(branches.into()).await;
    });
    let last = recorder.scope().last();
    let trace = recorder.finish();
    assert_eq!(trace.time_of(last).as_nanos() / 1_000_000, 9);
}

/// tokio's channel carries no causes: the task that wakes another passes its own on.
#[test]
fn causes_pass_through_channels_of_tokio() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let own = recorder.clone();
        rt::spawn(&recorder, "worker", async move {
            rt::sleep(MS(5)).await;
            note(&own);
            sender.send(()).unwrap();
            note(&own);
        });
        let own = recorder.clone();
        let waiting = rt::spawn(&recorder, "waiting", async move {
            receiver.await.unwrap();
            note(&own);
        });
        waiting.await.unwrap();
    });
    let trace = recorder.finish();
    let waited = trace.events.iter().find(|event| trace.text(event.task) == "waiting").unwrap();
    assert_eq!(waited.cause.number(), 1);
}

/// Another task wakes a task during an operation of its own: that is not the cause of the
/// operation.
#[test]
fn a_wake_up_during_an_operation_is_not_its_cause() {
    let recorder = Recorder::new(Keep::Events);
    Runtime::new().block_on(async {
        let notify = std::sync::Arc::new(tokio::sync::Notify::new());
        let (own, notified) = (recorder.clone(), notify.clone());
        let busy = rt::spawn(&recorder, "busy", async move {
            let mut notified = std::pin::pin!(notified.notified());
            notified.as_mut().enable();
            let mut work = std::pin::pin!(rt::sleep(MS(10)));
            // Both are polled, and the future ends with the work.
            poll_fn(|context| {
                let _ = notified.as_mut().poll(context);
                work.as_mut().poll(context)
            })
            .await;
            own.record(rt::now(), Kind::Fsync, Symbol::NONE, MS(10), 0);
        });
        let own = recorder.clone();
        rt::spawn(&recorder, "other", async move {
            rt::sleep(MS(5)).await;
            note(&own);
            notify.notify_waiters();
        });
        busy.await.unwrap();
    });
    let trace = recorder.finish();
    let [other, busy] = &trace.events[..] else { panic!("two events: {:?}", trace.events) };
    assert_eq!((trace.text(other.task), trace.text(busy.task)), ("other", "busy"));
    assert_eq!(busy.cause, EventId::START);
}

/// Busy for 5.5 periods: five ticks at once, then the next one on time.
#[test]
fn a_burst_ticker_fires_all_missed_ticks() {
    let recorder = Recorder::new(Keep::Events);
    let ticks = Runtime::new().block_on(async {
        let mut ticker = Ticker::new(&recorder, Symbol::NONE, MS(10));
        let mut ticks = Vec::new();
        for count in 0..8 {
            poll_fn(|context| ticker.poll_tick(context)).await;
            ticks.push(rt::now().as_nanos() / 1_000_000);
            if count == 0 {
                rt::sleep(MS(55)).await;
            }
        }
        ticks
    });
    assert_eq!(ticks, [0, 55, 55, 55, 55, 55, 60, 70]);
}

/// Busy for 5.5 periods: one tick at once, then at the old times (`Skip`) or a period later each
/// (`Delay`).
#[test]
fn skip_and_delay_tickers_fire_one_missed_tick() {
    for (missed, expected) in
        [(rt::MissedTickBehavior::Skip, [0, 55, 60, 70]), (rt::MissedTickBehavior::Delay, [0, 55, 65, 75])]
    {
        let ticks = Runtime::new().block_on(async {
            let mut ticker =
                Ticker::new(&Recorder::new(Keep::Nothing), Symbol::NONE, MS(10)).missed_tick_behavior(missed);
            let mut ticks = Vec::new();
            for count in 0..4 {
                poll_fn(|context| ticker.poll_tick(context)).await;
                ticks.push(rt::now().as_nanos() / 1_000_000);
                if count == 0 {
                    rt::sleep(MS(55)).await;
                }
            }
            ticks
        });
        assert_eq!(ticks, expected, "{missed:?}");
    }
}

/// However often it is polled, an alarm sets one timer: the task is woken once.
#[test]
fn an_alarm_wakes_its_task_once() {
    let polls = Runtime::new().block_on(async {
        let mut alarm = Alarm::new(rt::now() + MS(10));
        let mut other = Alarm::new(rt::now() + MS(5));
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            let _ = other.poll(context);
            alarm.poll(context)
        })
        .await;
        polls
    });
    assert_eq!(polls, 3);
}

#[test]
fn a_timeout_prefers_a_future_that_is_ready_in_time() {
    Runtime::new().block_on(async {
        assert_eq!(rt::timeout(MS(5), async { 1 }).await, Some(1));
        assert_eq!(rt::timeout(MS(5), rt::sleep(MS(6))).await, None);
        assert_eq!(rt::now().as_nanos() / 1_000_000, 5);
        assert_eq!(rt::timeout(Duration::ZERO, async { 1 }).await, Some(1));
    });
}

/// Branches that end one after the other: each is polled when it begins and when its own timer
/// fires, not when another's does.
#[test]
fn a_branch_is_polled_only_when_it_is_woken() {
    let recorder = Recorder::new(Keep::Nothing);
    let polls = [1, 2, 3].map(|_| Arc::new(AtomicU32::new(0)));
    Runtime::new().block_on(async {
        let branch = |(index, polls): (usize, &Arc<AtomicU32>)| {
            let polls = polls.clone();
            rt::scoped_task(&recorder, "branch", async move {
                let mut sleep = pin!(rt::sleep(MS(index as u64 + 1)));
                poll_fn(|context| {
                    polls.fetch_add(1, Relaxed);
                    sleep.as_mut().poll(context)
                })
                .await;
            })
        };
        rt::join_all(polls.iter().enumerate().map(branch).collect()).await;
        assert!(rt::now() - SimTime::ZERO >= MS(3));
    });
    assert_eq!(polls.map(|polls| polls.load(Relaxed)), [2, 2, 2]);
}
