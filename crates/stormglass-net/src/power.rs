//! Whether a host has power.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Whether a host has power, and how often it has lost it.
#[derive(Debug, Default)]
pub(crate) struct Power {
    /// How many guards keep the host off.
    off: AtomicU32,
    incarnation: AtomicU32,
    /// The power of the address that replaces the host's, if it has got another one.
    next: OnceLock<Arc<Power>>,
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
        if let Some(next) = self.next.get() {
            next.turn_on();
        }
    }

    /// Keeps an address off for ever, which the host gives up. Returns the power of its next one,
    /// which the present guards keep off.
    pub(crate) fn give_up(&self) -> Arc<Power> {
        let (off, incarnation) = (self.off.load(Ordering::Relaxed), self.incarnation());
        let next = Power { off: off.into(), incarnation: incarnation.into(), next: OnceLock::new() };
        let next = self.next.get_or_init(|| Arc::new(next)).clone();
        self.off.fetch_add(1, Ordering::Relaxed);
        next
    }

    /// Forgets the connections, as a host does that restarts.
    pub(crate) fn restart(&self) {
        self.incarnation.fetch_add(1, Ordering::Relaxed);
    }
}
