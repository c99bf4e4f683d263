//! The device under one or more disks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_core::queue::Servers;

/// What serves the syncs of one or more disks: at most so many at once, the others wait in the order in which they
/// came. Everything but a sync is answered by the page cache and does not come here. Clones are the same device.
#[derive(Clone, Debug)]
pub struct Device(Option<Arc<Mutex<Servers>>>);

impl Device {
    /// A device that serves `queue_depth` syncs at once; 0 has no limit.
    pub fn new(queue_depth: u16) -> Device {
        let servers = || Arc::new(Mutex::new(Servers::new(usize::from(queue_depth))));
        Device((queue_depth > 0).then(servers))
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// When a sync is done that comes at `now` and needs the device for `work`.
    pub(crate) fn take(&self, now: SimTime, work: Duration) -> SimTime {
        match &self.0 {
            Some(servers) => servers.lock().unwrap_or_else(PoisonError::into_inner).take(now, work),
            None => now + work,
        }
    }
}
