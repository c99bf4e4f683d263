//! Every run ends in an outcome, also if it panics, stalls or reaches its horizon.

use crate::story::{Boxed, Story};
use std::time::Duration;
use stormglass_core::{Keep, Length, Seed, Verdict};
use stormglass_fs::Loss;
use stormglass_rt::worker;
use stormglass_sim::{Played, Run, Settings, World};

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

#[test]
fn a_panic_names_its_node() {
    let played = play(|world| {
        Box::pin(async move {
            world.node("node-2").spawn("doomed", async { panic!("on purpose") });
            stormglass_rt::sleep(MS(10)).await;
        })
    });
    let expected = Verdict::Panicked { node: "node-2".into(), message: "on purpose".into() };
    assert_eq!(played.outcome.verdict, expected);
}

/// A task that only yields lets no time pass; the limit of polls (`run.turns`) ends it.
#[test]
fn a_task_that_only_yields_is_stopped() {
    let played = play_with(&[("run.turns", "5000")], |world| {
        Box::pin(async move {
            world.node("node-1").spawn("spinning", async {
                loop {
                    madsim::task::yield_now().await;
                }
            });
            stormglass_rt::sleep(MS(10)).await;
        })
    });
    assert!(
        matches!(&played.outcome.verdict, Verdict::Stalled { reason } if reason.contains("5000 turns")),
        "{:?}",
        played.outcome.verdict
    );
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
