//! How one value gets from host to host: one timer, no task. Only where something was lost, a task waits to send it again.

use crate::fault::{Segment, Sent};
use crate::hold::Parcels;
use crate::link::{Link, Passage};
use crate::network::Shared;
use crate::retransmission::Retransmission;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Scope, SimTime, Symbol};
use stormglass_rt::{self as rt, Clock};

/// What is done with a value when it arrives. Runs in a timer's callback: it may put the value into a channel,
/// and must neither read the clock nor set a timer.
pub(crate) trait Arrive<T>: Send + Sync + 'static {
    fn arrive(&self, value: T, at: SimTime, cause: EventId);
}

/// Sends a value over a link without order. What is lost is gone; a copy may come too. `spoil` turns a bit over at a place
/// drawn by chance, and says whether the value survives that.
pub(crate) fn send<T, A>(
    network: &Arc<Shared>,
    link: &Arc<Link>,
    mut value: T,
    segment: Segment,
    to: A,
    spoil: impl FnOnce(&mut T, u64) -> bool,
) where
    T: Clone + Send + 'static,
    A: Arrive<T> + Clone,
{
    let clock = Clock::current();
    let sent = clock.now();
    let cause = network.recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, segment.bytes);
    let Some(Passage { latency, copy, corrupted, held, .. }) = link.send(network, Sent::Datagram, segment)
    else {
        return;
    };
    if let Some(parcels) = held {
        let (network, link_again) = (network.clone(), link.clone());
        let release = move || {
            if rt::is_in_run() {
                let cause = network.stood_still("held back", cause, sent);
                let clock = Clock::current();
                launch(&clock, &network, &link_again, cause, sent, clock.now() + latency, value, to);
            }
        };
        return parcels.keep(link.held(segment), release);
    }
    if let Some(latency) = copy {
        launch(&clock, network, link, cause, sent, sent + latency, value.clone(), to.clone());
    }
    if corrupted.is_none_or(|place| spoil(&mut value, place)) {
        launch(&clock, network, link, cause, sent, sent + latency, value, to);
    }
}

impl Shared {
    /// Records that something stands still no longer, which it did since it was sent.
    fn stood_still(&self, why: &str, cause: EventId, sent: SimTime) -> EventId {
        let (recorder, now) = (&self.recorder, rt::now());
        let scope = recorder.scope().with_cause(cause);
        recorder.record_in(scope, now, Kind::Stall, recorder.symbol(why), now - sent, 0)
    }
}

/// One direction of an ordered stream: a value arrives when its latency is over, and not before the one
/// sent before it. What is lost is sent again, and what was sent after it waits.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    /// The service's port.
    port: u16,
    network: Arc<Shared>,
    window: Mutex<Window>,
    /// The lives of both ends when they connected.
    lives: (u32, u32),
    /// Why nothing gets across any more.
    broken: OnceLock<io::ErrorKind>,
    /// What the sender's own side is told when the connection is broken.
    tell: Mutex<Option<Tell>>,
}

type Tell = Box<dyn FnOnce(io::ErrorKind) + Send>;

/// What the sender's kernel knows of the stream.
#[derive(Default)]
struct Window {
    arrival_last: SimTime,
    /// What was lost, and all that was sent after it.
    waiting: VecDeque<Waiting>,
    /// When the first of it is sent again.
    again: SimTime,
    waker: Option<Waker>,
}

/// A value that waits to be sent again: how to launch it, given its cause and its arrival.
struct Waiting {
    cause: EventId,
    sent: SimTime,
    bytes: u64,
    launch: Box<dyn FnOnce(EventId, SimTime) + Send>,
}

/// So many later segments that arrive tell the sender that one before them is missing (RFC 5681).
const DUPLICATE_ACKS: usize = 3;

