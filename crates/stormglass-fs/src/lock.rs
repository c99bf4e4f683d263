//! Advisory locks on open files: `flock(2)`.

use crate::tree::Inode;
use std::collections::BTreeMap;
use std::task::Waker;
use stormglass_core::EventId;
use stormglass_rt::Process;

/// The mode of a lock: `LOCK_SH` or `LOCK_EX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

/// The locks of a disk. Holders are numbers of open file descriptions. A process that has ended
/// holds no lock any more, even if its files are still to be dropped.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: BTreeMap<Inode, Lock>,
    opened: u64,
}

#[derive(Debug, Default)]
struct Lock {
    exclusive: Option<(u64, Process)>,
    shared: BTreeMap<u64, Process>,
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
        if lock.conflicts(holder, mode) {
            lock.release_of_ended(holder);
            if lock.conflicts(holder, mode) {
                return None;
            }
        }
        lock.shared.remove(&holder);
        lock.exclusive.take_if(|(other, _)| *other == holder);
        let process = Process::current();
        match mode {
            LockMode::Shared => {
                lock.shared.insert(holder, process);
                lock.wake();
            }
            LockMode::Exclusive => lock.exclusive = Some((holder, process)),
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
        let excludes = |lock: &Lock| lock.exclusive.as_ref().is_some_and(|(other, _)| *other == holder);
        self.held.get(&inode).is_some_and(|lock| excludes(lock) || lock.shared.contains_key(&holder))
    }

    /// Releases the lock; `event` records the release.
    pub(crate) fn release(&mut self, inode: Inode, holder: u64, event: EventId) {
        if let Some(lock) = self.held.get_mut(&inode) {
            lock.shared.remove(&holder);
            lock.exclusive.take_if(|(other, _)| *other == holder);
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
    /// Whether another holder prevents that this one takes the lock.
    fn conflicts(&self, holder: u64, mode: LockMode) -> bool {
        let others_share = self.shared.keys().any(|&other| other != holder);
        let other_excludes = self.exclusive.as_ref().is_some_and(|&(other, _)| other != holder);
        other_excludes || (mode == LockMode::Exclusive && others_share)
    }

    /// Releases the locks of other holders whose processes have ended.
    fn release_of_ended(&mut self, holder: u64) {
        let is_left = |other: u64, process: &Process| other == holder || !process.check_ended();
        self.shared.retain(|&other, process| is_left(other, process));
        self.exclusive.take_if(|(other, process)| !is_left(*other, process));
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
