//! The two ends of a connection, as their kernels see them: what was sent and received, closed and reset.
//!
//! As TCP does it: closing says goodbye (FIN) after everything that was sent; the other direction stays open. Closing with
//! something unread, or what arrives for a socket that nobody holds any more, resets (RST). What was received before a reset
//! can still be read; then comes the error, once; then the end for who reads and `BrokenPipe` for who writes.

use crate::fault::Segment;
use crate::handshake::Accepts;
use crate::inbox::Inbox;
use crate::keepalive::Keepalive;
use crate::lane::{Arrive, Lane};
use crate::link::Link;
use crate::network::{HostId, Shared};
use crate::ports::TIME_WAIT;
use crate::retransmission::Retransmission;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Recorder, Scope, SimTime};
use stormglass_rt as rt;
use stormglass_rt::Wakers;

/// A connection: what both kernels know of it. It lasts until both have forgotten it and nothing is on its way.
pub(crate) struct Conn {
    network: Arc<Shared>,
    number: u64,
    /// The client's, then the server's; so in all pairs here.
    hosts: [HostId; 2],
    addresses: [SocketAddr; 2],
    lanes: [Lane; 2],
    links: [Arc<Link>; 2],
    /// How much each may have on the way and unread.
    windows: [u64; 2],
    same_kernel: bool,
    sockets: [Mutex<Socket>; 2],
}

/// The window of connections that take any number of messages.
pub(crate) const UNBOUNDED: u64 = u64::MAX;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// What the kernel at one end knows.
#[derive(Debug, Default)]
struct Socket {
    /// It has said goodbye.
    said_end: bool,
    /// It has heard the other's goodbye.
    heard_end: Option<EventId>,
    /// It is reset.
    dead: Option<EventId>,
    /// What whoever uses it next is told, once.
    error: Option<io::ErrorKind>,
    /// No process holds it any more.
    closed: bool,
    /// Closing resets.
    no_linger: bool,
    /// Bytes on the way and unread, as far as this end knows.
    outstanding: u64,
    /// When it learns that so many bytes were read.
    credits: VecDeque<(SimTime, u64)>,
    /// Bytes that were read at this end, and the other has not been told.
    owed: u64,
    /// Bytes that have arrived and were not read.
    unread: u64,
    /// The number of the last wish for probes.
    probing: u32,
    /// When something came last.
    heard_last: SimTime,
    writers: Wakers,
    readers: Wakers,
}

/// What a process reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    Some(T),
    End,
}

/// What travels on a connection.
enum Packet<T> {
    /// The client's part of the handshake has arrived: the server's end is there. Handed over as it is.
    Established(Box<dyn FnOnce(EventId) + Send>),
    Data(T, u64),
    End,
    Reset,
}

/// One end, as a process holds it: sends `S`, receives `R`. Dropping it closes it.
pub(crate) struct End<S: Send + 'static, R: Send + 'static> {
    conn: Arc<Conn>,
    side: Side,
    incoming: Arc<Mutex<VecDeque<(R, EventId)>>>,
    outgoing: Arc<Mutex<VecDeque<(S, EventId)>>>,
}

/// Connections that nobody has accepted yet.
pub(crate) struct Backlog<S: Send + 'static, R: Send + 'static> {
    incoming: Inbox<End<S, R>>,
    /// Linux lets one more in than was asked for.
    limit: usize,
}

impl<S: Send + 'static, R: Send + 'static> Backlog<S, R> {
    pub(crate) fn new(limit: usize) -> Arc<Backlog<S, R>> {
        Arc::new(Backlog { incoming: Inbox::default(), limit })
    }

    /// The next connection.
    pub(crate) fn poll_accept(&self, context: &mut Context<'_>, recorder: &Recorder) -> Poll<End<S, R>> {
        let first = self.incoming.poll(Some(context), recorder, VecDeque::pop_front);
        first.map(|first| first.expect("polled").0)
    }