impl Lane {
    pub(crate) fn new(network: &Arc<Shared>, link: Arc<Link>, port: u16) -> Lane {
        // What is lost is sent again from there, also by who can make no node any more.
        network.start_kernel();
        let lives = (link.ends.0.life(), link.ends.1.life());
        let (network, window) = (network.clone(), Mutex::default());
        Lane(Arc::new(Inner {
            link,
            port,
            network,
            window,
            lives,
            broken: OnceLock::new(),
            tell: Mutex::default(),
        }))
    }

    /// Has this done when the connection is broken, once.
    pub(crate) fn when_broken(&self, tell: impl FnOnce(io::ErrorKind) + Send + 'static) {
        *self.0.tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(tell));
    }

    /// Sends a value of so many bytes. Once the connection is broken it is lost.
    pub(crate) fn send<T: Send + 'static>(&self, value: T, bytes: u64, to: impl Arrive<T>) {
        let Inner { link, network, .. } = &*self.0;
        if self.broken().is_some() || self.0.sender_is_gone() {
            return;
        }
        let clock = Clock::current();
        let sent = clock.now();
        let cause = network.recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, bytes);
        let scope = Scope { node: network.recorder.scope().node, cause, ..Scope::default() };
        let mut window = self.0.window();
        let mut held = None;
        if window.waiting.is_empty()
            && let Some(passage) = link.send(network, Sent::Segment, self.0.segment(bytes))
        {
            if passage.held.is_none() {
                if self.0.receiver_is_another() {
                    return network.in_kernel(scope, reset(self.0.clone(), passage.latency));
                }
                let arrival = window.arrival(sent + passage.latency);
                launch(&clock, network, link, cause, sent, arrival, value, to);
                return;
            }
            held = passage.held.map(|parcels| (parcels, passage.latency));
        }
        let inner = self.0.clone();
        let launch = move |cause, arrival| {
            launch(&Clock::current(), &inner.network, &inner.link, cause, sent, arrival, value, to);
        };
        window.waiting.push_back(Waiting { cause, sent, bytes, launch: Box::new(launch) });
        if let Some((parcels, latency)) = held {
            return self.0.hold(&parcels, latency, bytes);
        }
        let round_trip = link.latency_last() * 2;
        if window.waiting.len() == 1 {
            network.in_kernel(scope, retransmit(self.0.clone()));
        } else if window.waiting.len() == 1 + DUPLICATE_ACKS && window.again > sent + round_trip {
            window.again = sent + round_trip;
            if let Some(waker) = window.waker.take() {
                waker.wake();
            }
        }
    }

    /// Sends a last value, once, and gives up what waits. If it is lost, the receiver finds out when it sends something.
    pub(crate) fn abort<T: Send + 'static>(&self, value: T, to: impl Arrive<T>) {
        let Inner { link, network, .. } = &*self.0;
        if self.broken().is_some() || self.0.sender_is_gone() {
            return;
        }
        self.0.break_with(io::ErrorKind::BrokenPipe);
        let sent = rt::now();
        let cause = network.recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, 0);
        if let Some(latency) = link.attempt(network, self.0.segment(0)) {
            let arrival = self.0.window().arrival(sent + latency);
            launch(&Clock::current(), network, link, cause, sent, arrival, value, to);
        }
    }

    /// Whether the receiver has lost its power since, and does not know the connection.
    pub(crate) fn receiver_is_another(&self) -> bool {
        self.0.receiver_is_another()
    }

    /// Gives up what waits; nothing gets across any more. May be called by a timer's callback.
    pub(crate) fn break_with(&self, why: io::ErrorKind) {
        let waiting = self.0.give_up(why);
        if !waiting.is_empty() {
            self.0.network.bury(waiting);
        }
    }

    /// Waits for as long as it takes to get something across that nobody receives, such as a reset.
    pub(crate) async fn cross(&self) {
        let Inner { link, network, .. } = &*self.0;
        let mut patience = Retransmission::new();
        loop {
            match link.attempt(network, self.0.segment(0)) {
                Some(latency) => return rt::sleep(latency).await,
                None => match patience.next(link.latency_last() * 2) {
                    Ok(wait) => rt::sleep(wait).await,
                    Err(_) => return,
                },
            }
        }
    }

    /// Why nothing gets across any more: so much was lost that the kernel gave up, or the other end has forgotten the
    /// connection.
    pub(crate) fn broken(&self) -> Option<io::ErrorKind> {
        self.0.broken.get().copied()
    }
}

