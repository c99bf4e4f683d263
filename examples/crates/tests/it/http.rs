//! HTTP: `axum`, `hyper`, `hyper-util`, `reqwest`, `tower-http`.

use crate::between;
use axum::Router;
use axum::routing::get;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::error::Error;
use stormglass::prelude::*;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::Instant;
use tower_http::timeout::TimeoutLayer;

/// A service whose page `/slow` takes longer than its timeout.
async fn serve() {
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(30)).await;
        "slow"
    };
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(2));
    let app = Router::new().route("/", get(async || "hello")).route("/slow", get(slow)).layer(timeout);
    let listener = TcpListener::bind("0.0.0.0:80").await.expect("the port is free");
    axum::serve(listener, app).await.expect("it serves");
}

/// reqwest asks the machine's resolver for names; this one asks the simulation's.
struct Resolver;

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[stormglass::test(seeds = 0..20)]
async fn reqwest_calls_axum(world: World) {
    between(&world, serve, || async {
        let client = reqwest::Client::builder().dns_resolver(Resolver).no_proxy().build().expect("it builds");
        let answer = client.get("http://server/").send().await.expect("the server answers");
        assert_eq!(answer.text().await.expect("a text"), "hello");
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn reqwest_times_out_in_simulated_time(world: World) {
    between(&world, serve, || async {
        let client = reqwest::Client::builder().dns_resolver(Resolver).no_proxy();
        let client = client.timeout(Duration::from_secs(1)).build().expect("it builds");
        let began = Instant::now();
        let error = client.get("http://server/slow").send().await.expect_err("it is slow");
        assert!(error.is_timeout(), "{error}");
        assert!(began.elapsed() < Duration::from_millis(1010), "{:?}", began.elapsed());
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn tower_http_times_out_in_simulated_time(world: World) {
    between(&world, serve, || async {
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        let client = client.build_http::<Empty<Bytes>>();
        let server = lookup_host("server:80").await.expect("a host").next().expect("an address");
        let began = Instant::now();
        let uri = format!("http://{server}/slow").parse().expect("a URI");
        let answer = client.get(uri).await.expect("the server answers");
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        assert!(began.elapsed() < Duration::from_millis(2010), "{:?}", began.elapsed());
    })
    .await;
}

async fn serve_http2() {
    let listener = TcpListener::bind("0.0.0.0:80").await.expect("the port is free");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(async move {
            let hello =
                async |_| Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::from("hello"))));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service_fn(hello)).await
        });
    }
}

#[stormglass::test(seeds = 0..20)]
async fn hyper_speaks_http2(world: World) {
    async fn call() -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        let stream = TokioIo::new(TcpStream::connect("server:80").await?);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        let request = Request::get("http://server/").body(Empty::<Bytes>::new())?;
        Ok(sender.send_request(request).await?.into_body().collect().await?.to_bytes())
    }
    between(&world, serve_http2, || async { assert_eq!(call().await.expect("an answer"), "hello") }).await;
}
