// The bodies for Unix sockets and pipes. `fs` is the filesystem of the node.

/// Reads what an error carries: its number, or its kind where it has none.
fn number<T>(result: io::Result<T>) -> io::Result<String> {
    let error = result.err().expect("an error");
    Ok(error.raw_os_error().map_or_else(|| format!("{:?}", error.kind()), |number| number.to_string()))
}

pub async fn abstract_names_end_with_their_socket() -> Vec<String> {
    let mut seen = Seen::default();
    let name = format!("\0stormglass-{}", std::process::id());
    seen.note("nobody", number(net::UnixStream::connect(&name).await));
    let listener = net::UnixListener::bind(&name).unwrap();
    seen.note("twice", number(net::UnixListener::bind(&name)));
    seen.note("abstract", listener.local_addr().map(|local| local.as_abstract_name() == Some(&name.as_bytes()[1..])));
    seen.note("path", listener.local_addr().map(|local| local.as_pathname().is_some()));
    let mut client = net::UnixStream::connect(&name).await.unwrap();
    let (mut server, from) = listener.accept().await.unwrap();
    seen.note("unnamed", Ok(from.is_unnamed()));
    seen.note("write", client.write(b"hello").await);
    seen.note("read", read(&mut server, 8).await);
    drop(listener);
    seen.note("gone", number(net::UnixStream::connect(&name).await));
    drop(net::UnixListener::bind(&name).unwrap());
    let unnamed = std::os::unix::net::SocketAddr::from_pathname("").unwrap().into();
    seen.note("connect to no name", number(net::UnixStream::connect_addr(&unnamed).await));
    let automatic = net::UnixListener::bind_addr(&unnamed).unwrap().local_addr().unwrap();
    seen.note("automatic", Ok(automatic.as_abstract_name().map(<[u8]>::len)));
    seen.note("long", number(net::UnixListener::bind("x".repeat(108))));
    seen.note("zero byte", number(net::UnixListener::bind("a\0b")));
    seen.note("datagram with zero byte", number(net::UnixDatagram::bind("\0a")));
    seen.0
}

pub async fn unix_sockets_are_bound_before_they_connect() -> Vec<String> {
    let mut seen = Seen::default();
    let (server_path, client_path) = (socket_path("server.sock"), socket_path("client.sock"));
    let socket = net::UnixSocket::new_stream().unwrap();
    seen.note("bind", socket.bind(&server_path));
    seen.note("again", number(socket.bind(&client_path)));
    seen.note("bound and not listening", number(net::UnixStream::connect(&server_path).await));
    let listener = socket.listen(1).unwrap();
    let client = net::UnixSocket::new_stream().unwrap();
    client.bind(&client_path).unwrap();
    let client = client.connect(&server_path).await.unwrap();
    seen.note("client", client.local_addr().map(|local| local.as_pathname() == Some(&*client_path)));
    let second = net::UnixStream::connect(&server_path).await.unwrap();
    // Linux takes one connection more than the length that was asked for.
    seen.note("full", number(net::UnixStream::connect(&server_path).await));
    let (server, from) = listener.accept().await.unwrap();
    seen.note("from", Ok(from.as_pathname() == Some(&*client_path)));
    seen.note("peer", server.peer_addr().map(|peer| peer.as_pathname() == Some(&*client_path)));
    seen.note("local", server.local_addr().map(|local| local.as_pathname() == Some(&*server_path)));
    let credentials = (client.peer_cred().unwrap(), server.peer_cred().unwrap());
    seen.note("credentials", Ok(credentials.0 == credentials.1 && credentials.0.pid().is_some()));
    seen.note("a datagram socket connects", number(net::UnixDatagram::unbound().unwrap().connect(&server_path)));
    drop(listener);
    settle().await;
    let mut second = second;
    seen.note("reset in the backlog", read(&mut second, 8).await);
    let datagram = net::UnixSocket::new_datagram().unwrap();
    seen.note("listen", datagram.listen(1).map(drop).map_err(|error| io::Error::other(error.to_string())));
    let unbound = net::UnixSocket::new_stream().unwrap();
    seen.note("listen unbound", number(unbound.listen(1)));
    let datagram = net::UnixSocket::new_datagram().unwrap();
    seen.note("connect", number(datagram.connect(&server_path).await));
    let stream = net::UnixSocket::new_stream().unwrap();
    seen.note("datagram", number(stream.datagram()));
    seen.0
}

