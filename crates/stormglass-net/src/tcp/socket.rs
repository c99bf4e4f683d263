//! TCP sockets that are neither connected nor listening.

use crate::address::is_broadcast;
use crate::backlog::{Backlog, establish};
use crate::bound_port::BoundPort;
use crate::error::{EAFNOSUPPORT, EINVAL, ENETUNREACH};
use crate::handshake::{LocalPort, Target, connect_to_unused_address};
use crate::host::Host;
use crate::keepalive::Keepalive;
use crate::ports::{At, Protocol, Reserved};
use crate::socket_pair::Ends;
use crate::tcp::listener::TcpListener;
use crate::tcp::stream::TcpStream;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A TCP socket that is neither connected nor listening, named after `tokio::net::TcpSocket`.
pub struct TcpSocket {
    host: Host,
    v6: bool,
    options: Mutex<Options>,
}

#[derive(Debug)]
struct Options {
    bound: Option<SocketAddr>,
    port: Option<BoundPort>,
    reuse_address: bool,
    keepalive: bool,
    no_delay: bool,
    zero_linger: bool,
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
            /// None; the result type is tokio's.
            pub fn $set(&self, value: $type) -> io::Result<()> {
                self.options().$field = value;
                Ok(())
            }

            #[doc = concat!("Returns the value that [`TcpSocket::", stringify!($set), "`] set.")]
            ///
            /// # Errors
            ///
            /// None; the result type is tokio's.
            pub fn $get(&self) -> io::Result<$type> {
                Ok(self.options().$field)
            }
        )+}
    };
}

socket_options! {
    reuseaddr, set_reuseaddr: bool = reuse_address,
        "Sets `SO_REUSEADDR`: [`TcpSocket::bind`] succeeds although connections are left on the port.";
    keepalive, set_keepalive: bool = keepalive,
        "Sets `SO_KEEPALIVE`: idle connections are probed, with the defaults of [`Keepalive`].";
    nodelay, set_nodelay: bool = no_delay,
        "Sets `TCP_NODELAY`, see [`TcpStream::set_nodelay`].";
}

impl TcpSocket {
    /// Creates a socket for IPv4.
    ///
    /// # Errors
    ///
    /// `Unsupported` if no host is mounted.
    pub fn new_v4() -> io::Result<TcpSocket> {
        Ok(TcpSocket::on(Host::current()?, false))
    }

    /// Creates a socket for IPv6.
    ///
    /// # Errors
    ///
    /// `Unsupported` if no host is mounted.
    pub fn new_v6() -> io::Result<TcpSocket> {
        Ok(TcpSocket::on(Host::current()?, true))
    }

    pub(crate) fn on(host: Host, v6: bool) -> TcpSocket {
        let profile = &host.shared().profile;
        let options = Options {
            bound: None,
            port: None,
            reuse_address: false,
            keepalive: false,
            no_delay: false,
            zero_linger: false,
            send_buffer: profile.send_buffer,
            receive_buffer: profile.receive_buffer,
        };
        TcpSocket { host, v6, options: Mutex::new(options) }
    }

    fn options(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes dropping the connected stream reset the connection, see
    /// [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.options().zero_linger = true;
        Ok(())
    }

