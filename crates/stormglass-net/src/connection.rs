//! Connections: ordered streams of messages of any type.

use crate::address::Address;
use crate::backlog::{Backlog, establish};
use crate::bound_port::BoundPort;
use crate::handshake::{LocalPort, Target};
use crate::host::Host;
use crate::keepalive::Keepalive;
use crate::ports::{At, Protocol};
use crate::socket_pair::{Ends, UNBOUNDED};
use crate::stream_socket::{Read, StreamSocket};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_core::EventId;
use stormglass_rt::coop;

/// A listening port whose connections receive `R` and send `S`.
///
/// Connecting succeeds from the moment the port is bound, whether or not the process accepts: the
/// kernel completes handshakes.
#[derive(Debug)]
pub struct Listener<R: Send + 'static, S: Send + 'static> {
    host: Host,
    bound: BoundPort,
    backlog: Arc<Backlog<S, R>>,
}

impl Host {
    /// Binds a port for connections.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn listen<R: Send + 'static, S: Send + 'static>(&self, port: u16) -> io::Result<Listener<R, S>> {
        let backlog = Backlog::<S, R>::new(usize::MAX);
        let bound = self.bind_port(Protocol::Stream, port, true, backlog.clone())?;
        Ok(Listener { host: self.clone(), bound, backlog })
    }

    /// Connects, to send `S` and receive `R`. Takes a round trip and the profile's handshake.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` after a round trip if the port does not listen; `TimedOut` after 127 s
    /// if all SYNs are lost; `InvalidData` if the listener has other types; `AddrNotAvailable` if
    /// all ephemeral ports towards the address are in use.
    pub async fn connect<S: Send + 'static, R: Send + 'static>(
        &self,
        to: Address,
    ) -> io::Result<Connection<S, R>> {
        self.connect_bounded(to, UNBOUNDED).await
    }

    /// Connects as [`Host::connect`] does, with at most this many messages (at least 1) in transit
    /// and unread in each direction: sending one more fails with `WouldBlock`, as with a full
    /// queue.
    ///
    /// # Errors
    ///
    /// As [`Host::connect`].
    ///
    /// # Panics
    ///
    /// If `messages` is 0.
    pub async fn connect_bounded<S: Send + 'static, R: Send + 'static>(
        &self,
        to: Address,
        messages: u64,
    ) -> io::Result<Connection<S, R>> {
        assert!(messages > 0, "connect_bounded: a queue of 0 messages cannot send any; at least 1");
        let shared = self.shared();
        let remote = SocketAddr::new(shared.ip(to.host), to.port);
        let port = LocalPort::reserve(shared, self.id, 0, remote)?;
        let target = Target { host: to.host, at: At::Host, port: to.port, flow: 0 };
        let round_trips = shared.profile.handshake_round_trips;
        let (_, backlog) = shared.handshake::<Backlog<R, S>>(self.id, target, round_trips).await?;
        let local = SocketAddr::new(shared.ip(self.id), port.take());
        let (hosts, windows) = ([self.id, to.host], [messages; 2]);
        let ends = Ends { hosts, addresses: [local, remote], windows, same_kernel: false };
        Ok(Connection(establish(shared, ends, backlog)))
    }
}

impl<R: Send + 'static, S: Send + 'static> Listener<R, S> {
    /// Waits for the next connection.
    pub async fn accept(&mut self) -> Connection<S, R> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls for the next connection, for hand-written futures.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Connection<S, R>> {
        self.backlog.poll_accept(context, self.host.network().recorder()).map(Connection)
    }

    /// The address to connect to.
    pub fn address(&self) -> Address {
        self.host.address(self.bound.port())
    }
}

impl<R: Send + 'static, S: Send + 'static> Drop for Listener<R, S> {
    fn drop(&mut self) {
        self.backlog.close();
    }
}

/// One end of an established connection: sends `S`, receives `R`, both in order. Dropping it
/// closes it: the peer receives a FIN after all messages that were sent before. Dropping it with
/// unread messages resets the connection, as TCP does.
#[derive(Debug)]
pub struct Connection<S: Send + 'static, R: Send + 'static>(StreamSocket<S, R>);

impl<S: Send + 'static, R: Send + 'static> Connection<S, R> {
    /// The address of the other end.
    pub fn peer(&self) -> Address {
        Address { host: self.0.peer_host(), port: self.0.peer().port() }
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    ///
    /// `TimedOut` or `ConnectionReset`, once, if the connection is broken, and `BrokenPipe` from
    /// then on; `WouldBlock` if it is bounded and full.
    pub fn send(&self, message: S) -> io::Result<()> {
        self.send_sized(message, 0)
    }

    /// Sends a message as [`Connection::send`] does, of this size in bytes: it takes the
    /// transmission time on the line too.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_sized(&self, message: S, bytes: u64) -> io::Result<()> {
        MessageSender::send(&self.0, message, bytes)
    }