pub async fn unix_datagrams_arrive_in_order() -> Vec<String> {
    let mut seen = Seen::default();
    let (server_path, client_path) = (socket_path("server.dgram"), socket_path("client.dgram"));
    let unbound = net::UnixDatagram::unbound().unwrap();
    seen.note("missing", number(unbound.send_to(b"x", &server_path).await));
    seen.note("not connected", number(unbound.send(b"x").await));
    seen.note("no peer", number(unbound.peer_addr()));
    let server = net::UnixDatagram::bind(&server_path).unwrap();
    seen.note("twice", number(net::UnixDatagram::bind(&server_path)));
    seen.note("a stream connects", number(net::UnixStream::connect(&server_path).await));
    let client = net::UnixDatagram::bind(&client_path).unwrap();
    seen.note("send", unbound.send_to(b"one", &server_path).await);
    seen.note("send", client.send_to(b"second", &server_path).await);
    seen.note("send", client.send_to(b"", &server_path).await);
    let mut buffer = [0; 4];
    let (len, from) = server.recv_from(&mut buffer).await.unwrap();
    seen.note("unbound", Ok((len, from.is_unnamed())));
    let (len, from) = server.recv_from(&mut buffer).await.unwrap();
    seen.note("truncated", Ok((len, from.as_pathname() == Some(&*client_path))));
    seen.note("empty", server.recv(&mut buffer).await);
    seen.note("nothing", number(server.try_recv(&mut buffer)));
    seen.note("connect", client.connect(&server_path));
    seen.note("peer", client.peer_addr().map(|peer| peer.as_pathname() == Some(&*server_path)));
    server.connect(&client_path).unwrap();
    seen.note("the server is connected to another", number(unbound.send_to(b"x", &server_path).await));
    seen.note("connect to it", number(unbound.connect(&server_path)));
    seen.note("too long", number(client.send(&vec![0; 212_961]).await));
    seen.note("longest", client.send(&vec![7; 212_960]).await);
    let mut long = Vec::with_capacity(300_000);
    seen.note("received", server.recv_buf(&mut long).await);
    seen.note("intact", Ok(long.iter().all(|&byte| byte == 7)));
    drop(server);
    seen.note("closed", number(client.send(b"x").await));
    seen.note("then", number(client.send(b"x").await));
    seen.0
}

/// How many datagrams of a size fit: the two ends of a pair are limited by the send buffer alone.
pub async fn unix_datagrams_wait_for_room() -> Vec<String> {
    let mut seen = Seen::default();
    for len in [0, 1, 64, 65, 192, 193, 700, 1_000, 4_000, 16_064, 16_065, 30_000, 100_000] {
        let (one, other) = net::UnixDatagram::pair().unwrap();
        let bytes = vec![0; len];
        let mut sent = 0;
        one.writable().await.unwrap();
        let error = loop {
            match one.try_send(&bytes) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
        };
        seen.note(&format!("{len} bytes"), Ok((sent, error.kind())));
        let mut buffer = vec![0; len];
        let mut received = 0;
        other.readable().await.unwrap();
        while other.try_recv(&mut buffer).is_ok() {
            received += 1;
        }
        seen.note("received", Ok(received));
        one.writable().await.unwrap();
        seen.note("room", one.try_send(&bytes));
    }
    let path = socket_path("queue.dgram");
    let server = net::UnixDatagram::bind(&path).unwrap();
    let client = net::UnixDatagram::unbound().unwrap();
    client.connect(&path).unwrap();
    client.writable().await.unwrap();
    let mut sent = 0;
    while client.try_send(b"x").is_ok() {
        sent += 1;
    }
    seen.note("net.unix.max_dgram_qlen and one", Ok(sent));
    let blocked = client.send(b"y");
    let receive = async {
        settle().await;
        let mut buffer = [0; 8];
        server.recv(&mut buffer).await
    };
    let (blocked, received) = tokio::join!(blocked, receive);
    seen.note("waited", blocked);
    seen.note("received", received);
    seen.0
}

pub async fn unix_datagrams_are_shut_down() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = net::UnixDatagram::pair().unwrap();
    seen.note("send", one.send(b"before").await);
    seen.note("shutdown", other.shutdown(std::net::Shutdown::Read));
    seen.note("to it", number(one.send(b"x").await));
    let mut buffer = [0; 8];
    seen.note("the queue", other.recv(&mut buffer).await);
    settle().await;
    seen.note("then", number(other.try_recv(&mut buffer)));
    seen.note("shutdown", one.shutdown(std::net::Shutdown::Write));
    seen.note("from it", number(one.send(b"x").await));
    seen.note("back", other.send(b"back").await);
    seen.note("received", one.recv(&mut buffer).await);
    seen.note("ready", other.ready(Interest::READABLE).await.map(|ready| ready.is_read_closed()));
    seen.note("no error", other.take_error().map(|error| error.is_none()));
    seen.0
}

