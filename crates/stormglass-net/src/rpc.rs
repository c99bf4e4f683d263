//! Request and response.

use crate::delayed_ack::DelayedAck;
use crate::handshake::{Accepts, Target};
use crate::inbox::Inbox;
use crate::lane::{Arrive, Lane};
use crate::network::{Address, Host, Shared};
use crate::ports::Protocol;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Recorder, SimTime, Symbol};
use stormglass_rt as rt;
use stormglass_rt::Watch;
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
        Channel { host: self.clone(), to, connected: Arc::new(Connected(Mutex::new(None))) }
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
    reply: Reply<A>,
}

impl<Q, A: Send + 'static> Call<Q, A> {
    /// What is asked.
    pub fn request(&self) -> &Q {
        &self.request
    }

    /// When the caller gives up, if it said so: there is no use in answering later.
    pub fn deadline(&self) -> Option<SimTime> {
        self.reply.deadline
    }

    /// The question and the way to answer it.
    pub fn split(self) -> (Q, Reply<A>) {
        (self.request, self.reply)
    }

    /// Answers.
    pub fn reply(self, answer: A) {
        self.reply.send(answer);
    }
}

impl<Q, A> fmt::Debug for Call<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("deadline", &self.reply.deadline).finish_non_exhaustive()
    }
}

/// The way to answer a call. Dropped without an answer, the caller sees a reset.
pub struct Reply<A> {
    lane: Lane,
    answers: Sender<Answer<A>>,
    deadline: Option<SimTime>,
    cancelled: Arc<Inbox<()>>,
    recorder: Recorder,
}

/// What comes back: an answer, the end of a stream of answers, or an error.
enum Answer<A> {
    One(A),
    End,
    Reset,
}

impl<A: Send + 'static> Reply<A> {
    /// Answers.
    pub fn send(self, answer: A) {
        self.back(Answer::One(answer));
    }

    /// Answers many times: [`Channel::open`] takes them all, [`Channel::call`] the first.
    pub fn stream(self) -> Answering<A> {
        Answering(self)
    }

    /// Waits until the caller has given up and that news has arrived.
    pub async fn cancelled(&self) {
        poll_fn(|context| self.cancelled.poll(Some(context), &self.recorder, |_| ())).await;
    }

    /// Whether the caller has given up and that news has arrived.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.len() > 0
    }

    fn back(&self, answer: Answer<A>) {
        self.lane.send(answer, 0, Desk(self.answers.clone()));
    }
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// The way to answer a call many times. Dropped without [`Answering::finish`], the caller sees a reset after the answers.
#[derive(Debug)]
pub struct Answering<A>(Reply<A>);

impl<A: Send + 'static> Answering<A> {
    /// Sends one more answer and goes on at once.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` once the caller has given up and that news has arrived.
    pub fn send(&self, answer: A) -> io::Result<()> {
        if self.0.is_cancelled() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.back(Answer::One(answer));
        Ok(())
    }

    /// That was all.
    pub fn finish(self) {
        self.0.back(Answer::End);
    }

    /// As [`Reply::cancelled`].
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

/// Where answers arrive.
struct Desk<A>(Sender<Answer<A>>);

impl<A: Send + 'static> Arrive<Answer<A>> for Desk<A> {
    fn arrive(&self, answer: Answer<A>, _: SimTime, cause: EventId) {
        self.0.send_from(answer, cause);
    }
}

/// What a caller waits with: dropped before the end, it tells the service that nobody waits any more.
struct Waiting<Q, A> {
    wire: Wire<Q, A>,
    answers: Receiver<Answer<A>>,
    cancelled: Arc<Inbox<()>>,
    over: bool,
}

impl<Q, A> Drop for Waiting<Q, A> {
    fn drop(&mut self) {
        if !self.over && rt::is_in_run() {
            self.wire.there.send((), 0, Cancel(self.cancelled.clone()));
        }
    }
}

