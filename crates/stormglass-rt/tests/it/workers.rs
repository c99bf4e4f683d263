//! What it costs to block a worker thread, and when it costs nothing.

use madsim::runtime::{Handle, Runtime};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Trace};
use stormglass_rt as rt;
use stormglass_rt::worker::{self, Workers};
use stormglass_rt::{channel, mount};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A story on one process, with a note of when things were heard of.
fn play<F: Future>(handling: Duration, story: impl FnOnce(Ears) -> F) -> (Vec<(&'static str, u64)>, Trace) {
    let recorder = Recorder::new(Keep::Events);
    let ears = Ears { recorder: recorder.clone(), heard: Arc::default() };
    let heard = ears.heard.clone();
    Runtime::new().block_on(async {
        let _workers = mount(rt::node(), Workers::new(&recorder, handling));
        rt::follow_new(&recorder, "story", story(ears)).await;
        rt::sleep(MS(1_000)).await;
    });
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    (heard, recorder.finish())
}

#[derive(Clone)]
struct Ears {
    recorder: Recorder,
    heard: Arc<Mutex<Vec<(&'static str, u64)>>>,
}

impl Ears {
    fn note(&self, what: &'static str) {
        self.heard.lock().unwrap().push((what, (rt::now().as_nanos() + 500_000) / 1_000_000));
    }

    /// Has somebody wait for the time.
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

    /// Has a server write after so long, alone: nothing has come shortly before.
    fn write(&self, after: Duration, takes: Duration) {
        self.spawn("server", async move {
            rt::sleep(after).await;
            worker::block(rt::sleep(takes)).await;
        });
    }
}

#[test]
fn whoever_waits_for_the_time_hears_of_it_when_the_blocked_one_is_done() {
    let (heard, trace) = play(Duration::ZERO, async |ears| {
        ears.write(MS(10), MS(200));
        ears.timer("before", MS(5));
        ears.timer("meanwhile", MS(20));
        ears.timer("later", MS(300));
    });
    assert_eq!(heard, [("before", 5), ("meanwhile", 210), ("later", 300)]);
    let blocked: Vec<_> = trace.events.iter().filter(|event| event.kind == Kind::Block).collect();
    assert_eq!(blocked.len(), 1);
    assert_eq!((trace.text(blocked[0].task), blocked[0].value), ("server", 1));
    assert_eq!(blocked[0].took_nanos / 1_000_000, 200);
}

/// Off, the run is what it was.
#[test]
fn without_a_blocking_call_nobody_waits() {
    let (heard, trace) = play(Duration::ZERO, async |ears| {
        ears.spawn("server", async {
            rt::sleep(MS(10)).await;
            worker::aside(rt::sleep(MS(200))).await;
        });
        ears.timer("meanwhile", MS(20));
    });
    assert_eq!(heard, [("meanwhile", 20)]);
    assert!(trace.events.iter().all(|event| event.kind != Kind::Block));
}

#[test]
fn work_elsewhere_goes_on_and_gets_another_thread_up() {
    let (heard, trace) = play(Duration::ZERO, async |ears| {
        ears.write(MS(10), MS(200));
        let own = ears.clone();
        ears.spawn("opens a database", async move {
            worker::aside(async {
                rt::sleep(MS(30)).await;
                rt::sleep(MS(30)).await;
            })
            .await;
            own.note("opened");
        });
        ears.timer("meanwhile", MS(20));
        ears.timer("after that", MS(70));
    });
    assert_eq!(heard, [("opened", 60), ("meanwhile", 60), ("after that", 70)]);
    // Who had blocked it is told, not who ended that.
    let blocked = trace.events.iter().find(|event| event.kind == Kind::Block).unwrap();
    assert_eq!((trace.text(blocked.task), blocked.took_nanos / 1_000_000), ("server", 50));
}

/// While another thread is at what it has heard of, a blocked one leaves somebody to hear.
#[test]
fn a_process_that_is_busy_hears() {
    let story = async |ears: Ears| {
        ears.timer("just before", MS(9));
        ears.write(MS(10), MS(200));
        ears.timer("meanwhile", MS(20));
    };
    assert_eq!(play(Duration::ZERO, story).0, [("just before", 9), ("meanwhile", 210)]);
    assert_eq!(play(MS(2), story).0, [("just before", 9), ("meanwhile", 20)]);
}

/// tokio's LIFO slot: other threads cannot take him who is in it.
#[test]
fn whom_it_woke_last_waits_and_the_others_do_not() {
    let (heard, _) = play(Duration::ZERO, async |ears| {
        let (first, mut of_first) = channel(&ears.recorder);
        let (last, mut of_last) = channel(&ears.recorder);
        let own = ears.clone();
        ears.spawn("first", async move {
            of_first.recv().await;
            own.note("first");
        });
        let own = ears.clone();
        ears.spawn("last", async move {
            of_last.recv().await;
            own.note("last");
        });
        ears.timer("meanwhile", MS(20));
        ears.spawn("server", async move {
            rt::sleep(MS(10)).await;
            first.send(());
            last.send(());
            worker::block(rt::sleep(MS(200))).await;
        });
    });
    // For the first another thread got up, which hears.
    assert_eq!(heard, [("first", 10), ("meanwhile", 20), ("last", 210)]);
}

#[test]
fn works_for_one_task_are_one_waking() {
    let story = |tasks: [u64; 2]| {
        move |ears: Ears| async move {
            let own = ears.clone();
            ears.spawn("server", async move {
                rt::sleep(MS(10)).await;
                for (what, task) in ["one", "two"].into_iter().zip(tasks) {
                    let own = own.clone();
                    worker::hand_over_to(task, move || own.note(what));
                }
                worker::block(rt::sleep(MS(200))).await;
            });
        }
    };
    assert_eq!(play(Duration::ZERO, story([7, 7])).0, [("one", 210), ("two", 210)]);
    assert_eq!(play(Duration::ZERO, story([7, 8])).0, [("one", 10), ("two", 210)]);
}

/// Two calls in one turn: the thread is not free between them.
#[test]
fn a_turn_hears_when_it_is_over() {
    let (heard, _) = play(Duration::ZERO, async |ears| {
        ears.timer("meanwhile", MS(20));
        ears.spawn("server", async {
            rt::sleep(MS(10)).await;
            worker::block(rt::sleep(MS(100))).await;
            worker::block(rt::sleep(MS(100))).await;
        });
    });
    assert_eq!(heard, [("meanwhile", 210)]);
}

#[test]
fn a_blocking_call_that_is_given_up_leaves_nobody_deaf() {
    let (heard, _) = play(Duration::ZERO, async |ears| {
        ears.timer("meanwhile", MS(20));
        let server = rt::spawn(&ears.recorder, "server", worker::block(rt::sleep(MS(200))));
        // Somebody of another process ends it: nobody here would hear of the time.
        let stranger = Handle::current().create_node().name("stranger").build();
        stranger.spawn(async move {
            rt::sleep(MS(50)).await;
            server.abort();
        });
    });
    assert_eq!(heard, [("meanwhile", 50)]);
}

#[test]
fn a_node_without_workers_is_as_it_was() {
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
