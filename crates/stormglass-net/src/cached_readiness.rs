//! The readiness of a socket as the program's runtime has cached it. tokio asks the kernel only
//! for changes (edge-triggered epoll), so what it knows is not what the kernel would say:
//!
//! - An event of the kernel sets a bit; `WouldBlock` of an operation clears it, and so does a read
//!   or write that was shorter than asked for. Until the next event the socket is then not ready,
//!   whatever is in its queue.
//! - A read that takes exactly what there is leaves the bit set.
//! - An accepted stream is assumed to be ready.
//! - The end of a direction is final: nothing clears it.

use crate::interest::{Interest, Ready};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an event of the kernel reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Readable = 0,
    Writable = 1,
    Error = 2,
}

impl Event {
    const ALL: [Event; 3] = [Event::Readable, Event::Writable, Event::Error];

    fn ready(self) -> Ready {
        match self {
            Event::Readable => Ready::READABLE,
            Event::Writable => Ready::WRITABLE,
            Event::Error => Ready::ERROR,
        }
    }
}

/// How many events of each kind the kernel has reported for a socket.
#[derive(Debug, Default)]
pub(crate) struct Events([AtomicU64; 3]);

impl Events {
    /// Reports an event. A timer's callback may call this.
    pub(crate) fn report(&self, event: Event) {
        self.0[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, event: Event) -> u64 {
        self.0[event as usize].load(Ordering::Relaxed)
    }
}

/// The cached readiness of an open socket: for each kind of event, how many there had been when
/// the bit was cleared.
#[derive(Debug, Default)]
pub(crate) struct Readiness([AtomicU64; 3]);

/// The bit was never cleared.
const NEVER: u64 = u64::MAX;

impl Readiness {
    /// Sets the bit without an event.
    pub(crate) fn assume(&self, event: Event) {
        self.0[event as usize].store(NEVER, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self, event: Event, events: &Events) -> bool {
        self.0[event as usize].load(Ordering::Relaxed) != events.count(event)
    }

    /// Clears the bit until the next event.
    pub(crate) fn clear(&self, event: Event, events: &Events) {
        self.0[event as usize].store(events.count(event), Ordering::Relaxed);
    }

    /// Clears the bits of this set.
    pub(crate) fn clear_all(&self, ready: Ready, events: &Events) {
        for event in Event::ALL {
            if !(ready & event.ready()).is_empty() {
                self.clear(event, events);
            }
        }
    }

    /// The bits that are set.
    pub(crate) fn ready(&self, events: &Events) -> Ready {
        let set = Event::ALL.into_iter().filter(|&event| self.is_set(event, events));
        set.fold(Ready::EMPTY, |ready, event| ready | event.ready())
    }
}

/// The readiness that ends a wait for this interest (tokio: `Ready::from_interest`).
pub(crate) fn awaited(interest: Interest) -> Ready {
    let mut ready = Ready::EMPTY;
    if interest.is_readable() {
        ready |= Ready::READABLE | Ready::READ_CLOSED;
    }
    if interest.is_writable() {
        ready |= Ready::WRITABLE | Ready::WRITE_CLOSED;
    }
    if interest.is_priority() {
        ready |= Ready::PRIORITY | Ready::READ_CLOSED;
    }
    if interest.is_error() {
        ready |= Ready::ERROR;
    }
    ready
}

/// The readiness with which `try_io` makes its attempt (tokio: `Interest::mask`): none for two
/// interests at once.
pub(crate) fn attempted(interest: Interest) -> Ready {
    let single = [Interest::READABLE, Interest::WRITABLE, Interest::PRIORITY, Interest::ERROR];
    if single.contains(&interest) { awaited(interest) } else { Ready::EMPTY }
}

/// Makes one attempt if the socket is ready for it; `clear` clears the readiness that turned out
/// to be wrong.
///
/// # Errors
///
/// `WouldBlock` if the socket is not ready, or the attempt returned it; the attempt's own errors.
pub(crate) fn try_io<R>(
    interest: Interest,
    ready: Ready,
    clear: impl FnOnce(Ready),
    attempt: impl FnOnce() -> io::Result<R>,
) -> io::Result<R> {
    let ready = ready & attempted(interest);
    if ready.is_empty() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    match attempt() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            clear(ready);
            Err(io::ErrorKind::WouldBlock.into())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_set_from_an_event_until_it_is_cleared() {
        let (events, readiness) = (Events::default(), Readiness::default());
        assert_eq!(readiness.ready(&events), Ready::EMPTY);
        events.report(Event::Readable);
        assert_eq!(readiness.ready(&events), Ready::READABLE);
        readiness.clear(Event::Readable, &events);
        assert_eq!(readiness.ready(&events), Ready::EMPTY);
        events.report(Event::Readable);
        readiness.assume(Event::Writable);
        assert_eq!(readiness.ready(&events), Ready::READABLE | Ready::WRITABLE);
        readiness.clear_all(Ready::READABLE, &events);
        assert_eq!(readiness.ready(&events), Ready::WRITABLE);
    }

    #[test]
    fn an_attempt_for_two_interests_is_never_made() {
        let (ready, both) = (Ready::READABLE | Ready::WRITABLE, Interest::READABLE | Interest::WRITABLE);
        assert_eq!(try_io(Interest::READABLE, ready, |_| {}, || Ok(1)).unwrap(), 1);
        let error = try_io(both, ready, |_| {}, || Ok(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