    /// Resets what nobody has accepted.
    pub(crate) fn close(&self) {
        for (end, _) in self.incoming.close() {
            end.set_no_linger(true);
        }
    }
}

impl<S: Send + 'static, R: Send + 'static> Accepts for Backlog<S, R> {
    fn is_full(&self) -> bool {
        self.incoming.len() > self.limit
    }
}

/// Where a connection's ends are, and how much fits into its buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) hosts: [HostId; 2],
    pub(crate) addresses: [SocketAddr; 2],
    /// How much each may have on the way and unread.
    pub(crate) windows: [u64; 2],
    /// Whether one kernel has both, as it has those of a Unix stream.
    pub(crate) same_kernel: bool,
}

/// Makes a connection whose handshake is over for the client. The server's end reaches its backlog when the client's last
/// word of the handshake does.
pub(crate) fn establish<S: Send + 'static, R: Send + 'static>(
    network: &Arc<Shared>,
    ends: Ends,
    backlog: Arc<Backlog<R, S>>,
) -> End<S, R> {
    let (client, server) = pair(network, ends);
    let arrival = client.arrival();
    let established = Packet::Established(Box::new(move |cause| {
        if let Err(refused) = backlog.incoming.push(server, cause) {
            // The listener has gone meanwhile. It may not be dropped here.
            refused.set_no_linger(true);
            let conn = refused.conn.clone();
            conn.network.bury(refused);
            conn.reset_by(Side::Server, cause);
        }
    }));
    client.conn.lanes[0].send(established, 0, arrival);
    client
}

/// Both ends of a connection that both know of.
pub(crate) fn pair<S: Send + 'static, R: Send + 'static>(
    network: &Arc<Shared>,
    ends: Ends,
) -> (End<S, R>, End<R, S>) {
    let Ends { hosts, addresses, windows, same_kernel } = ends;
    let links = [network.link(hosts[0], hosts[1]), network.link(hosts[1], hosts[0])];
    let port = addresses[1].port();
    let lanes = [0, 1].map(|side| Lane::new(network, links[side].clone(), port));
    let conn = network.enter(|number| {
        let (network, sockets) = (network.clone(), Default::default());
        Arc::new(Conn { network, number, hosts, addresses, lanes, links, windows, same_kernel, sockets })
    });
    for side in [Side::Client, Side::Server] {
        let weak = Arc::downgrade(&conn);
        conn.lanes[side as usize].when_broken(move |why| {
            if let Some(conn) = Weak::upgrade(&weak) {
                conn.reset(side, why, conn.network.recorder.scope().last());
            }
        });
    }
    let (there, back) = (Arc::default(), Arc::default());
    let server = End {
        conn: conn.clone(),
        side: Side::Server,
        incoming: Arc::clone(&there),
        outgoing: Arc::clone(&back),
    };
    (End { conn, side: Side::Client, incoming: back, outgoing: there }, server)
}

