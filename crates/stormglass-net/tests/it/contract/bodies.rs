// The contract's test bodies. `net` is the network that they run on: all names here exist in both.
// `sleep` lets the peer's segments arrive.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The observations, step by step.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    /// Notes the result of a step: the value, or the error.
    fn note<T: std::fmt::Debug>(&mut self, what: &str, result: io::Result<T>) {
        self.0.push(match result {
            Ok(value) => format!("{what}: {value:?}"),
            Err(error) => format!("{what}: {}", described(&error)),
        });
    }
}

/// An error as the bodies compare it: std's text with the kernel's number, or, for an error that
/// std or tokio make without the kernel, its kind.
fn described(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => format!("{:?}", error.kind()),
    }
}

/// Waits until segments in transit have arrived.
async fn settle() {
    sleep(Duration::from_millis(20)).await;
}

async fn connected() -> (net::TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin), len: usize) -> io::Result<String> {
    let mut buffer = vec![0; len];
    let len = stream.read(&mut buffer).await?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
}

pub async fn a_stream_echoes() -> Vec<String> {
    let mut seen = Seen::default();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut line = String::new();
        stream.read_to_string(&mut line).await.unwrap();
        stream.write_all(line.to_uppercase().as_bytes()).await.unwrap();
    });
    let mut client = net::TcpStream::connect(at).await.unwrap();
    seen.note("peer is the listener", client.peer_addr().map(|peer| peer == at));
    seen.note("own ip", client.local_addr().map(|local| local.ip()));
    seen.note("own port", client.local_addr().map(|local| local.port() > 1024));
    seen.note("no delay", client.nodelay());
    seen.note("set no delay", client.set_nodelay(true));
    seen.note("no delay", client.nodelay());
    seen.note("write", client.write(b"one").await);
    let parts = [IoSlice::new(b", "), IoSlice::new(b"two")];
    seen.note("write two", client.write_vectored(&parts).await);
    seen.note("flush", client.flush().await);
    seen.note("shutdown", client.shutdown().await);
    let mut response = String::new();
    seen.note("read", client.read_to_string(&mut response).await);
    seen.note("response", Ok(response));
    seen.0
}

