//! How one value gets from host to host: one timer, no task.

use crate::network::{Link, Shared};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;
use stormglass_core::{EventId, Kind, Scope, SimTime, Symbol};
use stormglass_rt as rt;

/// What is done with a value when it arrives. Runs in a timer's callback: it may put the value into a channel,
/// and must neither read the clock nor set a timer.
pub(crate) trait Arrive<T>: Send + Sync + 'static {
    fn arrive(&self, value: T, cause: EventId);
}

/// Sends a value over a link without order.
pub(crate) fn send<T: Send + 'static>(network: &Arc<Shared>, link: &Link, value: T, to: impl Arrive<T>) {
    let sent = rt::now();
    let latency = link.draw();
    launch(network, link, sent, sent + latency, value, to);
}

/// One direction of an ordered stream: a value arrives when its latency is over, and not before the one
/// sent before it.
#[derive(Debug)]
pub(crate) struct Lane {
    link: Arc<Link>,
    network: Arc<Shared>,
    arrival_last: Mutex<SimTime>,
}

impl Lane {
    pub(crate) fn new(network: &Arc<Shared>, link: Arc<Link>) -> Lane {
        Lane { link, network: network.clone(), arrival_last: Mutex::new(SimTime::ZERO) }
    }

    pub(crate) fn send<T: Send + 'static>(&self, value: T, to: impl Arrive<T>) {
        let sent = rt::now();
        let arrival = {
            let mut last = self.arrival_last.lock().unwrap_or_else(PoisonError::into_inner);
            // Timers of one moment fire in no stated order; a nanosecond keeps the stream's.
            let earliest = *last + Duration::from_nanos(1);
            *last = earliest.max(sent + self.link.draw());
            *last
        };
        launch(&self.network, &self.link, sent, arrival, value, to);
    }

    pub(crate) fn draw(&self) -> Duration {
        self.link.draw()
    }
}

fn launch<T: Send + 'static>(
    network: &Arc<Shared>,
    link: &Link,
    sent: SimTime,
    arrival: SimTime,
    value: T,
    to: impl Arrive<T>,
) {
    let recorder = &network.recorder;
    let cause = recorder.record(sent, Kind::Send, link.subject, Duration::ZERO, 0);
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
