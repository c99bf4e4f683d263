//! The life of a node's process: signals, grace periods, exit codes, restart policies, and a node
//! that comes back with another address.

use crate::story::{Boxed, Story};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::{Keep, ProcessState, Seed, Verdict};
use stormglass_net::OldAddress;
use stormglass_net::{TcpListener, TcpStream, lookup_host};
use stormglass_rt as rt;
use stormglass_rt::signal::ctrl_c;
use stormglass_rt::signal::unix::{SignalKind, signal};
use stormglass_sim::restart::{BackOff, Restart};
use stormglass_sim::{Node, Played, Run, Settings, World, exit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// Moments, in whole tenths of a second.
type Log = Arc<Mutex<Vec<(u64, &'static str)>>>;

fn log(log: &Log, what: &'static str) {
    log.lock().unwrap().push((rt::now().as_nanos() / 100_000_000, what));
}

fn play(plan: &str, scenario: impl Fn(World) -> Boxed + Send + Sync) -> Played {
    let scenario = Story(scenario);
    let sets = [("plan.fault", plan), ("run.horizon", "200s")];
    let settings = Settings::resolve(&scenario, None, "quiet", &sets).unwrap();
    Run::new(&scenario, settings, Seed(7)).play(Keep::Events)
}

/// Plays a scenario that must pass, and returns what was logged.
fn logged(plan: &str, scenario: impl Fn(World, Log) -> Boxed + Send + Sync) -> Vec<(u64, &'static str)> {
    let log = Log::default();
    let played = play(plan, |world| scenario(world, log.clone()));
    assert_eq!(played.outcome.verdict, Verdict::Passed);
    std::mem::take(&mut *log.lock().unwrap())
}

/// A process that logs its start and its SIGTERM, and exits this long after it.
fn graceful(node: &Node, shutdown: Duration, logged: &Log) {
    let logged = logged.clone();
    node.run("main", move || {
        let logged = logged.clone();
        async move {
            log(&logged, "up");
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            terminate.recv().await;
            log(&logged, "SIGTERM");
            rt::sleep(shutdown).await;
            log(&logged, "exits");
        }
    });
}

/// Killed from 1 s to 2 s by a plan; paused by the scenario at 3 s, and by a plan from 4 s to 6 s; the
/// scenario's SIGCONT at 5 s changes nothing yet. The kill at 7 s ends it.
#[test]
fn the_trace_has_the_states_of_a_process() {
    let plan = "[{ kind = 'kill', node = 'a', at = '1s', lasts = '1s' }, \
                 { kind = 'pause', node = 'a', at = '4s', lasts = '2s' }]";
    let played = play(plan, |world| {
        Box::pin(async move {
            let node = world.node("a");
            node.run("main", std::future::pending::<()>);
            rt::sleep(SECONDS(3)).await;
            node.pause();
            rt::sleep(SECONDS(2)).await;
            node.resume();
            rt::sleep(SECONDS(2)).await;
            node.kill();
        })
    });
    let states: Vec<_> = played
        .trace
        .processes
        .into_iter()
        .map(|change| (change.at.as_nanos() / 1_000_000_000, change.node, change.state))
        .collect();
    let killed = || ProcessState::Down("signal: 9 (SIGKILL)".into());
    let (up, paused) = (ProcessState::Up, ProcessState::Paused);
    let expected = [(1, killed()), (2, up.clone()), (3, paused.clone()), (4, paused), (6, up), (7, killed())];
    assert_eq!(states, expected.map(|(at, state)| (at, "a".to_string(), state)));
}

#[test]
fn terminate_ends_a_process_that_does_not_listen_at_once() {
    let plan = "[{ kind = 'terminate', node = 'a', at = '2s', lasts = '3s' }]";
    let logged = logged(plan, |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            let starts = logged.clone();
            node.run("main", move || {
                log(&starts, "up");
                std::future::pending::<()>()
            });
            assert_eq!(node.wait().await.signal(), Some(15));
            log(&logged, "ended");
            rt::sleep_until(SECONDS(10).into()).await;
        })
    });
    assert_eq!(logged, [(0, "up"), (20, "ended"), (50, "up")]);
}

/// SIGTERM at 2 s, 1 s of shutdown; the fault is over at 2 s + 5 s.
#[test]
fn terminate_lets_a_process_shut_down_within_the_grace_period() {
    let plan = "[{ kind = 'terminate', node = 'a', at = '2s', lasts = '5s' }]";
    let logged = logged(plan, |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            graceful(&node, SECONDS(1), &logged);
            assert!(node.wait().await.success());
            log(&logged, "ended");
            rt::sleep_until(SECONDS(20).into()).await;
        })
    });
    assert_eq!(logged, [(0, "up"), (20, "SIGTERM"), (30, "exits"), (30, "ended"), (70, "up")]);
}