pub async fn connecting_to_a_closed_port_is_refused() -> Vec<String> {
    let mut seen = Seen::default();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    seen.note("connect", net::TcpStream::connect(at).await.map(drop));
    // Bound and not listening.
    let socket = net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = socket.local_addr().unwrap();
    seen.note("connect to a bound one", net::TcpStream::connect(at).await.map(drop));
    // The second address accepts.
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let both = [at, listener.local_addr().unwrap()];
    seen.note("connect to one of two", net::TcpStream::connect(&both[..]).await.map(drop));
    let (v4, v6) = ("127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap());
    seen.note("connect IPv4 to IPv6", net::TcpSocket::new_v4().unwrap().connect(v6).await.map(drop));
    seen.note("connect IPv6 to IPv4", net::TcpSocket::new_v6().unwrap().connect(v4).await.map(drop));
    seen.note("broadcast", net::TcpStream::connect("127.255.255.255:9").await.map(drop));
    seen.0
}

pub async fn bound_addresses_are_in_use() -> Vec<String> {
    let mut seen = Seen::default();
    let first = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    seen.note("same", net::TcpListener::bind(("127.0.0.1", port)).await.map(drop));
    seen.note("all", net::TcpListener::bind(("0.0.0.0", port)).await.map(drop));
    seen.note("another loopback", net::TcpListener::bind(("127.0.0.2", port)).await.map(drop));
    seen.note("udp", net::UdpSocket::bind(("127.0.0.1", port)).await.map(drop));
    drop(first);
    seen.note("again", net::TcpListener::bind(("127.0.0.1", port)).await.map(drop));
    let udp = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = udp.local_addr().unwrap().port();
    seen.note("udp same", net::UdpSocket::bind(("127.0.0.1", port)).await.map(drop));
    let socket = net::TcpSocket::new_v4().unwrap();
    seen.note("unbound", socket.local_addr());
    seen.note("bind", socket.bind("127.0.0.1:0".parse().unwrap()));
    seen.note("bind twice", socket.bind("127.0.0.1:0".parse().unwrap()));
    let (v4, v6) = ("127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap());
    seen.note("bind IPv4 to IPv6", net::TcpSocket::new_v4().unwrap().bind(v6));
    seen.note("bind IPv6 to IPv4", net::TcpSocket::new_v6().unwrap().bind(v4));
    seen.0
}

pub async fn foreign_addresses_are_not_available() -> Vec<String> {
    let mut seen = Seen::default();
    seen.note("bind", net::TcpListener::bind("203.0.113.7:0").await.map(drop));
    seen.note("bind udp", net::UdpSocket::bind("203.0.113.7:0").await.map(drop));
    seen.note("no port", net::TcpStream::connect("127.0.0.1").await.map(drop));
    seen.note("no such port", net::TcpStream::connect("127.0.0.1:99999").await.map(drop));
    let none: &[std::net::SocketAddr] = &[];
    seen.note("no address", net::TcpStream::connect(none).await.map(drop));
    seen.note("bind none", net::TcpListener::bind(none).await.map(drop));
    seen.0
}

pub async fn a_connection_is_established_before_accept() -> Vec<String> {
    let mut seen = Seen::default();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    seen.note("write", client.write(b"early").await);
    seen.note("shutdown", client.shutdown().await);
    settle().await;
    let (mut server, _) = listener.accept().await.unwrap();
    seen.note("read", read(&mut server, 64).await);
    seen.note("end", read(&mut server, 64).await);
    seen.0
}

pub async fn a_full_backlog_drops_syns() -> Vec<String> {
    let mut seen = Seen::default();
    let socket = net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let at = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Linux's backlog takes one more than was asked for.
    for _ in 0..2 {
        waiting.push(net::TcpStream::connect(at).await.unwrap());
        settle().await;
    }
    let connecting = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = connecting.clone();
    spawn(async move {
        drop(net::TcpStream::connect(at).await.unwrap());
        flag.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    settle().await;
    let still = || Ok(connecting.load(std::sync::atomic::Ordering::Relaxed));
    seen.note("third is connecting", still());
    drop(listener.accept().await.unwrap());
    settle().await;
    // The client retransmits its SYN after a second.
    seen.note("third is connecting", still());
    sleep(Duration::from_millis(1200)).await;
    seen.note("third is connecting", still());
    seen.0
}

pub async fn a_half_closed_stream_still_receives() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, mut server) = connected().await;
    seen.note("shutdown", client.shutdown().await);
    seen.note("shutdown again", client.shutdown().await);
    seen.note("write after shutdown", client.write(b"x").await);
    seen.note("server reads the end", read(&mut server, 8).await);
    seen.note("and again", read(&mut server, 8).await);
    seen.note("server writes", server.write(b"still here").await);
    seen.note("client reads", read(&mut client, 64).await);
    drop(server);
    settle().await;
    seen.note("client reads the end", read(&mut client, 64).await);
    seen.note("error", client.take_error().map(|error| error.as_ref().map(described)));
    seen.0
}

pub async fn closing_with_unread_data_resets() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, mut server) = connected().await;
    server.write_all(b"last bytes").await.unwrap();
    client.write_all(b"unread").await.unwrap();
    settle().await;
    drop(server);
    settle().await;
    seen.note("what came before", read(&mut client, 4).await);
    seen.note("the rest", read(&mut client, 64).await);
    seen.note("reset", read(&mut client, 64).await);
    seen.note("then the end", read(&mut client, 64).await);
    seen.note("write", client.write(b"x").await);
    seen.note("shutdown", client.shutdown().await);
    // A write can return the error first.
    let (mut client, server) = connected().await;
    client.write_all(b"unread").await.unwrap();
    settle().await;
    drop(server);
    settle().await;
    seen.note("write", client.write(b"x").await);
    seen.note("write again", client.write(b"x").await);
    seen.note("read", read(&mut client, 64).await);
    let (client, server) = connected().await;
    client.try_write(b"unread").unwrap();
    settle().await;
    drop(server);
    settle().await;
    seen.note("error", client.take_error().map(|error| error.as_ref().map(described)));
    seen.note("error again", client.take_error().map(|error| error.as_ref().map(described)));
    seen.0
}

