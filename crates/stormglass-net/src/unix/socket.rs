//! Unix sockets that are neither connected nor listening.

use super::address::SocketAddr;
use super::bound_socket::BoundSocket;
use super::datagram::{self, UnixDatagram};
use super::listener::UnixListener;
use super::name::Binding;
use super::stream::UnixStream;
use crate::error::EINVAL;
use crate::host::Host;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_rt::Descriptor;

/// A Unix socket that is neither connected nor listening, named after `tokio::net::UnixSocket`.
pub struct UnixSocket {
    host: Host,
    socket: Socket,
    binding: Mutex<Option<Binding>>,
    descriptor: Descriptor,
}

enum Socket {
    Stream(Arc<BoundSocket>),
    Datagram(Arc<datagram::Socket>),
}

impl UnixSocket {
    /// Creates a datagram socket.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        UnixSocket::new(Socket::Datagram(Arc::default()))
    }

    /// Creates a stream socket.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn new_stream() -> io::Result<UnixSocket> {
        UnixSocket::new(Socket::Stream(Arc::default()))
    }

    fn new(socket: Socket) -> io::Result<UnixSocket> {
        let (host, binding) = (Host::current()?, Mutex::default());
        Ok(UnixSocket { host, socket, binding, descriptor: Descriptor::open()? })
    }

    fn binding(&self) -> MutexGuard<'_, Option<Binding>> {
        self.binding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds a path, or an abstract name if it begins with a zero byte.
    ///
    /// # Errors
    ///
    /// EADDRINUSE if the path exists; EINVAL if the socket is bound already; those of creating a
    /// file; `InvalidInput` for a path of 108 bytes or more.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let address = SocketAddr::pathname_or_abstract(path.as_ref())?;
        let mut binding = self.binding();
        if binding.is_some() {
            return Err(EINVAL.into());
        }
        *binding = Some(match &self.socket {
            Socket::Stream(socket) => Binding::new(&self.host, &address, socket)?,
            Socket::Datagram(socket) => {
                let binding = Binding::new(&self.host, &address, socket)?;
                socket.set_address(binding.address());
                binding
            }
        });
        Ok(())
    }

    /// Listens, with a backlog of this many connections and one more, at most 4,097.
    ///
    /// # Errors
    ///
    /// EINVAL if the socket is not bound; `Other` if it is a datagram socket.
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        let binding = self.binding().take();
        match self.socket {
            Socket::Datagram(_) => Err(io::Error::other("listen cannot be called on a datagram socket")),
            Socket::Stream(_) if binding.is_none() => Err(EINVAL.into()),
            Socket::Stream(socket) => {
                Ok(UnixListener::listen(self.host, socket, binding, self.descriptor, backlog))
            }
        }
    }

    /// Connects as [`UnixStream::connect`] does, from the name that the socket is bound to.
    ///
    /// # Errors
    ///
    /// As [`UnixStream::connect`]; `Other` if it is a datagram socket.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        if matches!(self.socket, Socket::Datagram(_)) {
            return Err(io::Error::other("connect cannot be called on a datagram socket"));
        }
        let address = SocketAddr::pathname_or_abstract(path.as_ref())?;
        let binding = self.binding().take();
        UnixStream::connect_from(&self.host, binding, &address, self.descriptor).await
    }

    /// Makes it a [`UnixDatagram`].
    ///
    /// # Errors
    ///
    /// `Other` if it is a stream socket.
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        let binding = self.binding().take();
        match self.socket {
            Socket::Stream(_) => Err(io::Error::other("datagram cannot be called on a stream socket")),
            Socket::Datagram(socket) => Ok(UnixDatagram::new(self.host, socket, binding, self.descriptor)),
        }
    }
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSocket").field("name", &*self.binding()).finish_non_exhaustive()
    }
}
