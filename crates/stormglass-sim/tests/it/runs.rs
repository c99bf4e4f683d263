//! Every run ends in an outcome, also if it panics, stalls or reaches its horizon.

use crate::story::{Boxed, Story};
use std::time::Duration;
use stormglass_core::{Keep, Length, Seed, Verdict};
use stormglass_fs::Loss;
use stormglass_rt::worker;
use stormglass_sim::{Played, Run, Scenario, Settings, World, scenario};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn play_with(sets: &[(&str, &str)], function: impl Fn(World) -> Boxed + Send + Sync) -> Played {
    let scenario = Story(function);
    let settings = Settings::resolve(&scenario, None, "quiet", sets).unwrap();
    Run::new(&scenario, settings, Seed(7)).play(Keep::Events)
}

fn play(function: impl Fn(World) -> Boxed + Send + Sync) -> Played {
    play_with(&[], function)
}

#[test]
fn a_run_without_violations_passes() {
    let played = play(|world| Box::pin(async move { world.note("all is well") }));
    assert_eq!(played.outcome.verdict, Verdict::Passed);
    assert_eq!(played.outcome.events, 1);
}

/// The deadline ends nothing: the wait of 30 ms is measured although its deadline is 20 ms.
#[test]
fn a_wait_is_measured_past_its_deadline() {
    let played = play(|world| {
        Box::pin(async move {
            world.wait("ready", "node-1", MS(20), stormglass_rt::sleep(MS(30))).await;
        })
    });
    let waited = MS(30) + Duration::from_nanos(50);
    let expected =
        Verdict::TimedOut { wait: "ready".into(), node: "node-1".into(), deadline: MS(20), waited };
    assert_eq!(played.outcome.verdict, expected);
    assert_eq!(played.outcome.waits[0].length, Length::Observed(waited));
}

/// Of two waits that were too long, the one whose deadline passed first gives the verdict.
#[test]
fn the_first_deadline_to_pass_gives_the_verdict() {
    let played = play(|world| {
        Box::pin(async move {
            let waits = [("slow", 50, 40), ("fast", 30, 20)].map(|(name, length, deadline)| {
                let world = world.clone();
                let recorder = world.recorder().clone();
                stormglass_rt::scoped_task(&recorder, name, async move {
                    world.wait(name, "node-1", MS(deadline), stormglass_rt::sleep(MS(length))).await;
                })
            });
            stormglass_rt::join_all(waits.into()).await;
        })
    });
    assert!(matches!(played.outcome.verdict, Verdict::TimedOut { wait, .. } if wait == "fast"));
}

#[test]
fn the_horizon_censors_open_waits() {
    let played = play_with(&[("run.horizon", "3s")], |world| {
        Box::pin(async move {
            let never = std::future::pending::<()>();
            assert_eq!(world.wait("never", "node-1", MS(10), never).await, None);
        })
    });
    assert_eq!(played.outcome.waits[0].length.duration().as_secs(), 3);
    assert!(matches!(played.outcome.waits[0].length, Length::Censored(_)));
    assert!(matches!(played.outcome.verdict, Verdict::TimedOut { .. }));
}

/// A run that ends before a deadline does not show that the deadline holds.
#[test]
fn a_horizon_before_the_deadline_is_not_a_pass() {
    let played = play_with(&[("run.horizon", "5ms")], |world| {
        Box::pin(async move {
            world.wait("ready", "node-1", MS(20), stormglass_rt::sleep(MS(8))).await;
        })
    });
    let reason = "ready on node-1 was still waited for when the run ended at 0.005s".into();
    assert_eq!(played.outcome.verdict, Verdict::Stalled { reason });
}

#[test]
fn a_broken_property_is_a_verdict() {
    let played =
        play(|world| Box::pin(async move { world.violated("one-leader", "node-1 and node-2 in term 3") }));
    let expected =
        Verdict::Violated { property: "one-leader".into(), evidence: "node-1 and node-2 in term 3".into() };
    assert_eq!(played.outcome.verdict, expected);
}

