//! The budget of a poll: 128 operations that are ready, and the time that they take.

use madsim::runtime::Runtime;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{Keep, Recorder, TurnsSpent};
use stormglass_rt as rt;
use stormglass_rt::coop::{self, BUDGET, SystemCallCost};
use stormglass_rt::{JoinSet, Watch, channel};

const MICROS: fn(u64) -> Duration = Duration::from_micros;

/// Counts its polls, and polls again as soon as it may.
fn count_polls() -> Arc<AtomicU32> {
    let polls = Arc::new(AtomicU32::new(0));
    let count = polls.clone();
    rt::spawn(&Recorder::new(Keep::Nothing), "counts", async move {
        loop {
            count.fetch_add(1, Relaxed);
            rt::sleep(MICROS(1)).await;
        }
    });
    polls
}

/// A receiver that always finds a value yields after each 128: 1000 = 7 * 128 + 104.
#[test]
fn the_129th_ready_operation_of_a_poll_yields() {
    for in_own_scope in [false, true] {
        Runtime::new().block_on(async {
            let recorder = Recorder::new(Keep::Nothing);
            let (sender, mut receiver) = channel(&recorder);
            (0..1_000).for_each(|value| sender.send(value));
            let receives = async move {
                let mut received_at = Vec::new();
                for _ in 0..1_000 {
                    receiver.recv().await;
                    received_at.push(rt::now().as_nanos());
                }
                received_at.chunk_by(|one, other| one == other).map(<[u64]>::len).collect::<Vec<_>>()
            };
            let bursts = if in_own_scope {
                rt::spawn(&recorder, "receives", receives).await.unwrap()
            } else {
                receives.await
            };
            assert_eq!(bursts, [128, 128, 128, 128, 128, 128, 128, 104], "{in_own_scope}");
        });
    }
}

/// 1000 calls use up 7 budgets of 128 calls of 1 µs each, while another task runs each 1 µs.
#[test]
fn calls_take_time_and_let_other_tasks_run() {
    Runtime::new().block_on(async {
        let polls = count_polls();
        rt::sleep(MICROS(1)).await;
        let (began, before) = (rt::now(), polls.load(Relaxed));
        for _ in 0..1_000 {
            coop::consume_budget().await;
        }
        let (took, ran) = (rt::now() - began, polls.load(Relaxed) - before);
        // Each wait ends within 150 ns: madsim adds 50 ns to a timer, and polls what else is ready.
        let calls = 7 * u64::from(BUDGET);
        assert!((MICROS(calls)..MICROS(calls + 7)).contains(&took), "{took:?}");
        assert!((700..=calls as u32).contains(&ran), "{ran}");
    });
}

/// With a cost of zero a task that has used up its budget is woken at once: only the polls take
/// time, 50 to 100 ns each.
#[test]
fn calls_without_a_cost_yield_only() {
    Runtime::new().block_on(async {
        let _mounted = rt::mount(rt::current_node(), SystemCallCost(Duration::ZERO));
        let began = rt::now();
        for _ in 0..1_000 {
            coop::consume_budget().await;
        }
        let took = (rt::now() - began).as_nanos();
        assert!((7 * 50..7 * 100).contains(&took), "{took}");
    });
}

