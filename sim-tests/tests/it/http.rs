//! A third-party service, hyper on the simulated sockets and files with tokio's API, works with
//! every tool.

use expect_test::expect;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::time::Duration;
use stormglass_core::{Keep, Seed, Verdict};
use stormglass_report::Explanation;
use stormglass_rt as rt;
use stormglass_sim::net::fault::{LinkEffect, LinkRule};
use stormglass_sim::{Run, Scenario, Settings, World, check, fs, net, scenario};

/// A client connects, sends a request to store a body, and reads the response. The first segment
/// that the server sends is lost.
struct Store;

/// Makes the request's body durable, then responds.
async fn store(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let body = request.into_body().collect().await?.to_bytes();
    fs::write("stored", &body).await?;
    fs::File::open("stored").await?.sync_all().await?;
    Ok(Response::new(Full::new(Bytes::from_static(b"stored"))))
}

async fn serve(world: World) -> std::io::Result<()> {
    let listener = net::TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let server = hyper::server::conn::http1::Builder::new();
        let connection = server.serve_connection(TokioIo::new(stream), service_fn(store));
        rt::spawn(world.recorder(), "connection", connection);
    }
}

async fn ask(world: World) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let stream = net::TcpStream::connect("server:80").await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    rt::spawn(world.recorder(), "connection", connection);
    let request = Request::put("/").header("host", "server").body(Full::new(Bytes::from_static(b"storm")))?;
    Ok(sender.send_request(request).await?.into_body().collect().await?.to_bytes())
}

#[scenario(about = "a client has a server store something, over HTTP")]
impl Scenario for Store {
    async fn play(&self, world: World) {
        let (client, server) = (world.node_on("client", "m1"), world.node_on("server", "m2"));
        server.spawn("server", serve(world.clone()));
        rt::sleep(Duration::from_millis(1)).await;
        let lossy = LinkRule::new(LinkEffect::Lose).from("server").after(1).times(1);
        let _lossy = world.network().inject(lossy).unwrap();
        let asking = client.spawn("client", ask(world.clone()));
        let answer = world.wait("stored", "client", Duration::from_millis(200), asking).await;
        assert_eq!(answer.unwrap().unwrap().unwrap(), "stored");
    }
}

fn run(scenario: &Store) -> Run<'_> {
    let sets = [("net.link.latency", "10ms"), ("disk.sync.delay", "50ms")];
    let settings = Settings::resolve(scenario, None, "quiet", &sets).unwrap();
    Run::new(scenario, settings, Seed(1))
}

/// 220 ms for the retransmission, 20 ms to connect, 10 ms for the request and 10 ms for the
/// response, 50 ms for the sync: the explanation has all of it, although the tasks in between are
/// hyper's and communicate through tokio's channels.
#[test]
fn wait_is_explained_through_hyper() {
    let played = run(&Store).play(Keep::Events);
    assert!(matches!(played.outcome.verdict, Verdict::TimedOut { .. }), "{:?}", played.outcome.verdict);
    let explanation = Explanation::of(&played.trace, &played.outcome.waits[0]).unwrap();
    expect![[r#"
        stored on client took 0.311 s, 0.111 s more than the deadline of 0.200 s

         step            seconds  fsync  network  fsyncs
         the whole wait    0.311  0.051    0.260       1
         sum               0.311  0.051    0.260       1

        What it waited for, longest first:

            0.220 s     1 ×  network: retransmission  on server
            0.051 s     1 ×  fsync stored             on server
            0.020 s     1 ×  network: connect         on client
            0.020 s     2 ×  network: deliver         on client, server
            0.000 s  and 6 shorter ones
    "#]]
    .assert_eq(&explanation.render());
}

#[test]
fn runs_do_not_diverge() {
    assert_eq!(check(&run(&Store)).1, None);
}