/// Returns the location of a panic that is raised this many lines after this one's caller.
#[track_caller]
fn lines_below(lines: u32, column: u32) -> Option<String> {
    let caller = std::panic::Location::caller();
    Some(format!("{}:{}:{column}", caller.file(), caller.line() + lines))
}

#[test]
fn a_panic_names_node_task_and_location() {
    let location = lines_below(3, 58);
    let played = play(|world| {
        Box::pin(async move {
            world.node("node-2").spawn("doomed", async { panic!("on purpose") });
            stormglass_rt::sleep(MS(10)).await;
        })
    });
    let (node, task) = ("node-2".into(), Some("doomed".into()));
    let expected = Verdict::Panicked { node, task, location, message: "on purpose".into() };
    assert_eq!(played.outcome.verdict, expected);
}

/// Tasks of `madsim::task::spawn`, which madsim-tokio's `tokio::spawn` is, have a node and no name.
#[test]
#[expect(clippy::disallowed_methods, reason = "what madsim-tokio's spawn is")]
fn a_panic_in_a_task_of_madsim_names_node_and_location() {
    for node in ["node-2", "harness"] {
        let location = lines_below(3, 66);
        let played = play(move |world| {
            Box::pin(async move {
                let doomed = || drop(madsim::task::spawn(async { panic!("boom") }));
                match node {
                    "harness" => doomed(),
                    node => drop(world.node(node).spawn("spawner", async move { doomed() })),
                }
                stormglass_rt::sleep(MS(10)).await;
            })
        });
        let expected = Verdict::Panicked { node: node.into(), task: None, location, message: "boom".into() };
        assert_eq!(played.outcome.verdict, expected);
    }
}

/// A panic of the scenario itself.
#[test]
fn a_panic_of_the_scenario_is_one_of_the_harness() {
    let location = lines_below(1, 49);
    let played = play(|_| Box::pin(async move { panic!("number {}", 7) }));
    let (node, task) = ("harness".into(), Some("scenario".into()));
    let expected = Verdict::Panicked { node, task, location, message: "number 7".into() };
    assert_eq!(played.outcome.verdict, expected);
}

/// A task that joins one that panicked receives the panic, and the run goes on. The run fails if
/// it drops the handle, or keeps it to the end, unless the process is killed meanwhile.
#[test]
fn only_a_panic_that_no_task_joins_fails_the_run() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Does {
        Joins,
        Drops,
        Keeps,
        Kills,
    }
    for does in [Does::Joins, Does::Drops, Does::Keeps, Does::Kills] {
        let played = play(move |world| {
            Box::pin(async move {
                let node = world.node("node-1");
                let task: stormglass_rt::JoinHandle<()> = node.spawn("doomed", async { panic!("boom") });
                stormglass_rt::sleep(MS(1)).await;
                match does {
                    Does::Joins => assert!(task.await.unwrap_err().is_panic()),
                    Does::Drops => drop(task),
                    Does::Keeps => std::mem::forget(task),
                    Does::Kills => {
                        node.kill();
                        drop(task);
                    }
                }
                stormglass_rt::sleep(MS(1)).await;
                world.note("went on");
            })
        });
        let went_on = played.trace.events.iter().any(|event| played.trace.text(event.subject) == "went on");
        assert_eq!(went_on, does != Does::Drops, "{does:?}");
        match &played.outcome.verdict {
            Verdict::Passed => assert!(matches!(does, Does::Joins | Does::Kills), "{does:?}"),
            Verdict::Panicked { node, task, location, message } => {
                assert!(matches!(does, Does::Drops | Does::Keeps), "{does:?}");
                assert_eq!((&**node, task.as_deref(), &**message), ("node-1", Some("doomed"), "boom"));
                assert!(location.as_ref().unwrap().starts_with(file!()));
            }
            other => panic!("{does:?}: {other}"),
        }
    }
}

