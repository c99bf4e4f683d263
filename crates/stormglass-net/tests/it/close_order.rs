//! The sockets of a hosted process close in an order that the seed determines.

use madsim::runtime::Runtime;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_core::{Keep, Recorder, Seed};
use stormglass_net::{NetProfile, Network, TcpListener, TcpStream};
use stormglass_rt::hosted::{self, Hosting};
use tokio::io::AsyncReadExt;

const SERVER: &str = "127.0.0.1:80";
const CONNECTIONS: usize = 8;

/// A process with connections in tasks of their own: does not end.
async fn process() {
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(SERVER).await.unwrap();
        tokio::spawn(async move {
            let _stream = stream;
            pending::<()>().await;
        });
    }
    pending().await
}

/// Kills the process and returns the order in which its connections close.
fn order_of_closing() -> Vec<usize> {
    Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(async {
        let recorder = Recorder::new(Keep::Nothing);
        let network = Network::new(NetProfile::instant(), Seed(1));
        let _mount = network.host("server").mount();
        let listener = TcpListener::bind(SERVER).await.unwrap();
        let closed = Arc::new(Mutex::new(Vec::new()));
        let (order, spawner) = (closed.clone(), recorder.clone());
        let accepting = stormglass_rt::spawn(&recorder, "accept", async move {
            for number in 0..CONNECTIONS {
                let (mut stream, _) = listener.accept().await.unwrap();
                let order = order.clone();
                drop(stormglass_rt::spawn(&spawner, "read", async move {
                    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
                    order.lock().unwrap().push(number);
                }));
            }
        });
        // The end of the time drops the process, as a kill does.
        let process = hosted::run(&recorder, Hosting::new(Seed(1)), process());
        assert!(stormglass_rt::timeout(Duration::from_secs(1), process).await.is_none());
        accepting.await.unwrap();
        stormglass_rt::sleep(Duration::from_secs(1)).await;
        let order = closed.lock().unwrap().clone();
        assert_eq!(order.len(), CONNECTIONS);
        order
    })
}

#[test]
fn connections_of_a_killed_process_close_in_the_same_order_in_each_run() {
    let first = order_of_closing();
    for _ in 0..4 {
        // tokio numbers the tasks of all runtimes of the program: one task more.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(runtime.spawn(async {})).unwrap();
        assert_eq!(order_of_closing(), first);
    }
}
