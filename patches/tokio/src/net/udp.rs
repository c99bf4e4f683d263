//! UDP sockets.

use super::address::{ToSocketAddrs, resolve};
use real::io::ReadBuf;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stormglass_sockets as sockets;

/// A UDP socket, named after `tokio::net::UdpSocket`.
#[derive(Debug)]
pub struct UdpSocket(Arc<dyn sockets::UdpSocket>);

impl UdpSocket {
    /// Binds a socket to the first of these addresses that it can.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        let mut error = io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address");
        for address in resolve(address).await? {
            match sockets::network()?.udp_socket(address).await {
                Ok(socket) => return Ok(UdpSocket(socket)),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Refused: the socket is one of the real machine.
    pub fn from_std(_: std::net::UdpSocket) -> io::Result<UdpSocket> {
        Err(super::unsupported("a UDP socket that the standard library has made"))
    }

    /// Refused: there is no socket of the real machine.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        Err(super::unsupported("a UDP socket of the standard library"))
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    pub async fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        let mut error = io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address");
        for address in resolve(address).await? {
            match self.0.connect(address).await {
                Ok(()) => return Ok(()),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.0.poll_recv_ready(context)).await
    }

    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| self.0.poll_send_ready(context)).await
    }

    pub fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_recv_ready(context)
    }

    pub fn poll_send_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send_ready(context)
    }

    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|context| self.0.poll_send(context, bytes, None)).await
    }

    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes, None)
    }

    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_send(bytes, None)
    }

    pub async fn send_to<A: ToSocketAddrs>(&self, bytes: &[u8], to: A) -> io::Result<usize> {
        let to = resolve(to).await?.into_iter().next();
        let no_address = || io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to");
        let to = to.ok_or_else(no_address)?;
        poll_fn(|context| self.0.poll_send(context, bytes, Some(to))).await
    }

    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes, Some(to))
    }

    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.try_send(bytes, Some(to))
    }

    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.0.poll_recv(context, buffer)).await
    }

    pub fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = ready!(self.0.poll_recv(context, buffer.initialize_unfilled()))?;
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }

    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        poll_fn(|context| self.0.poll_recv_from(context, buffer)).await
    }

    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let (len, sender) = ready!(self.0.poll_recv_from(context, buffer.initialize_unfilled()))?;
        buffer.advance(len);
        Poll::Ready(Ok(sender))
    }

    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.try_recv_from(buffer)
    }
}
