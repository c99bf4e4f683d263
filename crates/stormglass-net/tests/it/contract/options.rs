// The contract's test bodies of socket options: the values that a new socket has, and what the
// kernel makes of those that are set.

#[allow(deprecated)]
pub async fn tcp_sockets_have_linux_options() -> Vec<String> {
    let mut seen = Seen::default();
    for socket in [net::TcpSocket::new_v4().unwrap(), net::TcpSocket::new_v6().unwrap()] {
        seen.note("reuse address", socket.reuseaddr());
        seen.note("reuse port", socket.reuseport());
        seen.note("keepalive", socket.keepalive());
        seen.note("no delay", socket.nodelay());
        seen.note("linger", socket.linger());
        seen.note("send buffer", socket.send_buffer_size());
        seen.note("receive buffer", socket.recv_buffer_size());
        for bytes in [0, 1, 4096, 1 << 17] {
            seen.note("set", socket.set_send_buffer_size(bytes));
            seen.note("set", socket.set_recv_buffer_size(bytes));
            seen.note("send buffer", socket.send_buffer_size());
            seen.note("receive buffer", socket.recv_buffer_size());
        }
        for linger in [Some(0), Some(999), Some(1_500), Some(100_000), None] {
            seen.note("set", socket.set_linger(linger.map(Duration::from_millis)));
            seen.note("linger", socket.linger());
        }
        seen.note("set", socket.set_zero_linger());
        seen.note("linger", socket.linger());
        seen.note("tos", socket.tos_v4());
        for tos in [96, 255, 256, 3, u32::MAX] {
            seen.note("set", socket.set_tos_v4(tos));
            seen.note("tos", socket.tos());
            seen.note("set by the old name", socket.set_tos(tos / 2));
            seen.note("tos", socket.tos_v4());
        }
        seen.note("class", socket.tclass_v6());
        for class in [96, 255, 256, 3, u32::MAX, u32::MAX - 1] {
            seen.note("set", socket.set_tclass_v6(class));
            seen.note("class", socket.tclass_v6());
        }
        seen.note("device", socket.device());
        for name in [Some(&b"lo"[..]), Some(b"no-such"), Some(b"a-name-that-is-too-long"), Some(b""), None] {
            seen.note("bind to a device", socket.bind_device(name));
            seen.note("device", socket.device());
        }
        seen.note("set", socket.set_reuseaddr(true));
        seen.note("set", socket.set_reuseport(true));
        seen.note("options", Ok((socket.reuseaddr().unwrap(), socket.reuseport().unwrap())));
        seen.note("error", socket.take_error().map(|error| error.map(|error| error.kind())));
    }
    seen.0
}

#[allow(deprecated)]
pub async fn accepted_streams_inherit_their_listeners_options() -> Vec<String> {
    let mut seen = Seen::default();
    let socket = net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_linger(Some(Duration::from_secs(3))).unwrap();
    let listener = socket.listen(16).unwrap();
    seen.note("ttl", listener.ttl());
    for ttl in [0, 1, 255, 256, u32::MAX, 40] {
        seen.note("set", listener.set_ttl(ttl));
        seen.note("ttl", listener.ttl());
    }
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    for stream in [&client, &server] {
        seen.note("no delay", stream.nodelay());
        seen.note("linger", stream.linger());
        seen.note("ttl", stream.ttl());
        seen.note("quick", stream.set_quickack(false));
        seen.note("quick", stream.quickack());
        seen.note("quick", stream.set_quickack(true));
        seen.note("quick", stream.quickack());
        seen.note("set", stream.set_ttl(0));
        seen.note("set", stream.set_ttl(7));
        seen.note("ttl", stream.ttl());
    }
    seen.0
}

#[allow(deprecated)]
pub async fn only_a_linger_of_zero_resets() -> Vec<String> {
    let mut seen = Seen::default();
    for linger in [Some(Duration::from_secs(5)), Some(Duration::from_millis(999)), None] {
        let (mut client, server) = connected().await;
        server.set_zero_linger().unwrap();
        server.set_linger(linger).unwrap();
        seen.note("linger", server.linger());
        drop(server);
        settle().await;
        seen.note("read", read(&mut client, 64).await);
    }
    seen.0
}

#[allow(deprecated)]
pub async fn udp_sockets_have_linux_options() -> Vec<String> {
    let mut seen = Seen::default();
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let socket = net::UdpSocket::bind(at).await.unwrap();
        seen.note("broadcast", socket.broadcast());
        seen.note("set", socket.set_broadcast(true));
        seen.note("broadcast", socket.broadcast());
        seen.note("ttl", socket.ttl());
        for ttl in [0, 1, 255, 256, u32::MAX] {
            seen.note("set", socket.set_ttl(ttl));
            seen.note("ttl", socket.ttl());
        }
        seen.note("tos", socket.tos_v4());
        for tos in [96, 255, 256, 3, u32::MAX] {
            seen.note("set", socket.set_tos_v4(tos));
            seen.note("tos", socket.tos());
            seen.note("set by the old name", socket.set_tos(tos / 2));
            seen.note("tos", socket.tos_v4());
        }
        seen.note("class", socket.tclass_v6());
        for class in [96, 255, 256, 3, u32::MAX, u32::MAX - 1] {
            seen.note("set", socket.set_tclass_v6(class));
            seen.note("class", socket.tclass_v6());
        }
        seen.note("multicast ttl", socket.multicast_ttl_v4());
        for ttl in [0, 40, 255, 256, u32::MAX] {
            seen.note("set", socket.set_multicast_ttl_v4(ttl));
            seen.note("multicast ttl", socket.multicast_ttl_v4());
        }
        seen.note("loop", socket.multicast_loop_v4());
        seen.note("set", socket.set_multicast_loop_v4(false));
        seen.note("loop", socket.multicast_loop_v4());
        seen.note("loop v6", socket.multicast_loop_v6());
        seen.note("set", socket.set_multicast_loop_v6(false));
        seen.note("loop v6", socket.multicast_loop_v6());
        seen.note("device", socket.device());
        seen.note("bind to a device", socket.bind_device(Some(b"no-such")));
        seen.note("bind to a device", socket.bind_device(Some(b"lo")));
        seen.note("device", socket.device());
        seen.note("error", socket.take_error().map(|error| error.map(|error| error.kind())));
    }
    seen.0
}

