//! Panics of tasks, and who receives them: as with tokio.

use madsim::runtime::{Handle, Runtime};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use stormglass_core::{EventId, Keep, Kind, Recorder, Scope, Symbol, TurnsSpent};
use stormglass_rt as rt;
use stormglass_rt::JoinSet;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Plays a run on a new thread; returns the payload of the panic with which it ends, if it does,
/// and the record of that.
fn play<F>(
    scenario: impl FnOnce(Recorder) -> F + Send,
) -> Option<(Box<dyn Any + Send>, rt::panics::PanicRecord)>
where
    F: Future<Output = ()>,
{
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let recorder = Recorder::new(Keep::Events);
            rt::panics::install_hook();
            let _run = rt::enter_run(&recorder);
            let caught = catch_unwind(AssertUnwindSafe(|| Runtime::new().block_on(scenario(recorder))));
            let payload = caught.err()?;
            let record = rt::panics::take_record(&*payload).unwrap();
            Some((payload, record))
        });
        run.join().unwrap()
    })
}

/// Plays a run that ends without a panic.
fn play_to_end<F>(scenario: impl FnOnce(Recorder) -> F + Send)
where
    F: Future<Output = ()>,
{
    if let Some((payload, _)) = play(scenario) {
        resume_unwind(payload);
    }
}

fn message(ended: &Option<(Box<dyn Any + Send>, rt::panics::PanicRecord)>) -> Option<&str> {
    ended.as_ref().and_then(|(payload, _)| rt::panics::message_of(&**payload))
}

fn note(recorder: &Recorder) -> EventId {
    recorder.record(rt::now(), Kind::Note, Symbol::NONE, Duration::ZERO, 0)
}

#[test]
fn joining_a_task_that_panicked_returns_its_panic() {
    play_to_end(|recorder| async move {
        let error = rt::spawn(&recorder, "a", async { panic!("boom") }).await.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        let payload = error.try_into_panic().unwrap();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
        // The payload may be any value.
        let error = rt::spawn(&recorder, "b", async { panic_any(7u32) }).await.unwrap_err();
        assert_eq!(error.into_panic().downcast_ref::<u32>(), Some(&7));
        // The run goes on.
        assert_eq!(rt::spawn(&recorder, "c", async { 1 }).await.unwrap(), 1);
    });
}

/// The texts are those of tokio 1.54.1 (`runtime/task/error.rs`).
#[test]
fn join_errors_print_as_those_of_tokio() {
    play_to_end(|recorder| async move {
        let boom = || rt::spawn(&recorder, "doomed", async { panic!("the \"{}\"", "boom") });
        let error = boom().await.unwrap_err();
        assert_eq!(error.to_string(), r#"task 1 panicked with message "the \"boom\"""#);
        assert_eq!(format!("{error:?}"), r#"JoinError::Panic(Id(1), "the \"boom\"", ...)"#);
        assert_eq!(error.id().to_string(), "1");
        let error = io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::Other, "task panicked".into()));

        let silent = rt::spawn(&recorder, "doomed", async { panic_any(7) }).await.unwrap_err();
        assert_eq!(silent.to_string(), "task 2 panicked");
        assert_eq!(format!("{silent:?}"), "JoinError::Panic(Id(2), ...)");

        let aborted = rt::spawn(&recorder, "aborted", std::future::pending::<()>());
        aborted.abort();
        let error = aborted.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), "task 3 was cancelled");
        assert_eq!(format!("{error:?}"), "JoinError::Cancelled(Id(3))");
        let error = error.try_into_panic().unwrap_err();
        assert_eq!(io::Error::from(error).to_string(), "task was cancelled");
    });
}

/// Real tokio prints the same, apart from the number.
#[test]
fn the_expected_texts_are_those_of_the_pinned_tokio() {
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = tokio.block_on(async { tokio::spawn(async { panic!("boom") }).await.unwrap_err() });
    let id = error.id();
    assert_eq!(error.to_string(), format!("task {id} panicked with message \"boom\""));
    assert_eq!(format!("{error:?}"), format!("JoinError::Panic({id:?}, \"boom\", ...)"));
    assert_eq!(format!("{id:?}"), format!("Id({id})"));
}