pub async fn writing_to_a_closed_stream_is_reset() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    drop(server);
    settle().await;
    seen.note("the first write goes out", client.write(b"x").await);
    settle().await;
    seen.note("the second gets the error", client.write(b"x").await);
    seen.note("read", read(&mut client, 64).await);
    // After reading the end of the stream.
    let (mut client, server) = connected().await;
    drop(server);
    settle().await;
    seen.note("read", read(&mut client, 64).await);
    seen.note("write", client.write(b"x").await);
    settle().await;
    seen.note("read", read(&mut client, 64).await);
    seen.note("write", client.write(b"x").await);
    seen.0
}

pub async fn zero_linger_resets() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    seen.note("set", server.set_zero_linger());
    seen.note("is set", server.linger());
    drop(server);
    settle().await;
    seen.note("reset", read(&mut client, 64).await);
    seen.note("the end", read(&mut client, 64).await);
    seen.0
}

pub async fn dropping_a_listener_resets_its_backlog() -> Vec<String> {
    let mut seen = Seen::default();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut waiting = net::TcpStream::connect(at).await.unwrap();
    let accepted = net::TcpStream::connect(at).await.unwrap();
    settle().await;
    drop(listener);
    settle().await;
    seen.note("never accepted", read(&mut waiting, 64).await);
    seen.note("write", waiting.write(b"x").await);
    seen.note("connect", net::TcpStream::connect(at).await.map(drop));
    drop(accepted);
    let (mut client, mut server) = {
        let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    };
    seen.note("an accepted one lives on", client.write(b"hello").await);
    seen.note("read", read(&mut server, 64).await);
    seen.0
}

pub async fn reads_can_be_partial() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, mut server) = connected().await;
    client.write_all(b"one ").await.unwrap();
    client.write_all(b"two ").await.unwrap();
    client.write_all(b"three").await.unwrap();
    settle().await;
    seen.note("read", read(&mut server, 6).await);
    seen.note("read nothing", read(&mut server, 0).await);
    seen.note("read the rest", read(&mut server, 64).await);
    client.shutdown().await.unwrap();
    let mut exact = [0; 4];
    seen.note("read exactly", server.read_exact(&mut exact).await);
    seen.0
}

pub async fn peek_leaves_the_data() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, mut server) = connected().await;
    client.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 3];
    seen.note("peek", server.peek(&mut buffer).await);
    seen.note("peeked", Ok(buffer));
    settle().await;
    let mut buffer = [0; 64];
    seen.note("peek again", server.peek(&mut buffer).await);
    seen.note("read", read(&mut server, 64).await);
    client.shutdown().await.unwrap();
    seen.note("peek at the end", server.peek(&mut buffer).await);
    seen.0
}

pub async fn try_operations_return_would_block() -> Vec<String> {
    let mut seen = Seen::default();
    let (client, server) = connected().await;
    let mut buffer = [0; 64];
    seen.note("nothing there", server.try_read(&mut buffer));
    seen.note("writable", client.writable().await);
    seen.note("write", client.try_write(b"hello"));
    seen.note("write two", client.try_write_vectored(&[IoSlice::new(b","), IoSlice::new(b" you")]));
    settle().await;
    seen.note("readable", server.readable().await);
    seen.note("read", server.try_read(&mut buffer));
    seen.note("nothing more", server.try_read(&mut buffer));
    drop(client);
    seen.note("readable", server.readable().await);
    seen.note("the end", server.try_read(&mut buffer));
    seen.0
}

