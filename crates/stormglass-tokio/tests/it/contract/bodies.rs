// Included for each of both worlds, with `tokio` in scope.

use std::time::Duration;
use tokio::signal::unix::{self, SignalKind};
use tokio::task::{JoinError, JoinHandle};

fn outcome<T: std::fmt::Debug>(joined: Result<T, JoinError>) -> String {
    match joined {
        Ok(output) => format!("{output:?}"),
        Err(error) if error.is_cancelled() => format!("cancelled: {:?}", error.try_into_panic().is_err()),
        Err(error) => {
            let is_panic = error.is_panic();
            format!("panic {is_panic}: {:?}", error.into_panic().downcast_ref::<&str>())
        }
    }
}

pub(super) async fn tasks_are_joined_aborted_and_panic(_: super::Raise) -> Vec<String> {
    let mut seen = Vec::new();
    let task: JoinHandle<u8> = tokio::spawn(async { 7 });
    seen.push(outcome(task.await));
    let forever = tokio::spawn(std::future::pending::<()>());
    seen.push(format!("finished {}", forever.is_finished()));
    forever.abort();
    seen.push(outcome(forever.await));
    let forever = tokio::spawn(std::future::pending::<()>());
    let handle = forever.abort_handle();
    seen.push(format!("the same number {}, finished {}", handle.id() == forever.id(), handle.is_finished()));
    handle.abort();
    seen.push(outcome(forever.await));
    seen.push(format!("finished {}", handle.is_finished()));
    let panics = tokio::task::spawn(async { panic!("text") });
    seen.push(outcome::<()>(panics.await));
    // A handle that is dropped does not end its task.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    drop(tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let _ = sender.send("went on");
    }));
    seen.push(format!("{:?}", receiver.await));
    seen
}

pub(super) async fn blocking_closures_return_their_output(_: super::Raise) -> Vec<String> {
    let output = tokio::task::spawn_blocking(|| 1 + 1).await;
    let panics = tokio::task::spawn_blocking(|| panic!("text")).await;
    let id = tokio::task::spawn_blocking(tokio::task::try_id).await.unwrap();
    vec![outcome(output), outcome::<()>(panics), format!("has a number: {}", id.is_some())]
}

pub(super) async fn local_tasks_need_not_be_send(_: super::Raise) -> Vec<String> {
    let local = async {
        let set = tokio::task::LocalSet::new();
        set.run_until(async {
            let shared = std::rc::Rc::new(7);
            let task: JoinHandle<u8> = tokio::task::spawn_local({
                let shared = shared.clone();
                async move {
                    tokio::task::yield_now().await;
                    *shared
                }
            });
            let panics: JoinHandle<()> = tokio::task::spawn_local(async { panic!("text") });
            vec![outcome(task.await), outcome(panics.await)]
        })
        .await
    };
    // A `LocalSet` is not `Send`, the body of a process is.
    super::AssertSend(local).await
}

pub(super) async fn signals_reach_their_listeners(raise: super::Raise) -> Vec<String> {
    let mut seen = Vec::new();
    let mut user = unix::signal(SignalKind::user_defined1()).unwrap();
    let mut other = unix::signal(SignalKind::user_defined1()).unwrap();
    let mut hangup = unix::signal(SignalKind::hangup()).unwrap();
    raise(SignalKind::user_defined1().as_raw_value());
    raise(SignalKind::user_defined1().as_raw_value());
    seen.push(format!("{:?} {:?}", user.recv().await, other.recv().await));
    // Two signals before the listener looks are one.
    let short = Duration::from_millis(20);
    seen.push(format!("again {}", tokio::time::timeout(short, user.recv()).await.is_ok()));
    seen.push(format!("another kind {}", tokio::time::timeout(short, hangup.recv()).await.is_ok()));
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(hangup.poll_recv(context).is_pending()));
    seen.push(format!("pending {}", polled.await));
    let interrupted = tokio::spawn(tokio::signal::ctrl_c());
    tokio::time::sleep(short).await;
    raise(SignalKind::interrupt().as_raw_value());
    seen.push(format!("{:?}", interrupted.await.unwrap()));
    for forbidden in [9, 19, 11] {
        let refused = unix::signal(SignalKind::from_raw(forbidden)).map(drop).unwrap_err();
        seen.push(format!("{forbidden}: {:?} {:?}", refused.kind(), refused.raw_os_error()));
    }
    seen
}

pub(super) async fn kinds_of_signals_have_linux_s_numbers(_: super::Raise) -> Vec<String> {
    let kinds = [
        SignalKind::alarm(),
        SignalKind::child(),
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::io(),
        SignalKind::pipe(),
        SignalKind::quit(),
        SignalKind::terminate(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::window_change(),
        SignalKind::from_raw(40),
    ];
    kinds.iter().map(|kind| kind.as_raw_value().to_string()).collect()
}
