//! Unix listeners.

use super::address::{SocketAddr, UCred};
use super::bound_socket::{Backlog, BoundSocket, Incoming, Listening};
use super::name::Binding;
use super::stream::UnixStream;
use crate::accept_descriptor::AcceptDescriptors;
use crate::error::ECONNRESET;
use crate::host::Host;
use crate::inbox::Inbox;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_rt::{Descriptor, coop};

/// The largest backlog (Linux: `net.core.somaxconn`), which std's and tokio's listeners have.
const SOMAXCONN: u32 = 4096;

/// A Unix listener, named after `tokio::net::UnixListener`. Dropping it resets the connections in
/// its backlog, and leaves its file.
pub struct UnixListener {
    socket: Arc<BoundSocket>,
    listening: Listening,
    _binding: Option<Binding>,
    _descriptor: Descriptor,
}

impl UnixListener {
    /// Binds a path, which must not exist, or an abstract name if it begins with a zero byte.
    ///
    /// The path is a file on the disk that is mounted on the node. It outlives the listener and its
    /// process: until a program removes it, binding it fails and connecting to it is refused. On a
    /// node without a disk a path is a name without a file, which ends with the listener.
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
    /// EADDRINUSE if the path exists; those of creating a file; EMFILE; `InvalidInput` for a path of
    /// 108 bytes or more; `Unsupported` if no host is mounted.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::pathname_or_abstract(path.as_ref())?)
    }

    /// Binds an address as [`UnixListener::bind`] binds a path; an unnamed address is an automatic
    /// abstract name.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        let (host, descriptor, socket) = (Host::current()?, Descriptor::open()?, Arc::default());
        let binding = Binding::new(&host, address, &socket)?;
        Ok(UnixListener::listen(host, socket, Some(binding), descriptor, SOMAXCONN))
    }

    /// Makes a socket listen. One that is not bound cannot be reached.
    pub(super) fn listen(
        host: Host,
        socket: Arc<BoundSocket>,
        binding: Option<Binding>,
        descriptor: Descriptor,
        backlog: u32,
    ) -> UnixListener {
        let limit = backlog.min(SOMAXCONN) as usize;
        let backlog =
            Backlog { incoming: Inbox::default(), limit, descriptors: AcceptDescriptors::default() };
        let address = binding.as_ref().map_or_else(SocketAddr::unnamed, |name| name.address().clone());
        let credentials = UCred::of_current_process();
        let listening = Listening { host, address, credentials, backlog: Arc::new(backlog) };
        *socket.lock() = Some(listening.clone());
        UnixListener { socket, listening, _binding: binding, _descriptor: descriptor }
    }

    /// Waits for the next connection; returns it and the client's address, which is unnamed unless
    /// the client has bound its socket.
    ///
    /// # Errors
    ///
    /// EMFILE; the connection stays in the backlog.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls [`UnixListener::accept`], for hand-written futures.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::accept`].
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let Listening { host, address, backlog, .. } = &self.listening;
        let first = backlog.descriptors.poll_accept(backlog.incoming.len() > 0, || {
            coop::poll_within_budget(context, |context| {
                backlog.incoming.poll(Some(context), host.network().recorder(), VecDeque::pop_front)
            })
        });
        first.map_ok(|(first, descriptor)| {
            let Incoming { socket, peer, credentials } = first.expect("polled").0;
            (UnixStream::new(socket, [address.clone(), peer.clone()], credentials, descriptor), peer)
        })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.listening.address.clone())
    }

    /// Returns the listener's error: it never has one.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        *self.socket.lock() = None;
        // One kernel has both ends: the client is notified at once.
        for (Incoming { socket, .. }, cause) in self.listening.backlog.incoming.close() {
            socket.pair.reset(socket.side.other(), ECONNRESET, cause);
            socket.set_zero_linger(true);
        }
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("address", &self.listening.address).finish_non_exhaustive()
    }
}