impl<S: Send + 'static, R: Send + 'static> End<S, R> {
    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.conn.socket(self.side)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.conn.addresses[self.side as usize]
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.conn.addresses[self.side.other() as usize]
    }

    pub(crate) fn peer_host(&self) -> HostId {
        self.conn.hosts[self.side.other() as usize]
    }

    /// Has closing reset the connection.
    pub(crate) fn set_no_linger(&self, no_linger: bool) {
        self.socket().no_linger = no_linger;
    }

    pub(crate) fn no_linger(&self) -> bool {
        self.socket().no_linger
    }

    /// The error that was not told yet.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.socket().error.take().map(io::Error::from)
    }

    /// How much of the window is left, once that is some. Without a context nobody is woken.
    ///
    /// # Errors
    ///
    /// The connection's own, once; `BrokenPipe` where nothing can be sent any more.
    pub(crate) fn poll_room(&self, context: Option<&mut Context<'_>>) -> Poll<io::Result<u64>> {
        let mut socket = self.socket();
        if let Some(error) = socket.error.take() {
            return Poll::Ready(Err(error.into()));
        }
        // Between processes of one kernel nobody has to be asked whether the other is there.
        let gone = self.conn.same_kernel && self.conn.socket(self.side.other()).closed;
        if socket.dead.is_some() || socket.said_end || gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let window = self.conn.windows[self.side as usize];
        if socket.outstanding >= window {
            socket.collect(rt::now());
        }
        if socket.outstanding < window {
            return Poll::Ready(Ok(window - socket.outstanding));
        }
        if let Some(context) = context {
            socket.writers.add(context.waker());
            if let Some(&(at, _)) = socket.credits.front() {
                drop(socket);
                rt::wake_at(at, context.waker());
            }
        }
        Poll::Pending
    }

    /// Sends a value of so many bytes, whether or not there is room; `counts` is what it takes of the window.
    pub(crate) fn send(&self, value: S, bytes: u64, counts: u64) {
        let counts = self.reserve(counts);
        self.send_reserved(value, bytes, counts);
    }

    /// Takes so much of the window for what is sent later, if it is bounded. Gives what it took.
    pub(crate) fn reserve(&self, counts: u64) -> u64 {
        let counts = if self.conn.windows[self.side as usize] == UNBOUNDED { 0 } else { counts };
        self.socket().outstanding += counts;
        counts
    }

    /// Gives back what was reserved.
    pub(crate) fn give_back(&self, counts: u64) {
        let mut socket = self.socket();
        socket.outstanding -= counts;
        socket.writers.wake_all();
    }

    /// As [`End::send`], where the window was taken before.
    pub(crate) fn send_reserved(&self, value: S, bytes: u64, counts: u64) {
        self.conn.lanes[self.side as usize].send(Packet::Data(value, counts), bytes, self.arrival());
    }

    /// What has arrived, once something has; `take` takes from it and says how much of the window. Without a context nobody is woken.
    ///
    /// # Errors
    ///
    /// The connection's own, once.
    pub(crate) fn poll_read<O>(
        &self,
        context: Option<&mut Context<'_>>,
        take: impl FnOnce(&mut VecDeque<(R, EventId)>) -> (O, u64),
    ) -> Poll<io::Result<Read<O>>> {
        let recorder = &self.conn.network.recorder;
        let mut queue = lock(&self.incoming);
        if let Some(&(_, cause)) = queue.front() {
            let (taken, counts) = take(&mut queue);
            drop(queue);
            recorder.join(cause);
            if counts > 0 && self.conn.windows[self.side.other() as usize] != UNBOUNDED {
                self.conn.was_read(self.side, counts);
            }
            return Poll::Ready(Ok(Read::Some(taken)));
        }
        drop(queue);
        let mut socket = self.socket();
        let Some(cause) = socket.dead.or(socket.heard_end) else {
            if let Some(context) = context {
                socket.readers.add(context.waker());
            }
            return Poll::Pending;
        };
        // Who has heard the end reads the end; an error waits for who writes.
        let error = if socket.heard_end.is_none() { socket.error.take() } else { None };
        drop(socket);
        recorder.join(cause);
        Poll::Ready(error.map_or(Ok(Read::End), |error| Err(error.into())))
    }

    /// Has an error told to whoever uses it next: its reader had no way to be told.
    pub(crate) fn tell_later(&self, error: &io::Error) {
        self.socket().error = Some(error.kind());
    }

    /// Says goodbye: nothing more is sent. The other direction stays open.
    pub(crate) fn end(&self) {
        let mut socket = self.socket();
        if socket.dead.is_some() || std::mem::replace(&mut socket.said_end, true) {
            return;
        }
        drop(socket);
        self.conn.lanes[self.side as usize].send(Packet::<S>::End, 0, self.arrival());
        self.conn.settle(self.side);
    }

    /// Ready once a read would be.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut socket = self.socket();
        if socket.dead.is_some() || socket.heard_end.is_some() || !lock(&self.incoming).is_empty() {
            return Poll::Ready(());
        }
        socket.readers.add(context.waker());
        Poll::Pending
    }

    /// Ready once a write would be.
    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<()> {
        let socket = self.socket();
        if socket.dead.is_some() || socket.said_end || socket.error.is_some() {
            return Poll::Ready(());
        }
        drop(socket);
        self.poll_room(Some(context)).map(|_| ())
    }

    /// Has an idle connection probed, or not any more.
    pub(crate) fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        let probing = {
            let mut socket = self.socket();
            socket.probing += 1;
            socket.heard_last = rt::now();
            socket.probing
        };
        if let Some(keepalive) = keepalive {
            let network = &self.conn.network;
            let probe = keep_alive(Arc::downgrade(&self.conn), self.side, keepalive, probing);
            network.in_kernel(network.recorder.scope(), probe);
        }
    }

    fn arrival(&self) -> Arrival<S> {
        Arrival { conn: self.conn.clone(), at: self.side.other(), queue: self.outgoing.clone() }
    }
}

