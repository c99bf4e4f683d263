//! Calls of std that leave the simulation are refused with their place, counted, or allowed.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(clippy::disallowed_methods, reason = "planted calls that leave the simulation")]

use crate::story::{Boxed, Story};
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};
use stormglass_core::{Keep, Seed, Verdict};
use stormglass_sim::{Leaks, Played, Run, Settings, World};

fn play(policy: &str, function: impl Fn(World) -> Boxed + Send + Sync) -> Played {
    let scenario = Story(function);
    let settings = Settings::resolve(&scenario, None, "quiet", &[("run.leaks", policy)]).unwrap();
    Run::new(&scenario, settings, Seed(7)).play(Keep::Events)
}

/// Plays a run whose node `kv-1` has this main function.
fn serve<M, F>(policy: &str, main: M) -> Played
where
    M: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    play(policy, move |world| {
        let main = main.clone();
        Box::pin(async move {
            world.node("kv-1").run("serve", main);
            stormglass_rt::sleep(Duration::from_secs(1)).await;
        })
    })
}

/// Returns the place in the source and the message of a run that panicked in the main task of
/// `kv-1`.
fn refused(played: &Played) -> (&str, &str) {
    match &played.outcome.verdict {
        Verdict::Panicked { node, task: Some(task), location: Some(location), message } => {
            assert_eq!((&**node, &**task), ("kv-1", "serve"), "{message}");
            (location, message)
        }
        other => panic!("{other}"),
    }
}

/// Plays a run in which `kv-1` makes a call at this line, which is refused with this beginning of
/// the message and this remedy.
#[track_caller]
fn is_refused(call: fn(), said: &str, remedy: &str) {
    let played = serve("refuse", move || async move { call() });
    let (location, message) = refused(&played);
    let line = Location::caller().line();
    // The closure is on the line of the test's call, or within the three lines after it.
    let at = location
        .strip_prefix("crates/stormglass-sim/tests/it/leaks.rs:")
        .or_else(|| location.strip_prefix("tests/it/leaks.rs:"));
    let at: u32 =
        at.unwrap_or_else(|| panic!("{location}: {message}")).split(':').next().unwrap().parse().unwrap();
    assert!((line..line + 4).contains(&at), "{location}, from line {line}: {message}");
    assert!(message.starts_with(said), "{message}");
    assert!(message.contains(remedy), "{message}");
}

#[test]
fn files_of_the_real_disk_are_refused() {
    let file = std::env::temp_dir().join("stormglass-leak");
    let _ = std::fs::remove_file(&file);
    is_refused(
        || drop(std::fs::write(std::env::temp_dir().join("stormglass-leak"), "x")),
        "`std::fs::write` (open64 of /tmp/stormglass-leak) left the simulation: ",
        "use `tokio::fs`",
    );
    assert!(!file.exists(), "the call was refused");
    is_refused(
        || drop(std::fs::File::open("/etc/hostname")),
        "`std::fs::open` (open64 of /etc/hostname) left the simulation",
        "use `tokio::fs`",
    );
    is_refused(|| drop(std::fs::metadata("/etc")), "`std::fs::metadata` (statx of /etc)", "use `tokio::fs`");
    is_refused(
        || drop(std::fs::read_dir("/etc")),
        "`std::fs::read_dir` (opendir of /etc)",
        "use `tokio::fs`",
    );
    is_refused(|| drop(std::fs::create_dir("/tmp/x/y")), "`std::fs::", "use `tokio::fs`");
    is_refused(
        || drop(std::fs::remove_file("/tmp/x/y")),
        "`std::fs::remove_file` (unlink of /tmp/x/y)",
        "use `tokio::fs`",
    );
    is_refused(
        || drop(std::fs::rename("/tmp/x/y", "/tmp/x/z")),
        "`std::fs::rename` (rename of /tmp/x/y)",
        "use `tokio::fs`",
    );
    is_refused(
        || drop(std::fs::canonicalize("/etc/.")),
        "`std::fs::canonicalize` (realpath of /etc/.)",
        "use `tokio::fs`",
    );
}

#[test]
fn real_sockets_are_refused() {
    is_refused(
        || drop(std::net::TcpStream::connect("127.0.0.1:1")),
        "`std::net::tcp::connect` (connect of 127.0.0.1:1) left the simulation",
        "use `tokio::net`",
    );
    is_refused(
        || drop(std::net::UdpSocket::bind("[::1]:0")),
        "`std::net::udp::bind` (bind of [::1]:0)",
        "use `tokio::net`",
    );
    is_refused(
        || drop(std::os::unix::net::UnixStream::pair()),
        "`std::os::unix::net::stream::UnixStream::pair` (socketpair)",
        "use `tokio::net`",
    );
    is_refused(
        || drop(std::net::ToSocketAddrs::to_socket_addrs("example.org:80")),
        "`",
        "(getaddrinfo of example.org) left the simulation: use `tokio::net`",
    );
}