/// An operation that is not ready gives its share of the budget back.
#[test]
fn pending_operations_use_up_no_budget() {
    Runtime::new().block_on(async {
        let recorder = Recorder::new(Keep::Nothing);
        let (_sender, mut receiver) = channel::<()>(&recorder);
        let watch = Watch::new(&recorder, 0);
        poll_fn(|context| {
            for _ in 0..1_000 {
                assert!(receiver.poll_recv(context).is_pending());
                assert!(watch.poll_until(context, |&value| value == 1).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        let began = rt::now();
        for _ in 0..BUDGET {
            coop::consume_budget().await;
        }
        assert_eq!(rt::now(), began);
        assert!(!coop::has_budget_remaining());
    });
}

#[test]
fn ready_watches_handles_and_capacity_use_up_the_budget() {
    Runtime::new().block_on(async {
        let recorder = Recorder::new(Keep::Nothing);
        let watch = Watch::new(&recorder, 0);
        let (sender, _receiver) = channel::<()>(&recorder);
        let mut tasks = JoinSet::new(&recorder);
        (0..BUDGET).for_each(|_| drop(tasks.spawn("task", async {})));
        let mut handles: Vec<_> = (0..BUDGET).map(|_| rt::spawn(&recorder, "task", async {})).collect();
        rt::sleep(MICROS(100)).await;
        for operation in 0..4 {
            let began = rt::now();
            for _ in 0..BUDGET {
                match operation {
                    0 => drop(watch.until(|_| true).await),
                    1 => sender.wait_for_capacity(1).await,
                    2 => tasks.join_next().await.unwrap().unwrap(),
                    _ => handles.pop().unwrap().await.unwrap(),
                }
            }
            assert_eq!(rt::now(), began, "{operation}");
            assert!(!coop::has_budget_remaining(), "{operation}");
            coop::consume_budget().await;
            assert!(rt::now() >= began + MICROS(128), "{operation}");
            rt::sleep(MICROS(1)).await;
        }
    });
}

#[test]
fn an_unconstrained_future_has_no_budget() {
    Runtime::new().block_on(async {
        let began = rt::now();
        coop::unconstrained(async {
            for _ in 0..10 * BUDGET {
                coop::consume_budget().await;
            }
        })
        .await;
        assert_eq!(rt::now(), began);
        assert!(coop::has_budget_remaining());
    });
}

#[test]
fn a_cooperative_future_is_one_operation() {
    Runtime::new().block_on(async {
        for _ in 0..BUDGET {
            assert!(coop::has_budget_remaining());
            coop::cooperative(async {}).await;
        }
        assert!(!coop::has_budget_remaining());
        let began = rt::now();
        coop::cooperative(async {}).await;
        assert!(rt::now() > began);
    });
}

/// A timeout around a loop of ready operations ends, although the loop does not wait.
#[test]
fn a_timeout_ends_a_loop_of_ready_operations() {
    Runtime::new().block_on(async {
        let began = rt::now();
        let endless = async {
            loop {
                coop::consume_budget().await;
            }
        };
        let ended: Option<()> = rt::timeout(Duration::from_millis(10), endless).await;
        assert!(ended.is_none());
        assert_eq!((rt::now() - began).as_micros() / 100, 100);
    });
}

/// A wake-up by another branch polls a task that waits for its system calls again; its calls wait
/// on: 10 ms are 79 budgets, although the task is polled each 10 µs.
#[test]
fn a_task_that_is_woken_earlier_still_waits_for_its_calls() {
    for in_own_scope in [false, true] {
        Runtime::new().block_on(async {
            let recorder = Recorder::new(Keep::Nothing);
            let both = async {
                let calls = AtomicU32::new(0);
                let mut endless = std::pin::pin!(async {
                    loop {
                        coop::consume_budget().await;
                        calls.fetch_add(1, Relaxed);
                    }
                });
                let mut ticks = std::pin::pin!(async {
                    for _ in 0..990 {
                        rt::sleep(MICROS(10)).await;
                    }
                });
                poll_fn(|context| {
                    let _: Poll<()> = endless.as_mut().poll(context);
                    ticks.as_mut().poll(context)
                })
                .await;
                calls.load(Relaxed)
            };
            let calls =
                if in_own_scope { rt::spawn(&recorder, "both", both).await.unwrap() } else { both.await };
            assert!((77 * 128..=79 * 128).contains(&calls), "{calls}");
        });
    }
}

/// The budget is that of a poll, not of a time: two runtimes on one thread show the same times.
#[test]
fn runtimes_on_one_thread_do_not_share_a_budget() {
    for _ in 0..3 {
        Runtime::new().block_on(async {
            for _ in 0..BUDGET {
                assert!(coop::has_budget_remaining());
                coop::consume_budget().await;
            }
        });
    }
}

/// Plays a run on a new thread whose turns are limited; returns with what they were used up.
fn play_limited<F: Future<Output = ()>>(scenario: impl FnOnce(Recorder) -> F + Send) -> TurnsSpent {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let recorder = Recorder::new(Keep::Nothing);
            recorder.limit_turns(100_000);
            let _run = rt::enter_run(&recorder);
            let runtime = Runtime::new();
            let played = || runtime.block_on(scenario(recorder));
            *catch_unwind(AssertUnwindSafe(played)).unwrap_err().downcast::<TurnsSpent>().unwrap()
        });
        run.join().unwrap()
    })
}

/// A loop of ready operations without a cost uses up the turns of the run: 128 each budget. So it
/// ends after as many operations as the run has turns, also in a task of madsim.
#[test]
fn a_loop_of_ready_operations_without_a_cost_uses_up_the_turns() {
    let mut loops = 0u64;
    let spent = play_limited(|_| async {
        let _mounted = rt::mount(rt::current_node(), SystemCallCost(Duration::ZERO));
        loop {
            loops += 1;
            coop::consume_budget().await;
        }
    });
    assert_eq!(spent.turns, 100_000);
    assert_eq!(loops / 128, 100_000 / 128 + 1);
}

/// A loop that polls one operation without ever returning ends as well.
#[test]
fn a_poll_that_spins_uses_up_the_turns() {
    play_limited(|_| async {
        poll_fn(|context| -> Poll<()> {
            loop {
                let _ = coop::poll_proceed(context).map(|restore| restore.made_progress());
            }
        })
        .await;
    });
}

/// Calls that do not wait use up turns where one poll makes more than a thousand, and name the
/// task.
#[expect(clippy::disallowed_methods, reason = "a run has a thread of its own")]
#[test]
fn a_loop_of_try_calls_uses_up_the_turns() {
    let recorder = Recorder::new(Keep::Nothing);
    let names = recorder.clone();
    let mut tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let spent = std::thread::spawn(move || {
        recorder.limit_turns(100_000);
        let _run = rt::enter_run(&recorder);
        let played = || {
            Runtime::new().block_on(async {
                let (_sender, mut receiver) = channel::<()>(&recorder);
                let spins = rt::spawn(&recorder, "spins", async move {
                    while receiver.try_recv().is_none() {
                        count.fetch_add(1, Relaxed);
                    }
                });
                let _ = spins.await;
            });
        };
        *catch_unwind(AssertUnwindSafe(played)).unwrap_err().downcast::<TurnsSpent>().unwrap()
    });
    let spent = spent.join().unwrap();
    assert_eq!(names.text(spent.scope.task), "spins");
    let tries = Arc::get_mut(&mut tries).unwrap().load(Relaxed);
    assert!((100_000..103_000).contains(&tries), "{tries}");
}

/// Many `try_*` calls in many polls use up no turns.
#[expect(clippy::disallowed_methods, reason = "a run has a thread of its own")]
#[test]
fn try_calls_in_many_polls_use_up_no_turns() {
    std::thread::spawn(|| {
        let recorder = Recorder::new(Keep::Nothing);
        recorder.limit_turns(1);
        let _run = rt::enter_run(&recorder);
        Runtime::new().block_on(async {
            let (_sender, mut receiver) = channel::<()>(&recorder);
            for _ in 0..1_000 {
                for _ in 0..100 {
                    assert_eq!(receiver.try_recv(), None);
                }
                rt::sleep(MICROS(1)).await;
            }
        });
    })
    .join()
    .unwrap();
}