/// The grace period is 4 s; the process would need 60 s.
#[test]
fn terminate_kills_after_the_grace_period() {
    let plan = "[{ kind = 'terminate', node = 'a', grace = '4s', at = '2s', lasts = '5s' }]";
    let logged = logged(plan, |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            graceful(&node, SECONDS(60), &logged);
            assert_eq!(node.wait().await.signal(), Some(9));
            log(&logged, "ended");
            rt::sleep_until(SECONDS(20).into()).await;
        })
    });
    assert_eq!(logged, [(0, "up"), (20, "SIGTERM"), (60, "ended"), (70, "up")]);
}

/// The fault is over at 3 s; the process exits at 2 s + 5 s, and only then starts again.
#[test]
fn a_process_that_outlives_its_fault_starts_when_it_has_ended() {
    let plan = "[{ kind = 'terminate', node = 'a', at = '2s', lasts = '1s' }]";
    let logged = logged(plan, |world, logged| {
        Box::pin(async move {
            graceful(&world.node("a"), SECONDS(5), &logged);
            rt::sleep_until(SECONDS(20).into()).await;
        })
    });
    assert_eq!(logged, [(0, "up"), (20, "SIGTERM"), (70, "exits"), (70, "up")]);
}

/// A stopped process is killed by SIGKILL alone: SIGTERM waits for SIGCONT, at 9 s.
#[test]
fn a_stopped_process_receives_sigterm_when_it_continues() {
    let plan = "[{ kind = 'pause', node = 'a', at = '1s', lasts = '8s' },
                 { kind = 'terminate', node = 'a', grace = '60s', at = '2s', lasts = '1s' }]";
    let logged = logged(plan, |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            let starts = logged.clone();
            node.run("main", move || {
                log(&starts, "up");
                std::future::pending::<()>()
            });
            assert_eq!(node.wait().await.signal(), Some(15));
            log(&logged, "ended");
            rt::sleep_until(SECONDS(20).into()).await;
        })
    });
    // The fault is long over, so the next process starts before anything else can run.
    assert_eq!(logged, [(0, "up"), (90, "up"), (90, "ended")]);
}

#[test]
fn ctrl_c_completes_in_the_node_and_takes_the_default_action_away() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            let own = logged.clone();
            node.run("main", move || {
                let own = own.clone();
                async move {
                    ctrl_c().await.unwrap();
                    log(&own, "SIGINT");
                    rt::sleep(SECONDS(2)).await;
                    ExitCode::from(4)
                }
            });
            rt::sleep(SECONDS(1)).await;
            node.interrupt();
            rt::sleep(SECONDS(1)).await;
            // Nothing waits for it any more, but the process has listened.
            node.interrupt();
            assert_eq!(node.wait().await.code(), Some(4));
            log(&logged, "ended");
        })
    });
    assert_eq!(logged, [(10, "SIGINT"), (30, "ended")]);
}

/// madsim's own `signal::ctrl_c`, which programs on madsim's tokio call.
#[test]
fn madsims_ctrl_c_completes_too_alone_and_beside_ours() {
    for ours in [false, true] {
        let logged = logged("[]", move |world, logged| {
            Box::pin(async move {
                let node = world.node("a");
                let own = logged.clone();
                node.run("main", move || {
                    let own = own.clone();
                    async move {
                        let recorder = rt::mounted::<stormglass_fs::Disk>().unwrap().recorder().clone();
                        if ours {
                            let own = own.clone();
                            drop(rt::spawn(&recorder, "ours", async move {
                                ctrl_c().await.unwrap();
                                log(&own, "ours");
                            }));
                        }
                        madsim::signal::ctrl_c().await.unwrap();
                        rt::sleep(MS(100)).await;
                        log(&own, "madsim's");
                    }
                });
                rt::sleep(SECONDS(1)).await;
                node.interrupt();
                assert!(node.wait().await.success());
            })
        });
        let expected: &[_] = if ours { &[(10, "ours"), (11, "madsim's")] } else { &[(11, "madsim's")] };
        assert_eq!(logged, expected);
    }
}

