//! One-way messages of any type.

use crate::address::Address;
use crate::bound_port::BoundPort;
use crate::datagram;
use crate::delivery::Destination;
use crate::fault::Segment;
use crate::host::Host;
use crate::network::Shared;
use crate::ports::{At, Protocol};
use std::io;
use std::sync::Arc;
use stormglass_core::{EventId, SimTime};
use stormglass_rt::channel::{self, Receiver, Sender};

/// A bound port for messages of one type. Messages may overtake each other, and a fault may
/// duplicate one; a message to a port that is not bound is lost, as a datagram is.
#[derive(Debug)]
pub struct Endpoint<T> {
    bound: BoundPort,
    host: Host,
    inbox: Receiver<(Address, T)>,
}

impl Host {
    /// Binds a port for messages of type `T`, or an ephemeral one if it is 0.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn bind<T: Clone + Send + 'static>(&self, port: u16) -> io::Result<Endpoint<T>> {
        let (sender, inbox) = channel::channel::<(Address, T)>(&self.shared().recorder);
        let bound = self.bind_port(Protocol::Datagram, port, false, Arc::new(sender))?;
        Ok(Endpoint { bound, host: self.clone(), inbox })
    }
}

impl<T: Clone + Send + 'static> Endpoint<T> {
    /// The address to send to.
    pub fn address(&self) -> Address {
        self.host.address(self.bound.port())
    }

    /// Sends a message without waiting.
    pub fn send_to(&self, to: Address, message: T) {
        self.send_sized_to(to, message, 0);
    }

    /// Sends a message as [`Endpoint::send_to`] does, of this size in bytes: it takes the
    /// transmission time on the line too.
    pub fn send_sized_to(&self, to: Address, message: T, bytes: u64) {
        let shared = self.host.shared();
        let link = shared.link(self.host.id, to.host);
        let port = Port { network: shared.clone(), address: to };
        let segment = Segment { bytes, port: to.port };
        // A corrupted message fails its checksum: a value has no bits to flip.
        datagram::send(shared, &link, (self.address(), message), segment, port, |_, _| false);
    }

    /// Waits for the next message; returns it and its sender's address.
    pub async fn recv_from(&mut self) -> (T, Address) {
        let (from, message) =
            self.inbox.recv().await.expect("the network holds a sender while the port is bound");
        (message, from)
    }
}

/// A port as a destination. Its owner is looked up on arrival, not when the message is sent.
#[derive(Clone)]
struct Port {
    network: Arc<Shared>,
    address: Address,
}

impl<T: Send + 'static> Destination<(Address, T)> for Port {
    fn deliver(&self, message: (Address, T), _: SimTime, cause: EventId) {
        let Address { host, port } = self.address;
        match self.network.inbox::<Sender<(Address, T)>>(Protocol::Datagram, host, At::Host, port) {
            Ok(Some(inbox)) => inbox.send_from(message, cause),
            Ok(None) | Err(_) => self.network.drop_later(message),
        }
    }
}
