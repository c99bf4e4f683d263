//! The interface through which a `tokio` that is patched into a simulated build (`patches/tokio`)
//! reaches the sockets of the simulated network.
//!
//! The patched tokio cannot depend on the network, because the network's runtime, madsim, depends
//! on tokio. So both depend on this crate, which depends on nothing: `stormglass-net` installs a
//! [`Network`], and the patched tokio calls it.
//!
//! Errors are those of the methods of `tokio::net` of the same name.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

/// A future that an object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The sockets of a simulated network, on the host of the node that the current task runs on.
pub trait Network: Sync {
    /// Resolves the name of a host.
    fn lookup<'a>(&self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// Creates a TCP socket, for IPv6 if `v6`, otherwise for IPv4.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if the current node has no host.
    fn tcp_socket(&self, v6: bool) -> io::Result<Box<dyn TcpSocket>>;

    /// Creates a UDP socket that is bound to this address.
    fn udp_socket(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn UdpSocket>>>;
}

/// A TCP socket that is neither connected nor listening.
pub trait TcpSocket: Debug + Send + Sync {
    /// Binds the socket to an address.
    fn bind(&self, address: SocketAddr) -> io::Result<()>;
    /// Returns the address that the socket is bound to.
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// Sets `SO_REUSEADDR`.
    fn set_reuseaddr(&self, on: bool) -> io::Result<()>;
    /// Sets `SO_REUSEPORT`.
    fn set_reuseport(&self, on: bool) -> io::Result<()>;
    /// Connects to an address.
    fn connect(self: Box<Self>, to: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn TcpStream>>>;
    /// Accepts connections, of which this many may wait.
    fn listen(self: Box<Self>, backlog: u32) -> io::Result<Arc<dyn TcpListener>>;
}

/// A TCP listener.
pub trait TcpListener: Debug + Send + Sync {
    /// Polls for the next connection and its client's address.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Arc<dyn TcpStream>, SocketAddr)>>;
    /// Returns the address that the listener is bound to.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A TCP connection. Dropping the last reference closes it.
pub trait TcpStream: Debug + Send + Sync {
    /// Polls for data, and returns how many bytes it has put into `buffer`: none at the end of the
    /// stream.
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Polls as [`TcpStream::poll_read`] and leaves the data in the receive buffer.
    fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Polls for room, and returns how many of the bytes it has taken.
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>>;
    /// Ends the direction to the peer, after what was written.
    fn shutdown_write(&self);
    /// Polls until a read would not wait.
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Polls until a write would not wait.
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Reads what has arrived, or returns `WouldBlock`.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes what there is room for, or returns `WouldBlock`.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Returns the address of this end.
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// Returns the address of the other end.
    fn peer_addr(&self) -> io::Result<SocketAddr>;
    /// Returns the connection's error, once.
    fn take_error(&self) -> io::Result<Option<io::Error>>;
    /// Returns `TCP_NODELAY`.
    fn nodelay(&self) -> io::Result<bool>;
    /// Sets `TCP_NODELAY`.
    fn set_nodelay(&self, on: bool) -> io::Result<()>;
    /// Makes dropping the stream reset the connection.
    fn set_zero_linger(&self) -> io::Result<()>;
    /// Sets keepalive: the idle time before the first probe, the time between probes, and how many
    /// stay without an answer until the connection ends.
    fn set_keepalive(&self, keepalive: Option<(Duration, Duration, u32)>) -> io::Result<()>;
}

/// A UDP socket.
pub trait UdpSocket: Debug + Send + Sync {
    /// Connects the socket: it receives only from this address, which is where it sends to.
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<()>>;
    /// Returns the address that the socket is bound to.
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// Returns the address that the socket is connected to.
    fn peer_addr(&self) -> io::Result<SocketAddr>;
    /// Polls for room for a datagram to `to`, or to the connected address, and sends it.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Poll<io::Result<usize>>;
    /// Polls for a datagram, and returns its size and its sender.
    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
    /// Polls for a datagram of the connected address, and returns its size.
    fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Sends a datagram, or returns `WouldBlock`.
    fn try_send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize>;
    /// Receives a datagram, or returns `WouldBlock`.
    fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
    /// Polls until a datagram is there.
    fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Polls until there is room for a datagram.
    fn poll_send_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

static NETWORK: OnceLock<&'static dyn Network> = OnceLock::new();

/// Installs the network of this process. Only the first call has an effect.
pub fn install(network: &'static dyn Network) {
    let _ = NETWORK.set(network);
}

/// Returns the network that is installed.
///
/// # Errors
///
/// `Unsupported` if there is none: no simulated network has been created yet.
pub fn network() -> io::Result<&'static dyn Network> {
    let missing = || io::Error::new(io::ErrorKind::Unsupported, "this process has no simulated network");
    NETWORK.get().copied().ok_or_else(missing)
}
