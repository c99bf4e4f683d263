//! The two sockets of a connection, as their kernels see them: what was sent and received, closed
//! and reset.
//!
//! As in TCP, closing sends a FIN after all data; the other direction stays open (half-close).
//! Closing a socket with unread data sends an RST, and so does data that arrives at a closed
//! socket. Data that was received before a reset can still be read; then an operation returns the
//! error, once; after that reads return the end of the stream and writes `BrokenPipe`.

use crate::address::HostId;
use crate::cached_readiness::{Event, Events};
use crate::delivery::Destination;
use crate::error::{ECONNRESET, EPIPE, Errno};
use crate::fault::{Segment, Sent};
use crate::link::Link;
use crate::network::Shared;
use crate::ordered_stream::OrderedStream;
use crate::ports::TIME_WAIT;
use crate::registry::{RegisteredConnection, Side, SocketSnapshot};
use crate::retransmission::RetransmissionTimeout;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Scope, SimTime};
use stormglass_rt::{self as rt, Wakers};

/// The two sockets of a connection. The pair exists until both processes have closed their socket
/// and nothing is in transit. In all arrays the client's value is first, then the server's.
pub(crate) struct SocketPair {
    pub(crate) network: Arc<Shared>,
    number: u64,
    pub(crate) hosts: [HostId; 2],
    pub(crate) addresses: [SocketAddr; 2],
    streams: [OrderedStream; 2],
    links: [Arc<Link>; 2],
    /// How much each side may have in transit and unread.
    windows: [u64; 2],
    same_kernel: bool,
    sockets: [Mutex<Socket>; 2],
    /// What the kernel has reported to the process at each end.
    pub(crate) events: [Events; 2],
}

/// The window of connections without a limit.
pub(crate) const UNBOUNDED: u64 = u64::MAX;

/// The ends of a connection, and the sizes of its buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) hosts: [HostId; 2],
    pub(crate) addresses: [SocketAddr; 2],
    /// How much each side may have in transit and unread.
    pub(crate) windows: [u64; 2],
    /// Whether one kernel has both sockets, as with a Unix stream.
    pub(crate) same_kernel: bool,
}

/// The kernel's state of one socket.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    pub(crate) fin_sent: bool,
    pub(crate) fin_received: Option<EventId>,
    /// The event that reset the connection at this end.
    pub(crate) reset: Option<EventId>,
    /// The error that the next operation returns, once.
    pub(crate) error: Option<Errno>,
    /// Whether the process has closed the socket.
    pub(crate) closed: bool,
    /// Whether closing sends an RST (`SO_LINGER` of 0 s).
    pub(crate) zero_linger: bool,
    /// Bytes in transit and unread, as far as this end knows.
    outstanding: u64,
    /// When window updates arrive at this end, and how many bytes each announces as read.
    window_updates: VecDeque<(SimTime, u64)>,
    /// Bytes that were read at this end and that no window update has announced yet.
    unannounced: u64,
    /// Bytes that have arrived and were not read.
    unread: u64,
    /// The number of the last `set_keepalive`; a keepalive task of an earlier number ends.
    pub(crate) keepalive_setting: u32,
    /// When a segment arrived last.
    pub(crate) received_last: SimTime,
    pub(crate) writers: Wakers,
    pub(crate) readers: Wakers,
}

impl Socket {
    /// Applies the window updates that have arrived by now.
    fn apply_window_updates(&mut self, now: SimTime) {
        while let Some(&(at, bytes)) = self.window_updates.front()
            && at <= now
        {
            self.outstanding -= bytes;
            self.window_updates.pop_front();
        }
    }
}

/// What the send window of a socket allows.
pub(crate) enum SendWindow {
    Open(u64),
    /// Full, until the process at the other end reads. When the next window update arrives, if one
    /// is in transit.
    Full(Option<SimTime>),
}

impl SocketPair {
    /// Makes the pair of a connection that both ends have established.
    pub(crate) fn new(network: &Arc<Shared>, ends: Ends) -> Arc<SocketPair> {
        let Ends { hosts, addresses, windows, same_kernel } = ends;
        let links = [network.link(hosts[0], hosts[1]), network.link(hosts[1], hosts[0])];
        let port = addresses[1].port();
        let streams = [0, 1].map(|side| OrderedStream::new(network, links[side].clone(), port));
        let pair = network.register(|number| {
            let (network, sockets, events) = (network.clone(), Default::default(), Default::default());
            let pair = SocketPair {
                network,
                number,
                hosts,
                addresses,
                streams,
                links,
                windows,
                same_kernel,
                sockets,
                events,
            };
            Arc::new(pair)
        });
        for side in [Side::Client, Side::Server] {
            let weak = Arc::downgrade(&pair);
            pair.streams[side as usize].on_broken(move |why| {
                if let Some(pair) = Weak::upgrade(&weak) {
                    pair.reset(side, why, pair.network.recorder.scope().last());
                }
            });
        }
        pair
    }

