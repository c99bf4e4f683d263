//! TCP listeners.

use crate::accept_descriptor::AcceptDescriptors;
use crate::backlog::Backlog;
use crate::bound_port::BoundPort;
use crate::host::Host;
use crate::ip_options::ip_option_methods;
use crate::socket_pair::lock;
use crate::tcp::options::TcpOptions;
use crate::tcp::stream::TcpStream;
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use stormglass_rt::Descriptor;

/// A TCP listener, named after `tokio::net::TcpListener`. Connecting succeeds from the moment the
/// port is bound, until the backlog is full; then the kernel drops each SYN, and the client
/// retransmits it after 1, 2, 4 s. Dropping the listener resets the connections in the backlog.
pub struct TcpListener {
    pub(crate) host: Host,
    pub(crate) address: SocketAddr,
    pub(crate) _bound: BoundPort,
    pub(crate) backlog: Arc<Backlog<Bytes, Bytes>>,
    /// Accepted streams inherit them.
    pub(crate) options: Mutex<TcpOptions>,
    pub(crate) descriptors: AcceptDescriptors,
    pub(crate) _descriptor: Descriptor,
}

ip_option_methods!(TcpListener);

impl TcpListener {
    /// Waits for the next connection; returns it and the client's address.
    ///
    /// # Errors
    ///
    /// EMFILE if the process has no descriptor left; the connection stays in the backlog.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls [`TcpListener::accept`], for hand-written futures.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let first = self.descriptors.poll_accept(self.backlog.is_waiting(), || {
            self.backlog.poll_accept(context, self.host.network().recorder())
        });
        first.map_ok(|(socket, descriptor)| {
            let peer = socket.peer();
            (TcpStream::new(socket, self.options().clone(), descriptor), peer)
        })
    }

    fn options(&self) -> MutexGuard<'_, TcpOptions> {
        lock(&self.options)
    }

    /// The address that the listener is bound to.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.backlog.close();
    }
}

// As tokio's: no operation leaves the socket in a state that a panic could make visible.
impl UnwindSafe for TcpListener {}
impl RefUnwindSafe for TcpListener {}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("address", &self.address).finish_non_exhaustive()
    }
}