    /// Waits for the next message; returns `None` after the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Polls for the next message, for hand-written futures.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        self.0.poll_recv(context)
    }

    /// Sets keepalive: the kernel probes the peer while the connection is idle, and so detects
    /// that it has gone; receiving then ends and sending fails. `None` for no probes, which is the
    /// default.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.0.set_keepalive(keepalive);
    }

    /// Splits the connection into its two directions. When the sending half is dropped, the peer
    /// sees the end of the stream, and may still send; when both are dropped, the connection is
    /// closed.
    pub fn into_split(self) -> (SendHalf<S>, RecvHalf<R>) {
        let end = Arc::new(self.0);
        (SendHalf(end.clone()), RecvHalf(end))
    }
}

/// The sending half of a [`Connection`]; dropping it sends a FIN.
pub struct SendHalf<S>(Arc<dyn MessageSender<S>>);

impl<S> SendHalf<S> {
    /// Sends a message without waiting.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&self, message: S) -> io::Result<()> {
        self.send_sized(message, 0)
    }

    /// Sends a message as [`SendHalf::send`] does, of this size in bytes: it takes the
    /// transmission time on the line too.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_sized(&self, message: S, bytes: u64) -> io::Result<()> {
        self.0.send(message, bytes)
    }

    /// Reserves capacity for one message, which may be sent later and by another task.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let mut listener = network.host("server").listen::<u32, ()>(80).unwrap();
    ///     let to = network.host("server").address(80);
    ///     let connection = network.host("client").connect_bounded::<u32, ()>(to, 1).await.unwrap();
    ///     let (sender, _receiver) = connection.into_split();
    ///     let permit = sender.try_reserve().unwrap();
    ///     assert_eq!(sender.send(2).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    ///     permit.send(1);
    ///     assert_eq!(listener.accept().await.recv().await, Some(1));
    ///     stormglass_rt::sleep(std::time::Duration::from_secs(1)).await;
    ///     drop(sender.try_reserve().unwrap());
    ///     sender.send(2).unwrap();
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn try_reserve(&self) -> io::Result<Permit<S>> {
        let counts = self.0.try_reserve()?;
        Ok(Permit { half: self.0.clone(), counts: Some(counts) })
    }
}

/// Reserved capacity for one message ([`SendHalf::try_reserve`]); dropping it releases the
/// capacity.
pub struct Permit<S> {
    half: Arc<dyn MessageSender<S>>,
    /// How much of the window is reserved, until it is used.
    counts: Option<u64>,
}

impl<S> Permit<S> {
    /// Sends the message. If the connection is broken by now, the message is lost.
    pub fn send(mut self, message: S) {
        let counts = self.counts.take().expect("used once");
        self.half.send_reserved(message, counts);
    }
}

impl<S> Drop for Permit<S> {
    fn drop(&mut self) {
        if let Some(counts) = self.counts {
            self.half.cancel_reservation(counts);
        }
    }
}

impl<S> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<S> Drop for SendHalf<S> {
    fn drop(&mut self) {
        self.0.shutdown_write();
    }
}

impl<S> fmt::Debug for SendHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").finish_non_exhaustive()
    }
}

/// The receiving half of a [`Connection`].
pub struct RecvHalf<R>(Arc<dyn MessageReceiver<R>>);

impl<R> RecvHalf<R> {
    /// Waits for the next message; returns `None` after the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Polls for the next message, for hand-written futures.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        self.0.poll_recv(context)
    }
}

impl<R> fmt::Debug for RecvHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvHalf").finish_non_exhaustive()
    }
}

/// The sending side of a connection, independent of the type that it receives.
trait MessageSender<S>: Send + Sync {
    fn send(&self, message: S, bytes: u64) -> io::Result<()>;
    fn try_reserve(&self) -> io::Result<u64>;
    fn send_reserved(&self, message: S, counts: u64);
    fn cancel_reservation(&self, counts: u64);
    fn shutdown_write(&self);
}

/// The receiving side of a connection, independent of the type that it sends.
trait MessageReceiver<R>: Send + Sync {
    fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Option<R>>;
}

impl<S: Send + 'static, R: Send + 'static> MessageSender<S> for StreamSocket<S, R> {
    fn send(&self, message: S, bytes: u64) -> io::Result<()> {
        let counts = self.try_reserve()?;
        StreamSocket::send_reserved(self, message, bytes, counts);
        Ok(())
    }

    fn try_reserve(&self) -> io::Result<u64> {
        coop::count_try();
        match self.poll_send_window(None) {
            Poll::Ready(window) => window?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        };
        Ok(self.reserve(1))
    }

    fn send_reserved(&self, message: S, counts: u64) {
        StreamSocket::send_reserved(self, message, 0, counts);
    }

    fn cancel_reservation(&self, counts: u64) {
        StreamSocket::cancel_reservation(self, counts);
    }

    fn shutdown_write(&self) {
        StreamSocket::shutdown_write(self);
    }
}

impl<S: Send + 'static, R: Send + 'static> MessageReceiver<R> for StreamSocket<S, R> {
    fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Option<R>> {
        let first = |queue: &mut VecDeque<(R, EventId)>| (queue.pop_front().expect("polled").0, 1);
        let read = coop::poll_within_budget(context, |context| self.poll_read(Some(context), first));
        read.map(|read| match read {
            Ok(Read::Some(message)) => Some(message),
            Ok(Read::End) => None,
            Err(error) => {
                self.store_error(&error);
                None
            }
        })
    }
}