    pub(crate) fn socket(&self, side: Side) -> MutexGuard<'_, Socket> {
        lock(&self.sockets[side as usize])
    }

    /// The stream of what this side sends.
    fn stream(&self, side: Side) -> &OrderedStream {
        &self.streams[side as usize]
    }

    pub(crate) fn is_unbounded(&self, side: Side) -> bool {
        self.windows[side as usize] == UNBOUNDED
    }

    fn segment(&self, bytes: u64) -> Segment {
        Segment { bytes, port: self.addresses[1].port() }
    }
}

/// Sending and the send window.
impl SocketPair {
    /// Returns what this side may send now.
    ///
    /// # Errors
    ///
    /// The connection's error, once; `BrokenPipe` if nothing can be sent any more.
    pub(crate) fn send_window(&self, side: Side, socket: &mut Socket) -> io::Result<SendWindow> {
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        // Inside one kernel the sender knows at once that the other socket is closed.
        let gone = self.same_kernel && self.socket(side.other()).closed;
        if socket.reset.is_some() || socket.fin_sent || gone {
            return Err(EPIPE.into());
        }
        if self.is_window_open(side, socket) {
            return Ok(SendWindow::Open(self.windows[side as usize] - socket.outstanding));
        }
        Ok(SendWindow::Full(socket.window_updates.front().map(|&(at, _)| at)))
    }

    /// Whether the send window has room.
    pub(crate) fn is_window_open(&self, side: Side, socket: &mut Socket) -> bool {
        let window = self.windows[side as usize];
        if socket.outstanding >= window {
            socket.apply_window_updates(rt::now());
        }
        socket.outstanding < window
    }

    /// Reports an arrival to the process. An event reports everything that the socket is ready
    /// for, so that it can be written to, too.
    fn report_arrival(&self, side: Side, socket: &Socket, at: SimTime) {
        let events = &self.events[side as usize];
        events.report(Event::Readable);
        let is_updated = socket.window_updates.front().is_some_and(|&(update, _)| update <= at);
        if is_updated || socket.outstanding < self.windows[side as usize] {
            events.report(Event::Writable);
        }
    }

    /// Reserves this much of the send window, if it is bounded; returns how much is reserved.
    pub(crate) fn reserve(&self, side: Side, counts: u64) -> u64 {
        let counts = if self.is_unbounded(side) { 0 } else { counts };
        self.socket(side).outstanding += counts;
        counts
    }

    /// Returns a reservation that was not used.
    pub(crate) fn cancel_reservation(&self, side: Side, counts: u64) {
        let mut socket = self.socket(side);
        socket.outstanding -= counts;
        socket.writers.wake_all();
    }

    /// Sends a packet of this size in bytes.
    pub(crate) fn send<T: Send + 'static>(
        self: &Arc<SocketPair>,
        side: Side,
        packet: Packet<T>,
        bytes: u64,
        queue: ReceiveQueue<T>,
    ) {
        self.stream(side).send(packet, bytes, self.destination(side, queue));
    }

    /// The number by which this end's socket closes among those of its process: connections close in
    /// the order in which they were made.
    pub(crate) fn close_number(&self, side: Side) -> u64 {
        2 * self.number + side as u64
    }

    /// Sends a FIN: this side sends no more data. The other direction stays open.
    pub(crate) fn send_fin<T: Send + 'static>(self: &Arc<SocketPair>, side: Side, queue: ReceiveQueue<T>) {
        let mut socket = self.socket(side);
        if socket.reset.is_some() || std::mem::replace(&mut socket.fin_sent, true) {
            return;
        }
        drop(socket);
        self.events[side as usize].report(Event::Writable);
        self.send(side, Packet::Fin, 0, queue);
        self.enter_time_wait(side);
    }

    /// Sends an RST, and forgets the connection at this end.
    pub(crate) fn send_rst<T: Send + 'static>(self: &Arc<SocketPair>, side: Side, queue: ReceiveQueue<T>) {
        self.socket(side).reset = Some(self.network.recorder.scope().last());
        self.stream(side).abort(Packet::Rst, self.destination(side, queue));
    }

    fn destination<T>(self: &Arc<SocketPair>, sender: Side, queue: ReceiveQueue<T>) -> SocketDestination<T> {
        SocketDestination { pair: self.clone(), side: sender.other(), queue }
    }

    /// After both sides have sent a FIN, the side that sent the first one keeps its port in
    /// TIME_WAIT.
    fn enter_time_wait(&self, last: Side) {
        let first = last.other();
        if !self.socket(first).fin_sent || self.socket(first).reset.is_some() {
            return;
        }
        let latency = self.links[last as usize].latency_last();
        let (host, local) = (self.hosts[first as usize], self.addresses[first as usize]);
        let remote = self.addresses[last as usize];
        if local.port() != 0 {
            let until = rt::now() + latency + TIME_WAIT;
            let mut state = self.network.lock();
            let namespace = state.namespace(host);
            state.ports.time_wait((namespace, host), local.port(), remote, until);
        }
    }
}