/// Calls a function, and is not over with it, so that its frame is on the stack.
fn elapses(sleep: impl Fn()) {
    let began = Instant::now();
    sleep();
    assert!(began.elapsed() >= Duration::from_secs(1), "the clock advances");
}

#[test]
fn sleeps_of_the_thread_are_refused_at_once() {
    let began = Instant::now();
    is_refused(
        || elapses(|| std::thread::sleep(Duration::from_secs(3600))),
        "`std::thread::",
        "use `tokio::time::sleep`",
    );
    is_refused(
        || elapses(|| std::thread::park_timeout(Duration::from_secs(3600))),
        "`std::thread::",
        "use `tokio::time::sleep`",
    );
    // A loop until a deadline ends too, although the run's clock stands while a task runs.
    is_refused(
        || assert!(std::sync::mpsc::channel::<()>().1.recv_timeout(Duration::from_millis(5)).is_err()),
        "`std::sync::mpsc::",
        "left the simulation",
    );
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let receiver = std::sync::Arc::new(receiver);
    let played = serve("refuse", move || {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move { assert!(receiver.recv_timeout(Duration::from_secs(3600)).is_err()) }
    });
    assert!(refused(&played).1.contains("(futex of "), "{:?}", played.outcome.verdict);
    assert!(began.elapsed() < Duration::from_secs(600), "no real time was slept");
}

#[test]
fn threads_and_processes_are_refused() {
    is_refused(
        || drop(std::thread::Builder::new().spawn(|| ())),
        "`std::thread::",
        "(pthread_create) left the simulation: use `tokio::spawn`",
    );
    is_refused(|| drop(std::thread::spawn(|| ())), "`std::thread::", "(pthread_create) left the simulation");
    is_refused(
        || drop(std::process::Command::new("true").output()),
        "`std::process::Command::output` (",
        "make the process a node, `World::node`",
    );
}

#[test]
fn changes_of_the_environment_are_refused() {
    is_refused(
        #[expect(unsafe_code, reason = "planted")]
        || unsafe { std::env::set_var("STORMGLASS_LEAK", "1") },
        "`std::env::set_var` (setenv of STORMGLASS_LEAK)",
        "pass the value as an argument",
    );
    assert!(std::env::var_os("STORMGLASS_LEAK").is_none());
    is_refused(
        || drop(std::env::set_current_dir("/")),
        "`std::env::set_current_dir` (chdir of /)",
        "pass the value",
    );
}

/// What a library does on its own: a real socket of tokio, its blocking threads, a second runtime.
#[cfg(tokio_unstable)]
mod of_tokio {
    use super::*;

    fn said<F: Future<Output = ()> + Send + 'static>(main: fn() -> F) -> String {
        let played = serve("refuse", main);
        let (location, message) = refused(&played);
        assert!(location.contains("leaks.rs:"), "{location}: {message}");
        message.into()
    }

    #[test]
    fn real_sockets_are_refused_with_a_remedy() {
        let message = said(|| async { drop(tokio::net::TcpListener::bind("127.0.0.1:0").await) });
        assert!(message.contains("`tokio::net::") && message.contains("(bind of 127.0.0.1:0)"), "{message}");
        assert!(message.contains("use `tokio::net` of stormglass-tokio"), "{message}");
        let message = said(|| async { drop(tokio::net::UdpSocket::bind("127.0.0.1:0").await) });
        assert!(message.contains("(bind of 127.0.0.1:0) left the simulation"), "{message}");
        // A name is looked up on a thread.
        let message = said(|| async { drop(tokio::net::TcpStream::connect("localhost:1").await) });
        assert!(message.contains("`tokio::net::") && message.contains("(pthread_create)"), "{message}");
    }

    #[test]
    fn blocking_threads_are_refused_with_a_remedy() {
        let message = said(|| async { drop(tokio::task::spawn_blocking(|| 1).await) });
        assert!(
            message.starts_with("`tokio::task::")
                && message.contains("spawn_blocking` (pthread_create) left the simulation"),
            "{message}"
        );
        let message = said(|| async { drop(tokio::fs::read("/etc/hostname").await) });
        assert!(message.contains("`tokio::fs::read") && message.contains("(pthread_create)"), "{message}");
    }

    #[test]
    fn second_runtimes_are_refused_with_a_remedy() {
        let message = said(|| async { drop(tokio::runtime::Runtime::new()) });
        assert!(message.contains("tokio::runtime::") && message.contains("left the simulation"), "{message}");
        assert!(message.contains("use the runtime on which the process of the node runs"), "{message}");
        let message = said(|| async {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {});
        });
        assert!(message.contains("Cannot start a runtime from within a runtime"), "{message}");
        assert!(message.contains("`.await` the future"), "{message}");
    }
}

/// A library that reads a file on its own is named with its version; the place is the user's.
#[test]
fn the_library_that_called_is_named() {
    is_refused(
        || assert_eq!(expect_test::expect_file!["/etc/hostname"].data(), ""),
        "`std::fs::read_to_string` (open64 of /etc/hostname) in expect-test-1.",
        "left the simulation: use `tokio::fs`",
    );
}

