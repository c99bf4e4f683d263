//! Delivers one value: one timer, no task.

use crate::link::Link;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use stormglass_core::{EventId, Kind, Recorder, Scope, SimTime, Symbol};
use stormglass_rt::{self as rt, Clock};

/// Where a value arrives. `deliver` runs in a timer's callback: it may put the value into a
/// channel, and must neither read the clock nor set a timer.
pub(crate) trait Destination<T>: Send + Sync + 'static {
    fn deliver(&self, value: T, at: SimTime, cause: EventId);
}

/// When a value was sent, and the event that caused its delivery: its sending, or the end of what
/// delayed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    pub(crate) cause: EventId,
    pub(crate) sent: SimTime,
}

/// Has a value delivered at `arrival`, by a timer.
pub(crate) fn deliver_at<T: Send + 'static>(
    arrival: SimTime,
    clock: &Clock,
    recorder: &Recorder,
    link: &Link,
    departure: Departure,
    value: T,
    to: impl Destination<T>,
) {
    let delivery = Delivery {
        value: Mutex::new(Some(value)),
        to,
        recorder: recorder.clone(),
        scope: Scope { node: link.target, cause: departure.cause, ..Scope::default() },
        subject: link.subject,
        sent: departure.sent,
        arrival,
    };
    clock.wake_at(arrival, &Waker::from(Arc::new(delivery)));
}

/// A value in transit. Its timer wakes it instead of a task.
struct Delivery<T, D> {
    value: Mutex<Option<T>>,
    to: D,
    recorder: Recorder,
    scope: Scope,
    subject: Symbol,
    sent: SimTime,
    arrival: SimTime,
}

impl<T: Send + 'static, D: Destination<T>> Wake for Delivery<T, D> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        let value = value.expect("a timer fires once");
        let took = self.arrival - self.sent;
        let event = self.recorder.record_in(self.scope, self.arrival, Kind::Deliver, self.subject, took, 0);
        self.to.deliver(value, self.arrival, event);
    }
}

/// Records that a value was stalled from its departure until now; returns the event.
pub(crate) fn record_stall(recorder: &Recorder, why: &str, departure: Departure) -> EventId {
    let now = rt::now();
    let scope = recorder.scope().with_cause(departure.cause);
    recorder.record_in(scope, now, Kind::Stall, recorder.symbol(why), now - departure.sent, 0)
}
