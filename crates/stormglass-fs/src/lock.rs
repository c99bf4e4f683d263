//! Advisory locks on open files: `flock(2)`.

use crate::tree::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;
use stormglass_core::EventId;

/// What an open file may hold of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Shared,
    Exclusive,
}

/// Who holds which file; holders are numbers of open files.
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
    /// The event with which somebody let go last.
    released: EventId,
}

impl Locks {
    /// A number for one more open file.
    pub(crate) fn number(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// Takes the lock, or turns what is held into it; `None` if others hold it. Gives the event that let it go, if one did.
    pub(crate) fn take(&mut self, inode: Inode, holder: u64, hold: Hold) -> Option<EventId> {
        let lock = self.held.entry(inode).or_default();
        let others_share = lock.shared.iter().any(|&other| other != holder);
        let other_excludes = lock.exclusive.is_some_and(|other| other != holder);
        if other_excludes || (hold == Hold::Exclusive && others_share) {
            return None;
        }
        lock.shared.remove(&holder);
        lock.exclusive = lock.exclusive.filter(|&other| other != holder);
        match hold {
            Hold::Shared => {
                lock.shared.insert(holder);
                lock.wake();
            }
            Hold::Exclusive => lock.exclusive = Some(holder),
        }
        Some(lock.released)
    }

    /// Wakes this task when somebody lets go.
    pub(crate) fn wait(&mut self, inode: Inode, waker: &Waker) {
        let waiting = &mut self.held.entry(inode).or_default().waiting;
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    /// Whether it holds the lock, shared or not.
    pub(crate) fn holds(&self, inode: Inode, holder: u64) -> bool {
        let holds = |lock: &Lock| lock.exclusive == Some(holder) || lock.shared.contains(&holder);
        self.held.get(&inode).is_some_and(holds)
    }

    /// Lets go. `event` is the one that tells of it.
    pub(crate) fn release(&mut self, inode: Inode, holder: u64, event: EventId) {
        if let Some(lock) = self.held.get_mut(&inode) {
            lock.shared.remove(&holder);
            lock.exclusive.take_if(|other| *other == holder);
            lock.released = lock.released.max(event);
            lock.wake();
        }
    }

    /// The power is gone, and every lock with it; who waits finds out.
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
