//! The publisher and the subscriber: async-nats with its default options.

use crate::record::Record;
use crate::server::{SUBJECT, URL, numbered};
use async_nats::Client;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a call may take before it counts as one that hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// With which calls a publisher publishes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// `publish`.
    Publish,
    /// `publish`, then `flush`.
    Flush,
    /// `request`: the subscriber replies.
    Request,
    /// `request`, and the same again until it succeeds; the subscriber knows what it has had.
    Repeat,
}

impl Calls {
    /// All of them.
    pub const ALL: [Calls; 4] = [Calls::Publish, Calls::Flush, Calls::Request, Calls::Repeat];

    /// Returns the name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Calls::Publish => "`publish`",
            Calls::Flush => "`publish`, `flush`",
            Calls::Request => "`request`",
            Calls::Repeat => "`request` until `Ok`",
        }
    }
}

/// Connects to the server, as often as it takes.
async fn connect() -> Client {
    loop {
        match async_nats::connect(URL).await {
            Ok(client) => return client,
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Receives messages, replies to those that ask for it, and records them.
///
/// # Panics
///
/// If the client gives up.
pub async fn subscribe(record: Record) {
    let client = connect().await;
    let mut subscriber = client.subscribe(SUBJECT).await.expect("the client lives");
    while let Some(message) = subscriber.next().await {
        if let Some(number) = numbered(&message.payload) {
            record.note(|messages| messages.received.push(number));
        }
        if let Some(reply) = message.reply {
            client.publish(reply, "received".into()).await.expect("the client lives");
        }
    }
}

/// Publishes `count` numbered messages, `pause` apart, and records what the calls return.
pub async fn publish(record: Record, calls: Calls, count: u64, pause: Duration) {
    let client = connect().await;
    for number in 1..=count {
        let is_done = loop {
            let is_done = publish_one(&client, &record, calls, number).await;
            if is_done || calls != Calls::Repeat {
                break is_done;
            }
            sleep(pause).await;
        };
        if is_done {
            record.note(|messages| messages.acknowledged.extend([number]));
        }
        sleep(pause).await;
    }
    // "Flush internal buffer before exiting to make sure all messages are sent."
    let _ = timeout(PATIENCE, client.flush()).await;
}

/// Publishes a message once, and returns whether the client says that it is published.
async fn publish_one(client: &Client, record: &Record, calls: Calls, number: u64) -> bool {
    let payload = number.to_string().into();
    let began = Instant::now();
    let call = async {
        match calls {
            Calls::Publish => client.publish(SUBJECT, payload).await.is_ok(),
            Calls::Flush => client.publish(SUBJECT, payload).await.is_ok() && client.flush().await.is_ok(),
            Calls::Request | Calls::Repeat => client.request(SUBJECT, payload).await.is_ok(),
        }
    };
    let ended = timeout(PATIENCE, call).await;
    record.note(|messages| {
        messages.errors += u64::from(ended == Ok(false));
        messages.hung += u64::from(ended.is_err());
        messages.longest = messages.longest.max(began.elapsed());
    });
    ended == Ok(true)
}