#[test]
fn default_actions_are_those_of_the_kernel() {
    logged("[]", |world, _| {
        Box::pin(async move {
            for (number, expected) in [
                (1, Some(1)),
                (2, Some(2)),
                (3, Some(3)),
                (9, Some(9)),
                (10, Some(10)),
                (13, None),
                (15, Some(15)),
                (17, None),
                (18, None),
                (23, None),
                (28, None),
                (34, Some(34)),
            ] {
                let node = world.node(&format!("a{number}"));
                node.run("main", std::future::pending::<()>);
                node.signal(SignalKind::from_raw(number));
                assert_eq!(node.exit_status().and_then(|status| status.signal()), expected, "{number}");
            }
        })
    });
}

#[test]
fn sigstop_stops_and_sigcont_continues() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            let own = logged.clone();
            node.run("main", move || {
                let own = own.clone();
                async move {
                    rt::sleep(SECONDS(2)).await;
                    log(&own, "awake");
                    std::future::pending::<()>().await
                }
            });
            rt::sleep(SECONDS(1)).await;
            node.signal(SignalKind::from_raw(20));
            rt::sleep(SECONDS(3)).await;
            node.signal(SignalKind::from_raw(18));
            rt::sleep(SECONDS(1)).await;
        })
    });
    assert_eq!(logged, [(40, "awake")]);
}

/// tokio: "before `poll` is called, all signal notifications are coalesced into one item".
#[test]
fn signals_coalesce_until_they_are_received() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            let own = logged.clone();
            node.run("main", move || {
                let own = own.clone();
                async move {
                    let mut hangup = signal(SignalKind::hangup()).unwrap();
                    let mut other = signal(SignalKind::hangup()).unwrap();
                    rt::sleep(SECONDS(2)).await;
                    hangup.recv().await;
                    log(&own, "first");
                    other.recv().await;
                    log(&own, "other");
                    // A listener is not notified of signals before its creation.
                    let mut late = signal(SignalKind::hangup()).unwrap();
                    late.recv().await;
                    log(&own, "late");
                    hangup.recv().await;
                    log(&own, "second");
                    std::future::pending::<()>().await
                }
            });
            rt::sleep(SECONDS(1)).await;
            node.signal(SignalKind::hangup());
            node.signal(SignalKind::hangup());
            rt::sleep(SECONDS(2)).await;
            node.signal(SignalKind::hangup());
            rt::sleep(SECONDS(1)).await;
            assert_eq!(node.exit_status(), None);
        })
    });
    assert_eq!(logged, [(20, "first"), (20, "other"), (30, "late"), (30, "second")]);
}

#[test]
fn listeners_end_with_their_process() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            graceful(&node, SECONDS(1), &logged);
            rt::sleep(SECONDS(1)).await;
            node.kill();
            node.run("main", std::future::pending::<()>);
            node.terminate();
            assert_eq!(node.exit_status().unwrap().signal(), Some(15));
        })
    });
    assert_eq!(logged, [(0, "up")]);
}

#[test]
fn signals_that_tokio_refuses_are_refused_with_its_errors() {
    logged("[]", |world, _| {
        Box::pin(async move {
            let task = world.node("a").spawn("main", async {
                let error = |number| signal(SignalKind::from_raw(number)).unwrap_err();
                [-1, 0, 4, 8, 9, 11, 19, 65].map(|number| (error(number).kind(), error(number).to_string()))
            });
            let errors = task.await.unwrap();
            assert!(errors.iter().all(|(kind, _)| *kind == ErrorKind::Other));
            assert_eq!(errors[4].1, "Refusing to register signal 9");
            assert_eq!(errors[7].1, "signal too large");
            assert_eq!(signal(SignalKind::hangup()).unwrap_err().kind(), ErrorKind::Unsupported);
        })
    });
}

/// The other task would log after 2 s.
#[test]
fn a_process_ends_with_its_main_function_and_with_exit() {
    for by_exit in [false, true] {
        let logged = logged("[]", move |world, logged| {
            Box::pin(async move {
                let node = world.node("a");
                let (me, own) = (node.clone(), logged.clone());
                node.run("main", move || {
                    let (me, own) = (me.clone(), own.clone());
                    async move {
                        let other = async move {
                            rt::sleep(SECONDS(2)).await;
                            log(&own, "other");
                        };
                        drop(me.spawn("other", other));
                        rt::sleep(SECONDS(1)).await;
                        if by_exit {
                            exit(256 + 3).await;
                        }
                        ExitCode::from(3)
                    }
                });
                assert_eq!(node.exit_status(), None);
                assert_eq!(node.wait().await.code(), Some(3));
                log(&logged, "ended");
                assert_eq!(node.wait().await.code(), Some(3));
                rt::sleep(SECONDS(5)).await;
            })
        });
        assert_eq!(logged, [(10, "ended")]);
    }
}