/// Reading and window updates.
impl SocketPair {
    /// Returns how many of these bytes a read or write at this end transfers: fewer, if a rule
    /// shortens it.
    pub(crate) fn transferred(&self, side: Side, what: Sent, bytes: usize) -> usize {
        let sender = if what == Sent::Read { side.other() } else { side };
        let (link, rules) = (&self.links[sender as usize], &self.network.faults);
        if rules.is_empty() {
            bytes
        } else {
            link.transferred(rules, what, self.segment(bytes as u64)) as usize
        }
    }

    /// The process at this end has read this much. A window update announces it to the other end
    /// when it is a sixteenth of the window, or all that was unread while the other end's window
    /// is full: less often than TCP, whose every acknowledgement announces the window, and hardly
    /// later.
    pub(crate) fn has_read(self: &Arc<SocketPair>, side: Side, counts: u64) {
        let other = side.other();
        let window = self.windows[other as usize];
        let sender_waits = self.socket(other).outstanding >= window;
        let mut socket = self.socket(side);
        socket.unread -= counts;
        socket.unannounced += counts;
        let due = socket.unannounced >= window / 16 || sender_waits && socket.unread == 0;
        if !due || socket.reset.is_some() {
            return;
        }
        let bytes = std::mem::take(&mut socket.unannounced);
        drop(socket);
        match self.network.send_control(&self.links[side as usize], self.segment(0)) {
            Some(latency) => self.window_update_arrives(other, rt::now() + latency, bytes),
            None => {
                let (pair, scope) = (self.clone(), self.network.recorder.scope());
                self.network
                    .spawn_in_kernel(scope, async move { pair.retransmit_window_update(side, bytes).await });
            }
        }
    }

    /// Retransmits a lost window update until it arrives.
    async fn retransmit_window_update(self: Arc<SocketPair>, side: Side, bytes: u64) {
        let link = &self.links[side as usize];
        let mut timeout = RetransmissionTimeout::new();
        while let Ok(wait) = timeout.next(link.latency_last() * 2) {
            rt::Clock::current().sleep(wait).await;
            if self.socket(side).reset.is_some() {
                return;
            }
            if let Some(latency) = self.network.send_control(link, self.segment(0)) {
                return self.window_update_arrives(side.other(), rt::now() + latency, bytes);
            }
        }
    }

    /// A window update arrives at this end at `at`.
    fn window_update_arrives(&self, side: Side, at: SimTime, bytes: u64) {
        let mut socket = self.socket(side);
        let at = socket.window_updates.back().map_or(at, |&(last, _)| at.max(last));
        socket.window_updates.push_back((at, bytes));
        let wakers: Vec<_> = socket.writers.iter().cloned().collect();
        drop(socket);
        wakers.iter().for_each(|waker| rt::wake_at(at, waker));
    }
}

/// Resets and probes.
impl SocketPair {
    /// Resets the connection at one end: an RST has arrived, or retransmissions were given up.
    pub(crate) fn reset(&self, side: Side, why: Errno, cause: EventId) {
        let mut socket = self.socket(side);
        if socket.reset.is_some() {
            return;
        }
        socket.reset = Some(cause);
        socket.error = Some(if socket.fin_received.is_some() { EPIPE } else { why });
        for event in [Event::Readable, Event::Writable, Event::Error] {
            self.events[side as usize].report(event);
        }
        socket.readers.wake_all();
        socket.writers.wake_all();
        drop(socket);
        self.stream(side).break_with(why);
    }

    /// The kernel at this end answers a segment of an unknown connection with an RST. A timer's
    /// callback may call this.
    pub(crate) fn answer_with_rst(self: &Arc<SocketPair>, side: Side, cause: EventId) {
        let (pair, link) = (self.clone(), self.links[side as usize].clone());
        let scope = Scope { node: self.links[side.other() as usize].target, cause, ..Scope::default() };
        self.network.spawn_in_kernel(scope, async move {
            let network = &pair.network;
            let cause = network.recorder.record(rt::now(), Kind::Send, link.subject, Duration::ZERO, 0);
            if let Some(latency) = network.send_control(&link, pair.segment(0)) {
                rt::Clock::current().sleep(latency).await;
                let scope = Scope { node: link.target, cause, ..Scope::default() };
                let now = rt::now();
                let event = network.recorder.record_in(scope, now, Kind::Deliver, link.subject, latency, 0);
                pair.reset(side.other(), ECONNRESET, event);
            }
        });
    }