struct Cancel(Arc<Inbox<()>>);

impl Arrive<()> for Cancel {
    fn arrive(&self, (): (), _: SimTime, cause: EventId) {
        // It is never closed.
        let _ = self.0.push((), cause);
    }
}

/// Answers to one call, in order, see [`Channel::open`]. Dropping it before the end tells the service.
pub struct Answers<Q: Send + 'static, A: Send + 'static> {
    channel: Arc<Connected<Q, A>>,
    waiting: Waiting<Q, A>,
}

impl<Q: Send + 'static, A: Send + 'static> Answers<Q, A> {
    /// The next answer, or `None` after the last.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` if the service goes away before it has finished; `TimedOut` if the connection is broken.
    pub async fn next(&mut self) -> io::Result<Option<A>> {
        if self.waiting.over {
            return Ok(None);
        }
        let answer = self.waiting.next().await;
        if answer.is_err() {
            *self.channel.lock() = None;
        }
        answer
    }
}

impl<Q: Send + 'static, A: Send + 'static> fmt::Debug for Answers<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("over", &self.waiting.over).finish_non_exhaustive()
    }
}

impl<Q: Send + 'static, A: Send + 'static> Waiting<Q, A> {
    async fn next(&mut self) -> io::Result<Option<A>> {
        let answer = self.answers.recv().await;
        self.over = !matches!(answer, Some(Answer::One(_)));
        match answer {
            Some(Answer::One(answer)) => Ok(Some(answer)),
            Some(Answer::End) => Ok(None),
            Some(Answer::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
            None => {
                if let Some(why) = self.wire.there.broken() {
                    return Err(why.into());
                }
                // The service is gone, and its host tells us so.
                self.wire.back.cross().await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}

/// The caller's side.
#[derive(Debug)]
pub struct Channel<Q, A> {
    host: Host,
    to: Address,
    connected: Arc<Connected<Q, A>>,
}

/// The connection, while there is one.
#[derive(Debug)]
struct Connected<Q, A>(Mutex<Option<Wire<Q, A>>>);

impl<Q, A> Connected<Q, A> {
    fn lock(&self) -> MutexGuard<'_, Option<Wire<Q, A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An established connection.
struct Wire<Q, A> {
    there: Lane,
    back: Lane,
    service: Arc<Door<Q, A>>,
    ack: Arc<Mutex<DelayedAck>>,
    /// How often a request has taken an acknowledgement along that was waited for.
    acknowledged: Watch<u64>,
    stalled: Symbol,
}

impl<Q, A> Wire<Q, A> {
    fn ack(&self) -> MutexGuard<'_, DelayedAck> {
        self.ack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was sent, which ends what stands still until something is.
    fn request_sent(&self) {
        if self.ack().sent(rt::now()) {
            self.acknowledged.change(|times| {
                *times += 1;
                true
            });
        }
    }

    /// Waits for the rest of an answer whose first segment is here.
    async fn second_segment(&self, recorder: &Recorder) {
        let began = rt::now();
        let Some(until) = self.ack().received(began) else { return };
        let seen = self.acknowledged.get();
        rt::timeout(until - began, self.acknowledged.until(|&times| times != seen)).await;
        recorder.record(rt::now(), Kind::Stall, self.stalled, rt::now() - began, 0);
    }
}

impl<Q, A> Clone for Wire<Q, A> {
    fn clone(&self) -> Wire<Q, A> {
        Wire {
            there: self.there.clone(),
            back: self.back.clone(),
            service: self.service.clone(),
            ack: self.ack.clone(),
            acknowledged: self.acknowledged.clone(),
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
    /// Asks and waits for the answer, however long it takes. Calls on one channel may overlap. Dropping the future tells the service
    /// ([`Reply::cancelled`]).
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if nobody listens, `ConnectionReset` if the service goes away before it answers, `TimedOut` if
    /// the connection is broken, `InvalidData` if the service has other types.
    pub async fn call(&self, request: Q) -> io::Result<A> {
        self.ask(request, None).await
    }

    /// As [`Channel::call`], for so long at the most, connecting included. The service is told the deadline with the call ([`Call::deadline`]), and
    /// when it has passed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::Seed;
    /// use stormglass_net::{NetProfile, Network};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let (client, server) = (network.host("client"), network.host("server"));
    ///     // It takes calls and answers none.
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
    /// `TimedOut` when the time is over; as [`Channel::call`].
    pub async fn call_within(&self, limit: Duration, request: Q) -> io::Result<A> {
        let deadline = rt::now() + limit;
        let answer = rt::timeout(limit, self.ask(request, Some(deadline))).await;
        answer.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Asks for many answers.
    ///
    /// # Errors
    ///
    /// As [`Channel::connect`].
    pub async fn open(&self, request: Q) -> io::Result<Answers<Q, A>> {
        Ok(Answers { waiting: self.send(request, None).await?, channel: self.connected.clone() })
    }

    async fn ask(&self, request: Q, deadline: Option<SimTime>) -> io::Result<A> {
        let mut waiting = self.send(request, deadline).await?;
        waiting.wire.request_sent();
        let answer = waiting.next().await;
        if answer.is_ok() {
            waiting.over = true;
            waiting.wire.second_segment(&self.host.shared().recorder).await;
        } else {
            *self.connected.lock() = None;
        }
        // A stream that has ended before its first answer has none.
        answer?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn send(&self, request: Q, deadline: Option<SimTime>) -> io::Result<Waiting<Q, A>> {
        let wire = self.wire().await?;
        let recorder = &self.host.shared().recorder;
        let (sender, answers) = channel::channel(recorder);
        let (cancelled, recorder) = (Arc::<Inbox<()>>::default(), recorder.clone());
        let lane = wire.back.clone();
        let reply = Reply { lane, answers: sender, deadline, cancelled: cancelled.clone(), recorder };
        wire.there.send(Call { request, reply }, 0, wire.service.clone());
        Ok(Waiting { wire, answers, cancelled, over: false })
    }

    /// Connects, unless there is a connection.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, `InvalidData`.
    pub async fn connect(&self) -> io::Result<()> {
        self.wire().await.map(drop)
    }

    /// As [`Channel::connect`], for so long at the most. Who calls after it gives connecting a limit of its own.
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
    /// `TimedOut` when the time is over; as [`Channel::connect`].
    pub async fn connect_within(&self, limit: Duration) -> io::Result<()> {
        if self.is_connected() {
            return Ok(());
        }
        rt::timeout(limit, self.connect()).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether there is a connection, as far as this side knows.
    pub fn is_connected(&self) -> bool {
        self.connected.lock().is_some()
    }

    /// The address that is called.
    pub fn target(&self) -> Address {
        self.to
    }

    async fn wire(&self) -> io::Result<Wire<Q, A>> {
        if let Some(wire) = &*self.connected.lock() {
            return Ok(wire.clone());
        }
        let shared: &Arc<Shared> = self.host.shared();
        let target = Target { host: self.to.host, ip: None, port: self.to.port };
        let round_trips = shared.profile.handshake_round_trips;
        let service = shared.shake_hands::<Door<Q, A>>(self.host.id, target, round_trips).await?;
        let lane = |from, to| Lane::new(shared, shared.link(from, to), self.to.port);
        let wire = Wire {
            there: lane(self.host.id, self.to.host),
            back: lane(self.to.host, self.host.id),
            service,
            ack: Arc::new(Mutex::new(DelayedAck::new(shared.delayed_ack()))),
            acknowledged: Watch::new(&shared.recorder, 0),
            stalled: shared.recorder.symbol("delayed ack"),
        };
        *self.connected.lock() = Some(wire.clone());
        Ok(wire)
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
            call.reply.answers.send_from(Answer::Reset, cause);
        }
        self.0.send_from(call, cause);
    }
}