/// Programs of the simulation use their main function to start others; see [`Node::run`].
#[test]
fn a_main_function_that_returns_nothing_leaves_its_tasks_running() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            let (me, own) = (node.clone(), logged.clone());
            node.run("main", move || {
                let (me, own) = (me.clone(), own.clone());
                async move {
                    let other = async move {
                        rt::sleep(SECONDS(2)).await;
                        log(&own, "other");
                    };
                    drop(me.spawn("other", other));
                }
            });
            rt::sleep(SECONDS(5)).await;
            assert_eq!(node.exit_status(), None);
        })
    });
    assert_eq!(logged, [(20, "other")]);
}

/// Starts at 0, 2 + 0.1, 4.1 + 0.2, 6.3 + 0.4 and so on: docker's back-off.
#[test]
fn on_failure_restarts_with_back_off_and_success_ends_it() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            node.set_restart(Restart::on_failure());
            let own = logged.clone();
            node.run("main", move || {
                let own = own.clone();
                async move {
                    log(&own, "up");
                    rt::sleep(SECONDS(2)).await;
                    let starts = own.lock().unwrap().len();
                    match starts {
                        1 => ExitCode::from(1),
                        2 => panic!("this one panics"),
                        3 => exit(7).await,
                        _ => ExitCode::SUCCESS,
                    }
                }
            });
            let mut codes = Vec::new();
            for _ in 0..3 {
                codes.push(node.wait().await.code());
                rt::sleep(MS(500)).await;
            }
            assert_eq!(codes, [Some(1), Some(101), Some(7)]);
            rt::sleep(SECONDS(100)).await;
            assert!(node.exit_status().unwrap().success());
        })
    });
    assert_eq!(logged, [(0, "up"), (21, "up"), (43, "up"), (67, "up")]);
}

/// The kubelet's: at once at 1 s, 10 s after 32 s, 20 s after 63 s.
#[test]
fn always_restarts_after_success_and_after_a_kill() {
    let logged = logged("[]", |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            node.set_restart(Restart::always().back_off(BackOff::KUBERNETES));
            graceful(&node, Duration::ZERO, &logged);
            for _ in 0..3 {
                rt::sleep(SECONDS(1)).await;
                if logged.lock().unwrap().len() == 1 {
                    node.terminate()
                } else {
                    node.kill()
                }
                rt::sleep(SECONDS(30)).await;
            }
        })
    });
    let up = [(0, "up"), (10, "SIGTERM"), (10, "exits"), (10, "up"), (420, "up"), (830, "up")];
    assert_eq!(logged, up);
}

/// The process crashes at 1 s and is due at 1.1 s; the fault keeps it down until 4 s. The fault's
/// own kill has no back-off.
#[test]
fn a_restart_waits_for_the_fault_that_keeps_the_process_down() {
    let plan = "[{ kind = 'kill', node = 'a', at = '1050ms', lasts = '2950ms' },
                 { kind = 'kill', node = 'a', at = '10s', lasts = '2s' }]";
    let logged = logged(plan, |world, logged| {
        Box::pin(async move {
            let node = world.node("a");
            node.set_restart(Restart::on_failure());
            let own = logged.clone();
            node.run("main", move || {
                let own = own.clone();
                async move {
                    log(&own, "up");
                    if own.lock().unwrap().len() == 1 {
                        rt::sleep(SECONDS(1)).await;
                        return Err::<(), _>("crashes");
                    }
                    std::future::pending().await
                }
            });
            rt::sleep(SECONDS(30)).await;
        })
    });
    assert_eq!(logged, [(0, "up"), (40, "up"), (120, "up")]);
}

#[test]
fn without_a_policy_a_panic_of_main_ends_the_run() {
    let played = play("[]", |world| {
        Box::pin(async move {
            world.node("a").run("main", || async { panic!("boom") });
            rt::sleep(SECONDS(1)).await;
        })
    });
    let text = format!("{:?}", played.outcome.verdict);
    assert!(matches!(played.outcome.verdict, Verdict::Panicked { .. }) && text.contains("boom"), "{text}");
}

/// A server on port 80 of node `a` that answers each connection's first byte, and again, …
fn serve(node: &Node) {
    node.run("serve", || async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
        }
    });
}

async fn echo(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"x").await?;
    stream.read_exact(&mut [0]).await.map(drop)
}

