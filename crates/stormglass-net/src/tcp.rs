//! TCP, named after tokio's: listeners, streams, sockets, and the halves of streams.

use crate::byte_stream::{ByteStream, byte_stream_halves, byte_stream_methods};
use crate::ext::TcpStreamExt;
use crate::handshake::{LocalPort, Target, call_into_the_void};
use crate::keepalive::Keepalive;
use crate::names::{ToSocketAddrs, first_that_works, no_address, resolve};
use crate::network::Host;
use crate::ports::{Protocol, Reserved, bound_to};
use crate::socket::{Backlog, Ends, establish};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

/// Waits that a listener of tokio's leaves to whoever connects while nobody accepts.
const BACKLOG: u32 = 1024;

/// A connection, named after `tokio::net::TcpStream`.
///
/// A write goes on at once while the buffers of both ends have room (`NetProfile::send_buffer`, `receive_buffer`), and nothing is held
/// back to be sent together (as with `TCP_NODELAY`). Dropping it closes it: with a FIN after what was
/// written, or with a reset if something was not read.
pub struct TcpStream {
    pub(crate) end: ByteStream,
    no_delay: AtomicBool,
}

byte_stream_methods!(TcpStream, halves);

mod halves {
    use super::TcpStream;
    use std::net::SocketAddr;
    super::byte_stream_halves!(TcpStream, SocketAddr);
}

impl TcpStream {
    fn new(end: ByteStream) -> TcpStream {
        TcpStream { end, no_delay: AtomicBool::new(false) }
    }

    /// Connects, to the first of the addresses that answers. Costs a round trip.
    ///
    /// ```
    /// use stormglass_core::{Latency, Seed};
    /// use stormglass_net::{NetProfile, Network, TcpListener, TcpStream};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let _mounted = network.host("node-1").mount();
    ///     let listener = TcpListener::bind("0.0.0.0:80").await?;
    ///     let mut client = TcpStream::connect("node-1:80").await?;
    ///     let (mut server, _) = listener.accept().await?;
    ///     client.write_all(b"hello").await?;
    ///     client.shutdown().await?;
    ///     let mut greeting = String::new();
    ///     server.read_to_string(&mut greeting).await?;
    ///     assert_eq!(greeting, "hello");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` after a round trip if nobody listens; `TimedOut` after 127 s if nothing gets through;
    /// `AddrNotAvailable` if all ports towards the address are in use; `Unsupported` if no host is mounted.
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let host = Host::current()?;
        let mut error = None;
        for address in resolve(&host, address).await? {
            match TcpSocket::on(host.clone(), address.is_ipv6()).connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(why) => error = Some(why),
            }
        }
        Err(error.unwrap_or_else(no_address))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.end.local())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.end.peer())
    }

    /// Reads and leaves it there.
    ///
    /// # Errors
    ///
    /// The connection's, once.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        poll_fn(|context| self.poll_peek(context, &mut buffer)).await
    }

    /// As [`TcpStream::peek`], for hand-written futures.
    pub fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.end.poll_peek_bytes(Some(context), buffer)
    }

    /// What [`TcpStream::set_nodelay`] set. Default: `false`.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.no_delay.load(Ordering::Relaxed))
    }

    /// Is remembered and changes nothing: nothing is ever held back.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn set_nodelay(&self, no_delay: bool) -> io::Result<()> {
        self.no_delay.store(no_delay, Ordering::Relaxed);
        Ok(())
    }

    /// Has dropping the stream reset the connection (`SO_LINGER` of 0 s).
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.end.set_no_linger(true);
        Ok(())
    }

    /// As [`TcpStream::set_zero_linger`] with `Some(0 s)`; with `None` back to the default. Other times are not simulated: dropping never
    /// blocks.
    ///
    /// # Errors
    ///
    /// `Unsupported` for other times.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        match linger {
            Some(time) if !time.is_zero() => Err(io::ErrorKind::Unsupported.into()),
            linger => {
                self.end.set_no_linger(linger.is_some());
                Ok(())
            }
        }
    }

    /// What [`TcpStream::set_linger`] set.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.end.no_linger().then_some(Duration::ZERO))
    }
}

