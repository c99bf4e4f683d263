//! Unix sockets, named after tokio's: between processes of one machine, by path.
//!
//! A path is bound as long as its listener exists: no file has to be removed before the path is
//! bound again, and the filesystem does not show it.

use crate::address::HostId;
use crate::backlog::{Backlog, establish};
use crate::byte_stream::{ByteStream, byte_stream_methods};
use crate::error::{EAGAIN, ENOENT};
use crate::handshake::AcceptQueue;
use crate::host::Host;
use crate::registry::UnixName;
use crate::socket_pair::Ends;
use crate::stream_halves::byte_stream_halves;
use crate::stream_socket::pair;
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_core::Kind;
use stormglass_rt as rt;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

/// The length of the backlog, as with std's and tokio's listeners.
const BACKLOG: usize = 4096;

/// How many bytes a Unix stream's writer may have unread (Linux: `net.core.wmem_default`).
const WINDOW: u64 = 212_992;

/// The address of a Unix socket, named after `tokio::net::unix::SocketAddr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAddr(Option<PathBuf>);

impl SocketAddr {
    /// The path, if the socket is named.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Whether the socket is unnamed.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_none()
    }
}

/// A Unix stream, named after `tokio::net::UnixStream`. Connecting takes no time; data takes
/// loopback's latency.
pub struct UnixStream {
    pub(crate) socket: ByteStream,
    local: SocketAddr,
    peer: SocketAddr,
}

byte_stream_methods!(UnixStream, halves);

mod halves {
    use super::{SocketAddr, UnixStream};
    super::byte_stream_halves!(UnixStream, SocketAddr);
}

impl UnixStream {
    /// Connects to the listener at this path on the same machine.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; `WouldBlock` if its backlog is full; `Unsupported` if no host
    /// is mounted.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let (host, path) = (Host::current()?, path.as_ref().to_path_buf());
        let shared = host.shared();
        let name = (shared.machine(host.id), path.clone());
        let found = shared.lock().unix_listeners.find::<Backlog<Bytes, Bytes>>(&name);
        let (there, backlog) = found.ok_or(ENOENT)?;
        if backlog.is_full() {
            return Err(EAGAIN.into());
        }
        let link = shared.link(host.id, there);
        shared.recorder.record(rt::now(), Kind::Connect, link.subject, std::time::Duration::ZERO, 0);
        let socket = establish(shared, ends(host.id, there), backlog);
        Ok(UnixStream { socket, local: SocketAddr(None), peer: SocketAddr(Some(path)) })
    }

    /// Returns two unnamed streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// `Unsupported` if no host is mounted.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let host = Host::current()?;
        let (one, other) = pair(host.shared(), ends(host.id, host.id));
        let unnamed = |socket| UnixStream { socket, local: SocketAddr(None), peer: SocketAddr(None) };
        Ok((unnamed(one), unnamed(other)))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local.clone())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer.clone())
    }
}

/// The ends of a Unix stream, which has no ports.
fn ends(client: HostId, server: HostId) -> Ends {
    let nothing = std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Ends { hosts: [client, server], addresses: [nothing; 2], windows: [WINDOW; 2], same_kernel: true }
}

/// A Unix listener, named after `tokio::net::UnixListener`. Dropping it resets the connections in
/// its backlog.
pub struct UnixListener {
    host: Host,
    name: UnixName,
    backlog: Arc<Backlog<Bytes, Bytes>>,
}

impl UnixListener {
    /// Binds a path of the machine.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network, UnixListener, UnixStream};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let _mounted = network.host("node-1").mount();
    ///     let listener = UnixListener::bind("/run/admin.sock")?;
    ///     let mut client = UnixStream::connect("/run/admin.sock").await?;
    ///     let (mut server, _) = listener.accept().await?;
    ///     client.write_all(b"hello").await?;
    ///     let mut greeting = [0; 5];
    ///     server.read_exact(&mut greeting).await?;
    ///     assert_eq!(&greeting, b"hello");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `AddrInUse`; `Unsupported` if no host is mounted.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let host = Host::current()?;
        let name = (host.shared().machine(host.id), path.as_ref().to_path_buf());
        let backlog = Backlog::new(BACKLOG);
        let ended = host.shared().lock().unix_listeners.bind(name.clone(), host.id, backlog.clone())?;
        // Dropped without the lock.
        drop(ended);
        Ok(UnixListener { host, name, backlog })
    }

    /// Waits for the next connection. The client's socket is unnamed.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls [`UnixListener::accept`], for hand-written futures.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let first = self.backlog.poll_accept(context, self.host.network().recorder());
        first.map(|socket| {
            let local = SocketAddr(Some(self.name.1.clone()));
            Ok((UnixStream { socket, local, peer: SocketAddr(None) }, SocketAddr(None)))
        })
    }

    /// The path that it is bound to.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr(Some(self.name.1.clone())))
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        self.backlog.close();
        let backlog = self.host.shared().lock().unix_listeners.remove(&self.name, &self.backlog);
        // Dropped without the lock.
        drop(backlog);
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("path", &self.name.1).finish_non_exhaustive()
    }
}
