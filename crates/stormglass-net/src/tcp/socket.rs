//! TCP sockets that are neither connected nor listening.

use crate::accept_descriptor::AcceptDescriptors;
use crate::address::{HostId, is_broadcast};
use crate::backlog::{Backlog, establish};
use crate::bound_port::BoundPort;
use crate::error::{EAFNOSUPPORT, EINVAL, ENETUNREACH};
use crate::handshake::{LocalPort, Target, connect_to_unused_address};
use crate::host::Host;
use crate::ip_options::{Interface, ip_option_methods};
use crate::ports::{At, Protocol, Reserved, Reuse};
use crate::socket_pair::{Ends, lock};
use crate::tcp::listener::TcpListener;
use crate::tcp::options::TcpOptions;
use crate::tcp::stream::TcpStream;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use stormglass_rt::Descriptor;

/// A TCP socket that is neither connected nor listening, named after `tokio::net::TcpSocket`.
pub struct TcpSocket {
    host: Host,
    options: Mutex<TcpOptions>,
    bound: Mutex<Option<(SocketAddr, BoundPort)>>,
    descriptor: Descriptor,
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
        "Sets `SO_REUSEADDR`: [`TcpSocket::bind`] succeeds although connections are left on the port, \
         or sockets with this option that do not listen.";
    reuseport, set_reuseport: bool = reuse_port,
        "Sets `SO_REUSEPORT`: several listeners that all set it share the port, and each connection is \
         accepted by the one that its source port selects.";
    keepalive, set_keepalive: bool = keepalive,
        "Sets `SO_KEEPALIVE`: idle connections are probed, with the defaults of [`crate::Keepalive`].";
    nodelay, set_nodelay: bool = no_delay,
        "Sets `TCP_NODELAY`, see [`TcpStream::set_nodelay`].";
}

ip_option_methods!(TcpSocket, class);