    /// Sets how many bytes may be in transit: see [`crate::NetProfile::send_buffer`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.options().send_buffer = bytes;
        Ok(())
    }

    /// Returns twice the value that [`TcpSocket::set_send_buffer_size`] set: Linux includes its
    /// bookkeeping.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        Ok(self.options().send_buffer.saturating_mul(2))
    }

    /// Sets how many bytes are buffered unread: see [`crate::NetProfile::receive_buffer`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.options().receive_buffer = bytes;
        Ok(())
    }

    /// Returns twice the value that [`TcpSocket::set_recv_buffer_size`] set: Linux includes its
    /// bookkeeping.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        Ok(self.options().receive_buffer.saturating_mul(2))
    }

    /// Binds an address; port 0 is an ephemeral one.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, also while a connection on the port is open or in TIME_WAIT (one minute),
    /// unless [`TcpSocket::set_reuseaddr`] is set; `AddrNotAvailable` for an address that is not
    /// this host's; EINVAL if the socket is bound already; EAFNOSUPPORT for an IPv6 address on a
    /// socket for IPv4, and EINVAL for the reverse.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let mut options = self.options();
        self.check_family(address)?;
        if options.bound.is_some() {
            return Err(EINVAL.into());
        }
        let port =
            self.host.bind_address(Protocol::Stream, address, options.reuse_address, Arc::new(Reserved))?;
        options.bound = Some(SocketAddr::new(address.ip(), port.port()));
        options.port = Some(port);
        Ok(())
    }

    /// The kernel of an IPv6 socket sees that an IPv4 address is too short before it looks at the
    /// version (Linux: `inet6_bind_sk`, `tcp_v6_connect`).
    fn check_family(&self, address: SocketAddr) -> io::Result<()> {
        match (self.v6, address.is_ipv6()) {
            (false, true) => Err(EAFNOSUPPORT.into()),
            (true, false) => Err(EINVAL.into()),
            _ => Ok(()),
        }
    }

    /// The address that the socket is bound to; the unspecified one if it is not bound.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let unspecified: IpAddr =
            if self.v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Ok(self.options().bound.unwrap_or_else(|| SocketAddr::new(unspecified, 0)))
    }

    /// Connects, from the address that the socket is bound to or an ephemeral port.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`]; for an address of the other IP version as [`TcpSocket::bind`].
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        self.check_family(address)?;
        if is_broadcast(address.ip()) {
            return Err(ENETUNREACH.into());
        }
        let (host, shared) = (&self.host, self.host.shared());
        let here = host.source_towards(address.ip());
        // The unspecified address means this host.
        let remote =
            SocketAddr::new(if address.ip().is_unspecified() { here } else { address.ip() }, address.port());
        let (bound, send_buffer, receive_buffer) = {
            let options = self.options();
            (options.bound, options.send_buffer, options.receive_buffer)
        };
        let local_ip = bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified()).unwrap_or(here);
        let port = LocalPort::reserve(shared, host.id, bound.map_or(0, |bound| bound.port()), remote)?;
        let Some(host_there) = shared.host_of(host.id, remote.ip()) else {
            match connect_to_unused_address().await? {}
        };
        let target = Target { host: host_there, at: At::Ip(remote.ip()), port: remote.port() };
        let (there, backlog) = shared.handshake::<Backlog<Bytes, Bytes>>(host.id, target, 0).await?;
        let profile = &shared.profile;
        let window = |send: u32, receive: u32| u64::from(send) + u64::from(receive);
        let ends = Ends {
            hosts: [host.id, there],
            addresses: [SocketAddr::new(local_ip, port.take()), remote],
            windows: [
                window(send_buffer, profile.receive_buffer),
                window(profile.send_buffer, receive_buffer),
            ],
            same_kernel: false,
        };
        let stream = TcpStream::new(establish(shared, ends, backlog));
        let options = self.options();
        stream.set_nodelay(options.no_delay)?;
        stream.socket.set_zero_linger(options.zero_linger);
        if options.keepalive {
            stream.socket.set_keepalive(Some(Keepalive::default()));
        }
        drop(options);
        Ok(stream)
    }

    /// Listens, with a backlog of this many connections and one more, at most 4,097.
    ///
    /// # Errors
    ///
    /// None; an unbound socket gets an ephemeral port.
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
        drop(self.options().port.take());
        let at = (self.host.id, bound.ip().into());
        let port = BoundPort::bind(shared, Protocol::Stream, at, bound.port(), true, backlog.clone())?;
        Ok(TcpListener { host: self.host.clone(), address: bound, _bound: port, backlog })
    }
}

/// The maximum backlog (Linux: `net.core.somaxconn`).
const SOMAXCONN: u32 = 4096;

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("options", &self.options()).finish_non_exhaustive()
    }
}
