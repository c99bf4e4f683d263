//! UDP, named after tokio's.

use crate::byte_stream::now_or_would_block;
use crate::fault::Segment;
use crate::inbox::Inbox;
use crate::lane::{self, Arrive};
use crate::link::Link;
use crate::names::{ToSocketAddrs, first_that_works, no_address, resolve};
use crate::network::{Host, HostId, Shared};
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

/// The largest datagram: 64 KiB without the headers of IPv4 and UDP.
const LARGEST: usize = 65_507;

/// A socket for datagrams, named after `tokio::net::UdpSocket`.
///
/// A datagram may be lost, overtaken, and copied by a fault; one that does not fit into the reader's buffer is cut off, as Linux does; one that
/// finds the socket's buffer full (`NetProfile::datagram_buffer`) is lost. A connected socket is told when nobody had the port.
pub struct UdpSocket {
    host: Host,
    address: SocketAddr,
    socket: Arc<Socket>,
}

/// What the kernel knows of it.
#[derive(Debug, Default)]
struct Socket {
    inbox: Inbox<(Bytes, SocketAddr)>,
    state: Mutex<State>,
}

/// How datagrams get to an address.
#[derive(Clone, Debug)]
struct Route {
    to: SocketAddr,
    /// The socket's own address, for who is there.
    source: SocketAddr,
    host: HostId,
    link: Arc<Link>,
}

#[derive(Debug, Default)]
struct State {
    peer: Option<SocketAddr>,
    /// To whom it has sent last: a kernel keeps that too.
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
    /// Binds the first of the addresses that can be bound; port 0 is a free one.
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
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not this host's; `Unsupported` if no host is mounted.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        let host = Host::current()?;
        first_that_works(resolve(&host, address).await?, |address| {
            let socket = Arc::<Socket>::default();
            let port = host.bind_address(Protocol::Datagram, address, false, socket.clone())?;
            host.shared().start_kernel();
            let address = SocketAddr::new(address.ip(), port);
            Ok(UdpSocket { host: host.clone(), address, socket })
        })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match (self.address.ip().is_unspecified(), self.socket.state().peer) {
            // A connected socket has chosen its address.
            (true, Some(peer)) => Ok(self.source(peer)),
            _ => Ok(self.address),
        }
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.state().peer.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sends to one address from now on, and receives from no other. Costs nothing.
    ///
    /// # Errors
    ///
    /// Those of looking the name up.
    pub async fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        let address = resolve(&self.host, address).await?.into_iter().next().ok_or_else(no_address)?;
        self.socket.state().peer = Some(address);
        Ok(())
    }

    /// Sends a datagram and goes on at once.
    ///
    /// # Errors
    ///
    /// Those of looking the name up; `ConnectionRefused`, once, if the socket is connected and nobody had the port; EMSGSIZE above 65,507 bytes.
    pub async fn send_to<A: ToSocketAddrs>(&self, bytes: &[u8], to: A) -> io::Result<usize> {
        let to = resolve(&self.host, to).await?.into_iter().next().ok_or_else(no_address)?;
        self.try_send_to(bytes, to)
    }

    /// As [`UdpSocket::send_to`]: there is always room.
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
        // What is sent to an address that nobody has is lost.
        if let Some(Route { source, host, link, .. }) = route {
            let shared = self.host.shared();
            let segment = Segment { bytes: bytes.len() as u64, port: to.port() };
            let door = Door { network: shared.clone(), from: self.host.id, to: host, at: to };
            let datagram = (Bytes::copy_from_slice(bytes), source);
            lane::send(shared, &link, datagram, segment, door, |(bytes, _), place| {
                *bytes = with_a_bit_turned_over(bytes, place);
                true
            });
        }
        Ok(bytes.len())
    }

    /// As [`UdpSocket::try_send_to`], for hand-written futures.
    pub fn poll_send_to(&self, _: &mut Context<'_>, bytes: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_send_to(bytes, to))
    }

    /// Sends to the address that it is connected to.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send_to`]; EDESTADDRREQ if it is not connected.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_send(bytes)
    }

    /// As [`UdpSocket::send`]: there is always room.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send`].
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        const EDESTADDRREQ: i32 = 89;
        let peer = self.socket.state().peer;
        self.try_send_to(bytes, peer.ok_or_else(|| io::Error::from_raw_os_error(EDESTADDRREQ))?)
    }

    /// As [`UdpSocket::try_send`], for hand-written futures.
    pub fn poll_send(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_send(bytes))
    }

    /// The next datagram and who sent it. What does not fit is cut off.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, once, if the socket is connected and nobody had the port.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = poll_fn(|context| self.poll_recv_from(context, &mut buffer)).await?;
        Ok((buffer.filled().len(), from))
    }

    /// As [`UdpSocket::recv_from`], for hand-written futures.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_datagram(Some(context), buffer, true)
    }

    /// The next datagram, if there is one now.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as [`UdpSocket::recv_from`].
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = now_or_would_block(self.poll_datagram(None, &mut buffer, true))?;
        Ok((buffer.filled().len(), from))
    }

    /// The next datagram of the address that it is connected to, or of anybody.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// As [`UdpSocket::recv`], for hand-written futures.
    pub fn poll_recv(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buffer).map_ok(drop)
    }

    /// As [`UdpSocket::recv`], if there is one now.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_recv_from(buffer)?.0)
    }

    /// The next datagram, which stays there.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = poll_fn(|context| self.poll_datagram(Some(context), &mut buffer, false)).await?;
        Ok((buffer.filled().len(), from))
    }

    /// The next datagram, which stays there.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv_from`].
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.peek_from(buffer).await?.0)
    }

    /// Waits until a datagram or an error is there.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.poll_recv_ready(context)).await
    }

    /// As [`UdpSocket::readable`], for hand-written futures.
    pub fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.state().error.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.socket.inbox.poll(Some(context), &self.host.shared().recorder, |_| Ok(()))
    }

    /// There is always room.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub async fn writable(&self) -> io::Result<()> {
        Ok(())
    }

    /// The error that nobody was told yet.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
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

    /// The address that it has for whom it sends to.
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

