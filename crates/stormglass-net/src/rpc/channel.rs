//! The caller's side of calls.

use crate::address::Address;
use crate::delayed_ack::DelayedAck;
use crate::delivery::Destination;
use crate::error::ECONNRESET;
use crate::handshake::Target;
use crate::host::Host;
use crate::inbox::Inbox;
use crate::network::Shared;
use crate::ordered_stream::OrderedStream;
use crate::ports::At;
use crate::rpc::service::{Call, Reply, RequestQueue, Response};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Recorder, SimTime, Symbol};
use stormglass_rt as rt;
use stormglass_rt::Watch;
use stormglass_rt::channel::{self, Receiver};

/// A client's channel to a service, as tonic's `Channel`. It connects with its first call, and
/// again after a failure.
#[derive(Debug)]
pub struct Channel<Q, A> {
    host: Host,
    to: Address,
    connected: Arc<Connected<Q, A>>,
}

impl Host {
    /// Creates a channel to a service with requests `Q` and responses `A`. It connects with its
    /// first call, and again after a failure.
    pub fn channel<Q: Send + 'static, A: Send + 'static>(&self, to: Address) -> Channel<Q, A> {
        Channel { host: self.clone(), to, connected: Arc::new(Connected(Mutex::new(None))) }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Channel<Q, A> {
    /// Sends a request and waits for the response, without a limit. Calls on one channel may
    /// overlap. Dropping the future cancels the call ([`Reply::cancelled`]).
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if the port does not listen, `ConnectionReset` if the service ends
    /// before it responds, `TimedOut` if the connection is broken, `InvalidData` if the service
    /// has other types.
    pub async fn call(&self, request: Q) -> io::Result<A> {
        self.request(request, None).await
    }

    /// Calls as [`Channel::call`] does, with a limit for connecting and the call together. The
    /// service gets the deadline with the call ([`Call::deadline`]), and a cancellation when it
    /// has passed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let (client, server) = (network.host("client"), network.host("server"));
    ///     // The service accepts calls and responds to none.
    ///     let _service = server.serve::<(), ()>(80)?;
    ///     let channel = client.channel::<(), ()>(server.address(80));
    ///     let error = channel.call_within(Duration::from_secs(1), ()).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `TimedOut` after the limit; as [`Channel::call`].
    pub async fn call_within(&self, limit: Duration, request: Q) -> io::Result<A> {
        let deadline = rt::now() + limit;
        let response = rt::timeout(limit, self.request(request, Some(deadline))).await;
        response.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends a request and returns the stream of its responses.
    ///
    /// # Errors
    ///
    /// As [`Channel::connect`].
    pub async fn open(&self, request: Q) -> io::Result<ResponseStream<Q, A>> {
        Ok(ResponseStream { pending: self.send(request, None).await?, channel: self.connected.clone() })
    }

    async fn request(&self, request: Q, deadline: Option<SimTime>) -> io::Result<A> {
        let mut pending = self.send(request, deadline).await?;
        pending.connection.request_sent();
        let response = pending.next().await;
        if response.is_ok() {
            pending.is_over = true;
            pending.connection.second_segment(&self.host.shared().recorder).await;
        } else {
            *self.connected.lock() = None;
        }
        // A stream that ends before its first response has none.
        response?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn send(&self, request: Q, deadline: Option<SimTime>) -> io::Result<PendingCall<Q, A>> {
        let connection = self.connection().await?;
        let recorder = &self.host.shared().recorder;
        let (sender, responses) = channel::channel(recorder);
        let (cancelled, recorder) = (Arc::<Inbox<()>>::default(), recorder.clone());
        let stream = connection.back.clone();
        let reply = Reply { stream, responses: sender, deadline, cancelled: cancelled.clone(), recorder };
        connection.there.send(Call { request, reply }, 0, connection.service.clone());
        Ok(PendingCall { connection, responses, cancelled, is_over: false })
    }

    /// Connects, unless the channel is connected.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, `InvalidData`, `TimedOut` after 127 s.
    pub async fn connect(&self) -> io::Result<()> {
        self.connection().await.map(drop)
    }

    /// Connects as [`Channel::connect`] does, with a limit. Followed by a call, it gives
    /// connecting a limit of its own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let (client, server) = (network.host("client"), network.host("server"));
    ///     let _off = server.power_off();
    ///     let channel = client.channel::<(), ()>(server.address(80));
    ///     let error = channel.connect_within(Duration::from_millis(100)).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// `TimedOut` after the limit; as [`Channel::connect`].
    pub async fn connect_within(&self, limit: Duration) -> io::Result<()> {
        if self.is_connected() {
            return Ok(());
        }
        rt::timeout(limit, self.connect()).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether the channel is connected, as far as this end knows.
    pub fn is_connected(&self) -> bool {
        self.connected.lock().is_some()
    }

    /// The address of the service.
    pub fn target(&self) -> Address {
        self.to
    }

    async fn connection(&self) -> io::Result<CallConnection<Q, A>> {
        if let Some(connection) = &*self.connected.lock() {
            return Ok(connection.clone());
        }
        let shared: &Arc<Shared> = self.host.shared();
        let target = Target { host: self.to.host, at: At::Host, port: self.to.port, flow: 0 };
        let round_trips = shared.profile.handshake_round_trips;
        let (_, service) = shared.handshake::<RequestQueue<Q, A>>(self.host.id, target, round_trips).await?;
        let stream = |from, to| OrderedStream::new(shared, shared.link(from, to), self.to.port);
        let connection = CallConnection {
            there: stream(self.host.id, self.to.host),
            back: stream(self.to.host, self.host.id),
            service,
            ack: Arc::new(Mutex::new(DelayedAck::new(shared.profile.delayed_ack))),
            acknowledged: Watch::new(&shared.recorder, 0),
            stalled: shared.recorder.symbol("delayed ack"),
        };
        *self.connected.lock() = Some(connection.clone());
        Ok(connection)
    }
}

/// The responses to one call, in order, see [`Channel::open`]. Dropping it before the end cancels
/// the call.
pub struct ResponseStream<Q: Send + 'static, A: Send + 'static> {
    channel: Arc<Connected<Q, A>>,
    pending: PendingCall<Q, A>,
}

impl<Q: Send + 'static, A: Send + 'static> ResponseStream<Q, A> {
    /// Waits for the next response; returns `None` after the last.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` if the service ends before it has finished; `TimedOut` if the connection
    /// is broken.
    pub async fn next(&mut self) -> io::Result<Option<A>> {
        if self.pending.is_over {
            return Ok(None);
        }
        let response = self.pending.next().await;
        if response.is_err() {
            *self.channel.lock() = None;
        }
        response
    }
}

impl<Q: Send + 'static, A: Send + 'static> fmt::Debug for ResponseStream<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream").field("is_over", &self.pending.is_over).finish_non_exhaustive()
    }
}

/// A call that waits for responses. Dropping it before the end sends a cancellation to the
/// service.
struct PendingCall<Q, A> {
    connection: CallConnection<Q, A>,
    responses: Receiver<Response<A>>,
    cancelled: Arc<Inbox<()>>,
    is_over: bool,
}

impl<Q: Send + 'static, A: Send + 'static> PendingCall<Q, A> {
    async fn next(&mut self) -> io::Result<Option<A>> {
        let response = self.responses.recv().await;
        self.is_over = !matches!(response, Some(Response::One(_)));
        match response {
            Some(Response::One(response)) => Ok(Some(response)),
            Some(Response::End) => Ok(None),
            Some(Response::Reset) => Err(ECONNRESET.into()),
            None => {
                if let Some(why) = self.connection.there.broken() {
                    return Err(why.into());
                }
                // The service has dropped the reply, and its host sends a reset.
                self.connection.back.deliver_control().await;
                Err(ECONNRESET.into())
            }
        }
    }
}

impl<Q, A> Drop for PendingCall<Q, A> {
    fn drop(&mut self) {
        if !self.is_over && rt::is_in_run() {
            self.connection.there.send((), 0, Cancellation(self.cancelled.clone()));
        }
    }
}

struct Cancellation(Arc<Inbox<()>>);

impl Destination<()> for Cancellation {
    fn deliver(&self, (): (), _: SimTime, cause: EventId) {
        // This inbox is never closed.
        let _ = self.0.push((), cause);
    }
}

/// The channel's connection, while there is one.
#[derive(Debug)]
struct Connected<Q, A>(Mutex<Option<CallConnection<Q, A>>>);

impl<Q, A> Connected<Q, A> {
    fn lock(&self) -> MutexGuard<'_, Option<CallConnection<Q, A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An established connection for calls.
struct CallConnection<Q, A> {
    there: OrderedStream,
    back: OrderedStream,
    service: Arc<RequestQueue<Q, A>>,
    ack: Arc<Mutex<DelayedAck>>,
    /// How often a request has carried an acknowledgement that the server waited for.
    acknowledged: Watch<u64>,
    stalled: Symbol,
}

impl<Q, A> CallConnection<Q, A> {
    fn ack(&self) -> MutexGuard<'_, DelayedAck> {
        self.ack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request was sent, which ends the stall of a response that waits for an
    /// acknowledgement.
    fn request_sent(&self) {
        if self.ack().sent(rt::now()) {
            self.acknowledged.change(|times| {
                *times += 1;
                true
            });
        }
    }

    /// Waits for the second segment of a response whose first segment has arrived.
    async fn second_segment(&self, recorder: &Recorder) {
        let began = rt::now();
        let Some(until) = self.ack().received(began) else { return };
        let seen = self.acknowledged.get();
        rt::timeout(until - began, self.acknowledged.until(|&times| times != seen)).await;
        recorder.record(rt::now(), Kind::Stall, self.stalled, rt::now() - began, 0);
    }
}

impl<Q, A> Clone for CallConnection<Q, A> {
    fn clone(&self) -> CallConnection<Q, A> {
        CallConnection {
            there: self.there.clone(),
            back: self.back.clone(),
            service: self.service.clone(),
            ack: self.ack.clone(),
            acknowledged: self.acknowledged.clone(),
            stalled: self.stalled,
        }
    }
}

impl<Q, A> fmt::Debug for CallConnection<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallConnection").finish_non_exhaustive()
    }
}
