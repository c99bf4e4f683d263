//! `tokio-util` and `tokio-stream`: codecs and listeners as streams.

use crate::between;
use stormglass::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{IntervalStream, TcpListenerStream};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::time::DelayQueue;

/// Sends each line back in capitals.
async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:7000").await.expect("the port is free");
    let mut connections = TcpListenerStream::new(listener);
    while let Some(Ok(stream)) = connections.next().await {
        let (reader, mut writer) = stream.into_split();
        let mut lines = FramedRead::new(reader, LinesCodec::new());
        while let Some(Ok(line)) = lines.next().await {
            let answer = format!("{}\n", line.to_uppercase());
            writer.write_all(answer.as_bytes()).await.expect("the client is there");
        }
    }
}

#[stormglass::test(seeds = 0..20)]
async fn codecs_and_streams_work_on_sockets(world: World) {
    between(&world, serve, || async {
        let mut stream = TcpStream::connect("server:7000").await.expect("it connects");
        stream.write_all(b"one\ntwo\n").await.expect("the server is there");
        stream.shutdown().await.expect("the server is there");
        let lines: Vec<_> = FramedRead::new(stream, LinesCodec::new()).map(Result::unwrap).collect().await;
        assert_eq!(lines, ["ONE", "TWO"]);
    })
    .await;
}

/// Answers each datagram with its length.
async fn serve_datagrams() {
    let socket = UdpSocket::bind("0.0.0.0:7000").await.expect("the port is free");
    let mut buffer = [0; 100];
    loop {
        let (len, sender) = socket.recv_from(&mut buffer).await.expect("a datagram");
        socket.send_to(&[len as u8], sender).await.expect("it is sent");
    }
}

#[stormglass::test(seeds = 0..20)]
async fn datagrams_are_those_of_the_simulation(world: World) {
    between(&world, serve_datagrams, || async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a port");
        socket.connect("server:7000").await.expect("an address");
        socket.send(b"four").await.expect("it is sent");
        let mut answer = [0; 2];
        assert_eq!(socket.recv(&mut answer).await.expect("an answer"), 1);
        assert_eq!(answer[0], 4);
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn tasks_and_timers_of_tokio_util_work(world: World) {
    between(&world, std::future::pending, || async {
        let (tasks, token) = (TaskTracker::new(), CancellationToken::new());
        for _ in 0..3 {
            tasks.spawn(token.clone().cancelled_owned());
        }
        tasks.close();
        let mut delays = DelayQueue::new();
        delays.insert("second", Duration::from_secs(2));
        delays.insert("first", Duration::from_secs(1));
        assert_eq!(delays.next().await.expect("one is due").into_inner(), "first");
        token.cancel();
        tasks.wait().await;
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_secs(1)));
        assert_eq!(ticks.take(3).collect::<Vec<_>>().await.len(), 3);
    })
    .await;
}
