// The contract's test bodies of readiness: what `ready`, `readable`, `writable`, `try_io` and
// `async_io` say before and after operations. tokio caches readiness, so a socket can be ready when
// the kernel is not, and the reverse.

/// Whether a future is ready when it is polled once.
async fn is_ready<F: std::future::Future>(future: F) -> bool {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

fn would_block<T>() -> io::Result<T> {
    Err(io::ErrorKind::WouldBlock.into())
}

pub async fn an_accepted_stream_is_assumed_to_be_ready() -> Vec<String> {
    let mut seen = Seen::default();
    let (client, server) = connected().await;
    seen.note("accepted, readable", Ok(is_ready(server.readable()).await));
    seen.note("accepted, writable", Ok(is_ready(server.writable()).await));
    seen.note("connected, readable", Ok(is_ready(client.readable()).await));
    seen.note("connected, writable", Ok(is_ready(client.writable()).await));
    let mut buffer = [0; 16];
    seen.note("nothing there", server.try_read(&mut buffer));
    seen.note("readable", Ok(is_ready(server.readable()).await));
    seen.note("write", server.try_write(b"early"));
    seen.note("write", client.try_write(b"later"));
    seen.note("wait", server.readable().await);
    seen.note("read", server.try_read(&mut buffer));
    seen.note("wait", client.readable().await);
    seen.note("read", client.try_read(&mut buffer));
    seen.0
}

pub async fn a_read_that_takes_everything_leaves_the_stream_ready() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, mut server) = connected().await;
    client.write_all(b"four").await.unwrap();
    settle().await;
    let mut buffer = [0; 4];
    seen.note("read", server.try_read(&mut buffer));
    seen.note("readable", Ok(is_ready(server.readable()).await));
    seen.note("nothing there", server.try_read(&mut buffer));
    seen.note("readable", Ok(is_ready(server.readable()).await));
    client.write_all(b"four").await.unwrap();
    settle().await;
    seen.note("a whole buffer", server.read(&mut buffer).await);
    seen.note("readable", Ok(is_ready(server.readable()).await));
    client.write_all(b"four").await.unwrap();
    settle().await;
    seen.note("a part of a buffer", server.read(&mut [0; 8]).await);
    seen.note("readable", Ok(is_ready(server.readable()).await));
    client.write_all(b"four").await.unwrap();
    settle().await;
    seen.note("a part, by try_read", server.try_read(&mut [0; 8]));
    seen.note("readable", Ok(is_ready(server.readable()).await));
    seen.note("read nothing", server.try_read(&mut []));
    seen.note("readable", Ok(is_ready(server.readable()).await));
    seen.0
}

pub async fn try_io_clears_readiness_on_would_block() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    let mut buffer = [0; 16];
    seen.note("nothing there", server.try_read(&mut buffer));
    seen.note("not called", server.try_io(Interest::READABLE, || Ok("called")));
    client.write_all(b"one").await.unwrap();
    settle().await;
    seen.note("called", server.try_io(Interest::READABLE, || Ok("called")));
    let both = Interest::READABLE | Interest::WRITABLE;
    seen.note("two interests", server.try_io(both, || Ok("called")));
    seen.note("another error", server.try_io(Interest::READABLE, || {
        Err::<(), _>(io::ErrorKind::NotFound.into())
    }));
    seen.note("would block", server.try_io(Interest::READABLE, would_block::<()>));
    seen.note("readable", Ok(is_ready(server.readable()).await));
    seen.note("data is there", server.try_read(&mut buffer));
    seen.note("peek", Ok(is_ready(server.peek(&mut buffer)).await));
    client.write_all(b"two").await.unwrap();
    settle().await;
    seen.note("after more data", server.try_read(&mut buffer));
    seen.note("writable", server.try_io(Interest::WRITABLE, would_block::<()>));
    seen.note("write", server.try_write(b"x"));
    seen.note("writable", Ok(is_ready(server.writable()).await));
    client.write_all(b"three").await.unwrap();
    settle().await;
    seen.note("an event reports all", server.try_write(b"x"));
    seen.0
}

pub async fn async_io_calls_until_it_does_not_block() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    let mut calls = 0;
    spawn(async move {
        for _ in 0..3 {
            settle().await;
            client.write_all(b"more").await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
    });
    let result = server.async_io(Interest::READABLE, || {
        calls += 1;
        if calls == 4 { Ok(calls) } else { would_block() }
    });
    // One call because the socket is assumed to be ready, and one for each event.
    seen.note("calls", result.await);
    let error = || Err::<(), _>(io::ErrorKind::NotFound.into());
    seen.note("error", server.async_io(Interest::WRITABLE, error).await);
    let mut buffer = [0; 64];
    seen.note("all data", server.async_io(Interest::READABLE, || server.try_read(&mut buffer)).await);
    seen.0
}

