//! Request and response.

use crate::delayed_ack::DelayedAck;
use crate::handshake::{Accepts, Target};
use crate::lane::{Arrive, Lane};
use crate::network::{Address, Host, Shared};
use crate::ports::Protocol;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::{EventId, Kind, SimTime, Symbol};
use stormglass_rt as rt;
use stormglass_rt::channel::{self, Receiver, Sender};

/// A port that answers calls. Calls are accepted from the moment it is bound and wait until they are taken:
/// a server that bound its socket early lets its clients hang, it does not refuse them.
#[derive(Debug)]
pub struct Service<Q, A> {
    host: Host,
    address: Address,
    calls: Receiver<Call<Q, A>>,
}

impl Host {
    /// Binds a port that answers `Q` with `A`.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn serve<Q: Send + 'static, A: Send + 'static>(&self, port: u16) -> io::Result<Service<Q, A>> {
        let (sender, calls) = channel::channel::<Call<Q, A>>(&self.shared().recorder);
        let owner = Arc::new(Door(sender));
        let port = self.shared().bind(Protocol::Stream, self.id, (None, port), true, owner)?;
        Ok(Service { host: self.clone(), address: self.address(port), calls })
    }

    /// A channel to a service. It connects with its first call and again after a failure.
    pub fn channel<Q: Send + 'static, A: Send + 'static>(&self, to: Address) -> Channel<Q, A> {
        Channel { host: self.clone(), to, connected: Mutex::new(None) }
    }
}

impl<Q, A> Service<Q, A> {
    /// The next call. Never `None` while the service lives; the option is there for `while let`.
    pub async fn next(&mut self) -> Option<Call<Q, A>> {
        self.calls.recv().await
    }

    /// As [`Service::next`], for hand-written selections.
    pub fn poll_next(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Call<Q, A>>> {
        self.calls.poll_recv(context)
    }

    /// The port's address.
    pub fn address(&self) -> Address {
        self.address
    }
}

impl<Q, A> Drop for Service<Q, A> {
    fn drop(&mut self) {
        self.host.shared().unbind(Protocol::Stream, self.address.host, (None, self.address.port));
    }
}

/// A request and the way back. Dropped without a reply, the caller sees a reset.
pub struct Call<Q, A> {
    request: Q,
    back: Back<A>,
}

struct Back<A> {
    lane: Arc<Lane>,
    reply: Sender<io::Result<A>>,
}

impl<Q, A: Send + 'static> Call<Q, A> {
    /// What is asked.
    pub fn request(&self) -> &Q {
        &self.request
    }

    /// The question and the way to answer it.
    pub fn split(self) -> (Q, Reply<A>) {
        (self.request, Reply(self.back))
    }

    /// Answers.
    pub fn reply(self, answer: A) {
        self.split().1.send(answer);
    }
}

impl<Q, A> fmt::Debug for Call<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// The way to answer a call. Dropped without an answer, the caller sees a reset.
pub struct Reply<A>(Back<A>);

impl<A: Send + 'static> Reply<A> {
    /// Answers.
    pub fn send(self, answer: A) {
        self.0.lane.send(answer, 0, Answer(self.0.reply.clone()));
    }
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

struct Answer<A>(Sender<io::Result<A>>);

impl<A: Send + 'static> Arrive<A> for Answer<A> {
    fn arrive(&self, answer: A, _: SimTime, cause: EventId) {
        self.0.send_from(Ok(answer), cause);
    }
}

/// The caller's side.
#[derive(Debug)]
pub struct Channel<Q, A> {
    host: Host,
    to: Address,
    connected: Mutex<Option<Wire<Q, A>>>,
}

/// An established connection.
struct Wire<Q, A> {
    there: Arc<Lane>,
    back: Arc<Lane>,
    service: Arc<Door<Q, A>>,
    ack: Arc<Mutex<DelayedAck>>,
    stalled: Symbol,
}

impl<Q, A> Wire<Q, A> {
    fn ack(&self) -> MutexGuard<'_, DelayedAck> {
        self.ack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Clone for Wire<Q, A> {
    fn clone(&self) -> Wire<Q, A> {
        Wire {
            there: self.there.clone(),
            back: self.back.clone(),
            service: self.service.clone(),
            ack: self.ack.clone(),
            stalled: self.stalled,
        }
    }
}

impl<Q, A> fmt::Debug for Wire<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl<Q: Send + 'static, A: Send + 'static> Channel<Q, A> {
    /// Asks and waits for the answer, however long it takes; see [`stormglass_rt::timeout`] for a deadline.
    /// Calls on one channel may overlap.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if nobody listens, `ConnectionReset` if the service goes away before it answers,
    /// `InvalidData` if the service has other types.
    pub async fn call(&self, request: Q) -> io::Result<A> {
        let wire = self.wire().await?;
        let shared = self.host.shared();
        let (reply, mut answers) = channel::channel(&shared.recorder);
        let call = Call { request, back: Back { lane: wire.back.clone(), reply } };
        wire.ack().sent(rt::now());
        wire.there.send(call, 0, wire.service.clone());
        let answer = match answers.recv().await {
            Some(answer) => {
                let stall = wire.ack().received(rt::now());
                if !stall.is_zero() {
                    rt::sleep(stall).await;
                    shared.recorder.record(rt::now(), Kind::Stall, wire.stalled, stall, 0);
                }
                answer
            }
            None => {
                // The service is gone, and its host tells us so.
                wire.back.cross().await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        };
        if answer.is_err() {
            *self.connected() = None;
        }
        answer
    }

    /// Connects, unless there is a connection.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, `InvalidData`.
    pub async fn connect(&self) -> io::Result<()> {
        self.wire().await.map(drop)
    }

    /// Whether there is a connection, as far as this side knows.
    pub fn is_connected(&self) -> bool {
        self.connected().is_some()
    }

    /// The address that is called.
    pub fn target(&self) -> Address {
        self.to
    }

    async fn wire(&self) -> io::Result<Wire<Q, A>> {
        if let Some(wire) = &*self.connected() {
            return Ok(wire.clone());
        }
        let shared: &Arc<Shared> = self.host.shared();
        let target = Target { host: self.to.host, ip: None, port: self.to.port };
        let round_trips = shared.profile.handshake_round_trips;
        let service = shared.shake_hands::<Door<Q, A>>(self.host.id, target, round_trips).await?;
        let lane = |from, to| Arc::new(Lane::new(shared, shared.link(from, to), self.to.port));
        let wire = Wire {
            there: lane(self.host.id, self.to.host),
            back: lane(self.to.host, self.host.id),
            service,
            ack: Arc::new(Mutex::new(DelayedAck::new(shared.delayed_ack()))),
            stalled: shared.recorder.symbol("delayed ack"),
        };
        *self.connected() = Some(wire.clone());
        Ok(wire)
    }

    fn connected(&self) -> MutexGuard<'_, Option<Wire<Q, A>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way into a service, which may be gone when the call arrives.
struct Door<Q, A>(Sender<Call<Q, A>>);

impl<Q: Send + 'static, A: Send + 'static> Accepts for Door<Q, A> {
    fn is_full(&self) -> bool {
        false
    }
}

impl<Q: Send + 'static, A: Send + 'static> Arrive<Call<Q, A>> for Arc<Door<Q, A>> {
    fn arrive(&self, call: Call<Q, A>, _: SimTime, cause: EventId) {
        if self.0.is_closed() {
            call.back.reply.send_from(Err(io::ErrorKind::ConnectionReset.into()), cause);
        }
        self.0.send_from(call, cause);
    }
}
