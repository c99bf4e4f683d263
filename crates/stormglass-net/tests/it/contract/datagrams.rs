// The contract's test bodies of datagrams: readiness, errors, peeks, broadcast and multicast.

pub async fn a_new_udp_socket_is_writable_after_a_turn_of_the_driver() -> Vec<String> {
    let mut seen = Seen::default();
    let one = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = one.local_addr().unwrap();
    seen.note("at once", one.try_send_to(b"x", at));
    seen.note("wait", one.writable().await);
    seen.note("then", one.try_send_to(b"x", at));
    let other = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    settle().await;
    seen.note("later", other.try_send_to(b"x", at));
    seen.note("clear", other.try_io(Interest::WRITABLE, would_block::<()>));
    seen.note("would block", other.try_send_to(b"x", at));
    seen.note("writable", Ok(is_ready(other.writable()).await));
    seen.note("an arrival", one.try_send_to(b"x", other.local_addr().unwrap()));
    settle().await;
    seen.note("reports all", other.try_send_to(b"x", at));
    seen.0
}

pub async fn an_error_does_not_make_a_udp_socket_readable() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let at = other.local_addr().unwrap();
    let mut buffer = [0; 16];
    let refuse = async || {
        one.send(b"x").await.unwrap();
        settle().await;
    };
    one.connect(at).await.unwrap();
    drop(other);
    refuse().await;
    seen.note("readable", Ok(is_ready(one.readable()).await));
    seen.note("try", one.try_recv(&mut buffer));
    let mut read = tokio::io::ReadBuf::new(&mut buffer);
    let polled = is_ready(std::future::poll_fn(|context| one.poll_recv(context, &mut read))).await;
    seen.note("polled", Ok(polled));
    seen.note("an error is", one.ready(Interest::ERROR).await.map(|ready| ready.is_error()));
    seen.note("receive", one.recv(&mut buffer).await);
    seen.note("once", Ok(is_ready(one.recv(&mut buffer)).await));
    refuse().await;
    seen.note("peek", one.peek(&mut buffer).await);
    refuse().await;
    seen.note("peek at the sender", one.peek_sender().await);
    refuse().await;
    seen.note("into a growing buffer", one.recv_buf(&mut Vec::new()).await);
    refuse().await;
    seen.note("take", one.take_error().map(|error| error.map(|error| error.raw_os_error())));
    seen.note("once", one.take_error().map(|error| error.map(|error| error.raw_os_error())));
    refuse().await;
    seen.note("too long", one.send(&[0; 65_508]).await);
    seen.note("send", one.send(b"x").await);
    seen.0
}

pub async fn peeks_leave_the_datagram() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let (from, at) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    let mut buffer = [0; 3];
    seen.note("nothing there", other.try_peek(&mut buffer));
    seen.note("nothing there", other.try_peek_from(&mut buffer).map(drop));
    seen.note("nothing there", other.try_peek_sender().map(drop));
    one.send_to(b"hello", at).await.unwrap();
    settle().await;
    seen.note("sender", other.peek_sender().await.map(|sender| sender == from));
    seen.note("try", other.try_peek_sender().map(|sender| sender == from));
    let polled = std::future::poll_fn(|context| other.poll_peek_sender(context)).await;
    seen.note("poll", polled.map(|sender| sender == from));
    seen.note("peek", other.peek(&mut buffer).await);
    seen.note("try", other.try_peek(&mut buffer));
    seen.note("try", other.try_peek_from(&mut buffer).map(|(len, sender)| (len, sender == from)));
    let mut read = tokio::io::ReadBuf::new(&mut buffer);
    seen.note("poll", std::future::poll_fn(|context| other.poll_peek(context, &mut read)).await);
    seen.note("polled", Ok(read.filled().to_vec()));
    let mut rest = Vec::with_capacity(64);
    seen.note("receive", other.recv_buf_from(&mut rest).await.map(|(len, sender)| (len, sender == from)));
    seen.note("bytes", Ok(rest));
    seen.note("no more", other.try_recv_buf(&mut Vec::new()));
    one.send_to(b"a long one", at).await.unwrap();
    settle().await;
    let mut short = &mut [0; 4][..];
    seen.note("truncated", other.try_recv_buf_from(&mut short).map(|(len, _)| len));
    seen.note("no more", other.try_recv_buf_from(&mut Vec::new()).map(drop));
    seen.0
}

