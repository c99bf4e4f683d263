// The contract's test bodies of the cooperative budget: a poll of a task completes at most 128
// operations that are ready.

/// Returns how many operations complete before another task, which is ready, runs.
async fn operations_before_a_yield(mut operation: impl AsyncFnMut()) -> io::Result<u32> {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    // A new poll with a whole budget.
    tokio::task::yield_now().await;
    let other_ran = std::sync::Arc::new(AtomicBool::new(false));
    let own = other_ran.clone();
    spawn(async move { own.store(true, Relaxed) });
    let mut count = 0;
    while count < 1_000 {
        operation().await;
        if other_ran.load(Relaxed) {
            break;
        }
        count += 1;
    }
    Ok(count)
}

pub async fn a_poll_completes_128_ready_operations() -> Vec<String> {
    let mut seen = Seen::default();
    let (one, other) = udp_pair().await;
    let at = other.local_addr().unwrap();
    one.connect(at).await.unwrap();
    // Before the queue of the receiver is full, which changes nothing for the sender.
    seen.note("send to", operations_before_a_yield(async || { one.send_to(b"x", at).await.unwrap(); }).await);
    seen.note("send", operations_before_a_yield(async || { one.send(b"x").await.unwrap(); }).await);
    seen.note("writable", operations_before_a_yield(async || one.writable().await.unwrap()).await);
    settle().await;
    let mut buffer = [0; 16];
    let receive = async || { other.recv(&mut buffer).await.unwrap(); };
    seen.note("receive", operations_before_a_yield(receive).await);

    let (mut client, mut server) = connected().await;
    let write = async || client.write_all(b"x").await.unwrap();
    seen.note("write", operations_before_a_yield(write).await);
    settle().await;
    let mut byte = [0];
    let read = async || { server.read_exact(&mut byte).await.unwrap(); };
    seen.note("read", operations_before_a_yield(read).await);
    seen.0
}