impl Inner {
    fn segment(&self, bytes: u64) -> Segment {
        Segment { bytes, port: self.port }
    }

    /// Whether the sender has lost its power since, and with it what waited.
    fn sender_is_gone(&self) -> bool {
        self.link.ends.0.life() != self.lives.0
    }

    /// Whether the receiver has lost its power since, and does not know the connection.
    fn receiver_is_another(&self) -> bool {
        self.link.ends.1.life() != self.lives.1
    }

    /// Has what waits first held back; it takes this long when it is let go.
    fn hold(self: &Arc<Inner>, parcels: &Parcels, latency: Duration, bytes: u64) {
        let lane = self.clone();
        parcels.keep(self.link.held(self.segment(bytes)), move || lane.release(latency));
    }

    /// Lets go what waits first, and sends what waited behind it.
    fn release(self: &Arc<Inner>, latency: Duration) {
        if !rt::is_in_run() {
            let waiting = std::mem::take(&mut self.window().waiting);
            return drop(waiting);
        }
        let Some(Waiting { cause, sent, launch, .. }) = self.window().waiting.pop_front() else { return };
        let cause = self.network.stood_still("held back", cause, sent);
        let arrival = self.window().arrival(rt::now() + latency);
        launch(cause, arrival);
        let scope = Scope { node: self.network.recorder.scope().node, cause, ..Scope::default() };
        match self.resend("held back") {
            Resent::Everything | Resent::Held => {}
            Resent::Nothing | Resent::Something => self.network.in_kernel(scope, retransmit(self.clone())),
            Resent::ToSomebodyElse(latency) => self.network.in_kernel(scope, reset(self.clone(), latency)),
        }
    }

    /// Sends what waits again, up to the first that is lost or held back.
    fn resend(self: &Arc<Inner>, why: &str) -> Resent {
        let Inner { link, network, .. } = &**self;
        let recorder = &network.recorder;
        let mut window = self.window();
        let mut resent = Resent::Nothing;
        while let Some(bytes) = window.waiting.front().map(|segment| segment.bytes) {
            let passage = link.send(network, Sent::Segment, self.segment(bytes));
            let Some(Passage { latency, held, .. }) = passage else { return resent };
            if let Some(parcels) = held {
                self.hold(&parcels, latency, bytes);
                return Resent::Held;
            }
            if self.receiver_is_another() {
                return Resent::ToSomebodyElse(latency);
            }
            let Waiting { cause, sent, launch, .. } = window.waiting.pop_front().expect("seen");
            // The first of them stood still for its own sake; the others waited for it.
            if matches!(resent, Resent::Nothing) {
                recorder.join(network.stood_still(why, cause, sent));
            }
            launch(recorder.scope().last(), window.arrival(rt::now() + latency));
            resent = Resent::Something;
        }
        Resent::Everything
    }

    /// Gives up what waits, and drops it.
    fn break_with(&self, why: io::ErrorKind) {
        drop(self.give_up(why));
    }

    /// What is to be dropped outside of all locks: what it holds may send in its turn.
    fn give_up(&self, why: io::ErrorKind) -> VecDeque<Waiting> {
        self.broken.get_or_init(|| why);
        let waiting = std::mem::take(&mut self.window().waiting);
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        tell.into_iter().for_each(|tell| tell(why));
        waiting
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.window().waiting.len();
        f.debug_struct("Lane").field("link", &self.link).field("waiting", &waiting).finish_non_exhaustive()
    }
}

