//! An ordered stream: one direction of a connection. Lost segments are retransmitted, and later
//! segments wait for them.
//!
//! A segment that is not lost costs one timer and no task. Only after a loss a task waits for the
//! retransmission timeout.

use crate::delivery::{Departure, Destination, deliver_at, record_stall};
use crate::error::{ECONNRESET, EPIPE, ETIMEDOUT, Errno};
use crate::fault::{Segment, Sent};
use crate::link::{Link, Transit};
use crate::network::Shared;
use crate::queue::MessageQueue;
use crate::retransmission::RetransmissionTimeout;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Scope, SimTime};
use stormglass_rt::{self as rt, Clock};

/// An ordered stream: one direction of a connection.
///
/// A value arrives after its latency, and not before the value that was sent before it. Lost
/// values are retransmitted; values that were sent after a lost one wait for it.
#[derive(Clone, Debug)]
pub(crate) struct OrderedStream(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    /// The service's port.
    port: u16,
    network: Arc<Shared>,
    window: Mutex<Window>,
    /// The incarnations of both hosts when the connection was established.
    incarnations: (u32, u32),
    /// Why nothing is delivered any more.
    broken: OnceLock<Errno>,
    /// Notifies the sender's socket when the connection breaks.
    on_broken: Mutex<Option<OnBroken>>,
}

type OnBroken = Box<dyn FnOnce(Errno) + Send>;

/// The sending kernel's state of the stream.
#[derive(Default)]
struct Window {
    arrival_last: SimTime,
    /// The first lost or held value, and all values that were sent after it.
    unsent: VecDeque<Unsent>,
    /// When the first of them is retransmitted.
    retransmit_at: SimTime,
    waker: Option<Waker>,
}

/// A value that waits to be sent again: `deliver` takes the cause and the time of its arrival.
struct Unsent {
    departure: Departure,
    bytes: u64,
    deliver: Box<dyn FnOnce(EventId, SimTime) + Send>,
}

/// How many later segments have to arrive for the sender to learn that one before them is missing
/// (RFC 5681).
const DUPLICATE_ACKS: usize = 3;

impl OrderedStream {
    pub(crate) fn new(network: &Arc<Shared>, link: Arc<Link>, port: u16) -> OrderedStream {
        // The kernel retransmits also for a process that cannot create a node any more.
        network.start_kernel();
        let incarnations = (link.power.0.incarnation(), link.power.1.incarnation());
        let (network, window) = (network.clone(), Mutex::default());
        let (broken, on_broken) = (OnceLock::new(), Mutex::default());
        OrderedStream(Arc::new(Inner { link, port, network, window, incarnations, broken, on_broken }))
    }

