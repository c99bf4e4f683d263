//! TCP listeners.

use super::stream::TcpStream;
use crate::net::address::{ToSocketAddrs, resolve};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_sockets as sockets;

/// How many connections may wait: as with tokio's `TcpListener::bind`.
const BACKLOG: u32 = 1024;

/// A TCP listener, named after `tokio::net::TcpListener`.
#[derive(Debug)]
pub struct TcpListener(pub(super) Arc<dyn sockets::TcpListener>);

impl TcpListener {
    /// Listens on the first of these addresses that it can.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        let mut error = io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address");
        for address in resolve(address).await? {
            let socket = sockets::network()?.tcp_socket(address.is_ipv6())?;
            socket.set_reuseaddr(true)?;
            match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
                Ok(listener) => return Ok(TcpListener(listener)),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Refused: the listener is one of the real machine.
    pub fn from_std(_: std::net::TcpListener) -> io::Result<TcpListener> {
        Err(crate::net::unsupported("a listener that the standard library has made"))
    }

    /// Refused: there is no listener of the real machine.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Err(crate::net::unsupported("a listener of the standard library"))
    }

    /// Waits for a connection; returns it and the client's address.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls [`TcpListener::accept`].
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.0.poll_accept(context).map_ok(|(stream, peer)| (TcpStream::new(stream), peer))
    }

    /// Returns the address that the listener is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