impl Window {
    /// When something arrives that would do so at `at`, alone.
    fn arrival(&mut self, at: SimTime) -> SimTime {
        // Timers of one moment fire in no stated order; a nanosecond keeps the stream's.
        self.arrival_last = at.max(self.arrival_last + Duration::from_nanos(1));
        self.arrival_last
    }
}

/// The kernel's memory of what waits: it ends with the task that sends it again, also where the whole world ends.
struct Forget {
    lane: Arc<Inner>,
    armed: bool,
}

impl Drop for Forget {
    fn drop(&mut self) {
        if self.armed {
            let waiting = std::mem::take(&mut self.lane.window().waiting);
            drop(waiting);
        }
    }
}

/// Sends what waits again, until nothing does or the connection is broken.
async fn retransmit(lane: Arc<Inner>) {
    let mut forget = Forget { lane: lane.clone(), armed: true };
    let link = &lane.link;
    let mut patience = Retransmission::new();
    loop {
        let Ok(wait) = patience.next(link.latency_last() * 2) else {
            return lane.break_with(io::ErrorKind::TimedOut);
        };
        lane.window().again = rt::now() + wait;
        until_again(&lane).await;
        if lane.sender_is_gone() {
            return;
        }
        match lane.resend("retransmission") {
            Resent::Everything => return,
            Resent::Held => {
                forget.armed = false;
                return;
            }
            Resent::Something => patience = Retransmission::new(),
            Resent::Nothing => {}
            Resent::ToSomebodyElse(latency) => return reset(lane, latency).await,
        }
    }
}

/// The receiver does not know the connection, and says so a round trip after it was sent something.
async fn reset(lane: Arc<Inner>, latency: Duration) {
    rt::sleep(latency * 2).await;
    lane.break_with(io::ErrorKind::ConnectionReset);
}

/// What came of sending again.
enum Resent {
    Everything,
    Something,
    Nothing,
    /// The first that waits is held back.
    Held,
    /// The receiver does not know the connection; how long a segment takes to it.
    ToSomebodyElse(Duration),
}

/// Waits until the window says that it is time, which may become earlier meanwhile.
async fn until_again(lane: &Inner) {
    let mut alarm = None::<(SimTime, rt::Alarm)>;
    poll_fn(|context: &mut Context<'_>| {
        let mut window = lane.window();
        let again = window.again;
        window.waker = Some(context.waker().clone());
        drop(window);
        let (_, alarm) = match &mut alarm {
            Some(set) if set.0 == again => set,
            other => other.insert((again, rt::Alarm::new(again))),
        };
        alarm.poll(context)
    })
    .await;
    lane.window().waker = None;
}

#[expect(clippy::too_many_arguments, reason = "all that there is to know of something on its way")]
fn launch<T: Send + 'static>(
    clock: &Clock,
    network: &Arc<Shared>,
    link: &Link,
    cause: EventId,
    sent: SimTime,
    arrival: SimTime,
    value: T,
    to: impl Arrive<T>,
) {
    let delivery = Delivery {
        value: Mutex::new(Some(value)),
        to,
        network: network.clone(),
        scope: Scope { node: link.target, cause, ..Scope::default() },
        subject: link.subject,
        sent,
        arrival,
    };
    clock.wake_at(arrival, &Waker::from(Arc::new(delivery)));
}

/// A value on its way. Its timer wakes it instead of a task.
struct Delivery<T, A> {
    value: Mutex<Option<T>>,
    to: A,
    network: Arc<Shared>,
    scope: Scope,
    subject: Symbol,
    sent: SimTime,
    arrival: SimTime,
}

impl<T: Send + 'static, A: Arrive<T>> Wake for Delivery<T, A> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        let value = value.expect("a timer fires once");
        let took = self.arrival - self.sent;
        let recorder = &self.network.recorder;
        let event = recorder.record_in(self.scope, self.arrival, Kind::Deliver, self.subject, took, 0);
        self.to.arrive(value, self.arrival, event);
    }
}
