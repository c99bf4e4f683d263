//! Ordered streams of messages.

use crate::lane::{Arrive, Lane};
use crate::network::{Address, Host, HostId, Protocol};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use stormglass_core::EventId;
use stormglass_rt::channel::{self, Receiver, Sender};

/// A port that accepts connections on which it receives `R` and sends `S`.
///
/// Connecting succeeds from the moment it is bound, whether or not anyone accepts: the kernel does that.
#[derive(Debug)]
pub struct Listener<R, S: Send + 'static> {
    host: Host,
    address: Address,
    incoming: Receiver<Incoming<R, S>>,
}

/// The accepting side of a connection that nobody has accepted yet.
struct Incoming<R, S: Send + 'static> {
    from: Address,
    sender: SendHalf<S>,
    receiver: RecvHalf<R>,
}

impl Host {
    /// Binds a port for connections.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn listen<R: Send + 'static, S: Send + 'static>(&self, port: u16) -> io::Result<Listener<R, S>> {
        let (sender, incoming) = channel::channel::<Incoming<R, S>>(&self.shared().recorder);
        let address = self.address(port);
        self.shared().bind(Protocol::Stream, address, Arc::new(sender))?;
        Ok(Listener { host: self.clone(), address, incoming })
    }

    /// Connects, to send `S` and receive `R`. Costs a round trip and the profile's handshake.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` after a round trip if nobody listens; `TimedOut` after 127 s if nothing gets through;
    /// `InvalidData` if the listener has other types.
    pub async fn connect<S: Send + 'static, R: Send + 'static>(
        &self,
        to: Address,
    ) -> io::Result<Connection<S, R>> {
        let shared = self.shared();
        let listener = shared.shake_hands::<Sender<Incoming<S, R>>>(self.id, to).await?;
        if listener.is_closed() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let (to_server, server_receiver) = channel::channel::<Packet<S>>(&shared.recorder);
        let (to_client, client_receiver) = channel::channel::<Packet<R>>(&shared.recorder);
        let (client_sees_end, server_sees_end) = (Arc::default(), Arc::default());
        let server = self.half(to.host, self.id, to_client.clone(), &client_sees_end, &server_sees_end);
        let client = self.half(self.id, to.host, to_server.clone(), &server_sees_end, &client_sees_end);
        // Whoever cannot get anything across any more reads the end of the connection too.
        server.lane.when_broken(move || to_server.send(Packet::Close));
        client.lane.when_broken(move || to_client.send(Packet::Close));
        listener.send(Incoming {
            from: self.address(0),
            sender: server,
            receiver: RecvHalf(server_receiver),
        });
        Ok(Connection { peer: to, sender: client, receiver: RecvHalf(client_receiver) })
    }

    fn half<T: Send + 'static>(
        &self,
        from: HostId,
        to: HostId,
        sender: Sender<Packet<T>>,
        there_sees_end: &Arc<AtomicBool>,
        here_sees_end: &Arc<AtomicBool>,
    ) -> SendHalf<T> {
        let shared = self.shared();
        SendHalf {
            lane: Lane::new(shared, shared.link(from, to)),
            inbox: Inbox { sender, sees_end: there_sees_end.clone() },
            peer_gone: here_sees_end.clone(),
        }
    }
}

impl<R: Send + 'static, S: Send + 'static> Listener<R, S> {
    /// The next connection.
    pub async fn accept(&mut self) -> Connection<S, R> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// As [`Listener::accept`], for hand-written selections.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Connection<S, R>> {
        let incoming = ready!(self.incoming.poll_recv(context));
        let incoming = incoming.expect("the network holds a sender while the port is bound");
        Poll::Ready(Connection { peer: incoming.from, sender: incoming.sender, receiver: incoming.receiver })
    }
}

impl<R, S: Send + 'static> Drop for Listener<R, S> {
    fn drop(&mut self) {
        self.host.shared().unbind(Protocol::Stream, self.address);
    }
}

enum Packet<T> {
    Data(T),
    Close,
}