pub async fn ready_reports_closed_directions() -> Vec<String> {
    let mut seen = Seen::default();
    let all = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    let (mut client, server) = connected().await;
    seen.note("connected", client.ready(all).await);
    client.write_all(b"data").await.unwrap();
    settle().await;
    seen.note("data", server.ready(all).await);
    seen.note("data, as asked", server.ready(Interest::READABLE).await);
    client.shutdown().await.unwrap();
    settle().await;
    seen.note("the peer's end", server.ready(all).await);
    seen.note("priority", server.ready(Interest::PRIORITY).await);
    seen.note("own end", client.ready(all).await);
    seen.note("clear", server.try_io(Interest::READABLE, would_block::<()>));
    seen.note("an end is final", server.ready(Interest::READABLE).await);
    let mut buffer = [0; 64];
    seen.note("read", server.try_read(&mut buffer));
    seen.note("read", server.try_read(&mut buffer));
    drop(server);
    settle().await;
    seen.note("both ends", client.ready(all).await);
    let (client, server) = connected().await;
    server.set_zero_linger().unwrap();
    drop(server);
    settle().await;
    seen.note("reset", client.ready(all).await);
    seen.note("reset, errors", client.ready(Interest::ERROR).await);
    seen.note("read", client.try_read(&mut buffer));
    seen.note("read", client.try_read(&mut buffer));
    seen.note("write", client.try_write(b"x"));
    seen.note("still", client.ready(all).await);
    seen.0
}

pub async fn a_full_window_is_not_writable() -> Vec<String> {
    let mut seen = Seen::default();
    let (client, mut server) = connected().await;
    let chunk = vec![7; 1 << 20];
    let mut sent = 0;
    loop {
        settle().await;
        match client.try_write(&chunk) {
            Ok(len) => sent += len,
            Err(_) if is_ready(client.writable()).await => {}
            Err(_) => {
                settle().await;
                if !is_ready(client.writable()).await {
                    break;
                }
            }
        }
    }
    seen.note("writable", Ok(is_ready(client.writable()).await));
    seen.note("any", Ok(is_ready(client.ready(Interest::READABLE | Interest::WRITABLE)).await));
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    while received < sent {
        received += server.read(&mut buffer).await.unwrap();
    }
    seen.note("writable again", client.writable().await);
    seen.note("write", client.try_write(b"x"));
    drop(server);
    seen.note("and when the peer is closed", client.writable().await);
    seen.0
}

pub async fn reads_fill_several_buffers() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    client.write_all(b"0123456789").await.unwrap();
    settle().await;
    let (mut one, mut none, mut two) = ([0; 3], [0; 0], [0; 4]);
    {
        let mut buffers =
            [IoSliceMut::new(&mut one), IoSliceMut::new(&mut none), IoSliceMut::new(&mut two)];
        seen.note("read", server.try_read_vectored(&mut buffers));
    }
    seen.note("bytes", Ok((one, two)));
    let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    seen.note("the rest", server.try_read_vectored(&mut buffers));
    seen.note("no more", server.try_read_vectored(&mut buffers));
    client.write_all(b"0123456789").await.unwrap();
    settle().await;
    let mut growing = Vec::with_capacity(4);
    let capacity = growing.capacity();
    seen.note("a growing one", server.try_read_buf(&mut growing));
    seen.note("bytes", Ok((growing.len() <= capacity, String::from_utf8_lossy(&growing).into_owned())));
    let mut rest = &mut [0; 64][..];
    seen.note("a slice", server.try_read_buf(&mut rest));
    seen.note("is shorter", Ok(rest.len()));
    seen.note("no more", server.try_read_buf(&mut rest));
    seen.0
}

pub async fn halves_have_the_methods_of_the_stream() -> Vec<String> {
    let mut seen = Seen::default();
    let (mut client, server) = connected().await;
    let (mut reader, writer) = server.into_split();
    client.write_all(b"hello").await.unwrap();
    settle().await;
    let mut buffer = [0; 3];
    seen.note("ready", reader.ready(Interest::READABLE).await);
    seen.note("peek", reader.peek(&mut buffer).await);
    let mut peeked = tokio::io::ReadBuf::new(&mut buffer);
    let len = std::future::poll_fn(|context| reader.poll_peek(context, &mut peeked)).await;
    seen.note("poll peek", len.map(|len| (len, peeked.filled().to_vec())));
    seen.note("try read", reader.try_read(&mut buffer));
    let mut buffers = [IoSliceMut::new(&mut buffer)];
    seen.note("vectored", reader.try_read_vectored(&mut buffers));
    let mut growing = Vec::with_capacity(8);
    seen.note("no more", reader.try_read_buf(&mut growing));
    seen.note("writer's readiness", writer.ready(Interest::WRITABLE).await);
    seen.note("write", writer.try_write(b"back"));
    seen.note("write two", writer.try_write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"b")]));
    seen.note("as the stream", reader.as_ref().nodelay());
    let (mut reader, writer) = client.split();
    settle().await;
    seen.note("borrowed: ready", reader.ready(Interest::READABLE | Interest::WRITABLE).await);
    seen.note("borrowed: peek", reader.peek(&mut buffer).await);
    let mut peeked = tokio::io::ReadBuf::new(&mut buffer);
    seen.note("borrowed: poll peek", std::future::poll_fn(|context| reader.poll_peek(context, &mut peeked)).await);
    seen.note("borrowed: buf", reader.try_read_buf(&mut growing));
    seen.note("borrowed: vectored", writer.try_write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"b")]));
    seen.note("borrowed: ready", writer.ready(Interest::WRITABLE).await);
    seen.0
}