pub async fn a_writer_waits_for_its_reader() -> Vec<String> {
    let mut seen = Seen::default();
    let (client, mut server) = connected().await;
    let chunk = vec![7; 1 << 16];
    let mut sent = 0;
    let full = loop {
        match client.try_write(&chunk) {
            Ok(len) => sent += len,
            Err(error) => {
                // A full window may open when segments in transit have arrived.
                settle().await;
                match client.try_write(&chunk) {
                    Ok(len) => sent += len,
                    Err(_) => break error,
                }
            }
        }
    };
    seen.note("full", Err::<(), _>(full));
    seen.note("more than 64 KiB, less than 16 MiB", Ok((1 << 16 < sent, sent < 16 << 20)));
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    while received < sent {
        received += server.read(&mut buffer).await.unwrap();
    }
    seen.note("all arrived", Ok(received == sent));
    settle().await;
    seen.note("room again", client.try_write(b"x"));
    seen.0
}

pub async fn bytes_arrive_in_order() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, mut server) = connected().await;
    const LEN: usize = 20 << 20;
    spawn(async move {
        let bytes: Vec<u8> = (0..LEN).map(|at| (at % 251) as u8).collect();
        client.write_all(&bytes).await.unwrap();
    });
    let mut received = Vec::new();
    seen.note("20 MiB", server.read_to_end(&mut received).await);
    let in_order = received.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8);
    seen.note("in order", Ok(in_order));
    seen.0
}

pub async fn split_halves_close_independently() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    let (mut reader, mut writer) = server.into_split();
    seen.note("same peer", Ok(reader.peer_addr().unwrap() == writer.peer_addr().unwrap()));
    seen.note("write", writer.write(b"hello").await);
    seen.note("read", read(&mut client, 64).await);
    drop(writer);
    seen.note("the end", read(&mut client, 64).await);
    seen.note("client writes", client.write(b"to a reader").await);
    seen.note("it reads", read(&mut reader, 64).await);
    {
        let (mut reader, mut writer) = client.split();
        seen.note("borrowed: write", writer.write(b"!").await);
        seen.note("borrowed: the end", read(&mut reader, 8).await);
    }
    seen.note("it reads", read(&mut reader, 64).await);
    drop(reader);
    settle().await;
    seen.note("write to a closed stream", client.write(b"x").await);
    settle().await;
    seen.note("write again", client.write(b"x").await);
    // A writing half alone keeps the connection.
    let (mut client, server) = connected().await;
    let (reader, mut writer) = server.into_split();
    drop(reader);
    client.write_all(b"unread").await.unwrap();
    settle().await;
    seen.note("write", writer.write(b"hello").await);
    seen.note("read", read(&mut client, 64).await);
    writer.forget();
    settle().await;
    seen.note("closed with something unread", read(&mut client, 64).await);
    seen.0
}

pub async fn halves_can_be_reunited() -> Vec<String> {
    let mut seen = Seen::default();
    let (client, server) = connected().await;
    let (reader, writer) = client.into_split();
    let (other_reader, other_writer) = server.into_split();
    let error = reader.reunite(other_writer).unwrap_err();
    seen.note("halves of two streams", Ok(error.0.local_addr().unwrap() == writer.local_addr().unwrap()));
    let (reader, other_writer) = (error.0, error.1);
    let mut client = writer.reunite(reader).unwrap();
    let mut server = other_reader.reunite(other_writer).unwrap();
    seen.note("write", client.write(b"hello").await);
    seen.note("read", read(&mut server, 64).await);
    seen.0
}

pub async fn closed_ports_stay_in_time_wait() -> Vec<String> {
    let mut seen = Seen::default();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut client = net::TcpStream::connect(at).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    // The server closes first, and its port is in TIME_WAIT.
    drop(server);
    seen.note("the end", read(&mut client, 8).await);
    drop(client);
    drop(listener);
    settle().await;
    let bind = |reuse: bool| {
        let socket = net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(reuse).unwrap();
        socket.bind(at)
    };
    seen.note("bind", bind(false));
    seen.note("bind with reuse", bind(true));
    seen.note("listen", net::TcpListener::bind(at).await.map(drop));
    // After a reset no port is in TIME_WAIT.
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let client = net::TcpStream::connect(at).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    server.set_zero_linger().unwrap();
    drop((server, listener));
    settle().await;
    drop(client);
    settle().await;
    let socket = net::TcpSocket::new_v4().unwrap();
    seen.note("bind after a reset", socket.bind(at));
    seen.0
}