impl TcpSocket {
    /// Creates a socket for IPv4.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::on(Host::current()?, false)
    }

    /// Creates a socket for IPv6.
    ///
    /// # Errors
    ///
    /// EMFILE; `Unsupported` if no host is mounted.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::on(Host::current()?, true)
    }

    pub(crate) fn on(host: Host, v6: bool) -> io::Result<TcpSocket> {
        let (options, bound) = (Mutex::new(TcpOptions::new(v6)), Mutex::default());
        Ok(TcpSocket { host, options, bound, descriptor: Descriptor::open()? })
    }

    fn options(&self) -> MutexGuard<'_, TcpOptions> {
        lock(&self.options)
    }

    fn bound(&self) -> MutexGuard<'_, Option<(SocketAddr, BoundPort)>> {
        lock(&self.bound)
    }

    /// Makes dropping the connected stream reset the connection, see
    /// [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.options().set_linger(Some(Duration::ZERO));
        Ok(())
    }

    /// Sets `SO_LINGER`, see [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    #[deprecated = "`SO_LINGER` causes the socket to block the thread on drop"]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.options().set_linger(linger);
        Ok(())
    }

    /// Returns the value that [`TcpSocket::set_linger`] set, in whole seconds. Default: `None`.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.options().linger())
    }

    /// Returns the socket's error, which it has only after connecting.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    /// Sets how many bytes may be in transit, at most 4 MiB; see
    /// [`crate::NetProfile::send_buffer`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.options().send_buffer.set(bytes);
        Ok(())
    }

    /// Returns twice the value that [`TcpSocket::set_send_buffer_size`] set, since Linux includes
    /// its bookkeeping, and at least 4,608; 16,384 before that.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        Ok(self.options().send_buffer.reported())
    }

    /// Sets how many bytes are buffered unread, at most 4 MiB; see
    /// [`crate::NetProfile::receive_buffer`].
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.options().receive_buffer.set(bytes);
        Ok(())
    }

    /// Returns twice the value that [`TcpSocket::set_recv_buffer_size`] set, since Linux includes
    /// its bookkeeping, and at least 2,304; 131,072 before that.
    ///
    /// # Errors
    ///
    /// None; the result type is tokio's.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        Ok(self.options().receive_buffer.reported())
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
        let mut bound = self.bound();
        self.check_family(address)?;
        if bound.is_some() {
            return Err(EINVAL.into());
        }
        let reuse = self.reuse();
        let port = self.host.bind_address(Protocol::Stream, address, reuse, Arc::new(Reserved))?;
        *bound = Some((SocketAddr::new(address.ip(), port.port()), port));
        Ok(())
    }

    fn reuse(&self) -> Reuse {
        let options = self.options();
        Reuse { address: options.reuse_address, port: options.reuse_port }
    }

    fn is_v6(&self) -> bool {
        self.options().ip.is_v6()
    }

    /// The kernel of an IPv6 socket sees that an IPv4 address is too short before it looks at the
    /// version (Linux: `inet6_bind_sk`, `tcp_v6_connect`).
    fn check_family(&self, address: SocketAddr) -> io::Result<()> {
        match (self.is_v6(), address.is_ipv6()) {
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
            if self.is_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Ok(self
            .bound()
            .as_ref()
            .map(|(address, _)| *address)
            .unwrap_or_else(|| SocketAddr::new(unspecified, 0)))
    }

    /// Connects, from the address that the socket is bound to or an ephemeral port.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`]; for an address of the other IP version as [`TcpSocket::bind`].
    pub async fn connect(mut self, address: SocketAddr) -> io::Result<TcpStream> {
        self.check_family(address)?;
        if is_broadcast(address.ip()) {
            return Err(ENETUNREACH.into());
        }
        let (host, shared) = (&self.host, self.host.shared());
        let here = host.source_towards(address.ip());
        // The unspecified address means this host.
        let remote =
            SocketAddr::new(if address.ip().is_unspecified() { here } else { address.ip() }, address.port());
        let bound = self.bound().as_ref().map(|(address, _)| *address);
        let options = self.options().clone();
        let local_ip = bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified()).unwrap_or(here);
        let port = LocalPort::reserve(shared, host.id, bound.map_or(0, |bound| bound.port()), remote)?;
        let host_there = shared.host_of(host.id, remote.ip());
        let only_local = options.ip.interface() == Some(Interface::Loopback);
        let reaches = |_: &HostId| !only_local || shared.is_local(host.id, remote.ip());
        let Some(host_there) = host_there.filter(reaches) else {
            match connect_to_unused_address().await? {}
        };
        let target =
            Target { host: host_there, at: At::Ip(remote.ip()), port: remote.port(), flow: port.flow() };
        // Boxed, because programs keep the future of a connect in their own: tokio's has some hundred bytes.
        let handshake = Box::pin(shared.handshake::<Backlog<Bytes, Bytes>>(host.id, target, 0));
        let (there, backlog) = handshake.await?;
        let profile = &shared.profile;
        let (listening_send, listening_receive) = backlog.buffers;
        let send = |set: Option<u32>| u64::from(set.unwrap_or(profile.send_buffer));
        let receive = |set: Option<u32>| u64::from(set.unwrap_or(profile.receive_buffer));
        let ends = Ends {
            hosts: [host.id, there],
            addresses: [SocketAddr::new(local_ip, port.take()), remote],
            windows: [
                send(options.send_buffer.bytes()) + receive(listening_receive),
                send(listening_send) + receive(options.receive_buffer.bytes()),
            ],
            same_kernel: false,
        };
        let socket = establish(shared, ends, backlog);
        Ok(TcpStream::new(socket, options, std::mem::take(&mut self.descriptor)))
    }

    /// Listens, with a backlog of this many connections and one more, at most 4,097.
    ///
    /// # Errors
    ///
    /// EADDRINUSE if another socket listens on the same port by now, see
    /// [`TcpSocket::set_reuseaddr`]. An unbound socket gets an ephemeral port.
    pub fn listen(mut self, backlog: u32) -> io::Result<TcpListener> {
        if self.bound().is_none() {
            self.bind(self.local_addr()?)?;
        }
        let (bound, port) = self.bound().take().expect("just bound");
        let options = self.options().clone();
        let buffers = (options.send_buffer.bytes(), options.receive_buffer.bytes());
        let backlog = Backlog::with_buffers(backlog.min(SOMAXCONN) as usize, buffers);
        let shared = self.host.shared();
        drop(port);
        let at = (self.host.id, bound.ip().into());
        let reuse = Reuse { address: true, port: options.reuse_port };
        let port = BoundPort::bind(shared, Protocol::Stream, at, bound.port(), reuse, backlog.clone())?;
        Ok(TcpListener {
            host: self.host.clone(),
            address: bound,
            _bound: port,
            backlog,
            options: Mutex::new(options),
            descriptors: AcceptDescriptors::default(),
            _descriptor: std::mem::take(&mut self.descriptor),
        })
    }
}

/// The maximum backlog (Linux: `net.core.somaxconn`).
const SOMAXCONN: u32 = 4096;

// As tokio's: no operation leaves the socket in a state that a panic could make visible.
impl UnwindSafe for TcpSocket {}
impl RefUnwindSafe for TcpSocket {}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("options", &self.options()).finish_non_exhaustive()
    }
}