/// The words are those with which madsim panics when its event queue is empty. The timer of the
/// run's horizon keeps the queue of a run from being empty.
#[test]
fn a_panic_with_the_words_of_madsim_is_a_panic() {
    let played = play(|_| Box::pin(async move { panic!("no events, all tasks will block forever") }));
    let verdict = played.outcome.verdict;
    assert!(matches!(&verdict, Verdict::Panicked { node, .. } if node == "harness"), "{verdict}");
}

/// A scenario that waits for something that nothing can do ends at the horizon.
#[test]
fn a_scenario_without_any_event_ends_at_the_horizon() {
    let played = play_with(&[("run.horizon", "3s")], |_| Box::pin(std::future::pending()));
    assert_eq!(
        (played.outcome.verdict, played.outcome.ended.as_nanos() / 1_000_000),
        (Verdict::Passed, 3_000)
    );
}

/// A task that only yields lets no time pass; the limit of polls (`run.turns`) ends it.
#[test]
fn a_task_that_only_yields_is_stopped() {
    let played = play_with(&[("run.turns", "5000")], |world| {
        Box::pin(async move {
            let spinning = world.node("node-1").spawn("spinning", async {
                loop {
                    madsim::task::yield_now().await;
                }
            });
            let _: Result<(), _> = spinning.await;
        })
    });
    let Verdict::Stalled { reason } = &played.outcome.verdict else { panic!("{}", played.outcome.verdict) };
    assert!(reason.starts_with("5000 turns of tasks were spent"), "{reason}");
    assert!(reason.ends_with("The last turn was that of the task spinning on node-1"), "{reason}");
}

/// A loop of operations that are ready, with system calls that cost nothing, is a stall of its
/// task, in a task of madsim too: each budget of 128 operations counts as 128 turns.
#[test]
#[expect(clippy::disallowed_methods, reason = "what madsim-tokio's spawn is")]
fn a_loop_of_ready_operations_without_a_cost_is_stopped() {
    for (in_madsim, task) in [(false, "looping"), (true, "without a name")] {
        let played = play_with(&[("run.turns", "5000"), ("cpu.system-call", "0s")], move |world| {
            Box::pin(async move {
                let looping = async {
                    loop {
                        stormglass_rt::coop::consume_budget().await;
                    }
                };
                let node = world.node("node-1");
                if in_madsim {
                    node.spawn("spawner", async { drop(madsim::task::spawn(looping)) });
                } else {
                    node.spawn("looping", looping);
                }
                stormglass_rt::sleep(MS(10)).await;
            })
        });
        let Verdict::Stalled { reason } = &played.outcome.verdict else {
            panic!("{}", played.outcome.verdict)
        };
        let end = format!("The last turn was that of the task {task} on node-1");
        assert!(reason.ends_with(&end), "{reason}");
    }
}

/// 1280 operations are 9 whole budgets and one that is used up but not exceeded: the task waits for
/// 9 * 128 system calls.
#[test]
fn system_calls_cost_what_the_cpu_profile_says() {
    for (cost, nanos) in [("2us", 2_000), ("0s", 0)] {
        let played = play_with(&[("cpu.system-call", cost)], |world| {
            Box::pin(async move {
                let calls = world.node("node-1").spawn("calls", async {
                    let began = stormglass_rt::now();
                    for _ in 0..1_280 {
                        stormglass_rt::coop::consume_budget().await;
                    }
                    stormglass_rt::now() - began
                });
                let took = calls.await.unwrap();
                world.note(&took.as_nanos().to_string());
            })
        });
        let took: u64 = played.trace.symbols.last().unwrap().parse().unwrap();
        // Each of 9 polls takes 50 to 100 ns, and madsim adds 50 ns to a timer.
        let least = 9 * 128 * nanos;
        assert!((least..least + 9 * 150).contains(&took), "{cost}: {took}");
    }
}

