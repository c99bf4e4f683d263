//! Loops of operations that are ready let other tasks run, and take time.

use madsim::runtime::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use stormglass_core::{Keep, Latency, Recorder, Seed};
use stormglass_net::{Mount, NetProfile, Network, TcpListener, TcpStream, UdpSocket};
use stormglass_rt as rt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn mounted() -> Mount {
    let mut profile = NetProfile::instant();
    profile.loopback.latency = Latency::from_micros(20);
    Network::new(profile, Seed(1)).host("node").mount()
}

/// A budget takes 128 µs, so the 79th begins before 10 ms are over.
#[test]
fn a_timeout_ends_a_loop_of_sends() {
    Runtime::new().block_on(async {
        let _mounted = mounted();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (at, mut sent) = (socket.local_addr().unwrap(), 0);
        let began = rt::now();
        let endless = async {
            loop {
                socket.send_to(b"x", at).await.unwrap();
                sent += 1;
            }
        };
        let ended: Option<()> = rt::timeout(Duration::from_millis(10), endless).await;
        assert!(ended.is_none());
        let took = rt::now() - began;
        assert!((10_000..10_128).contains(&took.as_micros()), "{took:?}");
        assert_eq!(sent, 79 * 128);
    });
}

/// 100,000 writes of one byte are 781 budgets: they take 100 ms, in which another task ticks.
#[test]
fn many_small_writes_take_time_and_let_other_tasks_run() {
    const COUNT: usize = 100_000;
    Runtime::new().block_on(async {
        let _mounted = mounted();
        let recorder = Recorder::new(Keep::Nothing);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let reads = rt::spawn(&recorder, "reads", async move {
            let (mut buffer, mut len) = (vec![0; 1 << 20], 0);
            while len < COUNT {
                len += server.read(&mut buffer).await.unwrap();
            }
        });
        let ticks = Arc::new(AtomicU32::new(0));
        let own = ticks.clone();
        rt::spawn(&recorder, "ticks", async move {
            loop {
                rt::sleep(Duration::from_millis(1)).await;
                own.fetch_add(1, Relaxed);
            }
        });
        let began = rt::now();
        for _ in 0..COUNT {
            client.write_all(b"x").await.unwrap();
        }
        let took = rt::now() - began;
        reads.await.unwrap();
        assert!((99..=102).contains(&took.as_millis()), "{took:?}");
        assert!((98..=102).contains(&ticks.load(Relaxed)), "{ticks:?}");
    });
}

/// The turns of a run end a loop of calls that do not wait, which would never end otherwise.
#[expect(clippy::disallowed_methods, reason = "a run has a thread of its own")]
#[test]
fn a_loop_of_try_calls_uses_up_the_turns_of_the_run() {
    let caught = std::thread::spawn(|| {
        let recorder = Recorder::new(Keep::Nothing);
        recorder.limit_turns(100_000);
        let _run = rt::enter_run(&recorder);
        Runtime::new().block_on(async {
            let _mounted = mounted();
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            while socket.try_recv(&mut [0]).is_err() {}
        });
    });
    let payload = caught.join().unwrap_err();
    assert_eq!(payload.downcast_ref::<stormglass_core::TurnsSpent>().unwrap().turns, 100_000);
}