#[test]
fn a_panic_in_a_task_without_a_handle_ends_the_run_at_once() {
    let recorded = play(|recorder| async move {
        drop(rt::spawn(&recorder, "doomed", async {
            rt::sleep(MS(5)).await;
            panic!("boom")
        }));
        rt::sleep(MS(5)).await;
        rt::sleep(MS(1)).await;
        panic!("the run went on");
    });
    assert_eq!(message(&recorded), Some("boom"));
}

#[test]
fn a_panic_is_not_lost_when_its_handle_is_dropped() {
    let ended = play(|recorder| async move {
        let task = rt::spawn(&recorder, "doomed", async { panic!("boom") });
        rt::sleep(MS(5)).await;
        assert!(task.is_finished());
        assert!(rt::has_unjoined_panic());
        drop(task);
        rt::sleep(MS(1)).await;
        panic!("the run went on");
    });
    assert_eq!(message(&ended), Some("boom"));
}

/// The handle still exists when the run ends: the harness of the run looks for such panics.
#[expect(clippy::async_yields_async, reason = "the handle is kept beyond the run")]
#[test]
fn a_panic_is_not_lost_when_its_handle_outlives_the_run() {
    let recorder = Recorder::new(Keep::Nothing);
    let runtime = Runtime::new();
    let task = runtime.block_on(async {
        let task = rt::spawn(&recorder, "doomed", async { panic!("boom") });
        rt::sleep(MS(5)).await;
        task
    });
    runtime.block_on(async { rt::forget_panics_of_killed_processes() });
    let payload = rt::take_unjoined_panic().unwrap();
    assert_eq!(rt::panics::message_of(&*payload), Some("boom"));
    assert!(!rt::has_unjoined_panic());
    drop(task);
}

#[test]
fn a_killed_process_takes_its_panics_with_it() {
    for restarts in [false, true] {
        let ended = play(|recorder| async move {
            let node = Handle::current().create_node().name("node-1").build();
            let spawn = || rt::spawn_on(&recorder, &node, Scope::default(), async { panic!("boom") });
            let (dropped, kept) = (spawn(), spawn());
            rt::sleep(MS(1)).await;
            Handle::current().kill(node.id());
            if restarts {
                Handle::current().restart(node.id());
            }
            drop(dropped);
            rt::sleep(MS(1)).await;
            assert!(rt::has_unjoined_panic(), "that of the other task");
            rt::forget_panics_of_killed_processes();
            rt::sleep(MS(1)).await;
            assert!(!rt::has_unjoined_panic());
            drop(kept);
            rt::sleep(MS(1)).await;
        });
        assert_eq!(message(&ended), None);
    }
}

#[test]
fn the_record_of_a_panic_has_location_node_and_scope() {
    let recorder = Recorder::new(Keep::Nothing);
    let own = recorder.clone();
    let line = line!() + 4;
    let (_, record) = play(|_| async move {
        let node = Handle::current().create_node().name("node-1").build();
        let scope = Scope { node: own.symbol("node-1"), task: own.symbol("doomed"), ..Scope::default() };
        rt::spawn_on(&own, &node, scope, async { panic!("boom") });
        rt::sleep(MS(1)).await;
    })
    .unwrap();
    assert_eq!(record.location, Some(format!("{}:{line}:50", file!())));
    assert_eq!(record.message.as_deref(), Some("boom"));
    assert_eq!(record.node.as_deref(), Some("node-1"));
    let scope = record.scope.unwrap();
    assert_eq!((&*recorder.text(scope.node), &*recorder.text(scope.task)), ("node-1", "doomed"));
}

/// madsim's own tasks have a node and no scope.
#[test]
#[expect(clippy::disallowed_methods, reason = "what madsim-tokio's spawn is")]
fn the_record_of_a_panic_in_a_task_of_madsim_has_its_node() {
    let (_, record) = play(|_| async move {
        let node = Handle::current().create_node().name("node-7").build();
        node.spawn(async { madsim::task::spawn(async { panic!("boom") }).await.unwrap() });
        rt::sleep(MS(1)).await;
    })
    .unwrap();
    assert_eq!((record.node.as_deref(), record.scope), (Some("node-7"), None));
}

