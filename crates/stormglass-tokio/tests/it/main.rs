//! What a service that names this crate `tokio` uses.

#![cfg(madsim)]

mod contract;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_core::{Keep, Recorder, Seed};
use stormglass_net::{NetProfile, Network};
use stormglass_rt::hosted::{self, Hosting};
use stormglass_rt::signal::Signals;
use stormglass_rt::signal::unix::SignalKind;
use stormglass_tokio as tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A future that one thread alone polls.
struct AssertSend<F>(F);

#[expect(unsafe_code, reason = "a run and a current-thread runtime have one thread")]
// SAFETY: the tests create, poll and drop it on one thread.
unsafe impl<F> Send for AssertSend<F> {}

impl<F: Future> Future for AssertSend<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned with the struct.
        #[expect(unsafe_code, reason = "the field is pinned with the struct")]
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context)
    }
}

thread_local! {
    /// The signals of the process under test.
    static SIGNALS: Signals = Signals::default();
}

/// As [`run`], with a function that sends the process a signal.
fn run_with<F>(main: impl FnOnce(fn(i32)) -> F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    run(main(|kind| assert!(SIGNALS.with(|signals| signals.raise(SignalKind::from_raw(kind))), "it listens")))
}

fn run<F>(main: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(async {
        let network = Network::new(NetProfile::default(), Seed(1));
        let _host = network.host("node").mount();
        let disk = stormglass_fs::Disk::new("disk", stormglass_fs::DiskProfile::instant(), Seed(1));
        let _disk = disk.mount();
        let _signals = SIGNALS.with(|signals| signals.mount_on(stormglass_rt::current_node()));
        hosted::run(&Recorder::new(Keep::Nothing), Hosting::new(Seed(1)), main).await
    })
}

/// An echo server with a task per connection, on sockets of the simulation.
#[test]
fn tasks_of_tokio_serve_simulated_sockets() {
    let answer = run(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
                });
            }
        });
        let mut stream = TcpStream::connect("127.0.0.1:80").await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(1), stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    });
    assert_eq!(answer, "hello");
}

#[test]
fn files_are_on_the_nodes_disk() {
    let text = run(async {
        tokio::fs::write("state", "1").await.unwrap();
        let mut file = tokio::fs::OpenOptions::new().append(true).open("state").await.unwrap();
        file.write_all(b"2").await.unwrap();
        file.sync_all().await.unwrap();
        tokio::fs::read_to_string("state").await.unwrap()
    });
    assert_eq!(text, "12");
}

#[test]
fn blocking_closures_run_in_the_simulation() {
    let sum = run(async {
        let mut set = tokio::task::JoinSet::new();
        for number in 0..3 {
            set.spawn(async move { tokio::task::spawn_blocking(move || number * 2).await.unwrap() });
        }
        let mut sum = tokio::task::block_in_place(|| 10);
        while let Some(number) = set.join_next().await {
            sum += number.unwrap();
        }
        sum
    });
    // 10 + 0 + 2 + 4.
    assert_eq!(sum, 16);
}
