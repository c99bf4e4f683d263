//! UDP sockets: bound, connected, ready.

use crate::address::is_broadcast;
use crate::bound_port::BoundPort;
use crate::cached_readiness::{Event, Readiness, awaited, try_io};
use crate::error::{EACCES, EAFNOSUPPORT, ENOTCONN};
use crate::host::Host;
use crate::interest::{Interest, Ready};
use crate::ip_options::{Interface, ip_option_methods};
use crate::names::{ToSocketAddrs, first_success, resolve};
use crate::socket_pair::lock;
use crate::udp::kernel::Socket;
use crate::udp::options::UdpOptions;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use stormglass_core::SimTime;
use stormglass_rt as rt;
use stormglass_rt::Descriptor;

/// A UDP socket, named after `tokio::net::UdpSocket`.
///
/// A datagram may be lost, overtaken, and duplicated by a fault. A datagram that does not fit into
/// the reader's buffer is truncated, as on Linux; one that arrives when the socket's buffer is
/// full (`NetProfile::datagram_buffer`) is lost. A connected socket receives an error if the port
/// it sends to is not bound (ICMP port unreachable).
pub struct UdpSocket {
    pub(crate) host: Host,
    pub(crate) address: SocketAddr,
    _bound: BoundPort,
    pub(crate) socket: Arc<Socket>,
    pub(crate) memberships: Mutex<Vec<Membership>>,
    cached: Readiness,
    created: SimTime,
    /// Whether tokio's I/O driver has been polled since the socket was created: before that it
    /// does not know that the socket is writable.
    is_registered: AtomicBool,
    _descriptor: Descriptor,
}

/// A multicast group that the socket has joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) group: IpAddr,
    pub(crate) over: Interface,
}

ip_option_methods!(UdpSocket);
ip_option_methods!(UdpSocket, class);

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
    /// host is mounted; EMFILE.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        let host = Host::current()?;
        first_success(resolve(&host, address).await?, |address| {
            let descriptor = Descriptor::open()?;
            let socket = Arc::new(Socket::new(address.is_ipv6()));
            let bound = host.bind_datagrams(address, socket.clone())?;
            host.shared().start_kernel();
            Ok(UdpSocket {
                host: host.clone(),
                address: SocketAddr::new(address.ip(), bound.port()),
                _bound: bound,
                socket,
                memberships: Mutex::default(),
                cached: Readiness::default(),
                created: rt::now(),
                is_registered: AtomicBool::new(false),
                _descriptor: descriptor,
            })
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
    /// ENOTCONN.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.state().peer.ok_or_else(|| ENOTCONN.into())
    }

    /// Connects the socket to the first of the addresses for which that is possible: from now on
    /// it sends to this address, and receives from no other. Takes no time. What has arrived
    /// before stays in the queue.
    ///
    /// # Errors
    ///
    /// Those of the name lookup; EACCES for a broadcast address without
    /// [`UdpSocket::set_broadcast`]; EAFNOSUPPORT for an IPv6 address on a socket for IPv4.
    pub async fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        first_success(resolve(&self.host, address).await?, |address| {
            let address = self.destination(address)?;
            self.check_permission(address)?;
            self.socket.state().peer = Some(address);
            Ok(())
        })
    }

    /// Returns the socket's error, if no operation has returned it yet.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.socket.state().error.take().map(io::Error::from))
    }

    /// Returns the value that [`UdpSocket::set_broadcast`] set. Default: `false`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.options().broadcast)
    }

    /// Sets `SO_BROADCAST`: the socket may send to a broadcast address, 255.255.255.255 or
    /// 10.255.255.255, which all hosts of the zone receive, the sender's included.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.options().broadcast = broadcast;
        Ok(())
    }

    pub(crate) fn options(&self) -> MutexGuard<'_, UdpOptions> {
        self.socket.options()
    }

    /// The address that a destination stands for: the unspecified one is loopback.
    ///
    /// # Errors
    ///
    /// EAFNOSUPPORT for an IPv6 address on a socket for IPv4.
    pub(crate) fn destination(&self, to: SocketAddr) -> io::Result<SocketAddr> {
        if to.is_ipv6() && self.address.is_ipv4() {
            return Err(EAFNOSUPPORT.into());
        }
        let ip = if to.ip().is_unspecified() { self.host.source_towards(to.ip()) } else { return Ok(to) };
        Ok(SocketAddr::new(ip, to.port()))
    }

    pub(crate) fn check_permission(&self, to: SocketAddr) -> io::Result<()> {
        if is_broadcast(to.ip()) && !self.options().broadcast {
            return Err(EACCES.into());
        }
        Ok(())
    }

    /// The source address towards an address.
    pub(crate) fn source(&self, to: SocketAddr) -> SocketAddr {
        let bound = self.address.ip();
        let ip = if bound.is_unspecified() { self.host.source_towards(to.ip()) } else { bound };
        SocketAddr::new(ip, self.address.port())
    }
}

