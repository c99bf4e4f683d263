//! A first-come, first-served queue in front of one or several servers, such as cores and devices.

use crate::time::SimTime;
use std::time::Duration;

/// Servers with one common queue: each job takes the server that is free first, in the order of
/// arrival.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::SimTime;
/// use stormglass_core::queue::Servers;
///
/// let mut servers = Servers::new(2);
/// let work = Duration::from_millis(10);
/// let done = [0, 0, 0].map(|_| servers.enqueue(SimTime::ZERO, work).to_string());
/// assert_eq!(done, ["0.010s", "0.010s", "0.020s"]);
/// ```
#[derive(Clone, Debug)]
pub struct Servers {
    free_at: Vec<SimTime>,
}

impl Servers {
    /// Creates `count` idle servers.
    ///
    /// # Panics
    ///
    /// When `count` is 0.
    pub fn new(count: usize) -> Servers {
        assert!(count > 0, "a queue needs at least one server");
        Servers { free_at: vec![SimTime::ZERO; count] }
    }

    /// Adds a job that arrives at `now` and occupies a server for `work`; returns when it
    /// completes.
    pub fn enqueue(&mut self, now: SimTime, work: Duration) -> SimTime {
        self.enqueue_until(now, |start| start + work)
    }

    /// Returns the number of servers that are busy at `now`.
    pub fn busy(&self, now: SimTime) -> usize {
        self.free_at.iter().filter(|&&free| free > now).count()
    }

    /// Returns when the last server is idle, if no job arrives.
    pub fn idle_at(&self) -> SimTime {
        self.free_at.iter().copied().max().unwrap_or_default()
    }

    /// As [`Servers::enqueue`], for a job whose end depends on when it starts.
    pub fn enqueue_until(&mut self, now: SimTime, end: impl FnOnce(SimTime) -> SimTime) -> SimTime {
        let server = self.free_at.iter_mut().min().expect("there is at least one server");
        *server = end((*server).max(now));
        *server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> SimTime = |ms| SimTime::from_nanos(ms * 1_000_000);

    /// Three jobs of 10 ms for two servers: two complete at 10 ms, the third at 20 ms; a later one
    /// finds a server idle.
    #[test]
    fn jobs_wait_for_a_free_server() {
        let mut servers = Servers::new(2);
        let work = Duration::from_millis(10);
        assert_eq!([0, 0, 0, 25].map(|at| servers.enqueue(AT(at), work)), [AT(10), AT(10), AT(20), AT(35)]);
    }
}