fn with_a_bit_turned_over(bytes: &[u8], place: u64) -> Bytes {
    let mut spoilt = bytes.to_vec();
    let bit = place.checked_rem(8 * spoilt.len() as u64);
    if let Some(bit) = bit {
        spoilt[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
    spoilt.into()
}

/// Where a datagram arrives. Who has the port is looked up then, not when it is sent.
#[derive(Clone)]
struct Door {
    network: Arc<Shared>,
    from: HostId,
    to: HostId,
    at: SocketAddr,
}

impl Arrive<(Bytes, SocketAddr)> for Door {
    fn arrive(&self, (bytes, from): (Bytes, SocketAddr), _: SimTime, cause: EventId) {
        let at = bound_to(self.at);
        let Ok(Some(socket)) = self.network.inbox::<Socket>(Protocol::Datagram, self.to, at) else {
            return self.clone().nobody(from, cause);
        };
        let mut state = socket.state();
        let stranger = state.peer.is_some_and(|peer| peer != from);
        if stranger || state.unread + bytes.len() > self.network.profile.datagram_buffer as usize {
            return;
        }
        state.unread += bytes.len();
        drop(state);
        // A socket that is closed is not found.
        let _ = socket.inbox.push((bytes, from), cause);
    }
}

impl Door {
    /// Tells the sender that nobody has the port (ICMP), if it is connected.
    fn nobody(self, sender: SocketAddr, cause: EventId) {
        let network = self.network.clone();
        let back = network.link(self.to, self.from);
        let scope = Scope { node: back.target, cause, ..Scope::default() };
        network.clone().in_kernel(scope, async move {
            let segment = Segment { bytes: 0, port: self.at.port() };
            let Some(latency) = back.attempt(&network, segment) else { return };
            rt::sleep(latency).await;
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
