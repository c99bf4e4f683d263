//! A replicated key-value store over HTTP. Any node takes a write: it stores it, sends it to the
//! others, and answers when a majority has it. A read asks every node and takes the latest value
//! that a majority's answers hold.
//!
//! It has a bug: a write is answered before it is durable (`Store::put`).

use axum::extract::{Path, State};
use axum::http::{Request, StatusCode, Uri};
use axum::routing::{get, put};
use axum::{Router, body::Bytes};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tower_http::timeout::TimeoutLayer;

pub const PORT: u16 = 8080;

/// The values of one node, and the file that they are read from when it starts.
struct Store {
    values: BTreeMap<String, u64>,
    log: File,
}

impl Store {
    async fn open() -> io::Result<Store> {
        let text = tokio::fs::read("log").await.unwrap_or_default();
        // A line that a power loss cut off was never answered. The next one must not continue it.
        let end = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&text[..end]);
        let mut values = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let value = value.parse().unwrap_or(0);
            let latest = values.entry(key.to_string()).or_insert(value);
            *latest = value.max(*latest);
        }
        let log = OpenOptions::new().create(true).append(true).open("log").await?;
        log.set_len(end as u64).await?;
        log.sync_all().await?;
        File::open(".").await?.sync_all().await?;
        Ok(Store { values, log })
    }

    async fn put(&mut self, key: String, value: u64) -> io::Result<()> {
        self.log.write_all(format!("{key} {value}\n").as_bytes()).await?;
        // The bug: the line is in the page cache, and `flush` does not change that. It has to be
        // `sync_data`, which the feature of the test `repaired` does.
        if cfg!(feature = "repaired") {
            self.log.sync_data().await?;
        } else {
            self.log.flush().await?;
        }
        let latest = self.values.entry(key).or_insert(value);
        *latest = value.max(*latest);
        Ok(())
    }
}

#[derive(Clone)]
struct Node {
    store: Arc<Mutex<Store>>,
    others: Arc<Vec<String>>,
}

/// Serves as one of the nodes of this cluster.
pub async fn serve(name: &'static str, cluster: &'static [&'static str]) -> io::Result<()> {
    let others = cluster.iter().filter(|&&other| other != name).map(ToString::to_string).collect();
    let node = Node { store: Arc::new(Mutex::new(Store::open().await?)), others: Arc::new(others) };
    let app = Router::new()
        .route("/{key}", get(read).put(write))
        .route("/local/{key}", put(store).get(local))
        .with_state(node)
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(2)));
    axum::serve(TcpListener::bind(("0.0.0.0", PORT)).await?, app).await
}

/// A write of a client.
async fn write(State(node): State<Node>, Path(key): Path<String>, value: String) -> StatusCode {
    if store(State(node.clone()), Path(key.clone()), value.clone()).await != StatusCode::OK {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let mut sends = JoinSet::new();
    for other in node.others.iter() {
        let uri = format!("http://{other}:{PORT}/local/{key}");
        let value = value.clone();
        sends.spawn(async move { send("PUT", &uri, value).await });
    }
    let mut stored = 1;
    while let Some(sent) = sends.join_next().await {
        stored += usize::from(matches!(sent, Ok(Ok(_))));
        if stored > node.others.len().div_ceil(2) {
            return StatusCode::OK;
        }
    }
    StatusCode::SERVICE_UNAVAILABLE
}

/// A read of a client.
async fn read(State(node): State<Node>, Path(key): Path<String>) -> Result<String, StatusCode> {
    let mut latest = node.store.lock().await.values.get(&key).copied().unwrap_or(0);
    let mut asks = JoinSet::new();
    for other in node.others.iter() {
        let uri = format!("http://{other}:{PORT}/local/{key}");
        asks.spawn(async move { send("GET", &uri, String::new()).await });
    }
    let mut answers = 1;
    while let Some(answer) = asks.join_next().await {
        if let Ok(Ok(value)) = answer {
            latest = latest.max(value.parse().unwrap_or(0));
            answers += 1;
        }
        if answers > node.others.len().div_ceil(2) {
            return Ok(latest.to_string());
        }
    }
    Err(StatusCode::SERVICE_UNAVAILABLE)
}

/// A write of another node.
async fn store(State(node): State<Node>, Path(key): Path<String>, value: String) -> StatusCode {
    let Ok(value) = value.parse() else { return StatusCode::BAD_REQUEST };
    match node.store.lock().await.put(key, value).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A read of another node.
async fn local(State(node): State<Node>, Path(key): Path<String>) -> String {
    node.store.lock().await.values.get(&key).copied().unwrap_or(0).to_string()
}

/// Sends a request and returns the body of its answer, if the answer is OK and comes within a
/// second.
pub async fn send(method: &str, uri: &str, body: String) -> Result<String, Box<dyn Error + Send + Sync>> {
    let body = Full::new(Bytes::from(body));
    let request = Request::builder().method(method).uri(uri.parse::<Uri>()?).body(body)?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build(connector());
        let response = client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, Box<dyn Error + Send + Sync>>((status, body))
    };
    let (status, body) = tokio::time::timeout(Duration::from_secs(1), exchange).await??;
    if status != StatusCode::OK {
        return Err(status.to_string().into());
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(madsim)]
fn connector() -> stormglass_net::integrations::hyper_util::Connector {
    stormglass_net::integrations::hyper_util::Connector::new()
}

#[cfg(not(madsim))]
fn connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}
