//! The service's side of calls.

use crate::address::Address;
use crate::bound_port::BoundPort;
use crate::delivery::Destination;
use crate::error::EPIPE;
use crate::handshake::AcceptQueue;
use crate::host::Host;
use crate::inbox::Inbox;
use crate::ordered_stream::OrderedStream;
use crate::ports::Protocol;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use stormglass_core::{EventId, Recorder, SimTime};
use stormglass_rt::channel::{self, Receiver, Sender};

/// A port that serves calls: requests `Q`, responses `A`.
///
/// Calls are accepted from the moment the port is bound, and wait until the service takes them:
/// the clients of a server that binds its port before it is ready wait, they are not refused.
#[derive(Debug)]
pub struct Service<Q, A> {
    bound: BoundPort,
    host: Host,
    calls: Receiver<Call<Q, A>>,
}

impl Host {
    /// Binds a port that serves calls with requests `Q` and responses `A`.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub fn serve<Q: Send + 'static, A: Send + 'static>(&self, port: u16) -> io::Result<Service<Q, A>> {
        let (sender, calls) = channel::channel::<Call<Q, A>>(&self.shared().recorder);
        let owner = Arc::new(RequestQueue(sender));
        let bound = self.bind_port(Protocol::Stream, port, true, owner)?;
        Ok(Service { bound, host: self.clone(), calls })
    }
}

impl<Q, A> Service<Q, A> {
    /// Waits for the next call. Never `None` while the service exists; the option is there for
    /// `while let`.
    pub async fn next(&mut self) -> Option<Call<Q, A>> {
        self.calls.recv().await
    }

    /// Polls [`Service::next`], for hand-written futures.
    pub fn poll_next(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Call<Q, A>>> {
        self.calls.poll_recv(context)
    }

    /// The port's address.
    pub fn address(&self) -> Address {
        self.host.address(self.bound.port())
    }
}

/// A request and the way to respond to it. If it is dropped without a response, the caller gets
/// `ConnectionReset`.
pub struct Call<Q, A> {
    pub(crate) request: Q,
    pub(crate) reply: Reply<A>,
}

impl<Q, A: Send + 'static> Call<Q, A> {
    /// The request.
    pub fn request(&self) -> &Q {
        &self.request
    }

    /// When the caller gives up, if the call has a deadline: a later response is of no use.
    pub fn deadline(&self) -> Option<SimTime> {
        self.reply.deadline
    }

    /// Splits the call into the request and the way to respond to it.
    pub fn split(self) -> (Q, Reply<A>) {
        (self.request, self.reply)
    }

    /// Sends the response.
    pub fn reply(self, response: A) {
        self.reply.send(response);
    }
}

impl<Q, A> fmt::Debug for Call<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("deadline", &self.reply.deadline).finish_non_exhaustive()
    }
}

/// The way to respond to a call. If it is dropped without a response, the caller gets
/// `ConnectionReset`.
pub struct Reply<A> {
    pub(crate) stream: OrderedStream,
    pub(crate) responses: Sender<Response<A>>,
    pub(crate) deadline: Option<SimTime>,
    pub(crate) cancelled: Arc<Inbox<()>>,
    pub(crate) recorder: Recorder,
}

/// What is sent back to a caller: a response, the end of a stream of responses, or a reset.
pub(crate) enum Response<A> {
    One(A),
    End,
    Reset,
}

impl<A: Send + 'static> Reply<A> {
    /// Sends the response.
    pub fn send(self, response: A) {
        self.send_back(Response::One(response));
    }

    /// Returns a sender of many responses: [`crate::Channel::open`] receives all of them,
    /// [`crate::Channel::call`] the first.
    pub fn stream(self) -> ResponseSender<A> {
        ResponseSender(self)
    }

    /// Waits until the caller has given up and its cancellation has arrived.
    pub async fn cancelled(&self) {
        poll_fn(|context| self.cancelled.poll(Some(context), &self.recorder, |_| ())).await;
    }

    /// Whether the caller has given up and its cancellation has arrived.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.len() > 0
    }

    fn send_back(&self, response: Response<A>) {
        self.stream.send(response, 0, Caller(self.responses.clone()));
    }
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// A sender of many responses to one call. If it is dropped without [`ResponseSender::finish`],
/// the caller gets `ConnectionReset` after the responses.
#[derive(Debug)]
pub struct ResponseSender<A>(Reply<A>);

impl<A: Send + 'static> ResponseSender<A> {
    /// Sends one more response without waiting.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` after the caller has given up and its cancellation has arrived.
    pub fn send(&self, response: A) -> io::Result<()> {
        if self.0.is_cancelled() {
            return Err(EPIPE.into());
        }
        self.0.send_back(Response::One(response));
        Ok(())
    }

    /// Ends the stream of responses.
    pub fn finish(self) {
        self.0.send_back(Response::End);
    }

    /// Waits as [`Reply::cancelled`] does.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

/// The caller, as the destination of responses.
struct Caller<A>(Sender<Response<A>>);

impl<A: Send + 'static> Destination<Response<A>> for Caller<A> {
    fn deliver(&self, response: Response<A>, _: SimTime, cause: EventId) {
        self.0.send_from(response, cause);
    }
}

/// A service's queue of calls. The service may be gone when a call arrives.
pub(crate) struct RequestQueue<Q, A>(Sender<Call<Q, A>>);

impl<Q: Send + 'static, A: Send + 'static> AcceptQueue for RequestQueue<Q, A> {
    fn is_full(&self) -> bool {
        false
    }
}

impl<Q: Send + 'static, A: Send + 'static> Destination<Call<Q, A>> for Arc<RequestQueue<Q, A>> {
    fn deliver(&self, call: Call<Q, A>, _: SimTime, cause: EventId) {
        if self.0.is_closed() {
            call.reply.responses.send_from(Response::Reset, cause);
        }
        self.0.send_from(call, cause);
    }
}
