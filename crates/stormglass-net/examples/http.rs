//! An HTTP server and client with hyper: simulated with `--cfg madsim`, on the kernel's loopback
//! without it. Both print the same.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use stormglass_net as net;

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_string();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = format!("hello {}{}", &path[1..], String::from_utf8_lossy(&body));
    Ok(Response::new(Full::new(Bytes::from(body))))
}

/// Serves until its node, or the process, ends.
async fn serve(listener: net::TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(greet));
        spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("{error}");
            }
        });
    }
}

async fn ask(server: SocketAddr) -> Result<(), Box<dyn Error>> {
    let stream = net::TcpStream::connect(server).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("{error}");
        }
    });
    for (path, body) in [("/storm", ""), ("/glass", ", again")] {
        let request = Request::post(path).header("host", "server").body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

#[cfg(madsim)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(madsim::task::spawn_local(task));
}

#[cfg(not(madsim))]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

#[cfg(madsim)]
fn main() -> Result<(), Box<dyn Error>> {
    use stormglass_core::{Latency, Seed};
    use stormglass_net::{LinkProfile, NetProfile, Network};
    let runtime = madsim::runtime::Runtime::new();
    runtime.block_on(async {
        let link = LinkProfile { latency: Latency::from_millis(50), ..LinkProfile::default() };
        let network = Network::new(NetProfile { link, ..NetProfile::instant() }, Seed(1));
        let server = network.host("server");
        let node = madsim::runtime::Handle::current().create_node().name("server").build();
        let _mounts = (server.mount_on(node.id()), network.host("client").mount());
        let listener = node.spawn(net::TcpListener::bind("0.0.0.0:80")).await??;
        node.spawn(serve(listener));
        ask(SocketAddr::new(server.ip(), 80)).await?;
        eprint!("after {}\n{}", stormglass_rt::now(), network.netstat());
        Ok(())
    })
}

#[cfg(not(madsim))]
fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = net::TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        tokio::spawn(serve(listener));
        ask(at).await
    })
}