/// A kill ends a node's tasks and keeps its disk, which the next incarnation reads.
#[test]
fn a_disk_outlives_its_node() {
    let played = play(|world| {
        Box::pin(async move {
            let node = world.node("node-1");
            let disk = node.disk().clone();
            node.spawn("life-1", async move {
                disk.write("a", b"kept").await.unwrap();
                stormglass_rt::sleep(MS(1_000)).await;
                disk.write("a", b"never").await.unwrap();
            });
            stormglass_rt::sleep(MS(100)).await;
            node.kill();
            let disk = node.disk().clone();
            let read = node.spawn("life-2", async move { disk.read("a").await.unwrap() });
            assert_eq!(read.await.unwrap(), b"kept");
            stormglass_rt::sleep(MS(2_000)).await;
            assert_eq!(world.node("node-1").disk().read("a").await.unwrap(), b"kept");
        })
    });
    assert_eq!(played.outcome.verdict, Verdict::Passed);
}

/// A kill ends the node's tasks; a power loss also discards what was never synced.
#[test]
fn a_power_loss_discards_unsynced_writes() {
    let played = play(|world| {
        Box::pin(async move {
            let node = world.node("node-1");
            let write = async || {
                let disk = node.disk().clone();
                node.spawn("writer", async move {
                    disk.write("a", b"x").await.unwrap();
                    disk.open("/").await.unwrap().sync_all().await.unwrap();
                });
                stormglass_rt::sleep(MS(100)).await;
            };
            write().await;
            node.kill();
            assert_eq!(node.disk().read("a").await.unwrap(), b"x");
            write().await;
            node.power_loss(Loss::Everything);
            assert_eq!(node.disk().read("a").await.unwrap(), b"");
        })
    });
    assert_eq!(played.outcome.verdict, Verdict::Passed);
}

/// A worker thread that was blocked when the process was killed does not block the next
/// incarnation.
#[test]
fn a_blocked_worker_does_not_outlive_its_incarnation() {
    let played = play(|world| {
        Box::pin(async move {
            let node = world.node("node-1");
            let timer = || node.spawn("timer", async { stormglass_rt::sleep(MS(20)).await });
            node.spawn("server", worker::block(stormglass_rt::sleep(MS(10_000))));
            stormglass_rt::sleep(MS(100)).await;
            timer();
            stormglass_rt::sleep(MS(100)).await;
            node.kill();
            let began = stormglass_rt::now();
            timer().await.unwrap();
            assert_eq!((stormglass_rt::now() - began).as_millis(), 20);
        })
    });
    assert_eq!(played.outcome.verdict, Verdict::Passed);
}

