//! Whether a host has power.

use std::sync::atomic::{AtomicU32, Ordering};

/// Whether a host has power, and how often it has lost it.
#[derive(Debug, Default)]
pub(crate) struct Power {
    /// How many guards keep the host off.
    off: AtomicU32,
    incarnation: AtomicU32,
}

impl Power {
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed) > 0
    }

    /// How often the host has lost power. A connection belongs to one incarnation of each of its
    /// hosts.
    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation.load(Ordering::Relaxed)
    }

    pub(crate) fn turn_off(&self) {
        self.off.fetch_add(1, Ordering::Relaxed);
        self.incarnation.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn turn_on(&self) {
        self.off.fetch_sub(1, Ordering::Relaxed);
    }
}