/// The task that a task has spawned is named by the place of its spawn.
#[cfg(tokio_unstable)]
#[test]
fn the_task_that_called_is_named() {
    let played = serve("refuse", || async {
        tokio::spawn(async { drop(std::fs::read("/etc/hostname")) });
        std::future::pending().await
    });
    let verdict = &played.outcome.verdict;
    let is_named = |task: &str| task.contains("leaks.rs:");
    assert!(
        matches!(verdict, Verdict::Panicked { node, task: Some(task), .. } if node == "kv-1" && is_named(task)),
        "{verdict}"
    );
}

/// The scenario's own code, and processes that are not hosted, are part of the run too.
#[test]
fn calls_of_every_task_are_refused() {
    let played = play("refuse", |_| Box::pin(async { drop(std::fs::read("/etc/hostname")) }));
    let verdict = &played.outcome.verdict;
    assert!(
        matches!(verdict, Verdict::Panicked { node, task: Some(task), .. } if node == "harness" && task == "scenario"),
        "{verdict}"
    );
    let played = play("refuse", |world| {
        Box::pin(async move {
            world.node("kv-1").run_unhosted("serve", || async { drop(std::fs::read("/etc/hostname")) });
            stormglass_rt::sleep(Duration::from_secs(1)).await;
        })
    });
    assert!(refused(&played).1.starts_with("`std::fs::read` (open64 of /etc/hostname)"));
}

/// The run ends with the turn that made the call: the next event is never reached.
#[test]
fn a_refused_call_ends_the_run() {
    let played = play("refuse", |world| {
        Box::pin(async move {
            drop(std::fs::read("/etc/hostname"));
            stormglass_rt::sleep(Duration::from_secs(5)).await;
            world.note("afterwards");
        })
    });
    let note = |text: &str| played.trace.events.iter().any(|event| played.trace.text(event.subject) == text);
    assert!(!note("afterwards"));
    assert!(note("open64 of /etc/hostname left the simulation"));
    assert!(played.outcome.ended.as_secs_f64() < 0.1, "{}", played.outcome.ended);
}

/// The panic that the refused call leads to is not the verdict.
#[test]
fn the_verdict_is_the_call_and_not_what_follows_from_it() {
    let played = serve("refuse", || async { std::fs::write("/tmp/stormglass-leak", "x").unwrap() });
    assert!(refused(&played).1.starts_with("`std::fs::write`"));
}

#[test]
fn counted_calls_reach_the_real_machine() {
    let played = serve("count", || async {
        for _ in 0..3 {
            assert!(std::fs::exists("/etc").unwrap());
        }
        assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    });
    assert_eq!(played.outcome.verdict, Verdict::Passed);
    let counted: Vec<_> = played.leaks.iter().map(|leak| (leak.call, &*leak.argument, leak.times)).collect();
    assert_eq!(counted, [("statx", "/etc", 3), ("pthread_create", "", 1)]);
    assert_eq!(played.leaks[0].site().function.as_deref(), Some("std::fs::exists"));
}

#[test]
fn allowed_calls_reach_the_real_machine() {
    let played = serve("allow", || async { assert!(std::fs::exists("/etc").unwrap()) });
    assert_eq!((played.outcome.verdict, played.leaks.len()), (Verdict::Passed, 0));
}

/// What a run looks like does not depend on the policy, as long as nothing is refused.
#[test]
fn the_policy_does_not_change_a_run() {
    let hash = |policy| {
        serve(policy, || async { stormglass_rt::sleep(Duration::from_millis(3)).await }).outcome.trace_hash
    };
    assert_eq!(hash("refuse"), hash("allow"));
    assert_eq!(hash("refuse"), hash("count"));
}

/// Code of a test within a run may reach the real machine where it says so; a backtrace reads the
/// program.
#[test]
fn code_that_says_so_and_backtraces_are_let_through() {
    let played = serve("refuse", || async {
        assert!(stormglass_rt::leaks::allowed(|| std::fs::exists("/etc").unwrap()));
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(backtrace.contains("leaks.rs"), "{backtrace}");
        assert!(std::thread::available_parallelism().is_ok());
    });
    assert_eq!((played.outcome.verdict, played.leaks.len()), (Verdict::Passed, 0));
}

/// Other threads, and this one before and after a run, are not concerned.
#[test]
fn only_the_thread_of_the_run_is_watched() {
    let (tell, told) = std::sync::mpsc::channel();
    let beside = std::thread::spawn(move || {
        let mut reads = 0;
        while told.try_recv().is_err() {
            assert!(std::fs::exists("/etc").unwrap());
            reads += 1;
        }
        reads
    });
    let played = serve("refuse", || async {});
    assert!(std::fs::exists("/etc").unwrap());
    tell.send(()).unwrap();
    assert!(beside.join().unwrap() > 0);
    assert_eq!(played.outcome.verdict, Verdict::Passed);
}

#[test]
fn the_default_refuses() {
    assert_eq!(stormglass_sim::RunSettings::default().leaks, Leaks::Refuse);
}
