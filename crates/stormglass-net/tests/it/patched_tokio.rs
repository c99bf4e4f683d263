//! The sockets that a patched tokio gets (`stormglass_sockets`) are those of the current host.

use madsim::runtime::Runtime;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use stormglass_core::Seed;
use stormglass_net::integrations::patched_tokio;
use stormglass_net::{NetProfile, Network, TcpListener};
use stormglass_sockets::{TcpStream, network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: &str = "127.0.0.1:80";

fn on_a_host(body: impl AsyncFnOnce()) {
    patched_tokio::install();
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let _mount = network.host("server").mount();
        body().await;
    });
}

fn server() -> SocketAddr {
    SERVER.parse().unwrap()
}

async fn connect() -> std::io::Result<Arc<dyn TcpStream>> {
    network()?.tcp_socket(false)?.connect(server()).await
}

#[test]
fn a_stream_reads_what_the_other_end_writes() {
    on_a_host(async || {
        let listener = TcpListener::bind(SERVER).await.unwrap();
        let client = connect().await.unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        assert_eq!(client.local_addr().unwrap(), peer);
        let slices = [IoSlice::new(b"to"), IoSlice::new(b"gether")];
        assert_eq!(poll_fn(|context| client.poll_write(context, &slices)).await.unwrap(), 8);
        client.shutdown_write();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "together");
        stream.write_all(b"seven").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(poll_fn(|context| client.poll_peek(context, &mut buffer)).await.unwrap(), 5);
        assert_eq!(poll_fn(|context| client.poll_read(context, &mut buffer)).await.unwrap(), 5);
        assert_eq!(&buffer[..5], b"seven");
        drop(stream);
        assert_eq!(poll_fn(|context| client.poll_read(context, &mut buffer)).await.unwrap(), 0);
    });
}

#[test]
fn a_port_without_a_listener_refuses() {
    on_a_host(async || {
        assert_eq!(connect().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_listener_of_the_interface_accepts() {
    on_a_host(async || {
        let socket = network().unwrap().tcp_socket(false).unwrap();
        socket.bind(server()).unwrap();
        let listener = socket.listen(1).unwrap();
        assert_eq!(listener.local_addr().unwrap(), server());
        let mut client = stormglass_net::TcpStream::connect(SERVER).await.unwrap();
        let (accepted, _) = poll_fn(|context| listener.poll_accept(context)).await.unwrap();
        // Dropping the last reference closes the connection.
        drop(accepted);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn datagrams_and_names_are_those_of_the_host() {
    on_a_host(async || {
        let network = network().unwrap();
        let found = network.lookup("server", 9).await.unwrap();
        assert_eq!(found, ["10.0.0.1:9".parse().unwrap()]);
        let receiver = network.udp_socket(found[0]).await.unwrap();
        let sender = network.udp_socket("0.0.0.0:0".parse().unwrap()).await.unwrap();
        poll_fn(|context| sender.poll_send(context, b"four", Some(found[0]))).await.unwrap();
        let mut buffer = [0; 8];
        let (len, _) = poll_fn(|context| receiver.poll_recv_from(context, &mut buffer)).await.unwrap();
        assert_eq!(&buffer[..len], b"four");
        assert_eq!(sender.try_recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}
