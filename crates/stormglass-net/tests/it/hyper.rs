//! hyper 1, unchanged, on simulated sockets: the costs of requests, and their errors when links
//! and hosts fail.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use madsim::runtime::{Handle, Runtime};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::{LinkProfile, NetProfile, Network, TcpListener, TcpStream};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn now() -> u64 {
    stormglass_rt::now().as_nanos() / 1_000_000
}

/// Spawns tasks on the node of the caller.
#[derive(Clone)]
struct Here;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, task: F) {
        drop(madsim::task::spawn_local(task));
    }
}

/// Responds with the request's body; to `/slow` after a second.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        stormglass_rt::sleep(MS(1_000)).await;
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    Ok(Response::new(Full::new(body.unwrap_or_default())))
}

fn on_two_nodes(two: bool, body: impl AsyncFnOnce(Network, madsim::runtime::NodeHandle)) {
    Runtime::new().block_on(async {
        let link = LinkProfile { latency: Latency::from_millis(50), ..LinkProfile::default() };
        let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
        let node = Handle::current().create_node().name("server").build();
        let _mounts = (network.host("server").mount_on(node.id()), network.host("client").mount());
        node.spawn(async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            loop {
                let io = TokioIo::new(listener.accept().await.unwrap().0);
                madsim::task::spawn_local(async move {
                    if two {
                        let server = hyper::server::conn::http2::Builder::new(Here);
                        drop(server.serve_connection(io, service_fn(echo)).await);
                    } else {
                        let server = hyper::server::conn::http1::Builder::new();
                        drop(server.serve_connection(io, service_fn(echo)).await);
                    }
                });
            }
        });
        stormglass_rt::sleep(MS(1)).await;
        body(network, node).await;
    });
}

fn request(path: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::post(format!("http://server{path}")).body(Full::new(Bytes::from_static(body))).unwrap()
}

/// Two round trips of 100 ms: one to connect, one for the request; the next on the same connection
/// costs one.
#[test]
fn requests_take_round_trips() {
    on_two_nodes(false, async |_, _| {
        let before = now();
        let io = TokioIo::new(TcpStream::connect("server:80").await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        madsim::task::spawn_local(connection);
        for took in [200, 300] {
            let response = sender.send_request(request("/", b"hello")).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
            assert_eq!(now() - before, took);
        }
    });
}

/// A lost segment costs one retransmission, 200 ms and a round trip; HTTP reports no error.
#[test]
fn loss_costs_a_retransmission() {
    on_two_nodes(false, async |network, _| {
        let io = TokioIo::new(TcpStream::connect("server:80").await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        madsim::task::spawn_local(connection);
        let _lossy = network.inject(LinkRule::new(LinkEffect::Lose).from("server").times(1)).unwrap();
        let before = now();
        sender.send_request(request("/", b"hello")).await.unwrap();
        assert_eq!(now() - before, 100 + 300);
    });
}

/// If the server is killed while it handles a request, the request fails when the reset arrives.
/// If its host loses power, the request waits.
#[test]
fn a_killed_server_fails_requests_and_a_host_without_power_stalls_them() {
    for vanishes in [false, true] {
        on_two_nodes(false, async |network, server| {
            let io = TokioIo::new(TcpStream::connect("server:80").await.unwrap());
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            madsim::task::spawn_local(connection);
            let answer = madsim::task::spawn_local(async move {
                let response = sender.send_request(request("/slow", b"hello")).await;
                (response.is_err(), now())
            });
            stormglass_rt::sleep_until(MS(500).into()).await;
            let off = vanishes.then(|| network.host("server").power_off());
            Handle::current().kill(server.id());
            let answer = stormglass_rt::timeout(MS(60_000), answer).await;
            match vanishes {
                false => assert_eq!(answer.unwrap().unwrap(), (true, 550)),
                true => assert!(answer.is_none()),
            }
            drop(off);
        });
    }
}

/// HTTP/2: ten requests share a connection and its round trip; a large body is echoed completely.
#[test]
fn http2_shares_a_connection() {
    on_two_nodes(true, async |_, _| {
        let io = TokioIo::new(TcpStream::connect("server:80").await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(Here, io).await.unwrap();
        madsim::task::spawn_local(connection);
        let before = now();
        let mut answers = Vec::new();
        for _ in 0..10 {
            let mut sender = sender.clone();
            answers.push(madsim::task::spawn_local(async move {
                let response = sender.send_request(request("/slow", b"hello")).await.unwrap();
                response.into_body().collect().await.unwrap().to_bytes()
            }));
        }
        for answer in answers {
            assert_eq!(answer.await.unwrap(), "hello");
        }
        assert_eq!(now() - before, 1_100);
        let large: &'static [u8] = Box::leak(vec![7; 3 << 20].into_boxed_slice());
        let response = sender.clone().send_request(request("/", large)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), large);
    });
}