/// A panic that is resumed keeps the location and the scope of the task that panicked first.
#[test]
fn a_resumed_panic_keeps_its_record() {
    let recorder = Recorder::new(Keep::Nothing);
    let own = recorder.clone();
    let (_, record) = play(|_| async move {
        let inner = rt::spawn(&own, "inner", async { panic!("boom") });
        rt::spawn(&own, "outer", async move { resume_unwind(inner.await.unwrap_err().into_panic()) });
        rt::sleep(MS(1)).await;
    })
    .unwrap();
    assert_eq!(recorder.text(record.scope.unwrap().task), "inner");
    assert!(record.location.unwrap().starts_with(file!()));
}

/// A caught panic does not stay behind: the record is that of the panic that ends the run.
#[test]
fn the_record_is_that_of_the_panic_that_ends_the_run() {
    let recorder = Recorder::new(Keep::Nothing);
    let own = recorder.clone();
    let (_, record) = play(|_| async move {
        let caught = rt::spawn(&own, "caught", async { panic!("boom") });
        assert!(caught.await.unwrap_err().is_panic());
        rt::spawn(&own, "fatal", async { panic!("boom") });
        rt::sleep(MS(1)).await;
    })
    .unwrap();
    assert_eq!(recorder.text(record.scope.unwrap().task), "fatal");
}

/// A run whose turns are used up ends, whoever joins the task that finds that out.
#[test]
fn the_end_of_turns_is_no_panic_of_a_task() {
    let (payload, _) = play(|recorder| async move {
        recorder.limit_turns(100);
        let spins = rt::spawn(&recorder, "spins", async {
            loop {
                madsim::task::yield_now().await;
            }
        });
        let _: Result<(), _> = spins.await;
        panic!("the run went on");
    })
    .unwrap();
    assert_eq!(payload.downcast_ref::<TurnsSpent>().unwrap().turns, 100);
}

/// A broken assertion of the framework ends the run. This one is a caller's mistake that the
/// framework asserts.
#[test]
fn a_panic_of_the_framework_ends_the_run() {
    let ended = play(|recorder| async move {
        let own = recorder.clone();
        let task = rt::spawn(&recorder, "task", async move {
            rt::Ticker::new(&own, Symbol::NONE, Duration::ZERO);
        });
        let _ = task.await;
        panic!("the run went on");
    });
    assert_eq!(message(&ended), Some("a ticker needs a period above 0"));
}

/// The worker of a task that panics runs the task in its LIFO slot.
#[test]
fn a_panic_does_not_lose_the_wake_ups_of_its_task() {
    play_to_end(|recorder| async move {
        let workers = rt::worker::Workers::new(&recorder, Duration::ZERO);
        let _mounted = rt::mount(rt::current_node(), workers);
        let (sender, mut receiver) = rt::channel(&recorder);
        let receives = rt::spawn(&recorder, "receives", async move { receiver.recv().await });
        rt::sleep(MS(1)).await;
        let sends = rt::spawn(&recorder, "sends", async move {
            let _kept = sender.clone();
            sender.send(7);
            panic!("boom")
        });
        assert!(sends.await.unwrap_err().is_panic());
        assert_eq!(rt::timeout(MS(1), receives).await.unwrap().unwrap(), Some(7));
    });
}

#[test]
fn the_last_event_before_a_panic_is_a_cause_of_the_join() {
    play_to_end(|recorder| async move {
        let own = recorder.clone();
        let doomed = rt::spawn(&recorder, "doomed", async move {
            note(&own);
            panic!("boom")
        });
        assert!(doomed.await.unwrap_err().is_panic());
        assert_eq!(recorder.scope().last().number(), 1);
    });
}

/// A destructor that panics while an aborted task is dropped is a panic of the task, as with tokio.
#[test]
fn a_destructor_that_panics_at_an_abort_is_a_panic_of_the_task() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    play_to_end(|recorder| async move {
        let task = rt::spawn(&recorder, "task", async {
            let _panics = Panics;
            std::future::pending::<()>().await
        });
        rt::sleep(MS(1)).await;
        task.abort();
        assert!(!task.is_finished());
        let error = task.await.unwrap_err();
        assert_eq!(error.to_string(), "task 1 panicked with message \"in drop\"");
    });
}

