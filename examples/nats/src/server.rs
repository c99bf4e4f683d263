//! A server of NATS' core: INFO, CONNECT, PING, SUB, UNSUB, PUB and MSG, and the 503 of a request
//! without a subscriber (<https://docs.nats.io/reference/reference-protocols/nats-protocol>). As the
//! real server, it keeps no message: who is not connected does not get it.

use crate::record::Record;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// NATS' port.
const PORT: u16 = 4222;

/// The server's address, as clients write it.
pub const URL: &str = "nats://server:4222";

/// The subject whose messages have numbers, which the server records.
pub const SUBJECT: &str = "work";

const INFO: &str = r#"INFO {"server_id":"S","server_name":"server","version":"2.10.0","proto":1,"host":"0.0.0.0","port":4222,"headers":true,"max_payload":1048576,"client_id":1}"#;

/// Who has subscribed to what: a connection's number and its own number of the subscription.
type Subscriptions = BTreeMap<(u64, u64), (String, UnboundedSender<Vec<u8>>)>;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Subscriptions>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Subscriptions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message to all who have subscribed to it, and returns whether there is one.
    fn publish(&self, subject: &str, reply: &str, payload: &[u8]) -> bool {
        let mut is_received = false;
        for (&(_, sid), (pattern, to)) in self.lock().iter() {
            if matches(pattern, subject) {
                let mut message = format!("MSG {subject} {sid} {reply} {}\r\n", payload.len()).into_bytes();
                message.extend_from_slice(payload);
                message.extend_from_slice(b"\r\n");
                is_received |= to.send(message).is_ok();
            }
        }
        is_received
    }

    /// Answers a request without a subscriber with the header `503`, of 16 bytes.
    fn no_responders(&self, reply: &str) {
        for (&(_, sid), (pattern, to)) in self.lock().iter() {
            if matches(pattern, reply) {
                let message = format!("HMSG {reply} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
                // The connection may be gone.
                let _ = to.send(message.into_bytes());
            }
        }
    }
}

/// Returns whether a subject matches a pattern with `*` (one word) and `>` (the rest).
fn matches(pattern: &str, subject: &str) -> bool {
    let mut words = subject.split('.');
    for part in pattern.split('.') {
        match (part, words.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(word)) if part == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

/// Serves until the process ends.
///
/// # Panics
///
/// If the port is taken.
pub async fn serve(record: Record) {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("the port is free");
    let shared = Shared::default();
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shared, record) = (shared.clone(), record.clone());
        tokio::spawn(async move {
            // An error is the end of the connection.
            let _ = talk(stream, connection, &shared, &record).await;
            shared.lock().retain(|&(of, _), _| of != connection);
        });
    }
}

async fn talk(stream: TcpStream, connection: u64, shared: &Shared, record: &Record) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    let mut from = BufReader::new(from);
    let (answers, queue) = unbounded_channel();
    let writer = tokio::spawn(write_all(to, queue));
    let answer = |text: &str| drop(answers.send(format!("{text}\r\n").into_bytes()));
    answer(INFO);
    let mut line = String::new();
    while from.read_line(&mut line).await? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["CONNECT", ..] | ["PONG"] => {}
            ["PING"] => answer("PONG"),
            ["SUB", subject, sid] => {
                let subscription = (subject.to_string(), answers.clone());
                shared.lock().insert((connection, number(sid)?), subscription);
            }
            ["UNSUB", sid, ..] => drop(shared.lock().remove(&(connection, number(sid)?))),
            ["PUB", subject, ref rest @ ..] if (1..=2).contains(&rest.len()) => {
                let mut payload = vec![0; number(rest[rest.len() - 1])? as usize + 2];
                from.read_exact(&mut payload).await?;
                payload.truncate(payload.len() - 2);
                if subject == SUBJECT {
                    record.note(|messages| messages.at_server.extend(numbered(&payload)));
                }
                let reply = if rest.len() == 2 { rest[0] } else { "" };
                if !shared.publish(subject, reply, &payload) && !reply.is_empty() {
                    shared.no_responders(reply);
                }
            }
            _ => {
                answer("-ERR 'Unknown Protocol Operation'");
                break;
            }
        }
        line.clear();
    }
    drop(answers);
    shared.lock().retain(|&(of, _), _| of != connection);
    writer.await.unwrap_or(Ok(()))
}

async fn write_all(
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut queue: UnboundedReceiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(bytes) = queue.recv().await {
        to.write_all(&bytes).await?;
    }
    Ok(())
}

fn number(word: &str) -> io::Result<u64> {
    word.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{word:?} is no number")))
}

/// Returns the number at the beginning of a payload.
pub fn numbered(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_match_as_documented() {
        assert!(matches("work", "work") && !matches("work", "work.a") && !matches("work.a", "work"));
        assert!(matches("a.*.c", "a.b.c") && !matches("a.*", "a.b.c"));
        assert!(matches("a.>", "a.b.c") && !matches("a.>", "a"));
    }
}