/// A socket that connects to another one drops what it has received, and its former peer learns it.
pub async fn a_unix_datagram_socket_changes_its_peer() -> Vec<String> {
    let mut seen = Seen::default();
    let paths = [socket_path("a.dgram"), socket_path("b.dgram"), socket_path("c.dgram")];
    let [a, b, c] = paths.clone().map(|path| net::UnixDatagram::bind(path).unwrap());
    a.connect(&paths[1]).unwrap();
    b.connect(&paths[0]).unwrap();
    a.send(b"lost").await.unwrap();
    seen.note("to another", b.connect(&paths[2]));
    settle().await;
    let mut buffer = [0; 8];
    seen.note("dropped", number(b.try_recv(&mut buffer)));
    seen.note("the former peer", number(a.send(b"x").await));
    seen.note("then", number(a.send(b"x").await));
    b.send(b"new").await.unwrap();
    seen.note("the new peer", c.recv(&mut buffer).await);
    seen.0
}

pub async fn pipes_end_with_their_ends() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut sender, mut receiver) = net::unix::pipe::pipe().unwrap();
    seen.note("nothing", number(receiver.try_read(&mut [0; 8])));
    seen.note("write", sender.write(b"hello").await);
    seen.note("write two", sender.write_vectored(&[IoSlice::new(b", "), IoSlice::new(b"you")]).await);
    seen.note("read", read(&mut receiver, 64).await);
    seen.note("ready after a short read", Ok(is_ready(receiver.readable()).await));
    sender.write_all(b"four").await.unwrap();
    settle().await;
    seen.note("read all", read(&mut receiver, 4).await);
    seen.note("ready after a full read", Ok(is_ready(receiver.readable()).await));
    seen.note("shutdown", sender.shutdown().await);
    seen.note("after shutdown", sender.write(b"still open").await);
    drop(sender);
    seen.note("read", read(&mut receiver, 64).await);
    seen.note("ready", receiver.ready(Interest::READABLE).await.map(|ready| ready.is_read_closed()));
    seen.note("the end", read(&mut receiver, 64).await);
    let (mut sender, receiver) = net::unix::pipe::pipe().unwrap();
    sender.write_all(b"unread").await.unwrap();
    drop(receiver);
    settle().await;
    seen.note("ready", sender.ready(Interest::WRITABLE).await.map(|ready| ready.is_write_closed()));
    seen.note("no reader", number(sender.write(b"x").await));
    seen.note("again", number(sender.write(b"x").await));
    seen.note("nothing", sender.write(b"").await);
    seen.0
}

/// A pipe has 16 pages of 4 KiB; a write that fits into the rest of the last page is appended to it,
/// otherwise it begins a page.
pub async fn pipes_hold_16_pages() -> Vec<String> {
    let mut seen = Seen::default();
    for len in [1, 38, 100, 2_048, 2_049, 4_096, 4_097, 10_000, 65_536, 100_000] {
        let (sender, receiver) = net::unix::pipe::pipe().unwrap();
        let bytes = vec![1; len];
        let (mut writes, mut total) = (0, 0);
        sender.writable().await.unwrap();
        while let Ok(count) = sender.try_write(&bytes) {
            writes += 1;
            total += count;
        }
        seen.note(&format!("{len} bytes"), Ok((writes, total)));
        let mut buffer = vec![0; 5_000];
        receiver.readable().await.unwrap();
        seen.note("read", receiver.try_read(&mut buffer));
        sender.writable().await.unwrap();
        seen.note("room", sender.try_write(&bytes));
        let mut rest = 0;
        while let Ok(count) = receiver.try_read(&mut buffer) {
            rest += count;
        }
        seen.note("rest", Ok(rest));
    }
    seen.0
}

