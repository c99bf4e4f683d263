// The contract's test bodies of what hand-written futures poll.

use std::future::poll_fn;
use std::task::Poll;
use tokio::io::ReadBuf;

/// Polls once; `None` if it is pending.
async fn polled<T>(mut poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|context| {
        Poll::Ready(match poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Notes whether a single poll is ready, and with what.
fn note_polled<T: std::fmt::Debug>(seen: &mut Seen, what: &str, polled: Option<io::Result<T>>) {
    match polled {
        Some(result) => seen.note(what, result),
        None => seen.note(what, Ok("pending")),
    }
}

/// As text, what was read.
fn filled(buffer: &ReadBuf<'_>) -> String {
    String::from_utf8_lossy(buffer.filled()).into_owned()
}

pub async fn listeners_are_polled_for_connections() -> Vec<String> {
    let mut seen = Seen::default();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let none = polled(|context| listener.poll_accept(context)).await;
    note_polled(&mut seen, "nobody", none.map(|result| result.map(drop)));
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = poll_fn(|context| listener.poll_accept(context)).await.unwrap();
    seen.note("peer", client.local_addr().map(|local| local == peer));
    seen.note("same peer", server.peer_addr().map(|address| address == peer));
    let none = polled(|context| listener.poll_accept(context)).await;
    note_polled(&mut seen, "nobody", none.map(|result| result.map(drop)));

    let path = socket_path("polled.sock");
    let listener = net::UnixListener::bind(&path).unwrap();
    let none = polled(|context| listener.poll_accept(context)).await;
    note_polled(&mut seen, "nobody", none.map(|result| result.map(drop)));
    let _client = net::UnixStream::connect(&path).await.unwrap();
    let (_, peer) = poll_fn(|context| listener.poll_accept(context)).await.unwrap();
    seen.note("unnamed", Ok(peer.is_unnamed()));
    seen.0
}

pub async fn tcp_streams_are_polled_for_readiness() -> Vec<String> {
    let mut seen = Seen::default();
    let (client, server) = connected().await;
    // A connected stream is not readable before something arrives.
    note_polled(&mut seen, "client reads", polled(|context| client.poll_read_ready(context)).await);
    note_polled(&mut seen, "client writes", polled(|context| client.poll_write_ready(context)).await);
    server.try_write(b"hello").unwrap();
    seen.note("wait", poll_fn(|context| client.poll_read_ready(context)).await);
    let mut buffer = [0; 16];
    seen.note("read", client.try_read(&mut buffer));
    seen.note("read again", client.try_read(&mut buffer));
    note_polled(&mut seen, "client reads", polled(|context| client.poll_read_ready(context)).await);
    // The window is full when the server's buffer and the client's are.
    let written = loop {
        match client.try_write(&[7; 65536]) {
            Ok(_) => settle().await,
            Err(error) => break error,
        }
    };
    seen.note("full", Err::<(), _>(written));
    note_polled(&mut seen, "client writes", polled(|context| client.poll_write_ready(context)).await);
    drop(server);
    seen.note("reset", poll_fn(|context| client.poll_write_ready(context)).await);
    seen.0
}

pub async fn unix_streams_are_polled_for_readiness() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = net::UnixStream::pair().unwrap();
    note_polled(&mut seen, "reads", polled(|context| one.poll_read_ready(context)).await);
    note_polled(&mut seen, "writes", polled(|context| one.poll_write_ready(context)).await);
    other.try_write(b"hello").unwrap();
    seen.note("wait", poll_fn(|context| one.poll_read_ready(context)).await);
    let mut buffer = [0; 16];
    seen.note("read", one.try_read(&mut buffer));
    seen.note("read again", one.try_read(&mut buffer));
    note_polled(&mut seen, "reads", polled(|context| one.poll_read_ready(context)).await);
    drop(other);
    seen.note("the end", poll_fn(|context| one.poll_read_ready(context)).await);
    seen.note("read the end", one.try_read(&mut buffer));
    seen.0
}

pub async fn datagrams_are_sent_and_received_by_polls() -> Vec<String> {
    let mut seen = Seen::default();
    let one = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (from, to) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    let mut bytes = [0; 16];
    let mut buffer = ReadBuf::new(&mut bytes);
    let none = polled(|context| other.poll_recv_from(context, &mut buffer)).await;
    note_polled(&mut seen, "nothing", none.map(|result| result.map(drop)));
    let ready = polled(|context| other.poll_recv_ready(context)).await;
    note_polled(&mut seen, "not ready", ready);
    seen.note("room", poll_fn(|context| one.poll_send_ready(context)).await);
    let none = polled(|context| other.poll_peek_from(context, &mut buffer)).await;
    note_polled(&mut seen, "nothing to peek at", none.map(|result| result.map(drop)));
    seen.note("send", poll_fn(|context| one.poll_send_to(context, b"first", to)).await);
    seen.note("ready", poll_fn(|context| other.poll_recv_ready(context)).await);
    let peeked = poll_fn(|context| other.poll_peek_from(context, &mut buffer)).await;
    seen.note("peek", peeked.map(|address| address == from));
    seen.note("what", Ok(filled(&buffer)));
    buffer.clear();
    let received = poll_fn(|context| other.poll_recv_from(context, &mut buffer)).await;
    seen.note("receive", received.map(|address| address == from));
    seen.note("what", Ok(filled(&buffer)));
    // A datagram that is longer than the rest of the buffer is truncated.
    one.connect(to).await.unwrap();
    seen.note("send", poll_fn(|context| one.poll_send(context, b"second message")).await);
    seen.note("receive", poll_fn(|context| other.poll_recv_from(context, &mut buffer)).await.map(drop));
    seen.note("what", Ok(filled(&buffer)));
    seen.note("try", one.try_send(b"third"));
    settle().await;
    let mut bytes = [0; 16];
    seen.note("try", other.try_recv_from(&mut bytes).map(|(len, address)| (len, address == from)));
    seen.note("nothing", other.try_recv_from(&mut bytes).map(drop));
    seen.0
}

/// The socket of a pair whose buffer is full is ready again when three quarters of it are free.
pub async fn unix_datagram_sockets_are_polled_for_room() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = net::UnixDatagram::pair().unwrap();
    note_polled(&mut seen, "room", polled(|context| one.poll_send_ready(context)).await);
    note_polled(&mut seen, "nothing", polled(|context| other.poll_recv_ready(context)).await);
    let full = (0..1_000).find_map(|_| one.try_send(b"x").err()).unwrap();
    seen.note("full", Err::<(), _>(full));
    note_polled(&mut seen, "no room", polled(|context| one.poll_send_ready(context)).await);
    other.readable().await.unwrap();
    while other.try_recv(&mut [0; 4]).is_ok() {}
    seen.note("wait", poll_fn(|context| one.poll_send_ready(context)).await);
    seen.note("send", one.try_send(b"y"));
    seen.0
}

pub async fn keepalive_is_an_option_of_a_socket() -> Vec<String> {
    let mut seen = Seen::default();
    let socket = net::TcpSocket::new_v4().unwrap();
    seen.note("default", socket.keepalive());
    seen.note("set", socket.set_keepalive(true));
    seen.note("is set", socket.keepalive());
    seen.note("clear", socket.set_keepalive(false));
    seen.note("is cleared", socket.keepalive());
    seen.0
}