async fn udp_pair() -> (net::UdpSocket, net::UdpSocket) {
    let one = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    (one, net::UdpSocket::bind("127.0.0.1:0").await.unwrap())
}

pub async fn datagrams_arrive_with_their_source() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let at = other.local_addr().unwrap();
    seen.note("send", one.send_to(b"hello", at).await);
    seen.note("send nothing", one.send_to(b"", at).await);
    settle().await;
    let mut buffer = [0; 64];
    seen.note("peek", other.peek_from(&mut buffer).await.map(|(len, _)| len));
    let (len, from) = other.recv_from(&mut buffer).await.unwrap();
    seen.note("receive", Ok((len, from == one.local_addr().unwrap())));
    seen.note("receive nothing", other.recv_from(&mut buffer).await.map(|(len, _)| len));
    seen.note("no more", other.try_recv_from(&mut buffer).map(drop));
    seen.note("not connected", one.send(b"x").await);
    seen.note("no peer", one.peer_addr().map(drop));
    seen.0
}

pub async fn long_datagrams_are_truncated() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let at = other.local_addr().unwrap();
    one.send_to(b"a long one", at).await.unwrap();
    one.send_to(b"next", at).await.unwrap();
    let mut buffer = [0; 6];
    seen.note("truncated", other.recv_from(&mut buffer).await.map(|(len, _)| len));
    seen.note("the next", other.recv_from(&mut buffer).await.map(|(len, _)| len));
    seen.note("bytes", Ok(buffer));
    seen.0
}

pub async fn connected_sockets_filter_datagrams() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let third = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = one.local_addr().unwrap();
    one.connect(other.local_addr().unwrap()).await.unwrap();
    seen.note("peer", Ok(one.peer_addr().unwrap() == other.local_addr().unwrap()));
    third.send_to(b"not for you", at).await.unwrap();
    settle().await;
    other.send_to(b"for you", at).await.unwrap();
    let mut buffer = [0; 64];
    seen.note("receive", one.recv(&mut buffer).await);
    seen.note("send", one.send(b"thanks").await);
    seen.note("received", other.recv(&mut buffer).await);
    drop(other);
    settle().await;
    seen.note("send to an unbound port", one.send(b"hello?").await);
    settle().await;
    seen.note("refused", one.recv(&mut buffer).await);
    seen.note("nothing more", one.try_recv(&mut buffer));
    seen.note("send to an unbound port", one.send(b"hello?").await);
    settle().await;
    seen.note("refused", one.send(b"hello?").await);
    seen.0
}

pub async fn oversized_datagrams_are_rejected() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let at = other.local_addr().unwrap();
    seen.note("too large", one.send_to(&vec![0; 65_508], at).await);
    seen.note("the largest", one.send_to(&vec![0; 65_507], at).await);
    let mut buffer = vec![0; 1 << 17];
    seen.note("arrives", other.recv_from(&mut buffer).await.map(|(len, _)| len));
    // Datagrams that arrive at a full buffer are lost.
    for _ in 0..20 {
        one.send_to(&vec![0; 60_000], at).await.unwrap();
    }
    settle().await;
    let mut arrived = 0;
    while other.try_recv_from(&mut buffer).is_ok() {
        arrived += 1;
    }
    seen.note("some, not all", Ok((arrived > 0, arrived < 20)));
    seen.0
}

pub async fn a_datagram_to_an_unbound_port_is_refused() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let at = other.local_addr().unwrap();
    drop(other);
    seen.note("send", one.send_to(b"hello?", at).await);
    settle().await;
    let mut buffer = [0; 8];
    seen.note("no error without a connection", one.try_recv_from(&mut buffer).map(drop));
    seen.note("send", one.send_to(b"hello?", at).await);
    seen.0
}