    /// Sends a keepalive probe to the other end; returns its answer.
    pub(crate) fn probe(&self, side: Side) -> ProbeAnswer {
        let (there, back) = (&self.links[side as usize], &self.links[side.other() as usize]);
        let network = &self.network;
        let answer = network
            .send_control(there, self.segment(0))
            .and_then(|latency| Some(latency + network.send_control(back, self.segment(0))?));
        match answer {
            None => ProbeAnswer::None,
            Some(_) if self.stream(side).receiver_has_restarted() => ProbeAnswer::UnknownConnection,
            Some(latency) => ProbeAnswer::Acknowledged(latency),
        }
    }
}

/// The answer to a keepalive probe.
pub(crate) enum ProbeAnswer {
    None,
    /// The other end has no state of the connection.
    UnknownConnection,
    /// After this round trip.
    Acknowledged(Duration),
}

impl RegisteredConnection for SocketPair {
    fn snapshot(&self, side: Side) -> SocketSnapshot {
        // Bytes that were read are not outstanding, even if no window update has announced them
        // yet.
        let unannounced = self.socket(side.other()).unannounced;
        let socket = self.socket(side);
        let state = match (socket.reset.is_some(), socket.fin_sent, socket.fin_received.is_some()) {
            (true, ..) => "CLOSED",
            (_, false, false) => "ESTABLISHED",
            (_, false, true) => "CLOSE_WAIT",
            (_, true, false) => "FIN_WAIT",
            (_, true, true) => "CLOSING",
        };
        let announced = socket.window_updates.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let (unread, outstanding) = (socket.unread, socket.outstanding - announced - unannounced);
        let (here, there) = (side as usize, side.other() as usize);
        SocketSnapshot {
            hosts: [self.hosts[here], self.hosts[there]],
            addresses: [self.addresses[here], self.addresses[there]],
            state,
            unread,
            outstanding,
            is_open: !socket.closed,
        }
    }

    fn host_names(&self) -> (&str, &str) {
        (&self.links[0].names.0, &self.links[0].names.1)
    }

    fn reset_both_ends(&self) {
        let cause = self.network.recorder.record(
            rt::now(),
            Kind::Close,
            self.links[0].subject,
            Duration::ZERO,
            u64::from(self.addresses[1].port()),
        );
        for side in [Side::Client, Side::Server] {
            self.reset(side, ECONNRESET, cause);
        }
    }
}

impl Drop for SocketPair {
    fn drop(&mut self) {
        self.network.unregister(self.number, self.hosts, self.addresses);
    }
}

/// Values that have arrived at a socket and were not read, with the events of their arrival.
pub(crate) type ReceiveQueue<T> = Arc<Mutex<VecDeque<(T, EventId)>>>;

/// What is sent on a connection.
pub(crate) enum Packet<T> {
    /// The client's last segment of the handshake. The function adds the server's socket to the
    /// backlog.
    Established(Box<dyn FnOnce(EventId) + Send>),
    /// A value, and what it counts in the window.
    Data(T, u64),
    Fin,
    Rst,
}

/// The socket at which a packet arrives.
struct SocketDestination<T> {
    pair: Arc<SocketPair>,
    side: Side,
    queue: ReceiveQueue<T>,
}

impl<T: Send + 'static> Destination<Packet<T>> for SocketDestination<T> {
    fn deliver(&self, packet: Packet<T>, at: SimTime, cause: EventId) {
        let mut socket = self.pair.socket(self.side);
        socket.received_last = at;
        match packet {
            Packet::Established(add_to_backlog) => {
                drop(socket);
                add_to_backlog(cause);
            }
            Packet::Data(value, _) if socket.closed || socket.reset.is_some() => {
                drop(socket);
                self.pair.network.drop_later(value);
                self.pair.answer_with_rst(self.side, cause);
            }
            Packet::Data(value, counts) => {
                socket.unread += counts;
                lock(&self.queue).push_back((value, cause));
                self.pair.report_arrival(self.side, &socket, at);
                socket.readers.wake_all();
            }
            Packet::Fin if socket.reset.is_some() => {
                drop(socket);
                if self.pair.socket(self.side.other()).reset.is_none() {
                    self.pair.answer_with_rst(self.side, cause);
                }
            }
            Packet::Fin => {
                socket.fin_received = Some(cause);
                self.pair.report_arrival(self.side, &socket, at);
                socket.readers.wake_all();
            }
            Packet::Rst => {
                drop(socket);
                self.pair.reset(self.side, ECONNRESET, cause);
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SocketPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketPair").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
