//! Ordered streams of messages.

use crate::handshake::{LocalPort, Target};
use crate::keepalive::Keepalive;
use crate::network::{Address, Host};
use crate::ports::Protocol;
use crate::socket::{Backlog, End, Ends, Read, UNBOUNDED, establish};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use stormglass_core::EventId;

/// A port that accepts connections on which it receives `R` and sends `S`.
///
/// Connecting succeeds from the moment it is bound, whether or not anyone accepts: the kernel does that.
#[derive(Debug)]
pub struct Listener<R: Send + 'static, S: Send + 'static> {
    host: Host,
    address: Address,
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
        let port = self.shared().bind(Protocol::Stream, self.id, (None, port), true, backlog.clone())?;
        Ok(Listener { host: self.clone(), address: self.address(port), backlog })
    }

    /// Connects, to send `S` and receive `R`. Costs a round trip and the profile's handshake.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` after a round trip if nobody listens; `TimedOut` after 127 s if nothing gets through;
    /// `InvalidData` if the listener has other types; `AddrNotAvailable` if all ports towards the address are in use.
    pub async fn connect<S: Send + 'static, R: Send + 'static>(
        &self,
        to: Address,
    ) -> io::Result<Connection<S, R>> {
        self.connect_bounded(to, UNBOUNDED).await
    }

    /// As [`Host::connect`], with at most so many messages on the way and unread in each direction: one more is refused to its
    /// sender as a full queue would, with `WouldBlock`. At least 1.
    ///
    /// # Errors
    ///
    /// As [`Host::connect`].
    ///
    /// # Panics
    ///
    /// When `messages` is 0.
    pub async fn connect_bounded<S: Send + 'static, R: Send + 'static>(
        &self,
        to: Address,
        messages: u64,
    ) -> io::Result<Connection<S, R>> {
        assert!(messages > 0, "a queue of no messages takes none");
        let shared = self.shared();
        let remote = SocketAddr::new(shared.ip(to.host), to.port);
        let port = LocalPort::take(shared, self.id, 0, remote)?;
        let target = Target { host: to.host, ip: None, port: to.port };
        let round_trips = shared.profile.handshake_round_trips;
        let backlog = shared.shake_hands::<Backlog<R, S>>(self.id, target, round_trips).await?;
        let local = SocketAddr::new(shared.ip(self.id), port.keep());
        let (hosts, windows) = ([self.id, to.host], [messages; 2]);
        let ends = Ends { hosts, addresses: [local, remote], windows, same_kernel: false };
        Ok(Connection(establish(shared, ends, backlog)))
    }
}

impl<R: Send + 'static, S: Send + 'static> Listener<R, S> {
    /// The next connection.
    pub async fn accept(&mut self) -> Connection<S, R> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// As [`Listener::accept`], for hand-written selections.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Connection<S, R>> {
        self.backlog.poll_accept(context, self.host.network().recorder()).map(Connection)
    }

    /// The address to connect to.
    pub fn address(&self) -> Address {
        self.address
    }
}

impl<R: Send + 'static, S: Send + 'static> Drop for Listener<R, S> {
    fn drop(&mut self) {
        self.backlog.close();
        self.host.shared().unbind(Protocol::Stream, self.host.id, (None, self.address.port));
    }
}

/// One side of an established connection: sends `S`, receives `R`, both in order. Dropping it tells the peer
/// one latency later, after everything that was sent before; dropping it with messages unread resets it, as TCP does.
#[derive(Debug)]
pub struct Connection<S: Send + 'static, R: Send + 'static>(End<S, R>);

impl<S: Send + 'static, R: Send + 'static> Connection<S, R> {
    /// The address at the other end.
    pub fn peer(&self) -> Address {
        Address { host: self.0.peer_host(), port: self.0.peer().port() }
    }

    /// Sends a message and goes on at once.
    ///
    /// # Errors
    ///
    /// `TimedOut` or `ConnectionReset` once the connection is broken, `BrokenPipe` from then on; `WouldBlock` if it is bounded and
    /// full.
    pub fn send(&self, message: S) -> io::Result<()> {
        self.send_sized(message, 0)
    }