#[test]
fn an_abort_handle_aborts_and_does_not_join() {
    play_to_end(|recorder| async move {
        let task = rt::spawn(&recorder, "task", std::future::pending::<()>());
        let abort = task.abort_handle();
        assert_eq!((abort.id(), abort.is_finished()), (task.id(), false));
        drop(task);
        rt::sleep(MS(1)).await;
        assert!(!abort.is_finished());
        abort.abort();
        rt::sleep(MS(1)).await;
        assert!(abort.is_finished());
        // An abort after the end changes nothing.
        let done = rt::spawn(&recorder, "done", async { 7 });
        rt::sleep(MS(1)).await;
        done.abort();
        assert_eq!(done.await.unwrap(), 7);
    });
}

#[test]
fn a_join_set_returns_tasks_in_the_order_in_which_they_end() {
    play_to_end(|recorder| async move {
        let mut tasks = JoinSet::new(&recorder);
        assert!(tasks.join_next().await.is_none());
        for millis in [3u64, 1, 2] {
            tasks.spawn("task", async move {
                rt::sleep(MS(millis)).await;
                assert!(millis != 2, "two");
                millis
            });
        }
        assert_eq!(tasks.len(), 3);
        assert!(tasks.try_join_next().is_none());
        // The order is that of the ends, although all have ended when the set is asked.
        rt::sleep(MS(10)).await;
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), 1);
        let error = tasks.try_join_next_with_id().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "task 3 panicked with message \"two\"");
        let (id, millis) = tasks.join_next_with_id().await.unwrap().unwrap();
        assert_eq!((id.to_string(), millis), ("1".into(), 3));
        assert!(tasks.is_empty() && tasks.try_join_next().is_none());
    });
}

/// The cause of a join is the last event of the task that ended.
#[test]
fn the_cause_of_a_join_of_a_set_is_the_task_that_ended() {
    play_to_end(|recorder| async move {
        let mut tasks = JoinSet::new(&recorder);
        let own = recorder.clone();
        tasks.spawn("task", async move {
            rt::sleep(MS(1)).await;
            note(&own);
        });
        tasks.join_next().await.unwrap().unwrap();
        assert_eq!(recorder.scope().last().number(), 1);
    });
}

#[test]
fn a_join_set_aborts_its_tasks_when_it_is_dropped_or_shut_down() {
    play_to_end(|recorder| async move {
        let running = Arc::new(AtomicU32::new(0));
        struct Running(Arc<AtomicU32>);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        let spawn = || {
            let mut tasks = JoinSet::new(&recorder);
            for _ in 0..3 {
                running.fetch_add(1, Relaxed);
                let guard = Running(running.clone());
                tasks.spawn("task", async move {
                    let _guard = guard;
                    std::future::pending::<()>().await
                });
            }
            tasks
        };
        let mut tasks = spawn();
        tasks.shutdown().await;
        assert_eq!((tasks.len(), running.load(Relaxed)), (0, 0));
        drop(spawn());
        rt::sleep(MS(1)).await;
        assert_eq!(running.load(Relaxed), 0);
        let mut detached = spawn();
        detached.detach_all();
        drop(detached);
        rt::sleep(MS(1)).await;
        assert_eq!(running.load(Relaxed), 3);
        let mut aborted = spawn();
        aborted.abort_all();
        assert!(aborted.join_next().await.unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn join_all_returns_outputs_and_resumes_a_panic() {
    let ended = play(|recorder| async move {
        let spawn = |count: u64| {
            let mut tasks = JoinSet::new(&recorder);
            for millis in (1..=count).rev() {
                tasks.spawn("task", async move {
                    rt::sleep(MS(millis)).await;
                    assert!(millis != 4, "four");
                    millis
                });
            }
            tasks
        };
        assert_eq!(spawn(3).join_all().await, [1, 2, 3]);
        spawn(4).join_all().await;
    });
    assert_eq!(message(&ended), Some("four"));
}

/// The second panic is not joined: the run fails when the set is dropped.
#[test]
fn a_panic_that_is_left_in_a_join_set_fails_the_run() {
    let ended = play(|recorder| async move {
        let mut tasks = JoinSet::new(&recorder);
        for number in 1..=2 {
            tasks.spawn("task", async move {
                rt::sleep(MS(number)).await;
                panic!("number {number}")
            });
        }
        let first: Result<(), _> = tasks.join_next().await.unwrap();
        assert!(first.is_err());
        rt::sleep(MS(5)).await;
        drop(tasks);
        rt::sleep(MS(1)).await;
        panic!("the run went on");
    });
    assert_eq!(message(&ended), Some("number 2"));
}
