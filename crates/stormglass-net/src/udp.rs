//! UDP sockets, named after tokio's.

use crate::address::HostId;
use crate::byte_stream::now_or_would_block;
use crate::datagram;
use crate::delivery::Destination;
use crate::fault::Segment;
use crate::host::Host;
use crate::inbox::Inbox;
use crate::link::Link;
use crate::names::{ToSocketAddrs, first_success, no_address, resolve};
use crate::network::Shared;
use crate::ports::{Protocol, bound_to};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use stormglass_core::{EventId, Kind, Scope, SimTime};
use stormglass_rt as rt;
use tokio::io::ReadBuf;

/// The largest datagram in bytes: 64 KiB without the headers of IPv4 and UDP.
const LARGEST: usize = 65_507;

/// A UDP socket, named after `tokio::net::UdpSocket`.
///
/// A datagram may be lost, overtaken, and duplicated by a fault. A datagram that does not fit into
/// the reader's buffer is truncated, as on Linux; one that arrives when the socket's buffer is
/// full (`NetProfile::datagram_buffer`) is lost. A connected socket receives an error if the port
/// it sends to is not bound (ICMP port unreachable).
pub struct UdpSocket {
    host: Host,
    address: SocketAddr,
    socket: Arc<Socket>,
}

/// The kernel's state of a UDP socket.
#[derive(Debug, Default)]
struct Socket {
    inbox: Inbox<(Bytes, SocketAddr)>,
    state: Mutex<State>,
}

/// The route to an address.
#[derive(Clone, Debug)]
struct Route {
    to: SocketAddr,
    /// The source address towards it.
    source: SocketAddr,
    host: HostId,
    link: Arc<Link>,
}

#[derive(Debug, Default)]
struct State {
    peer: Option<SocketAddr>,
    /// The route of the last datagram: a kernel caches that too.
    route: Option<Route>,
    error: Option<io::ErrorKind>,
    unread: usize,
}

impl Socket {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UdpSocket {
    /// Binds the first of the addresses that can be bound; port 0 is an ephemeral one.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network, UdpSocket};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let _mounted = network.host("node-1").mount();
    ///     let (one, other) = (UdpSocket::bind("0.0.0.0:7").await?, UdpSocket::bind("0.0.0.0:0").await?);
    ///     other.send_to(b"hello", "node-1:7").await?;
    ///     let mut buffer = [0; 64];
    ///     assert_eq!(one.recv_from(&mut buffer).await?.0, 5);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not this host's; `Unsupported` if no
    /// host is mounted.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        let host = Host::current()?;
        first_success(resolve(&host, address).await?, |address| {
            let socket = Arc::<Socket>::default();
            let port = host.bind_address(Protocol::Datagram, address, false, socket.clone())?;
            host.shared().start_kernel();
            let address = SocketAddr::new(address.ip(), port);
            Ok(UdpSocket { host: host.clone(), address, socket })
        })
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match (self.address.ip().is_unspecified(), self.socket.state().peer) {
            // A connected socket has chosen its source address.
            (true, Some(peer)) => Ok(self.source(peer)),
            _ => Ok(self.address),
        }
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.state().peer.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Connects the socket: from now on it sends to this address, and receives from no other.
    /// Takes no time.
    ///
    /// # Errors
    ///
    /// Those of the name lookup.
    pub async fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        let address = resolve(&self.host, address).await?.into_iter().next().ok_or_else(no_address)?;
        self.socket.state().peer = Some(address);
        Ok(())
    }

    /// Sends a datagram without waiting, except for the lookup of a name.
    ///
    /// # Errors
    ///
    /// Those of the name lookup; `ConnectionRefused`, once, if the socket is connected and the
    /// peer's port was not bound; EMSGSIZE above 65,507 bytes.
    pub async fn send_to<A: ToSocketAddrs>(&self, bytes: &[u8], to: A) -> io::Result<usize> {
        let to = resolve(&self.host, to).await?.into_iter().next().ok_or_else(no_address)?;
        self.try_send_to(bytes, to)
    }

    /// Sends a datagram as [`UdpSocket::send_to`] does. It never blocks.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send_to`].
    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        if bytes.len() > LARGEST {
            const EMSGSIZE: i32 = 90;
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        let mut state = self.socket.state();
        if let Some(error) = state.error.take() {
            return Err(error.into());
        }
        let route = match &state.route {
            Some(route) if route.to == to => Some(route.clone()),
            _ => None,
        };
        let route = route.or_else(|| {
            state.route = self.route(to);
            state.route.clone()
        });
        drop(state);
        // A datagram to an address that no host has is lost.
        if let Some(Route { source, host, link, .. }) = route {
            let shared = self.host.shared();
            let segment = Segment { bytes: bytes.len() as u64, port: to.port() };
            let port = Port { network: shared.clone(), from: self.host.id, to: host, at: to };
            let datagram = (Bytes::copy_from_slice(bytes), source);
            datagram::send(shared, &link, datagram, segment, port, |(bytes, _), random| {
                *bytes = with_flipped_bit(bytes, random);
                true
            });
        }
        Ok(bytes.len())
    }

    /// Polls [`UdpSocket::send_to`], for hand-written futures. It is always ready.
    pub fn poll_send_to(&self, _: &mut Context<'_>, bytes: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_send_to(bytes, to))
    }

