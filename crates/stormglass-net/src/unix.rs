//! Unix sockets, named after tokio's: between processes of one machine, by a path.
//!
//! A name lasts as long as its listener: nothing has to be removed before it is bound again, and the filesystem does not show it.

use crate::byte_stream::{ByteStream, byte_stream_halves, byte_stream_methods};
use crate::handshake::Accepts;
use crate::network::{Host, HostId};
use crate::socket::{Backlog, Ends, establish, pair};
use bytes::Bytes;
use std::collections::BTreeMap;
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

/// What std's listeners and tokio's let wait.
const BACKLOG: usize = 4096;

/// What a Unix stream's writer may have unread (Linux: `net.core.wmem_default`).
const WINDOW: u64 = 212_992;

/// The listeners of all machines, by machine and path.
#[derive(Default)]
pub(crate) struct Paths(BTreeMap<(String, PathBuf), Listening>);

#[derive(Clone)]
struct Listening {
    host: HostId,
    backlog: Arc<Backlog<Bytes, Bytes>>,
}

/// The address of a Unix socket, named after `tokio::net::unix::SocketAddr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAddr(Option<PathBuf>);

impl SocketAddr {
    /// The path, if it has one.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Whether it has no name.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_none()
    }
}

/// A Unix stream, named after `tokio::net::UnixStream`. Connecting costs nothing; what is written takes what loopback takes.
pub struct UnixStream {
    pub(crate) end: ByteStream,
    local: SocketAddr,
    peer: SocketAddr,
}

byte_stream_methods!(UnixStream, halves);

mod halves {
    use super::{SocketAddr, UnixStream};
    super::byte_stream_halves!(UnixStream, SocketAddr);
}

impl UnixStream {
    /// Connects to who listens at this path on the same machine.
    ///
    /// # Errors
    ///
    /// `NotFound` if nobody does; `WouldBlock` if too many wait to be accepted; `Unsupported` if no host is mounted.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let (host, path) = (Host::current()?, path.as_ref().to_path_buf());
        let shared = host.shared();
        let key = (shared.machine(host.id), path.clone());
        let found = shared.lock().paths.0.get(&key).cloned();
        let Listening { host: there, backlog } = found.ok_or(io::ErrorKind::NotFound)?;
        if backlog.is_full() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let link = shared.link(host.id, there);
        shared.recorder.record(rt::now(), Kind::Connect, link.subject, std::time::Duration::ZERO, 0);
        let end = establish(shared, ends(host.id, there), backlog);
        Ok(UnixStream { end, local: SocketAddr(None), peer: SocketAddr(Some(path)) })
    }

    /// Two streams without names that are connected to each other.
    ///
    /// # Errors
    ///
    /// `Unsupported` if no host is mounted.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let host = Host::current()?;
        let (one, other) = pair(host.shared(), ends(host.id, host.id));
        let unnamed = |end| UnixStream { end, local: SocketAddr(None), peer: SocketAddr(None) };
        Ok((unnamed(one), unnamed(other)))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local.clone())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer.clone())
    }
}

/// Unix sockets have no ports.
fn ends(client: HostId, server: HostId) -> Ends {
    let nothing = std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Ends { hosts: [client, server], addresses: [nothing; 2], windows: [WINDOW; 2], same_kernel: true }
}

/// A path that accepts connections, named after `tokio::net::UnixListener`. Dropping it resets who waits.
pub struct UnixListener {
    host: Host,
    key: (String, PathBuf),
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
        let key = (host.shared().machine(host.id), path.as_ref().to_path_buf());
        let backlog = Backlog::new(BACKLOG);
        let mut state = host.shared().lock();
        if state.paths.0.contains_key(&key) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let listening = Listening { host: host.id, backlog: backlog.clone() };
        state.paths.0.insert(key.clone(), listening);
        drop(state);
        Ok(UnixListener { host, key, backlog })
    }

    /// The next connection. Whoever connects has no name.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// As [`UnixListener::accept`], for hand-written futures.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let first = self.backlog.poll_accept(context, self.host.network().recorder());
        first.map(|end| {
            let local = SocketAddr(Some(self.key.1.clone()));
            Ok((UnixStream { end, local, peer: SocketAddr(None) }, SocketAddr(None)))
        })
    }

    /// The path that it is bound to.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr(Some(self.key.1.clone())))
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        self.backlog.close();
        let listener = self.host.shared().lock().paths.0.remove(&self.key);
        drop(listener);
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("path", &self.key.1).finish_non_exhaustive()
    }
}
