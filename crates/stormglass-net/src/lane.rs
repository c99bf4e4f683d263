//! How one value gets from host to host: one timer, no task. Only where something was lost, a task waits to send it again.

use crate::fault::Sent;
use crate::network::{Link, Shared};
use crate::retransmission::Retransmission;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Scope, SimTime, Symbol};
use stormglass_rt as rt;

/// What is done with a value when it arrives. Runs in a timer's callback: it may put the value into a channel,
/// and must neither read the clock nor set a timer.
pub(crate) trait Arrive<T>: Send + Sync + 'static {
    fn arrive(&self, value: T, cause: EventId);
}

/// Sends a value over a link without order. What is lost is gone; a copy may come too.
pub(crate) fn send<T, A>(network: &Arc<Shared>, link: &Link, value: T, bytes: u64, to: A)
where
    T: Clone + Send + 'static,
    A: Arrive<T> + Clone,
{
    let sent = rt::now();
    let cause = network.recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, bytes);
    let Some(passage) = link.send(network, Sent::Datagram, bytes) else { return };
    if let Some(latency) = passage.copy {
        launch(network, link, cause, sent, sent + latency, value.clone(), to.clone());
    }
    launch(network, link, cause, sent, sent + passage.latency, value, to);
}

/// One direction of an ordered stream: a value arrives when its latency is over, and not before the one
/// sent before it. What is lost is sent again, and what was sent after it waits.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    network: Arc<Shared>,
    window: Mutex<Window>,
    /// The lives of both ends when they connected.
    lives: (u32, u32),
    /// Why nothing gets across any more.
    broken: OnceLock<io::ErrorKind>,
    /// What the sender's own side is told when the connection is broken.
    tell: Mutex<Option<Tell>>,
}

type Tell = Box<dyn FnOnce() + Send>;

/// What the sender's kernel knows of the stream.
#[derive(Default)]
struct Window {
    arrival_last: SimTime,
    /// What was lost, and all that was sent after it.
    waiting: VecDeque<Segment>,
    /// When the first of it is sent again.
    again: SimTime,
    waker: Option<Waker>,
}

/// A value that waits to be sent again: how to launch it, given its cause and its arrival.
struct Segment {
    cause: EventId,
    sent: SimTime,
    bytes: u64,
    launch: Box<dyn FnOnce(EventId, SimTime) + Send>,
}

/// So many later segments that arrive tell the sender that one before them is missing (RFC 5681).
const DUPLICATE_ACKS: usize = 3;

impl Lane {
    pub(crate) fn new(network: &Arc<Shared>, link: Arc<Link>) -> Lane {
        let lives = (link.ends.0.life(), link.ends.1.life());
        let (network, window) = (network.clone(), Mutex::default());
        Lane(Arc::new(Inner {
            link,
            network,
            window,
            lives,
            broken: OnceLock::new(),
            tell: Mutex::default(),
        }))
    }

    /// Has this done when the connection is broken, once.
    pub(crate) fn when_broken(&self, tell: impl FnOnce() + Send + 'static) {
        *self.0.tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(tell));
    }

    /// Sends a value of so many bytes. Once the connection is broken it is lost.
    pub(crate) fn send<T: Send + 'static>(&self, value: T, bytes: u64, to: impl Arrive<T>) {
        let Inner { link, network, .. } = &*self.0;
        if self.broken().is_some() || self.0.sender_is_gone() {
            return;
        }
        let sent = rt::now();
        let cause = network.recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, bytes);
        let scope = Scope { node: network.recorder.scope().node, task: Symbol::NONE, cause };
        let mut window = self.0.window();
        if window.waiting.is_empty()
            && let Some(latency) = link.attempt(network, bytes)
        {
            if self.0.receiver_is_another() {
                return network.in_kernel(scope, reset(self.0.clone(), latency));
            }
            let arrival = window.arrival(sent + latency);
            launch(network, link, cause, sent, arrival, value, to);
            return;
        }
        let inner = self.0.clone();
        let launch = move |cause, arrival| {
            launch(&inner.network, &inner.link, cause, sent, arrival, value, to);
        };
        window.waiting.push_back(Segment { cause, sent, bytes, launch: Box::new(launch) });
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

    /// Waits for as long as it takes to get something across that nobody receives, such as a reset.
    pub(crate) async fn cross(&self) {
        let Inner { link, network, .. } = &*self.0;
        let mut patience = Retransmission::new();
        loop {
            match link.attempt(network, 0) {
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
    /// Whether the sender has lost its power since, and with it what waited.
    fn sender_is_gone(&self) -> bool {
        self.link.ends.0.life() != self.lives.0
    }

    /// Whether the receiver has lost its power since, and does not know the connection.
    fn receiver_is_another(&self) -> bool {
        self.link.ends.1.life() != self.lives.1
    }

    /// Sends what waits again, up to the first that is lost.
    fn resend(&self) -> Resent {
        let Inner { link, network, .. } = self;
        let recorder = &network.recorder;
        let mut window = self.window();
        let mut resent = Resent::Nothing;
        while let Some(bytes) = window.waiting.front().map(|segment| segment.bytes) {
            let Some(latency) = link.attempt(network, bytes) else { return resent };
            if self.receiver_is_another() {
                return Resent::ToSomebodyElse(latency);
            }
            let Segment { cause, sent, launch, .. } = window.waiting.pop_front().expect("seen");
            let now = rt::now();
            // The first of them stood still for its own sake; the others waited for it.
            if matches!(resent, Resent::Nothing) {
                let scope = Scope { cause, ..recorder.scope() };
                let stalled = recorder.symbol("retransmission");
                recorder.join(recorder.record_in(scope, now, Kind::Stall, stalled, now - sent, 0));
            }
            launch(recorder.scope().cause, window.arrival(now + latency));
            resent = Resent::Something;
        }
        Resent::Everything
    }

    fn break_with(&self, why: io::ErrorKind) {
        self.broken.get_or_init(|| why);
        // Dropped outside of the lock: what it holds may send in its turn.
        let waiting = std::mem::take(&mut self.window().waiting);
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        tell.into_iter().for_each(|tell| tell());
        drop(waiting);
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

/// Sends what waits again, until nothing does or the connection is broken.
async fn retransmit(lane: Arc<Inner>) {
    let link = &lane.link;
    let mut patience = Retransmission::new();
    loop {
        let Ok(wait) = patience.next(link.latency_last() * 2) else {
            return lane.break_with(io::ErrorKind::TimedOut);
        };
        lane.window().again = rt::now() + wait;
        until_again(&lane).await;
        if lane.sender_is_gone() {
            let waiting = std::mem::take(&mut lane.window().waiting);
            return drop(waiting);
        }
        match lane.resend() {
            Resent::Everything => return,
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

fn launch<T: Send + 'static>(
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
        scope: Scope { node: link.target, task: Symbol::NONE, cause },
        subject: link.subject,
        sent,
        arrival,
    };
    rt::wake_at(arrival, &Waker::from(Arc::new(delivery)));
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
        self.to.arrive(value, event);
    }
}