/// Three times 9 ms on two cores, in slices of 3 ms: 9 slices take 5 rounds, 15 ms. Two of the
/// three end a round earlier, and each event contains the time in the queue.
#[test]
fn nodes_of_one_machine_share_its_cores() {
    let played = play_with(&[("cpu.spread", "0.0"), ("cpu.cores", "2")], |world| {
        Box::pin(async move {
            let what = world.recorder().symbol("work");
            let tasks: Vec<_> = (1..=3)
                .map(|number| {
                    let cpu = world.node(&format!("node-{number}")).cpu().clone();
                    world
                        .node(&format!("node-{number}"))
                        .spawn("work", async move { cpu.compute(what, MS(9)).await })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
    });
    // The third event comes a few polls of 50 to 100 ns after the first: rounded.
    let took: Vec<u64> =
        played.trace.events.iter().map(|event| (event.took_nanos + 500_000) / 1_000_000).collect();
    assert_eq!(took, [12, 12, 15]);
}

/// Two nodes sync at once: on separate disks in 10 ms, on one device that serves one sync at a
/// time in 20 ms.
#[test]
fn nodes_of_one_machine_can_share_a_device() {
    let took = |shared: &str| {
        let sets = [
            ("machine.shared-disk", shared),
            ("disk.device.queue-depth", "1"),
            ("disk.sync.latency", "10ms"),
        ];
        let played = play_with(&sets, |world| {
            Box::pin(async move {
                let tasks = ["node-1", "node-2"].map(|name| {
                    let disk = world.node(name).disk().clone();
                    world.node(name).spawn("sync", async move {
                        disk.create("a").await.unwrap().sync_all().await.unwrap();
                    })
                });
                for task in tasks {
                    task.await.unwrap();
                }
            })
        });
        played.outcome.ended.as_nanos() / 1_000_000
    };
    assert_eq!(["false", "true"].map(took), [10, 20]);
}

/// The profile allows 2 descriptors: the third file is refused with EMFILE (24). A kill closes all.
#[test]
fn descriptors_of_a_process_are_limited() {
    let played = play_with(&[("machine.descriptors", "2")], |world| {
        Box::pin(async move {
            let node = world.node("node-1");
            let open = async || {
                let mut files = Vec::new();
                loop {
                    match stormglass_fs::File::create(format!("file-{}", files.len())).await {
                        Ok(file) => files.push(file),
                        Err(error) => return (files, error.raw_os_error()),
                    }
                }
            };
            for _ in 0..2 {
                let (opened, is_open) = tokio::sync::oneshot::channel();
                node.spawn("open", async move {
                    let (files, error) = open().await;
                    opened.send((files.len(), error)).unwrap();
                    std::future::pending::<()>().await;
                    drop(files);
                });
                assert_eq!(is_open.await.unwrap(), (2, Some(24)));
                assert_eq!(node.descriptors().open(), 2);
                node.kill();
                assert_eq!(node.descriptors().open(), 0);
            }
        })
    });
    assert_eq!(played.outcome.verdict, Verdict::Passed);
}

#[test]
fn keeping_events_does_not_change_the_run() {
    let scenario = Story(|world: World| -> Boxed {
        Box::pin(async move {
            let disk = world.node("node-1").disk().clone();
            disk.write("a", b"x").await.unwrap();
        })
    });
    let settings = Settings::resolve(&scenario, None, "quiet", &[]).unwrap();
    let run = Run::new(&scenario, settings, Seed(1));
    let (kept, hashed) = (run.play(Keep::Events), run.play(Keep::Nothing));
    assert_eq!(kept.outcome, hashed.outcome);
    assert!(hashed.trace.events.is_empty() && !kept.trace.events.is_empty());
}

/// A task that waits for ever on a channel whose other end it owns is freed with its run, on any
/// node: many runs use no more memory than one.
#[test]
fn finished_run_frees_its_memory() {
    let held = std::sync::Arc::new(());
    let kept = held.clone();
    play(move |world| {
        let kept = kept.clone();
        Box::pin(async move {
            let waits_for_itself = |kept: std::sync::Arc<()>| {
                let (sender, mut receiver) = stormglass_rt::channel::<()>(world.recorder());
                async move {
                    receiver.recv().await;
                    drop((sender, kept));
                }
            };
            world.node("node-1").spawn("waits", waits_for_itself(kept.clone()));
            stormglass_rt::spawn(world.recorder(), "waits", waits_for_itself(kept.clone()));
            stormglass_rt::sleep(MS(1)).await;
        })
    });
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}

struct WaitsAgainAndAgain;

/// A scenario waits for what never happens, and tries again at once
#[scenario]
impl Scenario for WaitsAgainAndAgain {
    async fn play(&self, world: World) {
        loop {
            world.wait("nothing", "node-1", Duration::from_secs(1), std::future::pending::<()>()).await;
        }
    }
}

/// At the horizon a wait ends without a result. The next one began at that instant and ended in it,
/// and so on, in one poll that never ended.
#[test]
fn a_scenario_that_waits_again_at_the_horizon_ends() {
    let settings = Settings::resolve(&WaitsAgainAndAgain, None, "quiet", &[("run.horizon", "3s")]).unwrap();
    let outcome = Run::new(&WaitsAgainAndAgain, settings, Seed(1)).play(Keep::Nothing).outcome;
    assert!(matches!(outcome.verdict, Verdict::TimedOut { .. }), "{}", outcome.verdict);
    assert_eq!(outcome.waits.len(), 2);
}