impl<S: Send + 'static, R: Send + 'static> Drop for End<S, R> {
    fn drop(&mut self) {
        // A world that is being torn down has no clock any more, and nobody to tell.
        if !rt::is_in_run() {
            return;
        }
        let unread = !lock(&self.incoming).is_empty();
        let mut socket = self.socket();
        socket.closed = true;
        let (reset, dead) = (unread || socket.no_linger, socket.dead.is_some());
        drop(socket);
        if dead {
        } else if reset {
            self.conn.socket(self.side).dead = Some(self.conn.network.recorder.scope().last());
            self.conn.lanes[self.side as usize].abort(Packet::<S>::Reset, self.arrival());
        } else {
            self.end();
        }
    }
}

impl Socket {
    /// Takes in what it has learned by now.
    fn collect(&mut self, now: SimTime) {
        while let Some(&(at, bytes)) = self.credits.front()
            && at <= now
        {
            self.outstanding -= bytes;
            self.credits.pop_front();
        }
    }
}

impl Conn {
    fn socket(&self, side: Side) -> MutexGuard<'_, Socket> {
        lock(&self.sockets[side as usize])
    }

    /// A connection is over at an end: it was reset, or nothing gets across any more.
    pub(crate) fn reset(&self, side: Side, why: io::ErrorKind, cause: EventId) {
        let mut socket = self.socket(side);
        if socket.dead.is_some() {
            return;
        }
        socket.dead = Some(cause);
        socket.error = Some(if socket.heard_end.is_some() { io::ErrorKind::BrokenPipe } else { why });
        socket.readers.wake_all();
        socket.writers.wake_all();
        drop(socket);
        self.lanes[side as usize].break_with(why);
    }

    /// Resets both ends at once, as a middlebox does that has forgotten the connection.
    pub(crate) fn kill(&self) {
        let cause = self.network.recorder.record(
            rt::now(),
            Kind::Close,
            self.links[0].subject,
            Duration::ZERO,
            u64::from(self.addresses[1].port()),
        );
        for side in [Side::Client, Side::Server] {
            self.reset(side, io::ErrorKind::ConnectionReset, cause);
        }
    }

    /// The kernel at this end says that it knows no such connection. May be called by a timer's callback.
    fn reset_by(self: &Arc<Conn>, side: Side, cause: EventId) {
        let (conn, link) = (self.clone(), self.links[side as usize].clone());
        let scope = Scope { node: self.links[side.other() as usize].target, cause, ..Scope::default() };
        self.network.in_kernel(scope, async move {
            let network = &conn.network;
            let cause = network.recorder.record(rt::now(), Kind::Send, link.subject, Duration::ZERO, 0);
            if let Some(latency) = link.attempt(network, conn.segment(0)) {
                rt::sleep(latency).await;
                let scope = Scope { node: link.target, cause, ..Scope::default() };
                let now = rt::now();
                let event = network.recorder.record_in(scope, now, Kind::Deliver, link.subject, latency, 0);
                conn.reset(side.other(), io::ErrorKind::ConnectionReset, event);
            }
        });
    }

    /// So much of the window was read at this end. The other is told when that is a sixteenth of the window, or all that it may send: less often
    /// than by TCP, whose every acknowledgement tells, and hardly later.
    fn was_read(self: &Arc<Conn>, side: Side, counts: u64) {
        let other = side.other();
        let window = self.windows[other as usize];
        let waits = self.socket(other).outstanding >= window;
        let mut socket = self.socket(side);
        socket.unread -= counts;
        socket.owed += counts;
        let worth_telling = socket.owed >= window / 16 || waits && socket.unread == 0;
        if !worth_telling || socket.dead.is_some() {
            return;
        }
        let owed = std::mem::take(&mut socket.owed);
        drop(socket);
        match self.links[side as usize].attempt(&self.network, self.segment(0)) {
            Some(latency) => self.credit(other, rt::now() + latency, owed),
            None => {
                let (conn, recorder) = (self.clone(), &self.network.recorder);
                self.network.in_kernel(recorder.scope(), async move { conn.tell_again(side, owed).await });
            }
        }
    }

    /// Tells the other end that there is room, again and again until that gets through.
    async fn tell_again(self: Arc<Conn>, side: Side, owed: u64) {
        let link = &self.links[side as usize];
        let mut patience = Retransmission::new();
        while let Ok(wait) = patience.next(link.latency_last() * 2) {
            rt::sleep(wait).await;
            if self.socket(side).dead.is_some() {
                return;
            }
            if let Some(latency) = link.attempt(&self.network, self.segment(0)) {
                return self.credit(side.other(), rt::now() + latency, owed);
            }
        }
    }

    /// This end learns at `at` that so many bytes were read.
    fn credit(&self, side: Side, at: SimTime, bytes: u64) {
        let mut socket = self.socket(side);
        let at = socket.credits.back().map_or(at, |&(last, _)| at.max(last));
        socket.credits.push_back((at, bytes));
        let wakers: Vec<_> = socket.writers.iter().cloned().collect();
        drop(socket);
        wakers.iter().for_each(|waker| rt::wake_at(at, waker));
    }

    /// Once both have said goodbye, whoever did so first keeps the ports for a while.
    fn settle(&self, last: Side) {
        let first = last.other();
        if !self.socket(first).said_end || self.socket(first).dead.is_some() {
            return;
        }
        let latency = self.links[last as usize].latency_last();
        let (host, local) = (self.hosts[first as usize], self.addresses[first as usize]);
        let remote = self.addresses[last as usize];
        if local.port() != 0 {
            let until = rt::now() + latency + TIME_WAIT;
            self.network.lock().ports.wait(host, local.port(), remote, until);
        }
    }

    /// Asks whether the other end is there, and what came of it.
    fn probe(&self, side: Side) -> Probe {
        let (there, back) = (&self.links[side as usize], &self.links[side.other() as usize]);
        let answer = there
            .attempt(&self.network, self.segment(0))
            .and_then(|latency| Some(latency + back.attempt(&self.network, self.segment(0))?));
        match answer {
            None => Probe::Unanswered,
            Some(_) if self.lanes[side as usize].receiver_is_another() => Probe::Unknown,
            Some(latency) => Probe::Answered(latency),
        }
    }

    fn segment(&self, bytes: u64) -> Segment {
        Segment { bytes, port: self.addresses[1].port() }
    }

    /// What both ends know, for who looks at the network.
    pub(crate) fn look(&self, side: Side) -> Look {
        // What was read is not outstanding, even if nobody has been told yet.
        let owed = self.socket(side.other()).owed;
        let socket = self.socket(side);
        let state = match (socket.dead.is_some(), socket.said_end, socket.heard_end.is_some()) {
            (true, ..) => "CLOSED",
            (_, false, false) => "ESTABLISHED",
            (_, false, true) => "CLOSE_WAIT",
            (_, true, false) => "FIN_WAIT",
            (_, true, true) => "CLOSING",
        };
        let told = socket.credits.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let (unread, outstanding) = (socket.unread, socket.outstanding - told - owed);
        let (here, there) = (side as usize, side.other() as usize);
        Look {
            hosts: [self.hosts[here], self.hosts[there]],
            addresses: [self.addresses[here], self.addresses[there]],
            state,
            unread,
            outstanding,
            held: !socket.closed,
        }
    }

    /// The names of its hosts.
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.links[0].names.0, &self.links[0].names.1)
    }
}