    /// Sets the function that is called once, when the connection breaks.
    pub(crate) fn on_broken(&self, notify: impl FnOnce(Errno) + Send + 'static) {
        *self.0.on_broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(notify));
    }

    /// Sends a value of this size in bytes. On a broken connection the value is dropped.
    pub(crate) fn send<T: Send + 'static>(&self, value: T, bytes: u64, to: impl Destination<T>) {
        let Inner { link, network, .. } = &*self.0;
        if self.broken().is_some() || self.0.sender_has_restarted() {
            return;
        }
        let clock = Clock::current();
        let recorder = &network.recorder;
        let sent = clock.now();
        let cause = recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, bytes);
        let departure = Departure { cause, sent };
        let scope = self.0.scope(cause);
        let mut window = self.0.window();
        let mut held = None;
        if window.unsent.is_empty()
            && let Some(transit) = network.send(link, Sent::Segment, self.0.segment(bytes))
        {
            if transit.held.is_none() {
                if self.0.receiver_has_restarted() {
                    return network.spawn_in_kernel(scope, reset(self.0.clone(), transit.latency));
                }
                let arrival = window.arrival(sent + transit.latency);
                deliver_at(arrival, &clock, recorder, link, departure, value, to);
                return;
            }
            held = transit.held.map(|queue| (queue, transit.latency));
        }
        let inner = self.0.clone();
        let deliver = move |cause, arrival| {
            let (recorder, departure) = (&inner.network.recorder, Departure { cause, sent });
            deliver_at(arrival, &Clock::current(), recorder, &inner.link, departure, value, to);
        };
        window.unsent.push_back(Unsent { departure, bytes, deliver: Box::new(deliver) });
        if let Some((queue, latency)) = held {
            return self.0.hold_first(&queue, latency, bytes);
        }
        let round_trip = link.latency_last() * 2;
        if window.unsent.len() == 1 {
            network.spawn_in_kernel(scope, retransmit(self.0.clone()));
        } else if window.unsent.len() == 1 + DUPLICATE_ACKS && window.retransmit_at > sent + round_trip {
            window.retransmit_at = sent + round_trip;
            if let Some(waker) = window.waker.take() {
                waker.wake();
            }
        }
    }

    /// Sends a last value, once, and drops the values that wait for a retransmission. If it is
    /// lost, the receiver learns of the end when it sends a segment.
    pub(crate) fn abort<T: Send + 'static>(&self, value: T, to: impl Destination<T>) {
        let Inner { link, network, .. } = &*self.0;
        if self.broken().is_some() || self.0.sender_has_restarted() {
            return;
        }
        self.0.break_and_drop(EPIPE);
        let recorder = &network.recorder;
        let sent = rt::now();
        let cause = recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, 0);
        if let Some(latency) = network.send_control(link, self.0.segment(0)) {
            let arrival = self.0.window().arrival(sent + latency);
            let departure = Departure { cause, sent };
            deliver_at(arrival, &Clock::current(), recorder, link, departure, value, to);
        }
    }

    /// Whether the receiving host has lost power since the connection was established, and with it
    /// its state of the connection.
    pub(crate) fn receiver_has_restarted(&self) -> bool {
        self.0.receiver_has_restarted()
    }

    /// Breaks the connection: drops the values that wait, and delivers nothing any more. A timer's
    /// callback may call this.
    pub(crate) fn break_with(&self, why: Errno) {
        let unsent = self.0.take_unsent(why);
        if !unsent.is_empty() {
            self.0.network.drop_later(unsent);
        }
    }

    /// Waits until a control segment that no socket receives, such as a reset, has been delivered;
    /// retransmits it.
    pub(crate) async fn deliver_control(&self) {
        let Inner { link, network, .. } = &*self.0;
        let mut timeout = RetransmissionTimeout::new();
        loop {
            match network.send_control(link, self.0.segment(0)) {
                Some(latency) => return rt::Clock::current().sleep(latency).await,
                None => match timeout.next(link.latency_last() * 2) {
                    Ok(wait) => rt::Clock::current().sleep(wait).await,
                    Err(_) => return,
                },
            }
        }
    }

    /// Why nothing is delivered any more: the kernel gave up after too many losses, or the other
    /// end has no state of the connection.
    pub(crate) fn broken(&self) -> Option<Errno> {
        self.0.broken.get().copied()
    }
}

impl Inner {
    fn segment(&self, bytes: u64) -> Segment {
        Segment { bytes, port: self.port }
    }

    /// The scope of a kernel task that this event caused.
    fn scope(&self, cause: EventId) -> Scope {
        Scope { node: self.network.recorder.scope().node, cause, ..Scope::default() }
    }

    /// Whether the sending host has lost power since the connection was established, and with it
    /// the values that waited.
    fn sender_has_restarted(&self) -> bool {
        self.link.power.0.incarnation() != self.incarnations.0
    }

    fn receiver_has_restarted(&self) -> bool {
        self.link.power.1.incarnation() != self.incarnations.1
    }

    /// Queues the first value that waits; it takes this latency when it is released.
    fn hold_first(self: &Arc<Inner>, queue: &MessageQueue, latency: Duration, bytes: u64) {
        let stream = self.clone();
        queue.push(self.link.queued(self.segment(bytes)), move || stream.release_first(latency));
    }

    /// Releases the first value that waits, and sends the values that waited behind it.
    fn release_first(self: &Arc<Inner>, latency: Duration) {
        if !rt::is_in_run() {
            let unsent = std::mem::take(&mut self.window().unsent);
            return drop(unsent);
        }
        let Some(Unsent { departure, deliver, .. }) = self.window().unsent.pop_front() else { return };
        let cause = record_stall(&self.network.recorder, "held back", departure);
        let arrival = self.window().arrival(rt::now() + latency);
        deliver(cause, arrival);
        let scope = self.scope(cause);
        match self.resend("held back") {
            Resent::All | Resent::Held => {}
            Resent::None | Resent::Some => self.network.spawn_in_kernel(scope, retransmit(self.clone())),
            Resent::UnknownConnection(latency) => {
                self.network.spawn_in_kernel(scope, reset(self.clone(), latency));
            }
        }
    }