pub async fn a_broadcast_needs_permission() -> Vec<String> {
    let mut seen = Seen::default();
    let socket = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (lo, all) = ("127.255.255.255:9", "255.255.255.255:9");
    seen.note("unset", socket.broadcast());
    seen.note("send", socket.send_to(b"hello?", lo).await);
    seen.note("to all", socket.send_to(b"hello?", all).await);
    seen.note("connect", socket.connect(lo).await);
    seen.note("set", socket.set_broadcast(true));
    seen.note("is set", socket.broadcast());
    seen.note("send", socket.send_to(b"hello?", lo).await);
    seen.note("connect", socket.connect(lo).await);
    seen.note("send", socket.send(b"hello?").await);
    let socket = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    seen.note("not connected", socket.peer_addr());
    seen.note("no destination", socket.send(b"hello?").await);
    seen.0
}

/// A path that is not bound.
fn socket_path(name: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}

pub async fn unix_streams_echo() -> Vec<String> {
    let mut seen = Seen::default();
    let path = socket_path("streams.sock");
    let listener = net::UnixListener::bind(&path).unwrap();
    let mut client = net::UnixStream::connect(&path).await.unwrap();
    let (mut server, from) = listener.accept().await.unwrap();
    seen.note("unnamed", Ok(from.is_unnamed()));
    seen.note("named", client.peer_addr().map(|peer| peer.as_pathname() == Some(&*path)));
    seen.note("write", client.write(b"hello").await);
    seen.note("read", read(&mut server, 64).await);
    client.shutdown().await.unwrap();
    seen.note("the end", read(&mut server, 64).await);
    seen.note("back", server.write(b"bye").await);
    seen.note("read", read(&mut client, 64).await);
    drop(server);
    settle().await;
    seen.note("the end", read(&mut client, 64).await);
    let mut client = net::UnixStream::connect(&path).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    drop(server);
    settle().await;
    seen.note("the end", read(&mut client, 64).await);
    seen.note("write", client.write(b"x").await);
    let mut client = net::UnixStream::connect(&path).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.write_all(b"unread").await.unwrap();
    settle().await;
    drop(server);
    settle().await;
    seen.note("closed with something unread", read(&mut client, 64).await);
    seen.note("then", read(&mut client, 64).await);
    seen.0
}

pub async fn unix_paths_are_bound_once() -> Vec<String> {
    let mut seen = Seen::default();
    let path = socket_path("names.sock");
    seen.note("not bound", net::UnixStream::connect(&path).await.map(drop));
    let listener = net::UnixListener::bind(&path).unwrap();
    seen.note("twice", net::UnixListener::bind(&path).map(drop));
    seen.note("own path", listener.local_addr().map(|local| local.as_pathname() == Some(&*path)));
    seen.note("connect", net::UnixStream::connect(&path).await.map(drop));
    seen.0
}

pub async fn a_unix_pair_is_connected() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut one, mut other) = net::UnixStream::pair().unwrap();
    seen.note("write", one.write(b"hello").await);
    seen.note("read", read(&mut other, 64).await);
    seen.note("write", other.write(b"you").await);
    seen.note("read", read(&mut one, 64).await);
    seen.note("unnamed", one.peer_addr().map(|peer| peer.is_unnamed()));
    drop(other);
    seen.note("the end", read(&mut one, 64).await);
    seen.0
}

pub async fn names_resolve_to_addresses() -> Vec<String> {
    let mut seen = Seen::default();
    let first = |mut found: Box<dyn Iterator<Item = std::net::SocketAddr>>| found.next();
    seen.note("address", net::lookup_host("10.1.2.3:80").await.map(|found| first(Box::new(found))));
    seen.note("v6", net::lookup_host("[fd00::9]:80").await.map(|found| first(Box::new(found))));
    seen.note("pair", net::lookup_host(("10.1.2.3", 80)).await.map(|found| first(Box::new(found))));
    let local = net::lookup_host("localhost:80").await.unwrap().any(|at| at == ([127, 0, 0, 1], 80).into());
    seen.note("localhost", Ok(local));
    seen.note("invalid", net::lookup_host("no port").await.map(drop));
    let unknown = net::lookup_host("no-such-host.invalid:80").await;
    seen.note("unknown", Ok(unknown.is_err()));
    seen.0
}