/// What came of a probe.
enum Probe {
    Unanswered,
    /// The other end knows no such connection.
    Unknown,
    Answered(Duration),
}

/// Probes whether the other end is there, as long as nothing comes from it; until the connection ends or `probing` is not the last
/// wish any more.
async fn keep_alive(conn: Weak<Conn>, side: Side, keepalive: Keepalive, probing: u32) {
    let mut unanswered = 0;
    let mut due = rt::now() + keepalive.time;
    loop {
        rt::sleep_until(due).await;
        let Some(conn) = conn.upgrade() else { return };
        let mut socket = conn.socket(side);
        if socket.dead.is_some() || socket.closed || socket.probing != probing {
            return;
        }
        let idle_until = socket.heard_last + keepalive.time;
        if idle_until > rt::now() {
            (due, unanswered) = (idle_until, 0);
            continue;
        }
        let cause = conn.network.recorder.scope().last();
        if unanswered == keepalive.retries {
            drop(socket);
            return conn.reset(side, io::ErrorKind::TimedOut, cause);
        }
        drop(socket);
        match conn.probe(side) {
            Probe::Unanswered => unanswered += 1,
            Probe::Unknown => return conn.reset(side, io::ErrorKind::ConnectionReset, cause),
            Probe::Answered(latency) => {
                socket = conn.socket(side);
                socket.heard_last = rt::now() + latency;
            }
        }
        due = rt::now() + keepalive.interval;
    }
}

