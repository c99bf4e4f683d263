//! TCP sockets that are neither connected nor listening.

use super::listener::TcpListener;
use super::stream::TcpStream;
use crate::net::placeholder::{apply_options, create};
use socket2::{Domain, SockRef};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use stormglass_sockets as sockets;

/// A TCP socket, named after `tokio::net::TcpSocket`. Options other than those of its methods are
/// set on a placeholder, and apply to the connection if it has them: nodelay, keepalive, and linger
/// of 0 s.
#[derive(Debug)]
pub struct TcpSocket {
    socket: OnceLock<Box<dyn sockets::TcpSocket>>,
    placeholder: OwnedFd,
}

impl TcpSocket {
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(false)
    }

    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(true)
    }

    fn new(v6: bool) -> io::Result<TcpSocket> {
        Ok(TcpSocket { socket: sockets::network()?.tcp_socket(v6)?.into(), placeholder: create(v6)? })
    }

    /// Makes a simulated socket of a real one that is not connected: with its options.
    pub fn from_std_stream(stream: std::net::TcpStream) -> TcpSocket {
        TcpSocket { socket: OnceLock::new(), placeholder: stream.into() }
    }

    /// Returns the simulated socket, which is made now if a placeholder was there first.
    fn socket(&self) -> io::Result<&dyn sockets::TcpSocket> {
        if self.socket.get().is_none() {
            let v6 = SockRef::from(&self.placeholder).domain()? == Domain::IPV6;
            let _ = self.socket.set(sockets::network()?.tcp_socket(v6)?);
        }
        Ok(&**self.socket.get().expect("it was set"))
    }

    fn into_parts(self) -> io::Result<(Box<dyn sockets::TcpSocket>, OwnedFd)> {
        self.socket()?;
        Ok((self.socket.into_inner().expect("it was set"), self.placeholder))
    }

    pub fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        self.socket()?.set_reuseaddr(on)
    }

    pub fn set_reuseport(&self, on: bool) -> io::Result<()> {
        self.socket()?.set_reuseport(on)
    }

    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        SockRef::from(&self.placeholder).set_keepalive(on)
    }

    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(&self.placeholder).keepalive()
    }

    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        SockRef::from(&self.placeholder).set_tcp_nodelay(on)
    }

    pub fn nodelay(&self) -> io::Result<bool> {
        SockRef::from(&self.placeholder).tcp_nodelay()
    }

    /// Sets the option of the placeholder: buffers have the sizes of the network's profile.
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        SockRef::from(&self.placeholder).set_send_buffer_size(bytes as usize)
    }

    pub fn send_buffer_size(&self) -> io::Result<u32> {
        Ok(SockRef::from(&self.placeholder).send_buffer_size()? as u32)
    }

    /// Sets the option of the placeholder: buffers have the sizes of the network's profile.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        SockRef::from(&self.placeholder).set_recv_buffer_size(bytes as usize)
    }

    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        Ok(SockRef::from(&self.placeholder).recv_buffer_size()? as u32)
    }

    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket()?.bind(address)
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket()?.local_addr()
    }

    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let (socket, placeholder) = self.into_parts()?;
        let stream = socket.connect(address).await?;
        apply_options(SockRef::from(&placeholder), &*stream)?;
        Ok(TcpStream::new(stream))
    }

    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.into_parts()?.0.listen(backlog).map(TcpListener)
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.placeholder.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.placeholder.as_raw_fd()
    }
}

impl FromRawFd for TcpSocket {
    unsafe fn from_raw_fd(fd: RawFd) -> TcpSocket {
        // SAFETY: the caller gives an open descriptor away, which this contract asks for too.
        TcpSocket { socket: OnceLock::new(), placeholder: unsafe { OwnedFd::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.placeholder.into_raw_fd()
    }
}
