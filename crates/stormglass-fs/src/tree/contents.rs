//! The contents of one file: as programs see them, as they are on the device, and what lies between.

use super::pages::Pages;
use std::collections::{BTreeSet, VecDeque};

/// A file's contents.
///
/// `cache` is what programs see, `durable` what a power loss leaves, and `pending` the changes that lead from the one to the
/// other, oldest first: unless a sync failed or the device lied, `durable` with `pending` applied is `cache`.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    cache: Pages,
    durable: Pages,
    pending: VecDeque<Write>,
    /// The number of the first pending change; they are numbered through the file's life.
    first: u64,
    /// Bytes of pending writes.
    dirty: u64,
    /// Whether the cache holds what the device does not have and nobody will write again.
    diverged: bool,
    /// Pages that have to be read from the device first. `None` while there are none.
    cold: Option<BTreeSet<u64>>,
    /// Bytes reserved for it, pages that are there included.
    reserved: u64,
}

/// A change of contents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    Bytes { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

impl Write {
    fn apply(&self, to: &mut Pages) {
        match self {
            Write::Length(len) => to.set_len(*len),
            Write::Bytes { offset, bytes } => to.write(*offset, bytes),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Write::Length(_) => 0,
            Write::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }
}

impl Contents {
    pub(crate) fn len(&self) -> u64 {
        self.cache.len()
    }

    /// Fills the buffer from `offset` on; gives how many bytes there were.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        self.cache.read(offset, buffer)
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.cache.write(offset, bytes);
        self.pend(offset, bytes);
    }

    /// A write of which the device makes something else than it acknowledges. It is read back as it should be until the
    /// cache is gone.
    pub(crate) fn write_wrongly(&mut self, offset: u64, bytes: &[u8], instead: &[Write]) {
        let len = self.cache.len();
        self.cache.write(offset, bytes);
        self.diverged = true;
        // The size is the filesystem's affair, and its journal's; the device has only the bytes to lose.
        if self.cache.len() > len {
            self.pending.push_back(Write::Length(self.cache.len()));
        }
        for write in instead {
            match write {
                Write::Bytes { offset, bytes } => self.pend(*offset, bytes),
                Write::Length(len) => self.pending.push_back(Write::Length(*len)),
            }
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        self.cache.set_len(len);
        self.reserved = self.reserved.min(len.next_multiple_of(super::PAGE));
        self.pending.push_back(Write::Length(len));
    }

    /// Reserves space for so many bytes.
    pub(crate) fn reserve(&mut self, len: u64) {
        self.reserved = self.reserved.max(len.next_multiple_of(super::PAGE));
    }

    fn pend(&mut self, offset: u64, bytes: &[u8]) {
        self.dirty += bytes.len() as u64;
        self.pending.push_back(Write::Bytes { offset, bytes: bytes.to_vec() });
    }

    /// How many changes there were so far, durable or not.
    pub(crate) fn changes(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    /// Whether the changes before this number are durable.
    pub(crate) fn is_synced(&self, upto: u64) -> bool {
        upto <= self.first
    }

    /// Bytes written and not on the device.
    pub(crate) fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Whether nothing waits to become durable.
    pub(crate) fn is_clean(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes of the pages that it has or has reserved.
    pub(crate) fn allocated(&self) -> u64 {
        self.cache.allocated().max(self.reserved)
    }

    /// How many of `len` bytes can be written at `offset` without more than `room` bytes of new space.
    pub(crate) fn fitting(&self, offset: u64, len: u64, room: u64) -> u64 {
        let room = room + self.allocated() - self.cache.allocated();
        let mut fitting = len;
        while fitting > 0 && self.cache.missing(offset, fitting) * super::PAGE > room {
            let last = (offset + fitting - 1) / super::PAGE * super::PAGE;
            fitting = last.saturating_sub(offset);
        }
        fitting
    }

    /// Makes the changes before number `upto` durable.
    pub(crate) fn sync(&mut self, upto: u64) {
        if self.pending.is_empty() {
            return;
        }
        if upto < self.changes() || self.diverged {
            for write in self.take(upto) {
                write.apply(&mut self.durable);
            }
            return;
        }
        for pending in &self.pending {
            match pending {
                Write::Bytes { offset, bytes } => {
                    self.durable.take_range(&self.cache, *offset, offset + bytes.len() as u64);
                }
                Write::Length(len) => self.durable.take_cut(&self.cache, *len),
            }
        }
        self.durable.take_len(&self.cache);
        self.first = self.changes();
        self.pending.clear();
        self.dirty = 0;
    }

    /// A sync of the changes before number `upto` has failed: they count as clean and are not on the disk.
    pub(crate) fn drop_pending(&mut self, upto: u64) {
        self.diverged |= !self.take(upto).is_empty();
    }

    /// The power fails: goes back to what is durable and the pending writes that survive. What is left is on the device only.
    pub(crate) fn lose(&mut self, survivors: impl FnOnce(Vec<Write>) -> Vec<Write>) {
        let pending = self.take(self.changes());
        if !pending.is_empty() {
            survivors(pending).iter().for_each(|write| write.apply(&mut self.durable));
        }
        self.evict();
    }

    /// The cache lets go of what it can read again.
    pub(crate) fn evict(&mut self) {
        self.cache = self.durable.clone();
        self.cold = Some(self.durable.numbers().collect()).filter(|cold: &BTreeSet<u64>| !cold.is_empty());
        for write in &self.pending {
            write.apply(&mut self.cache);
        }
        self.diverged = false;
    }

    /// Bytes between the two places that have to come from the device.
    pub(crate) fn cold(&self, offset: u64, len: u64) -> u64 {
        let pages = pages_of(offset, len);
        self.cold.as_ref().map_or(0, |cold| cold.range(pages).count() as u64 * super::PAGE)
    }

    /// What lies between the two places is in the cache from now on.
    pub(crate) fn warm(&mut self, offset: u64, len: u64) {
        if let Some(cold) = &mut self.cold {
            cold.retain(|page| !pages_of(offset, len).contains(page));
            self.cold.take_if(|cold| cold.is_empty());
        }
    }

    /// Takes the changes before number `upto` out of the pending ones.
    fn take(&mut self, upto: u64) -> Vec<Write> {
        let count = (upto.saturating_sub(self.first) as usize).min(self.pending.len());
        let taken: Vec<Write> = self.pending.drain(..count).collect();
        self.dirty -= taken.iter().map(Write::bytes).sum::<u64>();
        self.first += count as u64;
        taken
    }
}

fn pages_of(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / super::PAGE..(offset + len).div_ceil(super::PAGE)
}