/// One end of a connection, looked at.
pub(crate) struct Look {
    pub(crate) hosts: [HostId; 2],
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) state: &'static str,
    pub(crate) unread: u64,
    pub(crate) outstanding: u64,
    /// Whether a process holds it.
    pub(crate) held: bool,
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.network.forget(self.number, self.hosts, self.addresses);
    }
}

/// What happens to what arrives at an end.
struct Arrival<T> {
    conn: Arc<Conn>,
    at: Side,
    queue: Arc<Mutex<VecDeque<(T, EventId)>>>,
}

impl<T: Send + 'static> Arrive<Packet<T>> for Arrival<T> {
    fn arrive(&self, packet: Packet<T>, at: SimTime, cause: EventId) {
        let mut socket = self.conn.socket(self.at);
        socket.heard_last = at;
        match packet {
            Packet::Established(hand_over) => {
                drop(socket);
                hand_over(cause);
            }
            Packet::Data(value, _) if socket.closed || socket.dead.is_some() => {
                drop(socket);
                self.conn.network.bury(value);
                self.conn.reset_by(self.at, cause);
            }
            Packet::Data(value, bytes) => {
                socket.unread += bytes;
                lock(&self.queue).push_back((value, cause));
                socket.readers.wake_all();
            }
            Packet::End => {
                socket.heard_end = Some(cause);
                socket.readers.wake_all();
            }
            Packet::Reset => {
                drop(socket);
                self.conn.reset(self.at, io::ErrorKind::ConnectionReset, cause);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl<S: Send + 'static, R: Send + 'static> fmt::Debug for Backlog<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog").field("waiting", &self.incoming.len()).finish_non_exhaustive()
    }
}

impl<S: Send + 'static, R: Send + 'static> fmt::Debug for End<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("local", &self.local()).field("peer", &self.peer()).finish()
    }
}
