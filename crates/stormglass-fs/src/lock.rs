//! Advisory locks on open files: `flock(2)`.

use crate::tree::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;
use stormglass_core::EventId;

/// The mode of a lock: `LOCK_SH` or `LOCK_EX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

/// The locks of a disk. Holders are numbers of open file descriptions.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: BTreeMap<Inode, Lock>,
    opened: u64,
}

#[derive(Debug, Default)]
struct Lock {
    exclusive: Option<u64>,
    shared: BTreeSet<u64>,
    waiting: Vec<Waker>,
    /// The event of the last release.
    released: EventId,
}

impl Locks {
    /// Returns a number for a new open file description.
    pub(crate) fn number(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// Takes the lock, or converts the lock that the holder has. Returns the event of the last release, or `None` if another
    /// holder conflicts.
    pub(crate) fn take(&mut self, inode: Inode, holder: u64, mode: LockMode) -> Option<EventId> {
        let lock = self.held.entry(inode).or_default();
        let others_share = lock.shared.iter().any(|&other| other != holder);
        let other_excludes = lock.exclusive.is_some_and(|other| other != holder);
        if other_excludes || (mode == LockMode::Exclusive && others_share) {
            return None;
        }
        lock.shared.remove(&holder);
        lock.exclusive = lock.exclusive.filter(|&other| other != holder);
        match mode {
            LockMode::Shared => {
                lock.shared.insert(holder);
                lock.wake();
            }
            LockMode::Exclusive => lock.exclusive = Some(holder),
        }
        Some(lock.released)
    }

    /// Registers a task to wake at the next release.
    pub(crate) fn wait(&mut self, inode: Inode, waker: &Waker) {
        let waiting = &mut self.held.entry(inode).or_default().waiting;
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    /// Returns whether `holder` has a lock of either mode.
    pub(crate) fn holds(&self, inode: Inode, holder: u64) -> bool {
        let holds = |lock: &Lock| lock.exclusive == Some(holder) || lock.shared.contains(&holder);
        self.held.get(&inode).is_some_and(holds)
    }

    /// Releases the lock; `event` records the release.
    pub(crate) fn release(&mut self, inode: Inode, holder: u64, event: EventId) {
        if let Some(lock) = self.held.get_mut(&inode) {
            lock.shared.remove(&holder);
            lock.exclusive.take_if(|other| *other == holder);
            lock.released = lock.released.max(event);
            lock.wake();
        }
    }

    /// Drops every lock after a power loss and wakes the waiting tasks, which get EIO.
    pub(crate) fn clear(&mut self) {
        for (_, mut lock) in std::mem::take(&mut self.held) {
            lock.wake();
        }
    }
}

impl Lock {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
