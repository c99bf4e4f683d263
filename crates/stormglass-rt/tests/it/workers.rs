//! Which blocking calls delay the wake-ups of other tasks of the process, and which do not.

use madsim::runtime::{Handle, Runtime};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Trace};
use stormglass_rt as rt;
use stormglass_rt::worker::{self, Workers};
use stormglass_rt::{channel, mount};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Runs a scenario on one process; returns the milliseconds at which its tasks were notified, and
/// the trace.
fn play<F: Future>(
    handling: Duration,
    story: impl FnOnce(Process) -> F,
) -> (Vec<(&'static str, u64)>, Trace) {
    let recorder = Recorder::new(Keep::Events);
    let process = Process { recorder: recorder.clone(), notified: Arc::default() };
    let notified = process.notified.clone();
    Runtime::new().block_on(async {
        let _workers = mount(rt::current_node(), Workers::new(&recorder, handling));
        rt::scoped_task(&recorder, "story", story(process)).await;
        rt::sleep(MS(1_000)).await;
    });
    let notified = std::mem::take(&mut *notified.lock().unwrap());
    (notified, recorder.finish())
}

#[derive(Clone)]
struct Process {
    recorder: Recorder,
    notified: Arc<Mutex<Vec<(&'static str, u64)>>>,
}

impl Process {
    fn note(&self, what: &'static str) {
        self.notified.lock().unwrap().push((what, (rt::now().as_nanos() + 500_000) / 1_000_000));
    }

    /// Spawns a task that waits for a timer.
    fn timer(&self, what: &'static str, after: Duration) {
        let own = self.clone();
        rt::spawn(&self.recorder, what, async move {
            rt::sleep(after).await;
            own.note(what);
        });
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, what: &'static str, future: F) {
        rt::spawn(&self.recorder, what, future);
    }

    /// Spawns a server that makes a blocking call of length `takes` after `after`, without any
    /// notification shortly before.
    fn write(&self, after: Duration, takes: Duration) {
        self.spawn("server", async move {
            rt::sleep(after).await;
            worker::block(rt::sleep(takes)).await;
        });
    }
}

#[test]
fn timers_fire_late_while_the_only_worker_is_blocked() {
    let (notified, trace) = play(Duration::ZERO, async |process| {
        process.write(MS(10), MS(200));
        process.timer("before", MS(5));
        process.timer("meanwhile", MS(20));
        process.timer("later", MS(300));
    });
    assert_eq!(notified, [("before", 5), ("meanwhile", 210), ("later", 300)]);
    let blocked: Vec<_> = trace.events.iter().filter(|event| event.kind == Kind::Block).collect();
    assert_eq!(blocked.len(), 1);
    assert_eq!((trace.text(blocked[0].task), blocked[0].value), ("server", 1));
    assert_eq!(blocked[0].took_nanos / 1_000_000, 200);
}

#[test]
fn offloaded_work_delays_no_timer() {
    let (notified, trace) = play(Duration::ZERO, async |process| {
        process.spawn("server", async {
            rt::sleep(MS(10)).await;
            worker::offload(rt::sleep(MS(200))).await;
        });
        process.timer("meanwhile", MS(20));
    });
    assert_eq!(notified, [("meanwhile", 20)]);
    assert!(trace.events.iter().all(|event| event.kind != Kind::Block));
}

#[test]
fn completed_offloaded_work_wakes_another_worker() {
    let (notified, trace) = play(Duration::ZERO, async |process| {
        process.write(MS(10), MS(200));
        let own = process.clone();
        process.spawn("opens a database", async move {
            worker::offload(async {
                rt::sleep(MS(30)).await;
                rt::sleep(MS(30)).await;
            })
            .await;
            own.note("opened");
        });
        process.timer("meanwhile", MS(20));
        process.timer("after that", MS(70));
    });
    assert_eq!(notified, [("opened", 60), ("meanwhile", 60), ("after that", 70)]);
    // The event belongs to the task that blocked the event loop, not to the one that woke a worker.
    let blocked = trace.events.iter().find(|event| event.kind == Kind::Block).unwrap();
    assert_eq!((trace.text(blocked.task), blocked.took_nanos / 1_000_000), ("server", 50));
}

/// While another worker is awake for a notified task, a blocking call does not block the event
/// loop.
#[test]
fn a_worker_that_is_awake_polls_the_drivers() {
    let story = async |process: Process| {
        process.timer("just before", MS(9));
        process.write(MS(10), MS(200));
        process.timer("meanwhile", MS(20));
    };
    assert_eq!(play(Duration::ZERO, story).0, [("just before", 9), ("meanwhile", 210)]);
    assert_eq!(play(MS(2), story).0, [("just before", 9), ("meanwhile", 20)]);
}

/// tokio's LIFO slot: other workers cannot steal the task in it.
#[test]
fn only_the_task_in_the_lifo_slot_waits_for_a_blocking_call() {
    let (notified, _) = play(Duration::ZERO, async |process| {
        let (first, mut of_first) = channel(&process.recorder);
        let (last, mut of_last) = channel(&process.recorder);
        let own = process.clone();
        process.spawn("first", async move {
            of_first.recv().await;
            own.note("first");
        });
        let own = process.clone();
        process.spawn("last", async move {
            of_last.recv().await;
            own.note("last");
        });
        process.timer("meanwhile", MS(20));
        process.spawn("server", async move {
            rt::sleep(MS(10)).await;
            first.send(());
            last.send(());
            worker::block(rt::sleep(MS(200))).await;
        });
    });
    // Another worker woke up for the first task, and polls the drivers.
    assert_eq!(notified, [("first", 10), ("meanwhile", 20), ("last", 210)]);
}

#[test]
fn work_for_one_task_is_one_wake_up() {
    let story = |tasks: [u64; 2]| {
        move |process: Process| async move {
            let own = process.clone();
            process.spawn("server", async move {
                rt::sleep(MS(10)).await;
                for (what, task) in ["one", "two"].into_iter().zip(tasks) {
                    let own = own.clone();
                    worker::run_in_task(task, move || own.note(what));
                }
                worker::block(rt::sleep(MS(200))).await;
            });
        }
    };
    assert_eq!(play(Duration::ZERO, story([7, 7])).0, [("one", 210), ("two", 210)]);
    assert_eq!(play(Duration::ZERO, story([7, 8])).0, [("one", 10), ("two", 210)]);
}

/// Two blocking calls in one poll: the worker does not poll the drivers between them.
#[test]
fn a_worker_polls_the_drivers_at_the_end_of_a_poll() {
    let (notified, _) = play(Duration::ZERO, async |process| {
        process.timer("meanwhile", MS(20));
        process.spawn("server", async {
            rt::sleep(MS(10)).await;
            worker::block(rt::sleep(MS(100))).await;
            worker::block(rt::sleep(MS(100))).await;
        });
    });
    assert_eq!(notified, [("meanwhile", 210)]);
}

#[test]
fn aborting_a_blocking_call_unblocks_the_event_loop() {
    let (notified, _) = play(Duration::ZERO, async |process| {
        process.timer("meanwhile", MS(20));
        let server = rt::spawn(&process.recorder, "server", worker::block(rt::sleep(MS(200))));
        // A task of another process aborts it: no timer of this process would fire.
        let other = Handle::current().create_node().name("other").build();
        other.spawn(async move {
            rt::sleep(MS(50)).await;
            server.abort();
        });
    });
    assert_eq!(notified, [("meanwhile", 50)]);
}

#[test]
fn blocking_calls_have_no_effect_without_workers() {
    let recorder = Recorder::new(Keep::Nothing);
    let at = Runtime::new().block_on(async {
        let own = recorder.clone();
        rt::spawn(&own, "server", worker::block(rt::sleep(MS(200))));
        rt::spawn(&own, "timer", async {
            rt::sleep(MS(20)).await;
            rt::now()
        })
        .await
        .unwrap()
    });
    assert_eq!(at.as_nanos() / 1_000_000, 20);
}
