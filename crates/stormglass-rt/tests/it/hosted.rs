//! Processes whose code runs on a hosted tokio runtime.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Scope, Seed, TurnsSpent};
use stormglass_rt::hosted::{self, Hosting, Schedule};
use stormglass_rt::{self as rt, Watch};
use tokio::time::{Instant, sleep, timeout};

fn run<F>(main: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(hosted::run(
        &Recorder::new(Keep::Nothing),
        Hosting::new(Seed(1)),
        main,
    ))
}

fn millis() -> u64 {
    rt::now().as_nanos() / 1_000_000
}

/// tokio's clock shows the simulated time in each turn, also in one that begins between ticks.
#[test]
fn the_runtimes_clock_is_the_simulated_time() {
    let (slept, off) = run(async {
        let (began, simulated) = (Instant::now(), rt::now());
        rt::sleep(Duration::from_micros(2_345)).await;
        let off = began.elapsed().abs_diff(rt::now() - simulated);
        sleep(Duration::from_millis(10)).await;
        (began.elapsed(), off)
    });
    // 2.345 ms and 10 ms are 12.345 ms; the timer completes at a tick, so at 13 ms or 14 ms.
    assert!((13..=14).contains(&slept.as_millis()), "{slept:?}");
    assert_eq!(off, Duration::ZERO);
}

#[test]
fn a_timeout_ends_a_wait_for_something_of_the_simulation() {
    let late =
        run(async { timeout(Duration::from_millis(20), rt::sleep(Duration::from_secs(1))).await.is_err() });
    assert!(late);
}

/// A value that is set outside at 0.3 ms is seen then, and not at the next tick of 1 ms.
#[test]
fn a_wake_up_from_outside_begins_a_turn() {
    let seen = madsim::runtime::Runtime::new().block_on(async {
        let recorder = Recorder::new(Keep::Nothing);
        let watch = Watch::new(&recorder, 0);
        let outside = watch.clone();
        rt::spawn(&recorder, "outside", async move {
            rt::sleep(Duration::from_micros(300)).await;
            outside.set(1);
        });
        let main = async move {
            let inner = tokio::spawn(async move { watch.until(|&value| value == 1).await });
            inner.await.unwrap();
            rt::now().as_nanos() / 1_000
        };
        hosted::run(&recorder, Hosting::new(Seed(1)), main).await
    });
    assert_eq!(seen, 300);
}

/// 1,024 polls take 76.8 µs, so time passes, and a timer of 5 ms ends the loop after 65 turns.
#[test]
fn tasks_that_only_yield_let_time_pass() {
    let at = run(async {
        let spins = tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        sleep(Duration::from_millis(5)).await;
        spins.abort();
        assert!(spins.await.unwrap_err().is_cancelled());
        millis()
    });
    assert!((5..=6).contains(&at), "{at}");
}

/// With branches that are both ready, `select!` takes each about as often, in an order that only
/// the seed determines: not what ran before in the process.
#[test]
fn the_branches_of_select_are_part_of_the_seed() {
    let draws =
        |seed| {
            madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(
                hosted::run(&Recorder::new(Keep::Nothing), Hosting::new(Seed(seed)), async {
                    let mut draws = String::new();
                    for _ in 0..64 {
                        draws.push(tokio::select! { () = async {} => '0', () = async {} => '1' });
                        tokio::task::yield_now().await;
                    }
                    draws
                }),
            )
        };
    let (first, other, again) = (draws(1), draws(2), draws(1));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!((16..=48).contains(&first.matches('1').count()), "{first}");
}

/// A task's panic is an error for the one who joins it, and the process goes on.
#[test]
fn a_panic_in_a_task_is_an_error_for_the_joiner() {
    let message = run(async {
        let error = tokio::spawn(async { panic!("boom") }).await.unwrap_err();
        assert!(error.is_panic());
        error.into_panic().downcast_ref::<&str>().map(|message| (*message).to_string())
    });
    assert_eq!(message.as_deref(), Some("boom"));
}

#[test]
fn a_panic_of_the_main_task_is_the_drivers() {
    let result = std::panic::catch_unwind(|| run(async { panic!("main is gone") }));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"main is gone"));
}