    /// Sends a datagram to the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send_to`]; EDESTADDRREQ if the socket is not connected.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_send(bytes)
    }

    /// Sends a datagram as [`UdpSocket::send`] does. It never blocks.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send`].
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        const EDESTADDRREQ: i32 = 89;
        let peer = self.socket.state().peer;
        self.try_send_to(bytes, peer.ok_or_else(|| io::Error::from_raw_os_error(EDESTADDRREQ))?)
    }

    /// Polls [`UdpSocket::send`], for hand-written futures. It is always ready.
    pub fn poll_send(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_send(bytes))
    }

    /// Waits for the next datagram; returns its length and its source address. A datagram that
    /// does not fit into the buffer is truncated.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, once, if the socket is connected and the peer's port was not bound.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = poll_fn(|context| self.poll_recv_from(context, &mut buffer)).await?;
        Ok((buffer.filled().len(), from))
    }

    /// Polls [`UdpSocket::recv_from`], for hand-written futures.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_datagram(Some(context), buffer, true)
    }

    /// Returns the next datagram without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as [`UdpSocket::recv_from`].
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = now_or_would_block(self.poll_datagram(None, &mut buffer, true))?;
        Ok((buffer.filled().len(), from))
    }

    /// Waits for the next datagram from the address that the socket is connected to, or from any
    /// if it is not connected.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// Polls [`UdpSocket::recv`], for hand-written futures.
    pub fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buffer).map_ok(drop)
    }

    /// Receives as [`UdpSocket::recv`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_recv_from(buffer)?.0)
    }

    /// Waits for the next datagram, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = poll_fn(|context| self.poll_datagram(Some(context), &mut buffer, false)).await?;
        Ok((buffer.filled().len(), from))
    }

    /// Waits for the next datagram, and leaves it in the queue.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.peek_from(buffer).await?.0)
    }

    /// Waits until there is a datagram or an error.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.poll_recv_ready(context)).await
    }

    /// Polls [`UdpSocket::readable`], for hand-written futures.
    pub fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.state().error.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.socket.inbox.poll(Some(context), &self.host.shared().recorder, |_| Ok(()))
    }

    /// Returns immediately: a datagram can always be sent.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn writable(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the socket's error, if no operation has returned it yet.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.socket.state().error.take().map(io::Error::from))
    }

    fn poll_datagram(
        &self,
        context: Option<&mut Context<'_>>,
        buffer: &mut ReadBuf<'_>,
        take: bool,
    ) -> Poll<io::Result<SocketAddr>> {
        if let Some(error) = self.socket.state().error.take() {
            return Poll::Ready(Err(error.into()));
        }
        let recorder = &self.host.shared().recorder;
        let (bytes, from) = ready!(self.socket.inbox.poll(context, recorder, |queue| {
            let first = if take { queue.pop_front() } else { queue.front().cloned() };
            first.expect("polled").0
        }));
        if take {
            self.socket.state().unread -= bytes.len();
        }
        buffer.put_slice(&bytes[..bytes.len().min(buffer.remaining())]);
        Poll::Ready(Ok(from))
    }

    fn route(&self, to: SocketAddr) -> Option<Route> {
        let shared = self.host.shared();
        let host = shared.host_of(self.host.id, to.ip())?;
        Some(Route { to, source: self.source(to), host, link: shared.link(self.host.id, host) })
    }

    /// The source address towards an address.
    fn source(&self, to: SocketAddr) -> SocketAddr {
        let bound = self.address.ip();
        let ip = if bound.is_unspecified() { self.host.source_towards(to.ip()) } else { bound };
        SocketAddr::new(ip, self.address.port())
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.host.shared().unbind(Protocol::Datagram, self.host.id, bound_to(self.address));
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("address", &self.address).finish_non_exhaustive()
    }
}

fn with_flipped_bit(bytes: &[u8], random: u64) -> Bytes {
    let mut corrupted = bytes.to_vec();
    let bit = random.checked_rem(8 * corrupted.len() as u64);
    if let Some(bit) = bit {
        corrupted[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
    corrupted.into()
}

/// A port as a destination. The socket that is bound to it is looked up on arrival, not when the
/// datagram is sent.
#[derive(Clone)]
struct Port {
    network: Arc<Shared>,
    from: HostId,
    to: HostId,
    at: SocketAddr,
}

impl Destination<(Bytes, SocketAddr)> for Port {
    fn deliver(&self, (bytes, from): (Bytes, SocketAddr), _: SimTime, cause: EventId) {
        let at = bound_to(self.at);
        let Ok(Some(socket)) = self.network.inbox::<Socket>(Protocol::Datagram, self.to, at) else {
            return self.clone().unreachable(from, cause);
        };
        let mut state = socket.state();
        let filtered = state.peer.is_some_and(|peer| peer != from);
        if filtered || state.unread + bytes.len() > self.network.profile.datagram_buffer as usize {
            return;
        }
        state.unread += bytes.len();
        drop(state);
        // The inbox of a bound socket is open.
        let _ = socket.inbox.push((bytes, from), cause);
    }
}

impl Port {
    /// Sends an ICMP port unreachable message to the sender: its socket returns an error, if it is
    /// connected.
    fn unreachable(self, sender: SocketAddr, cause: EventId) {
        let network = self.network.clone();
        let back = network.link(self.to, self.from);
        let scope = Scope { node: back.target, cause, ..Scope::default() };
        network.clone().spawn_in_kernel(scope, async move {
            let segment = Segment { bytes: 0, port: self.at.port() };
            let Some(latency) = network.send_control(&back, segment) else { return };
            rt::Clock::current().sleep(latency).await;
            let socket = network.inbox::<Socket>(Protocol::Datagram, self.from, bound_to(sender));
            if let Ok(Some(socket)) = socket
                && socket.state().peer == Some(self.at)
            {
                socket.state().error = Some(io::ErrorKind::ConnectionRefused);
                network.recorder.record(
                    rt::now(),
                    Kind::Refuse,
                    back.subject,
                    latency,
                    u64::from(self.at.port()),
                );
                socket.inbox.wake_all();
            }
        });
    }
}
