//! The filesystem's journal: changes of directory entries that are visible and not yet durable, oldest first.

use super::nodes::Inode;
use std::sync::Arc;
use stormglass_core::SimTime;

/// A change of one directory entry: the inode that the name points to from now on, or none.
#[derive(Clone, Debug)]
pub(super) struct EntryChange {
    pub(super) directory: Inode,
    pub(super) name: Arc<str>,
    pub(super) inode: Option<Inode>,
}

/// Changes of directory entries that become durable together.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) changes: Vec<EntryChange>,
    /// New permission bits of an inode.
    pub(super) mode: Option<(Inode, u32)>,
    pub(super) at: SimTime,
    /// Whether the device acknowledges the transaction and loses the new names in it.
    pub(super) lost: bool,
}

/// The transactions that are not committed, in order. As in ext4 and XFS they commit in this order only.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pending: Vec<Transaction>,
    /// The number of the first pending transaction; transactions are numbered over the disk's lifetime.
    first: u64,
}

impl Journal {
    pub(super) fn push(&mut self, transaction: Transaction) {
        self.pending.push(transaction);
    }

    /// Returns how many transactions are pending.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Returns the number of the next transaction.
    pub(super) fn next(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    /// Returns how many transactions a commit covers that has to include the last one before number `up_to` with a
    /// change for which `touches` holds.
    pub(super) fn count_through(&self, touches: impl Fn(&EntryChange) -> bool, up_to: u64) -> usize {
        let count = (up_to.saturating_sub(self.first) as usize).min(self.pending.len());
        let last = self.pending[..count].iter().rposition(|entry| entry.changes.iter().any(&touches));
        last.map_or(0, |last| last + 1)
    }

    /// Removes the new permission bits of an inode from the transactions of `until` or earlier, and
    /// returns the last of them.
    pub(super) fn take_mode(&mut self, inode: Inode, until: SimTime) -> Option<u32> {
        let pending = self.pending.iter_mut().take_while(|entry| entry.at <= until);
        let taken = pending.filter_map(|entry| entry.mode.take_if(|(changed, _)| *changed == inode));
        taken.last().map(|(_, mode)| mode)
    }

    /// Returns how many transactions are from `at` or earlier.
    pub(super) fn count_until(&self, at: SimTime) -> usize {
        self.pending.iter().take_while(|entry| entry.at <= at).count()
    }

    /// Removes the oldest `count` transactions and returns them.
    pub(super) fn take(&mut self, count: usize) -> Vec<Transaction> {
        self.first += count as u64;
        self.pending.drain(..count).collect()
    }

    /// Discards every pending transaction.
    pub(super) fn discard(&mut self) {
        self.first += self.pending.len() as u64;
        self.pending.clear();
    }
}