impl TcpStreamExt for TcpStream {
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.end.set_keepalive(keepalive);
        Ok(())
    }
}

/// A port that accepts connections, named after `tokio::net::TcpListener`. Connecting succeeds from the moment it is bound, until so
/// many wait as its backlog holds; whoever asks then hears nothing and asks again after 1, 2, 4 s. Dropping it resets who waits.
pub struct TcpListener {
    host: Host,
    address: SocketAddr,
    backlog: Arc<Backlog<Bytes, Bytes>>,
}

impl TcpListener {
    /// Binds the first of the addresses that can be bound; port 0 is a free one.
    ///
    /// # Errors
    ///
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not this host's; `Unsupported` if no host is mounted.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        let host = Host::current()?;
        first_that_works(resolve(&host, address).await?, |address| {
            let socket = TcpSocket::on(host.clone(), address.is_ipv6());
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        })
    }

    /// The next connection and who made it.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// As [`TcpListener::accept`], for hand-written futures.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let first = self.backlog.poll_accept(context, self.host.network().recorder());
        first.map(|end| {
            let peer = end.peer();
            Ok((TcpStream::new(end), peer))
        })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.backlog.close();
        self.host.shared().unbind(Protocol::Stream, self.host.id, bound_to(self.address));
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A socket that is neither connected nor listening, named after `tokio::net::TcpSocket`.
pub struct TcpSocket {
    host: Host,
    v6: bool,
    options: Mutex<Options>,
}

#[derive(Debug)]
struct Options {
    bound: Option<SocketAddr>,
    reuse_address: bool,
    keepalive: bool,
    no_delay: bool,
    no_linger: bool,
    send_buffer: u32,
    receive_buffer: u32,
}

macro_rules! socket_options {
    ($($get:ident, $set:ident: $type:ty = $field:ident, $what:literal;)+) => {
        impl TcpSocket {$(
            #[doc = $what]
            ///
            /// # Errors
            ///
            /// None; the result is there as tokio's is.
            pub fn $set(&self, value: $type) -> io::Result<()> {
                self.options().$field = value;
                Ok(())
            }

            #[doc = concat!("What [`TcpSocket::", stringify!($set), "`] set.")]
            ///
            /// # Errors
            ///
            /// None; the result is there as tokio's is.
            pub fn $get(&self) -> io::Result<$type> {
                Ok(self.options().$field)
            }
        )+}
    };
}