/// Dropping the driver drops its tasks at once, whatever they wait for.
#[test]
fn dropping_the_driver_drops_its_tasks() {
    struct Tells(Arc<Mutex<u32>>);
    impl Drop for Tells {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let dropped = Arc::new(Mutex::new(0));
    let told = dropped.clone();
    madsim::runtime::Runtime::new().block_on(async {
        let main = async move {
            for _ in 0..3 {
                let tells = Tells(told.clone());
                tokio::spawn(async move {
                    rt::sleep(Duration::from_secs(60)).await;
                    drop(tells);
                });
            }
            std::future::pending::<()>().await;
        };
        let recorder = Recorder::new(Keep::Nothing);
        let hosted = hosted::run(&recorder, Hosting::new(Seed(1)), main);
        assert!(rt::timeout(Duration::from_millis(5), hosted).await.is_none());
    });
    assert_eq!(*dropped.lock().unwrap(), 3);
}

/// An event of a spawned task has the process's node, the place of the spawn as its task, and the
/// spawner's last event as its cause. A task that another one wakes has that one's last event as
/// a cause.
#[test]
fn tasks_have_node_name_and_cause() {
    let recorder = Recorder::new(Keep::Events);
    madsim::runtime::Runtime::new().block_on(async {
        let note = |recorder: &Recorder, text: &str| {
            recorder.record(rt::now(), Kind::Note, recorder.symbol(text), Duration::ZERO, 0);
        };
        let own = recorder.clone();
        let main = async move {
            note(&own, "main");
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let inner = own.clone();
            let waits = tokio::spawn(async move {
                receiver.await.unwrap();
                note(&inner, "woken");
            });
            let inner = own.clone();
            tokio::spawn(async move {
                note(&inner, "wakes");
                sender.send(()).unwrap();
            });
            waits.await.unwrap();
        };
        let scope =
            Scope { node: recorder.symbol("kv-1"), task: recorder.symbol("serve"), ..Scope::default() };
        rt::scoped(&recorder, scope, hosted::run(&recorder, Hosting::new(Seed(1)), main)).await;
    });
    let trace = recorder.finish();
    let event = |text: &str| {
        let found = trace.events.iter().enumerate().find(|(_, event)| trace.text(event.subject) == text);
        found.expect("the event was recorded")
    };
    let tasks = ["main", "wakes", "woken"].map(|text| trace.text(event(text).1.task).to_string());
    assert_eq!(tasks[0], "serve");
    assert!(tasks[1].starts_with("crates/stormglass-rt/tests/it/hosted.rs:"), "{}", tasks[1]);
    assert_ne!(tasks[1], tasks[2]);
    assert!(trace.events.iter().all(|event| trace.text(event.node) == "kv-1"));
    let [main, wakes, woken] = ["main", "wakes", "woken"].map(event);
    assert_eq!(wakes.1.cause.index(), Some(main.0));
    assert_eq!(woken.1.cause.index(), Some(wakes.0));
}

/// A loop of the runtime that never lets simulated time pass far enough is a stall of the run.
#[test]
fn turns_of_hosted_tasks_count() {
    let recorder = Recorder::new(Keep::Nothing);
    recorder.limit_turns(100_000);
    let polls = Cell::new(0u64);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        madsim::runtime::Runtime::new().block_on(hosted::run(&recorder, Hosting::new(Seed(1)), async {
            loop {
                tokio::task::yield_now().await;
            }
        }));
        polls.set(1);
    }));
    assert_eq!(result.unwrap_err().downcast_ref().map(|spent: &TurnsSpent| spent.turns), Some(100_000));
}

/// Two tasks that are spawned one after the other run in that order with tokio's FIFO, whatever
/// the seed: a race between them stays hidden. In a random order both come first.
#[test]
fn a_random_schedule_shows_a_race_that_fifo_hides() {
    let winners = |schedule| {
        let winner = |seed| {
            let hosting = Hosting { schedule, ..Hosting::new(Seed(seed)) };
            madsim::runtime::Runtime::new().block_on(hosted::run(
                &Recorder::new(Keep::Nothing),
                hosting,
                async {
                    let first = Arc::new(Mutex::new(None));
                    let mut tasks = Vec::new();
                    for number in 0..2 {
                        let first = first.clone();
                        tasks.push(hosted::spawn(async move {
                            first.lock().unwrap().get_or_insert(number);
                        }));
                    }
                    for task in tasks {
                        task.await.unwrap();
                    }
                    let first = *first.lock().unwrap();
                    first.unwrap()
                },
            ))
        };
        (0..40).map(winner).collect::<Vec<u32>>()
    };
    assert_eq!(winners(Schedule::Fifo), [0; 40]);
    let random = winners(Schedule::Random);
    assert_eq!(random, winners(Schedule::Random));
    // The second of 40 fair coins or so: 20 are expected, with a standard deviation of 3.2.
    let second = random.iter().filter(|&&winner| winner == 1).count();
    assert!((4..=36).contains(&second), "{random:?}");
}