pub async fn socket_files_outlive_their_sockets() -> Vec<String> {
    let mut seen = Seen::default();
    let (path, moved) = (socket_path("file.sock"), socket_path("moved.sock"));
    let link = socket_path("link.sock");
    let listener = net::UnixListener::bind(&path).unwrap();
    let metadata = fs::metadata(&path).await.unwrap();
    seen.note("socket", Ok((metadata.file_type().is_socket(), metadata.is_file(), metadata.len())));
    seen.note("open", number(fs::File::open(&path).await));
    fs::symlink(&path, &link).await.unwrap();
    seen.note("by a symbolic link", net::UnixStream::connect(&link).await.map(drop));
    fs::rename(&path, &moved).await.unwrap();
    seen.note("old name", number(net::UnixStream::connect(&path).await));
    seen.note("dangling link", number(net::UnixStream::connect(&link).await));
    seen.note("bind a dangling link", number(net::UnixListener::bind(&link)));
    fs::remove_file(&link).await.unwrap();
    seen.note("new name", net::UnixStream::connect(&moved).await.map(drop));
    let second = net::UnixListener::bind(&path).unwrap();
    seen.note("two listeners", net::UnixStream::connect(&path).await.map(drop));
    fs::remove_file(&moved).await.unwrap();
    seen.note("removed", number(net::UnixStream::connect(&moved).await));
    seen.note("accept", listener.accept().await.map(|(_, from)| from.is_unnamed()));
    drop(second);
    seen.note("left behind", fs::metadata(&path).await.map(|metadata| metadata.file_type().is_socket()));
    seen.note("connect", number(net::UnixStream::connect(&path).await));
    seen.note("send", number(net::UnixDatagram::unbound().unwrap().send_to(b"x", &path).await));
    seen.note("bind", number(net::UnixListener::bind(&path)));
    fs::remove_file(&path).await.unwrap();
    seen.note("connect to nothing", number(net::UnixStream::connect(&path).await));
    seen.note("bind", net::UnixDatagram::bind(&path).map(drop));
    seen.note("left behind", number(net::UnixDatagram::bind(&path)));
    fs::remove_file(&path).await.unwrap();
    fs::write(&path, b"a file").await.unwrap();
    seen.note("a file", number(net::UnixStream::connect(&path).await));
    seen.note("bind a file", number(net::UnixListener::bind(&path)));
    seen.note("below a file", number(net::UnixListener::bind(path.join("below"))));
    seen.note("in no directory", number(net::UnixListener::bind(path.with_file_name("none").join("x"))));
    seen.note("no FIFO", number(net::unix::pipe::OpenOptions::new().open_receiver(&path)));
    fs::remove_file(&path).await.unwrap();
    seen.0
}

pub async fn fifos_are_opened_as_their_options_say() -> Vec<String> {
    let mut seen = Seen::default();
    let open = net::unix::pipe::OpenOptions::new;
    let (path, file) = (socket_path("opened.fifo"), socket_path("no.fifo"));
    make_fifo(&path);
    seen.note("no reader", number(open().open_sender(&path)));
    let receiver = open().open_receiver(&path).unwrap();
    let sender = open().open_sender(&path).unwrap();
    sender.writable().await.unwrap();
    seen.note("write", sender.try_write(b"hello"));
    let mut buffer = [0; 8];
    receiver.readable().await.unwrap();
    seen.note("read", receiver.try_read(&mut buffer));
    drop(sender);
    receiver.readable().await.unwrap();
    seen.note("the end", receiver.try_read(&mut buffer));
    drop(receiver);
    // With both ends open, neither needs another process, and there is no end.
    let mut both = open();
    both.read_write(true);
    let sender = both.open_sender(&path).unwrap();
    let receiver = both.open_receiver(&path).unwrap();
    sender.writable().await.unwrap();
    seen.note("write", sender.try_write(b"world"));
    settle().await;
    seen.note("read", receiver.try_read(&mut buffer));
    drop(sender);
    seen.note("no end", receiver.try_read(&mut buffer));
    fs::write(&file, b"a file").await.unwrap();
    for options in [&mut open(), &mut both] {
        seen.note("a file", options.open_sender(&file).map(drop));
        seen.note("a file", options.open_receiver(&file).map(drop));
        options.unchecked(true);
        seen.note("a file, unchecked", options.open_sender(&file).map(drop));
        seen.note("a file, unchecked", options.open_receiver(&file).map(drop));
        seen.note("a FIFO, unchecked", options.open_receiver(&path).map(drop));
    }
    fs::remove_file(&path).await.unwrap();
    fs::remove_file(&file).await.unwrap();
    seen.note("nothing", open().open_sender(&path).map(drop));
    seen.0
}
