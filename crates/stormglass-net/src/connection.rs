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
    half: Half<S>,
    receiver: Receiver<Packet<R>>,
    peer_gone: Arc<AtomicBool>,
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
    /// `ConnectionRefused` after a round trip if nobody listens; `InvalidData` if the listener has other types.
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
        let (client_gone, server_gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let incoming = Incoming {
            from: self.address(0),
            half: self.half(to.host, self.id, to_client, &server_gone),
            receiver: server_receiver,
            peer_gone: client_gone.clone(),
        };
        listener.send(incoming);
        Ok(Connection {
            peer: to,
            half: self.half(self.id, to.host, to_server, &client_gone),
            receiver: client_receiver,
            peer_gone: server_gone,
        })
    }

    fn half<T: Send + 'static>(
        &self,
        from: HostId,
        to: HostId,
        sender: Sender<Packet<T>>,
        peer_gone: &Arc<AtomicBool>,
    ) -> Half<T> {
        let shared = self.shared();
        let lane = Lane::new(shared, shared.link(from, to));
        Half { lane, inbox: Inbox { sender, peer_gone: peer_gone.clone() } }
    }
}

impl<R: Send + 'static, S: Send + 'static> Listener<R, S> {
    /// The next connection.
    pub async fn accept(&mut self) -> Connection<S, R> {
        let incoming = self.incoming.recv().await.expect("the network holds a sender while the port is bound");
        Connection {
            peer: incoming.from,
            half: incoming.half,
            receiver: incoming.receiver,
            peer_gone: incoming.peer_gone,
        }
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
pub struct Connection<S: Send + 'static, R> {
    peer: Address,
    half: Half<S>,
    receiver: Receiver<Packet<R>>,
    peer_gone: Arc<AtomicBool>,
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
    /// `BrokenPipe` once the peer's closing has arrived.
    pub fn send(&self, message: S) -> io::Result<()> {
        if self.peer_gone.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.half.lane.send(Packet::Data(message), self.half.inbox.clone());
        Ok(())
    }

    /// The next message, or `None` when the peer has closed.
    pub async fn recv(&mut self) -> Option<R> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Connection::recv`], for hand-written selections.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        match ready!(self.receiver.poll_recv(context)) {
            Some(Packet::Data(message)) => Poll::Ready(Some(message)),
            Some(Packet::Close) | None => Poll::Ready(None),
        }
    }
}

impl<S: Send + 'static, R> fmt::Debug for Connection<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).field("peer_gone", &self.peer_gone).finish()
    }
}

/// The sending half; it says goodbye when it goes.
struct Half<S: Send + 'static> {
    lane: Lane,
    inbox: Inbox<S>,
}

impl<S: Send + 'static> Drop for Half<S> {
    fn drop(&mut self) {
        // A world that is being torn down has no clock any more, and nobody to tell.
        if stormglass_rt::clock::running() {
            self.lane.send(Packet::Close, self.inbox.clone());
        }
    }
}

struct Inbox<T> {
    sender: Sender<Packet<T>>,
    /// Set on the receiving side when the closing arrives there.
    peer_gone: Arc<AtomicBool>,
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Inbox<T> {
        Inbox { sender: self.sender.clone(), peer_gone: self.peer_gone.clone() }
    }
}

impl<T: Send + 'static> Arrive<Packet<T>> for Inbox<T> {
    fn arrive(&self, packet: Packet<T>, cause: EventId) {
        if matches!(packet, Packet::Close) {
            self.peer_gone.store(true, Ordering::Relaxed);
        }
        self.sender.send_from(packet, cause);
    }
}
