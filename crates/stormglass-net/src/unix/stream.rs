//! Unix streams.

use super::address::{SocketAddr, UCred};
use super::bound_socket::{BoundSocket, Listening};
use super::name::{self, Binding};
use crate::address::HostId;
use crate::byte_stream::{ByteStream, byte_stream_methods};
use crate::host::Host;
use crate::interest::Ready;
use crate::socket_pair::Ends;
use crate::stream_halves::byte_stream_halves;
use crate::stream_socket::pair;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_rt::{self as rt, Descriptor};

/// How many bytes a Unix stream's writer may have unread (Linux: `net.core.wmem_default`).
const WINDOW: u64 = 212_992;

/// A Unix stream, named after `tokio::net::UnixStream`. Connecting takes no time; data takes
/// loopback's latency.
pub struct UnixStream {
    pub(crate) socket: ByteStream,
    local: SocketAddr,
    peer: SocketAddr,
    /// The other end's credentials.
    credentials: UCred,
    _binding: Option<Binding>,
    _descriptor: Descriptor,
}

byte_stream_methods!(UnixStream, halves);

pub(super) mod halves {
    use super::{SocketAddr, UnixStream};
    super::byte_stream_halves!(UnixStream, SocketAddr);
}

impl UnixStream {
    pub(super) fn new(
        socket: ByteStream,
        [local, peer]: [SocketAddr; 2],
        credentials: UCred,
        descriptor: Descriptor,
    ) -> UnixStream {
        UnixStream { socket, local, peer, credentials, _binding: None, _descriptor: descriptor }
    }

    /// Connects to the listener at this path, or at this abstract name if it begins with a zero
    /// byte.
    ///
    /// # Errors
    ///
    /// ENOENT if the path does not exist; ECONNREFUSED if nothing listens on it; EPROTOTYPE if it is
    /// a datagram socket's; EAGAIN if the backlog is full; ECONNRESET if the listener is closed
    /// meanwhile; EMFILE; `InvalidInput` for a path of 108 bytes or more; `Unsupported` if no host
    /// is mounted.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::pathname_or_abstract(path.as_ref())?).await
    }

    /// Connects to an address as [`UnixStream::connect`] does to a path.
    ///
    /// # Errors
    ///
    /// As [`UnixStream::connect`]; EINVAL for an unnamed address.
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let (host, descriptor) = (Host::current()?, Descriptor::open()?);
        UnixStream::connect_from(&host, None, address, descriptor).await
    }

    pub(super) async fn connect_from(
        host: &Host,
        binding: Option<Binding>,
        address: &SocketAddr,
        descriptor: Descriptor,
    ) -> io::Result<UnixStream> {
        let listening: Listening = name::find::<BoundSocket>(host, address)?.listening()?;
        let shared = host.shared();
        let (here, there) = (host.id, listening.host.id);
        let link = shared.link(here, there);
        let event = shared.recorder.record(rt::now(), Kind::Connect, link.subject, Duration::ZERO, 0);
        let (client, server) = pair(shared, ends(here, there));
        let local = binding.as_ref().map_or_else(SocketAddr::unnamed, |name| name.address().clone());
        listening.add(server, local.clone(), UCred::of_current_process(), event);
        let names = [local, listening.address.clone()];
        let stream = UnixStream {
            _binding: binding,
            ..UnixStream::new(client, names, listening.credentials, descriptor)
        };
        // tokio waits for its driver to report that the stream is writable.
        let mut reported = false;
        poll_fn(|context| {
            if std::mem::replace(&mut reported, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        stream.socket.take_error().map_or(Ok(stream), Err)
    }

    /// Returns two unnamed streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let host = Host::current()?;
        let descriptors = (Descriptor::open()?, Descriptor::open()?);
        let (one, other) = pair(host.shared(), ends(host.id, host.id));
        // Unlike an accepted stream, it is not assumed to be readable.
        other.clear_readiness(Ready::READABLE);
        let unnamed = |socket, descriptor| {
            let names = [SocketAddr::unnamed(), SocketAddr::unnamed()];
            UnixStream::new(socket, names, UCred::of_current_process(), descriptor)
        };
        Ok((unnamed(one, descriptors.0), unnamed(other, descriptors.1)))
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

    /// Returns the credentials that the process at the other end had when it connected, listened, or
    /// made the pair (`SO_PEERCRED`).
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        Ok(self.credentials)
    }
}

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &UnixStream {
        self
    }
}

/// The ends of a Unix stream, which has no ports.
fn ends(client: HostId, server: HostId) -> Ends {
    let nothing = std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Ends { hosts: [client, server], addresses: [nothing; 2], windows: [WINDOW; 2], same_kernel: true }
}
