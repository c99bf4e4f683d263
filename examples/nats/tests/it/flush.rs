//! What `flush` says: "Flushes the internal buffer ensuring that all messages are sent."
//!
//! In 0.51 it returns `Ok` for messages that the client has not given to its socket. It takes a socket
//! whose window is full, because the server does not read or a link is slow, and a connection that
//! breaks then.

use async_nats::Client;
use nats::record::Record;
use nats::server::{SUBJECT, URL, serve};
use stormglass::prelude::*;
use tokio::time::{sleep, timeout};

/// The bytes that a connection takes before its writer has to wait: `net.send-buffer` and
/// `net.receive-buffer`.
const WINDOW: usize = 128 * 1_024;

/// Returns a payload with which `PUB work 1007\r\n`, the payload and `\r\n` have 1,024 bytes; with
/// `more` as many more.
fn payload(number: u64, more: usize) -> String {
    let width = 1_024 - "PUB work 1007\r\n\r\n".len() + more;
    format!("{number:<width$}")
}

async fn publish(client: &Client, number: u64, more: usize) {
    client.publish(SUBJECT, payload(number, more).into()).await.expect("the client lives");
}

/// A `flush` that waits while a connection breaks returns `Ok` as soon as there is another
/// connection, although the client has dropped the buffer of the first (`handle_reconnect` keeps
/// `flush_observers`, and replaces the connection with its buffer).
#[stormglass::test(
    profile = "quiet",
    set("net.send-buffer" = "65536"),
    set("net.receive-buffer" = "65536")
)]
async fn flush_succeeds_although_its_message_was_dropped(world: World) {
    let record = Record::default();
    let known = record.clone();
    let server = world.node("server");
    server.run("serve", move || serve(known.clone()));
    let (publisher, network) = (world.client("publisher"), world.network().clone());
    let test = publisher.run(async move |client| {
        sleep(Duration::from_millis(100)).await;
        let nats = async_nats::connect(URL).await.expect("the server is there");
        sleep(Duration::from_millis(100)).await;
        let hold = network.hold("publisher", "server").expect("it is a pattern");
        let full = (WINDOW / 1_024) as u64;
        for number in 1..full {
            publish(&nats, number, 0).await;
        }
        // The socket takes 1,024 bytes of 1,124.
        publish(&nats, full, 100).await;
        let flusher = nats.clone();
        let flush = tokio::spawn(async move { flusher.flush().await });
        sleep(Duration::from_secs(5)).await;
        client.check("flush waits for the message", !flush.is_finished());
        server.kill();
        let known = record.clone();
        server.run("serve", move || serve(known.clone()));
        drop(hold);
        let flushed = timeout(Duration::from_secs(20), flush).await;
        client.check("flush succeeds after the reconnection", matches!(flushed, Ok(Ok(Ok(())))));
        sleep(Duration::from_secs(20)).await;
        let messages = record.messages();
        client.check("the flushed message never arrives", !messages.at_server.contains(&full));
    });
    world.wait("ends", "publisher", Duration::from_secs(90), test).await;
}
