//! The sockets, and the futures of their methods, have the traits that tokio's have.

use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use stormglass_core::Seed;
use stormglass_net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
use stormglass_net::{
    Interest, NetProfile, Network, Ready, TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host,
};

fn is_shared<T: Send + Sync + Unpin>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn is_send_and_sync<T: Send + Sync>(_: T) {}

#[test]
fn types_have_the_traits_of_tokio() {
    is_shared::<TcpListener>();
    is_shared::<TcpSocket>();
    is_shared::<TcpStream>();
    is_shared::<OwnedReadHalf>();
    is_shared::<OwnedWriteHalf>();
    is_shared::<ReadHalf<'static>>();
    is_shared::<WriteHalf<'static>>();
    is_shared::<ReuniteError>();
    is_shared::<UdpSocket>();
    is_shared::<Interest>();
    is_shared::<Ready>();
    is_unwind_safe::<TcpListener>();
    is_unwind_safe::<TcpSocket>();
    is_unwind_safe::<TcpStream>();
    is_unwind_safe::<UdpSocket>();
}

#[test]
fn futures_are_send_and_sync() {
    madsim::runtime::Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let _mounted = network.host("node").mount();
        let at: SocketAddr = "127.0.0.1:7".parse().unwrap();
        is_send_and_sync(TcpListener::bind(at));
        is_send_and_sync(TcpStream::connect(at));
        is_send_and_sync(TcpSocket::new_v4().unwrap().connect(at));
        is_send_and_sync(UdpSocket::bind(at));
        is_send_and_sync(lookup_host(at));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        is_send_and_sync(listener.accept());
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        is_send_and_sync(stream.peek(&mut [0]));
        is_send_and_sync(stream.ready(Interest::READABLE));
        is_send_and_sync(stream.readable());
        is_send_and_sync(stream.writable());
        is_send_and_sync(stream.async_io(Interest::READABLE, || Ok(())));
        let (mut reader, writer) = stream.into_split();
        is_send_and_sync(reader.peek(&mut [0]));
        is_send_and_sync(reader.ready(Interest::READABLE));
        is_send_and_sync(writer.writable());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        is_send_and_sync(socket.connect(at));
        is_send_and_sync(socket.recv(&mut [0]));
        is_send_and_sync(socket.recv_from(&mut [0]));
        is_send_and_sync(socket.recv_buf(&mut Vec::new()));
        is_send_and_sync(socket.recv_buf_from(&mut Vec::new()));
        is_send_and_sync(socket.send(b""));
        is_send_and_sync(socket.send_to(b"", at));
        is_send_and_sync(socket.peek(&mut [0]));
        is_send_and_sync(socket.peek_from(&mut [0]));
        is_send_and_sync(socket.peek_sender());
        is_send_and_sync(socket.ready(Interest::READABLE));
        is_send_and_sync(socket.readable());
        is_send_and_sync(socket.writable());
        is_send_and_sync(socket.async_io(Interest::READABLE, || Ok(())));
    });
}
