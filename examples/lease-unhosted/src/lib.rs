//! A lease service: it grants a lease to one worker at a time, and only the worker that holds the
//! lease may write to the storage.
//!
//! It has a bug: the storage believes the worker (`Storage::write`). A worker that is paused after
//! it has looked at its clock writes when the lease has long been another worker's.
//!
//! The processes are tasks of the simulation (`Node::run_unhosted`): they use its sockets and its
//! time, and of tokio only what needs no runtime. They do not build without the simulation.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass::net::{TcpListener, TcpStream};
use stormglass::rt;
use stormglass::sim::World;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// How long a lease lasts.
pub const LEASE: Duration = Duration::from_secs(2);

/// How long a worker works on a value.
const WORK: Duration = Duration::from_millis(300);

const LEASES: u16 = 7001;
const STORAGE: u16 = 7002;

/// Answers each line of each connection with the line that `answer` returns.
async fn serve(world: World, port: u16, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    let answer = Arc::new(answer);
    loop {
        let (stream, _) = listener.accept().await?;
        let answer = answer.clone();
        drop(rt::spawn(world.recorder(), "connection", async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await? > 0 {
                stream.write_all(format!("{}\n", answer(line.trim_end())).as_bytes()).await?;
                line.clear();
            }
            io::Result::Ok(())
        }));
    }
}

/// Sends a line, and returns the line of the answer if it comes within a second.
async fn ask(host: &str, port: u16, line: String) -> io::Result<String> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect((host, port)).await?);
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        Ok(answer.trim_end().to_string())
    };
    rt::timeout(Duration::from_secs(1), exchange).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// The lease: its number, and when it ends.
#[derive(Default)]
struct Lease {
    token: u64,
    end: Duration,
}

/// Serves leases. A request is `acquire`; the answer is the number of the lease, or `taken`.
pub async fn serve_leases(world: World) -> io::Result<()> {
    let lease = Mutex::new(Lease::default());
    let answer = move |_: &str| {
        let mut lease = lease.lock().unwrap_or_else(PoisonError::into_inner);
        if rt::monotonic() < lease.end {
            return "taken".into();
        }
        *lease = Lease { token: lease.token + 1, end: rt::monotonic() + LEASE };
        lease.token.to_string()
    };
    serve(world, LEASES, answer).await
}

/// The value, and the lease under which it was written.
#[derive(Default)]
struct Storage {
    value: u64,
    token: u64,
}

impl Storage {
    /// Writes a value under a lease, and returns whether it is stored.
    fn write(&mut self, token: u64, value: u64, world: &World) -> bool {
        // The bug: the worker says that it holds the lease. The number of the lease tells whether
        // that is still so (a fencing token); the feature of the test `repaired` compares it.
        if cfg!(feature = "repaired") && token < self.token {
            return false;
        }
        if token < self.token {
            world.violated("writes follow their leases", format!("{token} after {}", self.token));
        }
        *self = Storage { value, token };
        true
    }
}

/// Serves the value. A request is `get`, or `put LEASE VALUE`.
pub async fn serve_storage(world: World) -> io::Result<()> {
    let storage = Mutex::new(Storage::default());
    let scribe = world.clone();
    let answer = move |line: &str| {
        let mut storage = storage.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["put", token, value] => match (token.parse(), value.parse()) {
                (Ok(token), Ok(value)) => storage.write(token, value, &scribe).to_string(),
                _ => "neither numbers".into(),
            },
            _ => storage.value.to_string(),
        }
    };
    serve(world, STORAGE, answer).await
}

/// Adds one to the value, again and again, while it holds the lease.
pub async fn work() -> io::Result<()> {
    loop {
        let asked = rt::monotonic();
        let acquired = ask("leases", LEASES, "acquire".into()).await;
        if let Ok(Ok(token)) = acquired.map(|answer| answer.parse::<u64>()) {
            // The lease began after the request for it.
            while rt::monotonic() + WORK < asked + LEASE {
                if add_one(token, asked).await.is_err() {
                    break;
                }
            }
        }
        rt::sleep(WORK).await;
    }
}

async fn add_one(token: u64, asked: Duration) -> io::Result<()> {
    let value = ask("storage", STORAGE, "get".into()).await?;
    let value: u64 = value.parse().map_err(io::Error::other)?;
    rt::sleep(WORK).await;
    // Whether the lease lasts is looked up before the write, as it has to be.
    if rt::monotonic() < asked + LEASE {
        ask("storage", STORAGE, format!("put {token} {}", value + 1)).await?;
    }
    Ok(())
}

/// Returns the value.
pub async fn value() -> io::Result<u64> {
    ask("storage", STORAGE, "get".into()).await?.parse().map_err(io::Error::other)
}