/// Readiness.
impl UdpSocket {
    /// Waits until the socket is ready for any of this; returns for what. The socket may not be:
    /// an operation may still return `WouldBlock`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        // Uses up no budget, as with tokio.
        rt::coop::count_try();
        poll_fn(|context| self.poll_awaited(context, interest).map(Ok)).await
    }

    /// Waits until there is a datagram. An error alone does not end the wait, as with tokio.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls [`UdpSocket::readable`], for hand-written futures.
    pub fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(context, Interest::READABLE).map(|_| Ok(()))
    }

    /// Waits until a datagram can be sent, which is almost always at once.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls [`UdpSocket::writable`], for hand-written futures.
    pub fn poll_send_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(context, Interest::WRITABLE).map(|_| Ok(()))
    }

    /// Calls a function that uses the socket, if the socket is ready; `WouldBlock` of the function
    /// clears the readiness. The interest is a single one: with two of them tokio never calls the
    /// function.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the socket is not ready; the function's errors.
    pub fn try_io<R>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        try_io(interest, self.readiness(), |ready| self.clear_readiness(ready), operation)
    }

    /// Waits until the socket is ready, and calls a function that uses it, again and again until
    /// the function returns something else than `WouldBlock`, which clears the readiness.
    ///
    /// # Errors
    ///
    /// The function's errors.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let ready = poll_fn(|context| self.poll_ready(context, interest)).await;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear_readiness(ready),
                result => return result,
            }
        }
    }

    /// The cached readiness.
    pub(crate) fn readiness(&self) -> Ready {
        if !self.is_registered.load(Ordering::Relaxed) && rt::now() != self.created {
            self.register();
        }
        self.cached.ready(&self.socket.events)
    }

    pub(crate) fn clear_readiness(&self, ready: Ready) {
        self.cached.clear_all(ready, &self.socket.events);
    }

    /// The I/O driver reports that the socket is writable.
    fn register(&self) {
        self.is_registered.store(true, Ordering::Relaxed);
        self.cached.assume(Event::Writable);
    }

    pub(crate) fn poll_ready(&self, context: &mut Context<'_>, interest: Interest) -> Poll<Ready> {
        rt::coop::poll_within_budget(context, |context| self.poll_awaited(context, interest))
    }

    /// As [`UdpSocket::poll_ready`], without the budget.
    fn poll_awaited(&self, context: &mut Context<'_>, interest: Interest) -> Poll<Ready> {
        if interest.is_writable() && !self.is_registered.load(Ordering::Relaxed) {
            self.register();
        }
        let ready = self.readiness() & awaited(interest);
        if ready.is_empty() {
            self.socket.inbox.wait(context);
            return Poll::Pending;
        }
        if !(ready & Ready::READABLE).is_empty() {
            // The task continues because of the datagram's arrival.
            let recorder = &self.host.shared().recorder;
            let _ = self.socket.inbox.poll(None, recorder, |_| ());
        }
        Poll::Ready(ready)
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        for Membership { group, over } in std::mem::take(&mut *lock(&self.memberships)) {
            self.host.shared().lock().leave_group(self.host.id, group, over);
        }
    }
}

// As tokio's: no operation leaves the socket in a state that a panic could make visible.
impl UnwindSafe for UdpSocket {}
impl RefUnwindSafe for UdpSocket {}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("address", &self.address).finish_non_exhaustive()
    }
}
