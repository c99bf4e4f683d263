//! Waiting for one of several servers: the queue before cores and devices.

use crate::time::SimTime;
use std::time::Duration;

/// So many servers with one queue: each piece of work takes the server that is free first, in the order of arrival.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::SimTime;
/// use stormglass_core::queue::Servers;
///
/// let mut servers = Servers::new(2);
/// let work = Duration::from_millis(10);
/// let done = [0, 0, 0].map(|_| servers.take(SimTime::ZERO, work).to_string());
/// assert_eq!(done, ["0.010s", "0.010s", "0.020s"]);
/// ```
#[derive(Clone, Debug)]
pub struct Servers {
    free_at: Vec<SimTime>,
}

impl Servers {
    /// So many idle servers.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn new(count: usize) -> Servers {
        assert!(count > 0, "a queue without servers never moves");
        Servers { free_at: vec![SimTime::ZERO; count] }
    }

    /// Takes a piece of work on that comes at `now` and needs a server for `work`; gives the moment when it is done.
    pub fn take(&mut self, now: SimTime, work: Duration) -> SimTime {
        self.take_until(now, |start| start + work)
    }

    /// As [`Servers::take`], for work whose end depends on when it begins.
    pub fn take_until(&mut self, now: SimTime, end: impl FnOnce(SimTime) -> SimTime) -> SimTime {
        let server = self.free_at.iter_mut().min().expect("there is a server");
        *server = end((*server).max(now));
        *server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    /// Three pieces of 10 ms for two servers: two are done at 10 ms, the third at 20 ms; a later one finds a server idle.
    #[test]
    fn work_waits_for_a_server() {
        let mut servers = Servers::new(2);
        let work = Duration::from_millis(10);
        assert_eq!([0, 0, 0, 25].map(|at| servers.take(AT(at), work)), [AT(10), AT(10), AT(20), AT(35)]);
    }
}