socket_options! {
    reuseaddr, set_reuseaddr: bool = reuse_address,
        "Has [`TcpSocket::bind`] not mind connections that are left on the port.";
    keepalive, set_keepalive: bool = keepalive,
        "Has idle connections probed, see [`Keepalive`] for when.";
    nodelay, set_nodelay: bool = no_delay,
        "As [`TcpStream::set_nodelay`].";
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// `Unsupported` if no host is mounted.
    pub fn new_v4() -> io::Result<TcpSocket> {
        Ok(TcpSocket::on(Host::current()?, false))
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    ///
    /// `Unsupported` if no host is mounted.
    pub fn new_v6() -> io::Result<TcpSocket> {
        Ok(TcpSocket::on(Host::current()?, true))
    }

    fn on(host: Host, v6: bool) -> TcpSocket {
        let profile = &host.shared().profile;
        let options = Options {
            bound: None,
            reuse_address: false,
            keepalive: false,
            no_delay: false,
            no_linger: false,
            send_buffer: profile.send_buffer,
            receive_buffer: profile.receive_buffer,
        };
        TcpSocket { host, v6, options: Mutex::new(options) }
    }

    fn options(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.options().no_linger = true;
        Ok(())
    }

    /// How much it may have on the way: see [`crate::NetProfile::send_buffer`].
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.options().send_buffer = bytes;
        Ok(())
    }

    /// Twice what [`TcpSocket::set_send_buffer_size`] set: Linux counts its bookkeeping in.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        Ok(self.options().send_buffer.saturating_mul(2))
    }

    /// How much it keeps unread: see [`crate::NetProfile::receive_buffer`].
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.options().receive_buffer = bytes;
        Ok(())
    }

    /// Twice what [`TcpSocket::set_recv_buffer_size`] set: Linux counts its bookkeeping in.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        Ok(self.options().receive_buffer.saturating_mul(2))
    }

    /// Binds an address; port 0 is a free one.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, also while connections are left on the port that are younger than a minute, unless
    /// [`TcpSocket::set_reuseaddr`] says that they do not matter; `AddrNotAvailable` for an address that is not this
    /// host's; `InvalidInput` if it is bound already or of the other kind.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let mut options = self.options();
        if options.bound.is_some() || address.is_ipv6() != self.v6 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let port =
            self.host.bind_address(Protocol::Stream, address, options.reuse_address, Arc::new(Reserved))?;
        options.bound = Some(SocketAddr::new(address.ip(), port));
        Ok(())
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// None; the result is there as tokio's is.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let nothing: IpAddr =
            if self.v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Ok(self.options().bound.unwrap_or_else(|| SocketAddr::new(nothing, 0)))
    }

    /// Connects, from the address that it is bound to or a free port.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let (host, shared) = (&self.host, self.host.shared());
        let here = host.source_towards(address.ip());
        // Whoever says "anywhere" means here.
        let remote =
            SocketAddr::new(if address.ip().is_unspecified() { here } else { address.ip() }, address.port());
        let (bound, send_buffer, receive_buffer) = {
            let options = self.options();
            (options.bound, options.send_buffer, options.receive_buffer)
        };
        let local_ip = bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified()).unwrap_or(here);
        let port = LocalPort::take(shared, host.id, bound.map_or(0, |bound| bound.port()), remote)?;
        let Some(there) = shared.host_of(host.id, remote.ip()) else { match call_into_the_void().await? {} };
        let target = Target { host: there, ip: Some(remote.ip()), port: remote.port() };
        let backlog = shared.shake_hands::<Backlog<Bytes, Bytes>>(host.id, target, 0).await?;
        let profile = &shared.profile;
        let window = |send: u32, receive: u32| u64::from(send) + u64::from(receive);
        let ends = Ends {
            hosts: [host.id, there],
            addresses: [SocketAddr::new(local_ip, port.keep()), remote],
            windows: [
                window(send_buffer, profile.receive_buffer),
                window(profile.send_buffer, receive_buffer),
            ],
            same_kernel: false,
        };
        let stream = TcpStream::new(establish(shared, ends, backlog));
        let options = self.options();
        stream.set_nodelay(options.no_delay)?;
        stream.end.set_no_linger(options.no_linger);
        if options.keepalive {
            stream.end.set_keepalive(Some(Keepalive::default()));
        }
        drop(options);
        Ok(stream)
    }

    /// Listens; so many connections and one more wait to be accepted.
    ///
    /// # Errors
    ///
    /// None; an unbound socket gets a free port.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let bound = match self.options().bound.take() {
            Some(bound) => bound,
            None => {
                self.bind(self.local_addr()?)?;
                self.options().bound.take().expect("just bound")
            }
        };
        let backlog = Backlog::new(backlog.min(SOMAXCONN) as usize);
        let shared = self.host.shared();
        shared.unbind(Protocol::Stream, self.host.id, bound_to(bound));
        shared.bind(Protocol::Stream, self.host.id, bound_to(bound), true, backlog.clone())?;
        Ok(TcpListener { host: self.host.clone(), address: bound, backlog })
    }
}

/// The longest backlog (Linux: `net.core.somaxconn`).
const SOMAXCONN: u32 = 4096;

impl Drop for TcpSocket {
    fn drop(&mut self) {
        if let Some(bound) = self.options().bound {
            self.host.shared().unbind(Protocol::Stream, self.host.id, bound_to(bound));
        }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("options", &self.options()).finish_non_exhaustive()
    }
}
