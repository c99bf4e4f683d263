//! This crate's sockets for a `tokio` that is patched into the build, so that libraries which make
//! their own `tokio::net` sockets make simulated ones.

use crate::ext::TcpStreamExt;
use crate::keepalive::Keepalive;
use crate::names::lookup_host;
use crate::tcp::{TcpListener, TcpSocket, TcpStream};
use crate::udp::UdpSocket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use stormglass_sockets as sockets;
use stormglass_sockets::BoxFuture;
use tokio::io::ReadBuf;

/// Makes the patched tokio use this crate's sockets, in the whole process. A world of
/// `stormglass-sim` does that; without it, a program does that once.
pub fn install() {
    sockets::install(&Simulated);
}

#[derive(Debug)]
struct Simulated;

impl sockets::Network for Simulated {
    fn lookup<'a>(&self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }

    fn tcp_socket(&self, v6: bool) -> io::Result<Box<dyn sockets::TcpSocket>> {
        Ok(Box::new(if v6 { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?))
    }

    fn udp_socket(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn sockets::UdpSocket>>> {
        Box::pin(async move { Ok(Arc::new(UdpSocket::bind(address).await?) as Arc<dyn sockets::UdpSocket>) })
    }
}

impl sockets::TcpSocket for TcpSocket {
    fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.bind(address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        self.set_reuseaddr(on)
    }

    fn set_reuseport(&self, on: bool) -> io::Result<()> {
        self.set_reuseport(on)
    }

    fn connect(
        self: Box<Self>,
        to: SocketAddr,
    ) -> BoxFuture<'static, io::Result<Arc<dyn sockets::TcpStream>>> {
        Box::pin(async move { Ok(Arc::new((*self).connect(to).await?) as Arc<dyn sockets::TcpStream>) })
    }

    fn listen(self: Box<Self>, backlog: u32) -> io::Result<Arc<dyn sockets::TcpListener>> {
        Ok(Arc::new((*self).listen(backlog)?))
    }
}

impl sockets::TcpListener for TcpListener {
    fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Arc<dyn sockets::TcpStream>, SocketAddr)>> {
        let accepted = self.poll_accept(context);
        accepted.map_ok(|(stream, peer)| (Arc::new(stream) as Arc<dyn sockets::TcpStream>, peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

impl sockets::TcpStream for TcpStream {
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(self.socket.poll_read_bytes(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_peek(context, &mut ReadBuf::new(buffer))
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match bytes {
            [bytes] => self.socket.poll_write_slice(context, bytes),
            _ => self.socket.poll_write_bytes(Some(context), bytes),
        }
    }

    fn shutdown_write(&self) {
        // The patched tokio calls this when a write half is dropped, too.
        self.socket.shutdown_write_in_order();
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(context)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_read(buffer)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.take_error()
    }

    fn nodelay(&self) -> io::Result<bool> {
        self.nodelay()
    }

    fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set_nodelay(on)
    }

    fn set_zero_linger(&self) -> io::Result<()> {
        self.set_zero_linger()
    }

    fn set_keepalive(&self, keepalive: Option<(Duration, Duration, u32)>) -> io::Result<()> {
        let keepalive = keepalive.map(|(time, interval, retries)| Keepalive { time, interval, retries });
        TcpStreamExt::set_keepalive(self, keepalive)
    }
}

impl sockets::UdpSocket for UdpSocket {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(self.connect(to))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Poll<io::Result<usize>> {
        match to {
            Some(to) => self.poll_send_to(context, bytes, to),
            None => self.poll_send(context, bytes),
        }
    }

    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let sender = ready!(self.poll_recv_from(context, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), sender)))
    }

    fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(self.poll_recv(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn try_send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        match to {
            Some(to) => self.try_send_to(bytes, to),
            None => self.try_send(bytes),
        }
    }

    fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.try_recv_from(buffer)
    }

    fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_ready(context)
    }

    fn poll_send_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send_ready(context)
    }
}