    /// Sends the values that wait, up to the first that is lost or held.
    fn resend(self: &Arc<Inner>, why: &str) -> Resent {
        let Inner { link, network, .. } = &**self;
        let recorder = &network.recorder;
        let mut window = self.window();
        let mut resent = Resent::None;
        while let Some(bytes) = window.unsent.front().map(|unsent| unsent.bytes) {
            let transit = network.send(link, Sent::Segment, self.segment(bytes));
            let Some(Transit { latency, held, .. }) = transit else { return resent };
            if let Some(queue) = held {
                self.hold_first(&queue, latency, bytes);
                return Resent::Held;
            }
            if self.receiver_has_restarted() {
                return Resent::UnknownConnection(latency);
            }
            let Unsent { departure, deliver, .. } = window.unsent.pop_front().expect("seen");
            // Only the first was stalled by its own loss; the others waited for it.
            if matches!(resent, Resent::None) {
                recorder.join(record_stall(recorder, why, departure));
            }
            deliver(recorder.scope().last(), window.arrival(rt::now() + latency));
            resent = Resent::Some;
        }
        Resent::All
    }

    /// Breaks the connection, and drops the values that wait.
    fn break_and_drop(&self, why: Errno) {
        drop(self.take_unsent(why));
    }

    /// Breaks the connection; returns the values that waited. The caller drops them without any
    /// lock: dropping a value may send another.
    fn take_unsent(&self, why: Errno) -> VecDeque<Unsent> {
        self.broken.get_or_init(|| why);
        let unsent = std::mem::take(&mut self.window().unsent);
        let notify = self.on_broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        notify.into_iter().for_each(|notify| notify(why));
        unsent
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsent = self.window().unsent.len();
        f.debug_struct("OrderedStream")
            .field("link", &self.link)
            .field("unsent", &unsent)
            .finish_non_exhaustive()
    }
}

impl Window {
    /// When a value arrives that would arrive at `at` if it were alone on the stream.
    fn arrival(&mut self, at: SimTime) -> SimTime {
        // Timers of the same moment fire in no defined order; a nanosecond keeps the stream's
        // order.
        self.arrival_last = at.max(self.arrival_last + Duration::from_nanos(1));
        self.arrival_last
    }
}

/// Drops the values that wait when the task that retransmits them ends, also at the end of the
/// simulated world.
struct DropUnsent {
    stream: Arc<Inner>,
    armed: bool,
}

impl Drop for DropUnsent {
    fn drop(&mut self) {
        if self.armed {
            let unsent = std::mem::take(&mut self.stream.window().unsent);
            drop(unsent);
        }
    }
}

/// Retransmits the values that wait, until none does or the connection is broken.
async fn retransmit(stream: Arc<Inner>) {
    let mut drop_unsent = DropUnsent { stream: stream.clone(), armed: true };
    let link = &stream.link;
    let mut timeout = RetransmissionTimeout::new();
    loop {
        let Ok(wait) = timeout.next(link.latency_last() * 2) else {
            return stream.break_and_drop(ETIMEDOUT);
        };
        stream.window().retransmit_at = rt::now() + wait;
        retransmission_due(&stream).await;
        if stream.sender_has_restarted() {
            return;
        }
        match stream.resend("retransmission") {
            Resent::All => return,
            Resent::Held => {
                drop_unsent.armed = false;
                return;
            }
            Resent::Some => timeout = RetransmissionTimeout::new(),
            Resent::None => {}
            Resent::UnknownConnection(latency) => return reset(stream, latency).await,
        }
    }
}

/// Breaks the connection when the receiver's reset arrives: the receiver has no state of the
/// connection, and answers a segment with a reset, a round trip after it was sent.
async fn reset(stream: Arc<Inner>, latency: Duration) {
    rt::Clock::current().sleep(latency * 2).await;
    stream.break_and_drop(ECONNRESET);
}

/// Which of the values that waited were sent.
enum Resent {
    All,
    Some,
    None,
    /// The first value that waits is held.
    Held,
    /// The receiver has no state of the connection; how long a segment takes to it.
    UnknownConnection(Duration),
}

/// Waits until `retransmit_at`, which may become earlier meanwhile.
async fn retransmission_due(stream: &Inner) {
    let mut alarm = None::<(SimTime, rt::Alarm)>;
    poll_fn(|context: &mut Context<'_>| {
        let mut window = stream.window();
        let at = window.retransmit_at;
        window.waker = Some(rt::waker(context).into_owned());
        drop(window);
        let (_, alarm) = match &mut alarm {
            Some(set) if set.0 == at => set,
            other => other.insert((at, rt::Alarm::new(at))),
        };
        alarm.poll(context)
    })
    .await;
    stream.window().waker = None;
}
