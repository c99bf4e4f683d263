//! Sending on UDP sockets.

use crate::address::{HostId, is_broadcast};
use crate::datagram;
use crate::error::{EDESTADDRREQ, EINVAL, EMSGSIZE};
use crate::fault::Segment;
use crate::interest::{Interest, Ready};
use crate::ip_options::Interface;
use crate::link::Link;
use crate::names::{ToSocketAddrs, resolve};
use crate::ports::Protocol;
use crate::udp::kernel::{Cast, Port, Route};
use crate::udp::socket::UdpSocket;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stormglass_rt::coop;

/// The largest datagram in bytes: 64 KiB without the headers of IPv4 and UDP.
const LARGEST: usize = 65_507;

impl UdpSocket {
    /// Sends a datagram to the first of the addresses. Does not wait, except for the lookup of a
    /// name.
    ///
    /// # Errors
    ///
    /// Those of the name lookup; ECONNREFUSED, once, if the socket is connected and the peer's
    /// port was not bound; EMSGSIZE above 65,507 bytes; EACCES for a broadcast address without
    /// [`UdpSocket::set_broadcast`]; EINVAL for port 0; EAFNOSUPPORT for an IPv6 address on a
    /// socket for IPv4.
    pub async fn send_to<A: ToSocketAddrs>(&self, bytes: &[u8], to: A) -> io::Result<usize> {
        let to = resolve(&self.host, to).await?.into_iter().next();
        let no_address = || io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to");
        let to = to.ok_or_else(no_address)?;
        poll_fn(|context| self.poll_send_to(context, bytes, to)).await
    }

    /// Polls [`UdpSocket::send_to`], for hand-written futures.
    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(context, Interest::WRITABLE));
        Poll::Ready(self.send_datagram(bytes, to))
    }

    /// Sends a datagram as [`UdpSocket::send_to`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send_to`]; `WouldBlock` if the socket was created in the same poll of the
    /// task: tokio learns from the kernel only afterwards that the socket is writable. Wait for
    /// [`UdpSocket::writable`] first.
    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.check_writable()?;
        self.send_datagram(bytes, to)
    }

    /// Sends a datagram to the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send_to`]; EDESTADDRREQ if the socket is not connected.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_send(context, bytes)).await
    }

    /// Polls [`UdpSocket::send`], for hand-written futures.
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(context, Interest::WRITABLE));
        Poll::Ready(self.send_to_peer(bytes))
    }

    /// Sends a datagram as [`UdpSocket::send`] does, without waiting.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::send`] and [`UdpSocket::try_send_to`].
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        self.send_to_peer(bytes)
    }

    fn check_writable(&self) -> io::Result<()> {
        coop::count_try();
        if (self.readiness() & Ready::WRITABLE).is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    fn send_to_peer(&self, bytes: &[u8]) -> io::Result<usize> {
        let peer = self.socket.state().peer;
        self.send_datagram(bytes, peer.ok_or(EDESTADDRREQ)?)
    }

    /// The kernel's checks, in Linux's order, and the sending.
    fn send_datagram(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(EMSGSIZE.into());
        }
        if to.port() == 0 {
            return Err(EINVAL.into());
        }
        let to = self.destination(to)?;
        self.check_permission(to)?;
        if bytes.len() > LARGEST {
            return Err(EMSGSIZE.into());
        }
        if let Some(error) = self.socket.state().error.take() {
            return Err(error.into());
        }
        if is_broadcast(to.ip()) || to.ip().is_multicast() {
            self.send_to_many(bytes, to);
        } else if let Some(Route { source, host, link, .. }) = self.route(to) {
            let port = self.port(host, to, Cast::One);
            self.send_over(&link, Bytes::copy_from_slice(bytes), source, port);
        }
        // A datagram to an address that no host has is lost.
        Ok(bytes.len())
    }

    fn send_to_many(&self, bytes: &[u8], to: SocketAddr) {
        let (shared, bytes) = (self.host.shared(), Bytes::copy_from_slice(bytes));
        let over = self.outgoing_interface(to);
        let (cast, receivers) = if is_broadcast(to.ip()) {
            (Cast::Broadcast, shared.broadcast_receivers(self.host.id, to, over))
        } else {
            let options = self.options();
            let ttl = if to.is_ipv4() { options.multicast_ttl() } else { 1 };
            let loops = options.loops(to.is_ipv6());
            drop(options);
            (Cast::Group(over), shared.group_receivers(self.host.id, to, over, ttl, loops))
        };
        let source = self.source_over(over, to);
        for host in receivers {
            let link = shared.link(self.host.id, host);
            self.send_over(&link, bytes.clone(), source, self.port(host, to, cast));
        }
    }

    /// The interface over which the kernel sends to a broadcast or multicast address: that of the
    /// address that the socket is bound to, or the one of the default route.
    fn outgoing_interface(&self, to: SocketAddr) -> Interface {
        let scope = match to {
            SocketAddr::V6(to) => to.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let to_loopback = matches!(to.ip(), IpAddr::V4(ip) if ip.is_loopback());
        match self.options().ip.interface() {
            Some(device) => device,
            None if to_loopback || self.address.ip().is_loopback() || scope == 1 => Interface::Loopback,
            None => Interface::Network,
        }
    }

    fn source_over(&self, over: Interface, to: SocketAddr) -> SocketAddr {
        let bound = self.address.ip();
        let ip = match (over, to.ip()) {
            _ if !bound.is_unspecified() => bound,
            (Interface::Loopback, IpAddr::V4(_)) => std::net::Ipv4Addr::LOCALHOST.into(),
            (Interface::Loopback, IpAddr::V6(_)) => std::net::Ipv6Addr::LOCALHOST.into(),
            (Interface::Network, to) => self.host.shared().source(self.host.id, to),
        };
        SocketAddr::new(ip, self.address.port())
    }

    fn port(&self, to: HostId, at: SocketAddr, cast: Cast) -> Port {
        Port { network: self.host.shared().clone(), from: self.host.id, to, at, cast }
    }

    fn send_over(&self, link: &Arc<Link>, bytes: Bytes, source: SocketAddr, to: Port) {
        let segment = Segment { bytes: bytes.len() as u64, port: to.at.port() };
        datagram::send(self.host.shared(), link, (bytes, source), segment, to, |(bytes, _), random| {
            *bytes = with_flipped_bit(bytes, random);
            true
        });
    }

    /// Returns the route to the address of a host, from the socket's cache if it is there.
    fn route(&self, to: SocketAddr) -> Option<Route> {
        let mut state = self.socket.state();
        if let Some(route) = &state.route
            && route.to == to
            && !self.host.shared().shares_namespace(route.host)
        {
            return Some(route.clone());
        }
        state.route = self.find_route(to);
        state.route.clone()
    }

    fn find_route(&self, to: SocketAddr) -> Option<Route> {
        let shared = self.host.shared();
        let host = shared.host_of(self.host.id, to.ip())?;
        let only_local = self.options().ip.interface() == Some(Interface::Loopback);
        if only_local && !shared.is_local(self.host.id, to.ip()) {
            return None;
        }
        let host = shared.receiver(Protocol::Datagram, host, to.ip().into(), to.port());
        Some(Route { to, source: self.source(to), host, link: shared.link(self.host.id, host) })
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