/// What node `b` sees of `a`: (the old connection, a connect to the old address, whether the name
/// has another address, a connect to the name). An operation that takes 10 s hangs.
async fn seen_by_b(at: Duration) -> (String, String, bool, String) {
    fn text<T>(result: Option<std::io::Result<T>>) -> String {
        result.map_or("hangs".into(), |result| {
            result.map_or_else(|e| format!("{:?}", e.kind()), |_| "ok".into())
        })
    }
    let old: SocketAddr = lookup_host("a:80").await.unwrap().next().unwrap();
    let mut stream = TcpStream::connect(old).await.unwrap();
    echo(&mut stream).await.unwrap();
    rt::sleep_until(at.into()).await;
    let limit = SECONDS(10);
    let connection = text(rt::timeout(limit, echo(&mut stream)).await);
    let connect = text(rt::timeout(limit, TcpStream::connect(old)).await);
    let new = lookup_host("a:80").await.unwrap().next().unwrap();
    let by_name = rt::timeout(limit, async {
        let mut stream = TcpStream::connect("a:80").await?;
        echo(&mut stream).await
    });
    (connection, connect, new != old, text(by_name.await))
}

fn seen_with(plan: &str) -> (String, String, bool, String) {
    let seen = Arc::new(Mutex::new(None));
    let result = seen.clone();
    let played = play(plan, move |world| {
        let seen = seen.clone();
        Box::pin(async move {
            serve(&world.node_on("a", "machine-a"));
            let task = async move {
                rt::sleep(SECONDS(1)).await;
                seen_by_b(SECONDS(8)).await
            };
            let result = world.node_on("b", "machine-b").spawn("look", task).await.unwrap();
            *seen.lock().unwrap() = Some(result);
        })
    });
    assert_eq!(played.outcome.verdict, Verdict::Passed);
    let seen = result.lock().unwrap().take();
    seen.unwrap()
}

#[test]
fn a_node_that_comes_back_with_another_address_hangs_or_refuses_at_the_old_one() {
    let ends =
        |kind: &str, more: &str| format!("{{ kind = '{kind}', node = 'a', at = '5s', lasts = '1s'{more} }}");
    let see = |faults: &[String]| {
        let (connection, connect, is_new, by_name) = seen_with(&format!("[{}]", faults.join(", ")));
        assert_eq!(by_name, "ok");
        (connection, connect, is_new)
    };
    let is = |connection: &str, connect: &str, is_new| (connection.into(), connect.into(), is_new);
    let moved =
        |old: &str| format!("{{ kind = 'new-address', node = 'a', at = '5s', old-address = '{old}' }}");
    let lost = || ends("power-loss", "");
    // Without a new address the peer's segment is answered with RST.
    assert_eq!(see(&[lost()]), is("ConnectionReset", "ok", false));
    assert_eq!(see(&[lost(), moved("hang")]), is("hangs", "hangs", true));
    assert_eq!(see(&[moved("hang"), lost()]), is("hangs", "hangs", true));
    assert_eq!(see(&[moved("refuse"), lost()]), is("ConnectionReset", "ConnectionRefused", true));
    // Killed while it still has its address: the peer learns of that.
    let (connection, connect, is_new) = see(&[ends("kill", ""), moved("hang")]);
    assert_ne!(connection, "ok");
    assert_eq!((connect.as_str(), is_new), ("hangs", true));
    let terminate = ends("terminate", ", grace = '1s'");
    let (_, connect, is_new) = see(&[terminate, moved("refuse")]);
    assert_eq!((connect.as_str(), is_new), ("ConnectionRefused", true));
}

#[test]
fn a_policy_brings_the_node_back_with_another_address() {
    logged("[]", |world, _| {
        Box::pin(async move {
            let node = world.node("a");
            let before = node.host().ip();
            node.set_restart(Restart::always().new_address(OldAddress::Hang));
            serve(&node);
            rt::sleep(SECONDS(1)).await;
            node.kill();
            assert_eq!(node.host().ip(), before);
            rt::sleep(SECONDS(1)).await;
            let after = node.host().ip();
            assert_ne!(after, before);
            let bound = node.spawn("bind", async move {
                let port = |ip| SocketAddr::new(ip, 81);
                (
                    TcpListener::bind(port(before)).await.map(drop),
                    TcpListener::bind(port(after)).await.map(drop),
                )
            });
            let (old, new) = bound.await.unwrap();
            assert_eq!(old.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
            new.unwrap();
        })
    });
}
