//! Unix datagram sockets.

mod kernel;
mod receive;
mod send;

pub(super) use kernel::Socket;

use super::address::SocketAddr;
use super::name::{self, Binding};
use crate::host::Host;
use crate::interest::{Interest, Ready};
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_rt::Descriptor;

/// A Unix datagram socket, named after `tokio::net::UnixDatagram`.
///
/// No datagram is lost, and they arrive in order. A sender waits while the receiver's queue is full:
/// 11 datagrams (Linux: `net.unix.max_dgram_qlen` and one more; the two sockets of a pair have no
/// such limit), and while its own datagrams that were not received exceed its send buffer (Linux:
/// `net.core.wmem_default`, kernel structures included).
pub struct UnixDatagram {
    host: Host,
    socket: Arc<Socket>,
    binding: Option<Binding>,
    _descriptor: Descriptor,
}

impl UnixDatagram {
    pub(super) fn new(
        host: Host,
        socket: Arc<Socket>,
        binding: Option<Binding>,
        descriptor: Descriptor,
    ) -> UnixDatagram {
        UnixDatagram { host, socket, binding, _descriptor: descriptor }
    }

    /// Creates a socket that is bound to this path, which must not exist. See
    /// [`crate::UnixListener::bind`] for what a path is.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network, UnixDatagram};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let _mounted = network.host("node-1").mount();
    ///     let socket = UnixDatagram::bind("/run/log.sock")?;
    ///     UnixDatagram::unbound()?.send_to(b"hello", "/run/log.sock").await?;
    ///     let mut buffer = [0; 64];
    ///     assert_eq!(socket.recv(&mut buffer).await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// EADDRINUSE if the path exists; those of creating a file; EMFILE; `InvalidInput` for a path of
    /// 108 bytes or more or with a zero byte; `Unsupported` if no host is mounted.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        let address = SocketAddr::pathname(path.as_ref())?;
        let mut socket = UnixDatagram::unbound()?;
        let binding = Binding::new(&socket.host, &address, &socket.socket)?;
        socket.socket.set_address(binding.address());
        socket.binding = Some(binding);
        Ok(socket)
    }

    /// Creates two unnamed sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = (UnixDatagram::unbound()?, UnixDatagram::unbound()?);
        one.socket.set_peer(&other.socket);
        other.socket.set_peer(&one.socket);
        Ok((one, other))
    }

    /// Creates a socket that is not bound.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn unbound() -> io::Result<UnixDatagram> {
        Ok(UnixDatagram::new(Host::current()?, Arc::default(), None, Descriptor::open()?))
    }

    /// Connects the socket: from now on it sends to this path, and receives from no other socket.
    ///
    /// # Errors
    ///
    /// ENOENT if the path does not exist; ECONNREFUSED if no process has its socket open; EPROTOTYPE
    /// if it is a stream socket's; EPERM if it is connected to another socket.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.socket.connect(&self.target(path.as_ref())?)
    }

    /// Returns the socket at a path.
    fn target(&self, path: &Path) -> io::Result<Arc<Socket>> {
        name::find(&self.host, &SocketAddr::pathname(path)?)
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.address())
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// ENOTCONN.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_address()
    }

    /// Returns the socket's error, if no operation has returned it yet.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.socket.take_error())
    }

    /// Ends receiving, sending or both: then sending to it or from it fails with EPIPE. Receiving
    /// still returns what is in the queue, and waits for ever then, as with tokio.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how);
        Ok(())
    }
}

/// Readiness.
impl UnixDatagram {
    /// Waits until the socket is ready for any of this.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        Ok(self.socket.readiness.ready(interest).await)
    }

    /// Waits until a datagram can be sent.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls [`UnixDatagram::writable`], for hand-written futures.
    pub fn poll_send_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.readiness.poll_ready(Interest::WRITABLE, context).map(|_| Ok(()))
    }

    /// Waits until there is a datagram or an error.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls [`UnixDatagram::readable`], for hand-written futures.
    pub fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.readiness.poll_ready(Interest::READABLE, context).map(|_| Ok(()))
    }

    /// Runs an operation if the socket is ready for it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not; those of the operation. `WouldBlock` of the operation makes the
    /// socket not ready until the next event.
    pub fn try_io<R>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.socket.readiness.try_io(interest, operation)
    }

    /// Runs an operation whenever the socket is ready for it, until it does not return `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of the operation.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.readiness.io(interest, operation).await
    }
}

impl Drop for UnixDatagram {
    fn drop(&mut self) {
        self.socket.close();
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.socket.address();
        f.debug_struct("UnixDatagram").field("local", &local).field("bound", &self.binding).finish()
    }
}