    /// As [`Connection::send`], a message of so many bytes: it takes its turn on the line and the time that they need there.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_sized(&self, message: S, bytes: u64) -> io::Result<()> {
        Sends::send(&self.0, message, bytes)
    }

    /// The next message, or `None` when the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Connection::recv`], for hand-written selections.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        self.0.poll_recv(context)
    }

    /// Has the connection probed while nothing comes from the peer, so that one that has vanished is noticed: receiving then ends and
    /// sending fails. `None` for never, which is the default.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.0.set_keepalive(keepalive);
    }

    /// The two directions apart. The peer sees the end of the stream when the sending half is dropped, and may go on to send; the connection
    /// is closed when both are.
    pub fn into_split(self) -> (SendHalf<S>, RecvHalf<R>) {
        let end = Arc::new(self.0);
        (SendHalf(end.clone()), RecvHalf(end))
    }
}

/// The sending half of a [`Connection`]; it says goodbye when it goes.
pub struct SendHalf<S>(Arc<dyn Sends<S>>);

impl<S> SendHalf<S> {
    /// Sends a message and goes on at once.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&self, message: S) -> io::Result<()> {
        self.send_sized(message, 0)
    }

    /// As [`SendHalf::send`], a message of so many bytes: it takes its turn on the line and the time that they need there.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_sized(&self, message: S, bytes: u64) -> io::Result<()> {
        self.0.send(message, bytes)
    }

    /// Takes a message's place in the queue, for one that is sent later, by another task perhaps.
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

/// A message's place in the queue of a connection ([`SendHalf::try_reserve`]); dropping it gives it back.
pub struct Permit<S> {
    half: Arc<dyn Sends<S>>,
    /// What it has of the window, until that is used.
    counts: Option<u64>,
}

impl<S> Permit<S> {
    /// Sends the message. On a connection that is broken by now it is lost.
    pub fn send(mut self, message: S) {
        let counts = self.counts.take().expect("used once");
        self.half.send_reserved(message, counts);
    }
}

impl<S> Drop for Permit<S> {
    fn drop(&mut self) {
        if let Some(counts) = self.counts {
            self.half.give_back(counts);
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
        self.0.end();
    }
}

impl<S> fmt::Debug for SendHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").finish_non_exhaustive()
    }
}

/// The receiving half of a [`Connection`].
pub struct RecvHalf<R>(Arc<dyn Receives<R>>);

impl<R> RecvHalf<R> {
    /// The next message, or `None` when the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`RecvHalf::recv`], for hand-written selections.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        self.0.poll_recv(context)
    }
}

impl<R> fmt::Debug for RecvHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvHalf").finish_non_exhaustive()
    }
}

/// What a sending half needs of its connection, whatever that receives.
trait Sends<S>: Send + Sync {
    fn send(&self, message: S, bytes: u64) -> io::Result<()>;
    fn try_reserve(&self) -> io::Result<u64>;
    fn send_reserved(&self, message: S, counts: u64);
    fn give_back(&self, counts: u64);
    fn end(&self);
}

/// What a receiving half needs of its connection, whatever that sends.
trait Receives<R>: Send + Sync {
    fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Option<R>>;
}

impl<S: Send + 'static, R: Send + 'static> Sends<S> for End<S, R> {
    fn send(&self, message: S, bytes: u64) -> io::Result<()> {
        let counts = self.try_reserve()?;
        End::send_reserved(self, message, bytes, counts);
        Ok(())
    }

    fn try_reserve(&self) -> io::Result<u64> {
        match self.poll_room(None) {
            Poll::Ready(room) => room?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        };
        Ok(self.reserve(1))
    }

    fn send_reserved(&self, message: S, counts: u64) {
        End::send_reserved(self, message, 0, counts);
    }

    fn give_back(&self, counts: u64) {
        End::give_back(self, counts);
    }

    fn end(&self) {
        End::end(self);
    }
}

impl<S: Send + 'static, R: Send + 'static> Receives<R> for End<S, R> {
    fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Option<R>> {
        let first = |queue: &mut VecDeque<(R, EventId)>| (queue.pop_front().expect("polled").0, 1);
        self.poll_read(Some(context), first).map(|read| match read {
            Ok(Read::Some(message)) => Some(message),
            Ok(Read::End) => None,
            Err(error) => {
                self.tell_later(&error);
                None
            }
        })
    }
}