/// One side of an established connection: sends `S`, receives `R`, both in order. Dropping it tells the peer
/// one latency later, after everything that was sent before.
#[derive(Debug)]
pub struct Connection<S: Send + 'static, R> {
    peer: Address,
    sender: SendHalf<S>,
    receiver: RecvHalf<R>,
}

impl<S: Send + 'static, R> Connection<S, R> {
    /// The address at the other end.
    pub fn peer(&self) -> Address {
        self.peer
    }

    /// Sends a message and goes on at once.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` once the peer's closing has arrived; `TimedOut` or `ConnectionReset` once the
    /// connection is broken.
    pub fn send(&self, message: S) -> io::Result<()> {
        self.sender.send(message)
    }

    /// As [`Connection::send`], a message of so many bytes: it takes its turn on the line and the time that they need there.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_sized(&self, message: S, bytes: u64) -> io::Result<()> {
        self.sender.send_sized(message, bytes)
    }

    /// The next message, or `None` when the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        self.receiver.recv().await
    }

    /// As [`Connection::recv`], for hand-written selections.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        self.receiver.poll_recv(context)
    }

    /// The two directions apart. The peer sees the connection closed when the sending half is dropped.
    pub fn into_split(self) -> (SendHalf<S>, RecvHalf<R>) {
        (self.sender, self.receiver)
    }
}

/// The sending half of a [`Connection`]; it says goodbye when it goes.
pub struct SendHalf<S: Send + 'static> {
    lane: Lane,
    inbox: Inbox<S>,
    /// Set on this side when the peer's closing arrives here.
    peer_gone: Arc<AtomicBool>,
}

impl<S: Send + 'static> SendHalf<S> {
    /// Sends a message and goes on at once.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` once the peer's closing has arrived; `TimedOut` or `ConnectionReset` once the
    /// connection is broken.
    pub fn send(&self, message: S) -> io::Result<()> {
        self.send_sized(message, 0)
    }

    /// As [`SendHalf::send`], a message of so many bytes: it takes its turn on the line and the time that they need there.
    ///
    /// # Errors
    ///
    /// As [`SendHalf::send`].
    pub fn send_sized(&self, message: S, bytes: u64) -> io::Result<()> {
        if let Some(why) = self.lane.broken() {
            return Err(why.into());
        }
        if self.peer_gone.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.lane.send(Packet::Data(message), bytes, self.inbox.clone());
        Ok(())
    }
}

impl<S: Send + 'static> Drop for SendHalf<S> {
    fn drop(&mut self) {
        // A world that is being torn down has no clock any more, and nobody to tell.
        if stormglass_rt::clock::running() {
            self.lane.send(Packet::Close, 0, self.inbox.clone());
        }
    }
}

impl<S: Send + 'static> fmt::Debug for SendHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("peer_gone", &self.peer_gone).finish_non_exhaustive()
    }
}

/// The receiving half of a [`Connection`].
pub struct RecvHalf<R>(Receiver<Packet<R>>);

impl<R> RecvHalf<R> {
    /// The next message, or `None` when the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`RecvHalf::recv`], for hand-written selections.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        match ready!(self.0.poll_recv(context)) {
            Some(Packet::Data(message)) => Poll::Ready(Some(message)),
            Some(Packet::Close) | None => Poll::Ready(None),
        }
    }
}

impl<R> fmt::Debug for RecvHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvHalf").finish_non_exhaustive()
    }
}

struct Inbox<T> {
    sender: Sender<Packet<T>>,
    /// Set on the receiving side when the closing arrives there.
    sees_end: Arc<AtomicBool>,
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Inbox<T> {
        Inbox { sender: self.sender.clone(), sees_end: self.sees_end.clone() }
    }
}

impl<T: Send + 'static> Arrive<Packet<T>> for Inbox<T> {
    fn arrive(&self, packet: Packet<T>, cause: EventId) {
        if matches!(packet, Packet::Close) {
            self.sees_end.store(true, Ordering::Relaxed);
        }
        self.sender.send_from(packet, cause);
    }
}