pub async fn multicast_groups_are_joined_and_left() -> Vec<String> {
    let mut seen = Seen::default();
    let socket = net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let (lo, any, foreign): (Ipv4Addr, _, _) = ([127, 0, 0, 1].into(), [0; 4].into(), [203, 0, 113, 9].into());
    let group = |last| Ipv4Addr::from([239, 7, 8, last]);
    seen.note("join", socket.join_multicast_v4(group(1), lo));
    seen.note("twice", socket.join_multicast_v4(group(1), lo));
    seen.note("no group", socket.join_multicast_v4([10, 0, 0, 1].into(), lo));
    seen.note("a foreign interface", socket.join_multicast_v4(group(2), foreign));
    seen.note("leave another", socket.leave_multicast_v4(group(9), lo));
    seen.note("leave over a foreign interface", socket.leave_multicast_v4(group(1), foreign));
    seen.note("leave no group", socket.leave_multicast_v4([10, 0, 0, 1].into(), lo));
    seen.note("leave", socket.leave_multicast_v4(group(1), lo));
    seen.note("leave again", socket.leave_multicast_v4(group(1), lo));
    seen.note("join", socket.join_multicast_v4(group(1), lo));
    seen.note("leave over any", socket.leave_multicast_v4(group(1), any));
    for last in 0..22 {
        seen.note("join many", socket.join_multicast_v4(group(last), lo));
    }
    let (group, unicast): (Ipv6Addr, Ipv6Addr) = ("ff05::7".parse().unwrap(), "fd00::7".parse().unwrap());
    seen.note("a group of v6", socket.join_multicast_v6(&group, 1));
    let socket = net::UdpSocket::bind("[::]:0").await.unwrap();
    seen.note("join", socket.join_multicast_v6(&group, 1));
    seen.note("twice", socket.join_multicast_v6(&group, 1));
    seen.note("no group", socket.join_multicast_v6(&unicast, 1));
    seen.note("no interface", socket.join_multicast_v6(&group, 7777));
    seen.note("leave no group", socket.leave_multicast_v6(&unicast, 1));
    seen.note("leave over no interface", socket.leave_multicast_v6(&group, 7777));
    seen.note("leave", socket.leave_multicast_v6(&group, 1));
    seen.note("leave again", socket.leave_multicast_v6(&group, 1));
    seen.0
}

/// Connects as often as asked for; returns how many connections each listener accepts.
async fn accepted_by(listeners: &[net::TcpListener], connections: usize) -> Vec<usize> {
    let at = listeners[0].local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(net::TcpStream::connect(at).await.unwrap());
    }
    settle().await;
    let mut accepted = Vec::new();
    for listener in listeners {
        let mut count = 0;
        while is_ready(listener.accept()).await {
            count += 1;
        }
        accepted.push(count);
    }
    accepted
}

pub async fn listeners_share_a_port_if_all_ask_for_it() -> Vec<String> {
    let mut seen = Seen::default();
    let bound = |at: &str, address: bool, port: bool| {
        let socket = net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(address).unwrap();
        socket.set_reuseport(port).unwrap();
        socket.bind(at.parse().unwrap()).map(|()| socket)
    };
    let first = bound("127.0.0.1:0", false, true).unwrap();
    let at = first.local_addr().unwrap().to_string();
    seen.note("without", bound(&at, false, false).map(drop));
    seen.note("with another option", bound(&at, true, false).map(drop));
    let second = bound(&at, false, true).unwrap();
    let mut listeners = vec![first.listen(128).unwrap()];
    seen.note("one listener", Ok(accepted_by(&listeners, 5).await));
    listeners.push(second.listen(128).unwrap());
    let accepted = accepted_by(&listeners, 64).await;
    // 64 connections: one listener gets all of them with a probability of 2^-63.
    seen.note("both accept", Ok((accepted[0] > 0, accepted[1] > 0, accepted[0] + accepted[1])));
    drop(listeners.remove(0));
    seen.note("the other one", Ok(accepted_by(&listeners, 5).await));
    drop(listeners);
    // `SO_REUSEADDR` shares the port until one of the sockets listens.
    let first = bound("127.0.0.1:0", true, false).unwrap();
    let at = first.local_addr().unwrap().to_string();
    let second = bound(&at, true, false).unwrap();
    seen.note("without", bound(&at, false, false).map(drop));
    let listener = first.listen(128).unwrap();
    seen.note("the second", second.listen(128).map(drop));
    seen.note("a third", bound(&at, true, false).map(drop));
    drop(listener);
    seen.note("a fourth", bound(&at, true, false).map(drop));
    seen.0
}