pub async fn destinations_are_checked() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let port = other.local_addr().unwrap().port();
    seen.note("port 0", one.send_to(b"x", "127.0.0.1:0").await);
    seen.note("v6 from v4", one.send_to(b"x", "[::1]:9").await);
    seen.note("connect v6 from v4", one.connect("[::1]:9").await);
    let none: &[std::net::SocketAddr] = &[];
    seen.note("nowhere", one.send_to(b"x", none).await);
    seen.note("connect to nothing", one.connect(none).await);
    seen.note("unspecified", one.send_to(b"here", ("0.0.0.0", port)).await);
    let mut buffer = [0; 16];
    seen.note("is loopback", other.recv_from(&mut buffer).await.map(|(len, from)| (len, from.ip())));
    // What has arrived before stays.
    let third = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    third.send_to(b"before", other.local_addr().unwrap()).await.unwrap();
    settle().await;
    seen.note("connect", other.connect(one.local_addr().unwrap()).await);
    third.send_to(b"after", other.local_addr().unwrap()).await.unwrap();
    settle().await;
    seen.note("receive", other.recv(&mut buffer).await);
    seen.note("filtered", other.try_recv(&mut buffer));
    seen.note("another destination", other.send_to(b"x", third.local_addr().unwrap()).await);
    seen.note("arrives", third.recv(&mut buffer).await);
    let wild = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    seen.note("before", wild.local_addr().map(|local| local.ip()));
    seen.note("connect", wild.connect(("0.0.0.0", port)).await);
    seen.note("local", wild.local_addr().map(|local| local.ip()));
    seen.note("peer", wild.peer_addr().map(|peer| peer.ip()));
    let both = ["[::1]:9".parse().unwrap(), one.local_addr().unwrap()];
    seen.note("the second", one.connect(&both[..]).await);
    seen.0
}

pub async fn broadcasts_arrive_on_the_own_host() -> Vec<String> {
    let mut seen = Seen::default();
    let receiver = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let bound = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let sender = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 16];
    sender.set_broadcast(true).unwrap();
    seen.note("send", sender.send_to(b"all", ("127.255.255.255", port)).await);
    let (len, from) = receiver.recv_from(&mut buffer).await.unwrap();
    seen.note("arrives", Ok((len, from == sender.local_addr().unwrap())));
    seen.note("send", sender.send_to(b"all", ("255.255.255.255", port)).await);
    seen.note("arrives", receiver.recv_from(&mut buffer).await.map(|(len, _)| len));
    let at = ("127.255.255.255", bound.local_addr().unwrap().port());
    seen.note("to a socket of one address", sender.send_to(b"all", at).await);
    settle().await;
    seen.note("does not arrive", bound.try_recv(&mut buffer));
    let named = net::UdpSocket::bind("127.255.255.255:0").await.unwrap();
    let at = named.local_addr().unwrap();
    seen.note("bound to the address", Ok(at.ip()));
    seen.note("send", sender.send_to(b"all", at).await);
    seen.note("arrives", named.recv_from(&mut buffer).await.map(|(len, _)| len));
    seen.note("nobody is bound", sender.send_to(b"all", "127.255.255.255:9").await);
    settle().await;
    seen.note("no error", sender.take_error().map(|error| error.is_none()));
    seen.0
}

pub async fn multicast_arrives_at_members() -> Vec<String> {
    let mut seen = Seen::default();
    let receiver = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let (group, lo): (Ipv4Addr, Ipv4Addr) = ([239, 9, 8, 7].into(), [127, 0, 0, 1].into());
    let at = (group, receiver.local_addr().unwrap().port());
    let sender = net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 16];
    seen.note("send", sender.send_to(b"group", at).await);
    settle().await;
    seen.note("no member", receiver.try_recv(&mut buffer));
    receiver.join_multicast_v4(group, lo).unwrap();
    seen.note("send", sender.send_to(b"group", at).await);
    let (len, from) = receiver.recv_from(&mut buffer).await.unwrap();
    seen.note("arrives", Ok((len, from == sender.local_addr().unwrap())));
    settle().await;
    seen.note("once", receiver.try_recv(&mut buffer));
    sender.set_multicast_loop_v4(false).unwrap();
    sender.set_multicast_ttl_v4(0).unwrap();
    seen.note("send", sender.send_to(b"loopback", at).await);
    seen.note("loopback has a loop always", receiver.recv(&mut buffer).await);
    // Another socket's membership is enough.
    let other = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    seen.note("send", sender.send_to(b"other", (group, other.local_addr().unwrap().port())).await);
    seen.note("arrives", other.recv(&mut buffer).await);
    let named = net::UdpSocket::bind((group, 0)).await.unwrap();
    seen.note("bound to the group", named.local_addr().map(|local| local.ip()));
    seen.note("send", sender.send_to(b"named", named.local_addr().unwrap()).await);
    seen.note("arrives", named.recv(&mut buffer).await);
    seen.note("connect", sender.connect(at).await);
    seen.note("send", sender.send(b"connected").await);
    seen.note("arrives", receiver.recv(&mut buffer).await);
    receiver.leave_multicast_v4(group, lo).unwrap();
    seen.note("send", sender.send(b"left").await);
    settle().await;
    seen.note("no member", receiver.try_recv(&mut buffer));
    receiver.join_multicast_v4(group, lo).unwrap();
    drop(receiver);
    seen.note("send", sender.send_to(b"closed", (group, other.local_addr().unwrap().port())).await);
    settle().await;
    seen.note("no member", other.try_recv(&mut buffer));
    seen.0
}
