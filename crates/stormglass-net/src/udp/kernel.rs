//! The kernel's state of UDP sockets, and how a datagram arrives at one.

use crate::address::HostId;
use crate::cached_readiness::{Event, Events};
use crate::delivery::Destination;
use crate::error::{ECONNREFUSED, Errno};
use crate::fault::Segment;
use crate::inbox::Inbox;
use crate::ip_options::Interface;
use crate::link::Link;
use crate::network::Shared;
use crate::ports::Protocol;
use crate::socket_pair::lock;
use crate::udp::options::UdpOptions;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use stormglass_core::{EventId, Kind, Scope, SimTime};
use stormglass_rt as rt;

/// The kernel's state of a UDP socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) inbox: Inbox<Datagram>,
    /// What the kernel has reported to the process.
    pub(crate) events: Events,
    state: Mutex<State>,
    options: Mutex<UdpOptions>,
}

/// A datagram's bytes and its source address.
pub(crate) type Datagram = (Bytes, SocketAddr);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) peer: Option<SocketAddr>,
    /// The route of the last datagram: a kernel caches that too. Not used where hosts share a
    /// namespace, because the host that has bound the port may be another one by then.
    pub(crate) route: Option<Route>,
    /// The error that the next operation returns, once.
    pub(crate) error: Option<Errno>,
    pub(crate) unread: usize,
}

/// The route to the address of a host.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) to: SocketAddr,
    /// The source address towards it.
    pub(crate) source: SocketAddr,
    pub(crate) host: HostId,
    pub(crate) link: Arc<Link>,
}

impl Socket {
    pub(crate) fn new(v6: bool) -> Socket {
        let (inbox, events, state) = (Inbox::default(), Events::default(), Mutex::default());
        Socket { inbox, events, state, options: Mutex::new(UdpOptions::new(v6)) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn options(&self) -> MutexGuard<'_, UdpOptions> {
        lock(&self.options)
    }
}

/// A port as a destination. The socket that is bound to it is looked up on arrival, not when the
/// datagram is sent.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) network: Arc<Shared>,
    pub(crate) from: HostId,
    pub(crate) to: HostId,
    pub(crate) at: SocketAddr,
    /// Whether others receive the datagram too.
    pub(crate) cast: Cast,
}

/// The receivers of a datagram: unicast, broadcast or multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    One,
    /// All hosts.
    Broadcast,
    /// The members of a multicast group, over this interface.
    Group(Interface),
}

impl Destination<Datagram> for Port {
    fn deliver(&self, (bytes, from): Datagram, _: SimTime, cause: EventId) {
        if let Cast::Group(over) = self.cast
            && !self.network.lock().is_member(self.to, self.at.ip(), over)
        {
            return;
        }
        let (at, port) = (self.at.ip().into(), self.at.port());
        let Ok(Some(socket)) = self.network.inbox::<Socket>(Protocol::Datagram, self.to, at, port) else {
            if self.cast == Cast::One {
                self.clone().unreachable(from, cause);
            }
            return;
        };
        if socket.options().ip.interface().is_some_and(|only| only != self.interface()) {
            return;
        }
        let mut state = socket.state();
        let filtered = state.peer.is_some_and(|peer| peer != from);
        if filtered || state.unread + bytes.len() > self.network.profile.datagram_buffer as usize {
            return;
        }
        state.unread += bytes.len();
        drop(state);
        socket.events.report(Event::Readable);
        socket.events.report(Event::Writable);
        // The inbox of a bound socket is open.
        let _ = socket.inbox.push((bytes, from), cause);
    }
}

impl Port {
    /// The receiving host's interface.
    fn interface(&self) -> Interface {
        match self.cast {
            Cast::Group(over) => over,
            _ => {
                let state = self.network.lock();
                let is_local = state.namespace(self.from) == state.namespace(self.to);
                if is_local { Interface::Loopback } else { Interface::Network }
            }
        }
    }

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
            let (at, port) = (sender.ip().into(), sender.port());
            let socket = network.inbox::<Socket>(Protocol::Datagram, self.from, at, port);
            if let Ok(Some(socket)) = socket
                && socket.state().peer == Some(self.at)
            {
                socket.state().error = Some(ECONNREFUSED);
                network.recorder.record(
                    rt::now(),
                    Kind::Refuse,
                    back.subject,
                    latency,
                    u64::from(self.at.port()),
                );
                socket.events.report(Event::Error);
                socket.inbox.wake_all();
            }
        });
    }
}
