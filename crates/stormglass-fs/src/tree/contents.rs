//! The contents of one file: in the page cache, on the device, and the dirty changes between the two.

use super::pages::{PAGE, Pages, SECTOR};
use std::collections::{BTreeSet, VecDeque};

/// A file's contents.
///
/// `cache` is the page cache, which programs see; `durable` is what a power loss leaves; `pending` are the changes that
/// lead from `durable` to `cache`, oldest first: unless a sync failed or the device corrupted a write, `durable` with `pending` applied is `cache`.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    cache: Pages,
    durable: Pages,
    pending: VecDeque<Write>,
    /// The number of the first pending change; changes are numbered over the file's lifetime.
    first_pending: u64,
    /// Dirty bytes: bytes of pending writes.
    dirty: u64,
    /// Whether the cache holds bytes that the device does not have and that no pending write covers.
    diverged: bool,
    /// Pages that are not in the page cache: a read fetches them from the device. `None` while there are none.
    uncached: Option<BTreeSet<u64>>,
    /// Bytes reserved (`fallocate`), existing pages included.
    reserved: u64,
}

/// A change of contents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    Bytes {
        offset: u64,
        bytes: Vec<u8>,
    },
    /// Bytes that the device has in its volatile cache: direct I/O, not followed by a flush.
    Direct {
        offset: u64,
        bytes: Vec<u8>,
    },
    Length(u64),
}

impl Write {
    fn apply(&self, to: &mut Pages) {
        match self {
            Write::Length(len) => to.set_len(*len),
            Write::Bytes { offset, bytes } | Write::Direct { offset, bytes } => to.write(*offset, bytes),
        }
    }

    /// Returns the length of a file that ends with the change.
    fn end(&self) -> u64 {
        match self {
            Write::Length(len) => *len,
            Write::Bytes { offset, bytes } | Write::Direct { offset, bytes } => offset + bytes.len() as u64,
        }
    }

    /// Writes it to the device as write-back does: in whole sectors of the page cache, which have the earlier writes to them.
    /// So a write never survives without an earlier one to the same sector. The sector of the file's end has zeros beyond it,
    /// which stay if a truncation before the write is lost. `cached` is the page cache after the write.
    fn persist(&self, device: &mut Pages, cached: &Pages) {
        self.apply(device);
        let Write::Bytes { offset, bytes } = self else { return };
        let (start, end) = (*offset, offset + bytes.len() as u64);
        let sectors_end = end.next_multiple_of(SECTOR).min(cached.len().max(device.len()));
        if !bytes.is_empty() {
            copy(cached, device, start - start % SECTOR, start);
            copy(cached, device, end, sectors_end);
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Write::Length(_) | Write::Direct { .. } => 0,
            Write::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }
}

impl Contents {
    pub(crate) fn len(&self) -> u64 {
        self.cache.len()
    }

    /// Reads from `offset` into `buffer` and returns the number of bytes.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        self.cache.read(offset, buffer)
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.cache.write(offset, bytes);
        self.push_pending(offset, bytes);
    }

    /// Writes `bytes` to the cache and `instead` to the device: a write that the device acknowledges and corrupts. Reads
    /// return `bytes` until the page is evicted or the power fails.
    pub(crate) fn write_corrupted(&mut self, offset: u64, bytes: &[u8], instead: &[Write]) {
        let len = self.cache.len();
        self.cache.write(offset, bytes);
        self.diverged = true;
        // The filesystem journals the size; the device can only corrupt the bytes.
        if self.cache.len() > len {
            self.pending.push_back(Write::Length(self.cache.len()));
        }
        for write in instead {
            match write {
                Write::Bytes { offset, bytes } | Write::Direct { offset, bytes } => {
                    self.push_pending(*offset, bytes);
                }
                Write::Length(len) => self.pending.push_back(Write::Length(*len)),
            }
        }
    }

    /// Writes past the page cache (`O_DIRECT`): programs see the bytes, the page cache does not
    /// keep them, and a power loss may lose them until the next sync.
    pub(crate) fn write_direct(&mut self, offset: u64, bytes: &[u8]) {
        self.cache.write(offset, bytes);
        self.pending.push_back(Write::Direct { offset, bytes: bytes.to_vec() });
        self.mark_uncached(offset, bytes.len() as u64);
    }

    /// Reads what the device has (`O_DIRECT`), corruption included, and returns the number of
    /// bytes.
    pub(crate) fn read_direct(&self, offset: u64, buffer: &mut [u8]) -> usize {
        if !self.diverged {
            return self.cache.read(offset, buffer);
        }
        let mut device = self.durable.clone();
        self.pending.iter().for_each(|write| write.apply(&mut device));
        device.read(offset, buffer)
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        self.cache.set_len(len);
        self.reserved = self.reserved.min(len.next_multiple_of(PAGE));
        self.pending.push_back(Write::Length(len));
    }

    /// Reserves space for `len` bytes.
    pub(crate) fn reserve(&mut self, len: u64) {
        self.reserved = self.reserved.max(len.next_multiple_of(PAGE));
    }

    fn push_pending(&mut self, offset: u64, bytes: &[u8]) {
        self.dirty += bytes.len() as u64;
        self.pending.push_back(Write::Bytes { offset, bytes: bytes.to_vec() });
    }

    /// Returns how many changes there were so far, durable or not.
    pub(crate) fn changes(&self) -> u64 {
        self.first_pending + self.pending.len() as u64
    }

    /// Returns whether the changes before number `up_to` are durable.
    pub(crate) fn is_synced(&self, up_to: u64) -> bool {
        up_to <= self.first_pending
    }

    /// Returns the dirty bytes: written and not on the device.
    pub(crate) fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Returns whether no change is pending.
    pub(crate) fn is_clean(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns the bytes of the pages that exist or are reserved.
    pub(crate) fn allocated(&self) -> u64 {
        self.cache.allocated().max(self.reserved)
    }

    /// Returns how many of `len` bytes a write at `offset` can store if it may allocate at most `room` bytes.
    pub(crate) fn writable(&self, offset: u64, len: u64, room: u64) -> u64 {
        let room = room + self.allocated() - self.cache.allocated();
        let mut writable = len;
        while writable > 0 && self.cache.new_pages(offset, writable) * PAGE > room {
            let last = (offset + writable - 1) / PAGE * PAGE;
            writable = last.saturating_sub(offset);
        }
        writable
    }

    /// Makes the changes before number `up_to` durable.
    pub(crate) fn sync(&mut self, up_to: u64) {
        if self.pending.is_empty() {
            return;
        }
        if up_to < self.changes() || self.diverged {
            for write in self.take(up_to) {
                write.apply(&mut self.durable);
            }
            return;
        }
        for pending in &self.pending {
            match pending {
                Write::Bytes { offset, bytes } | Write::Direct { offset, bytes } => {
                    self.durable.copy_range(&self.cache, *offset, offset + bytes.len() as u64);
                }
                Write::Length(len) => self.durable.copy_truncated(&self.cache, *len),
            }
        }
        self.durable.copy_len(&self.cache);
        self.first_pending = self.changes();
        self.pending.clear();
        self.dirty = 0;
    }

    /// Discards the changes before number `up_to`, whose sync failed: they count as clean and are not on the device.
    pub(crate) fn drop_pending(&mut self, up_to: u64) {
        self.diverged |= !self.take(up_to).is_empty();
    }

    /// Reverts to the durable contents and those pending writes that survive a power loss, with an empty page cache.
    ///
    /// A truncation that is lost takes with it what was written later beyond it: ext4 and XFS map new blocks there in a later
    /// transaction of the journal, so the file has its old blocks or the new ones. If a truncation survives, the file system
    /// has zeros beyond the new end in the page cache, and writes that sector before a longer length.
    pub(crate) fn power_loss(&mut self, survivors: impl FnOnce(Vec<Write>) -> Vec<(Write, bool)>) {
        let pending = self.take(self.changes());
        if !pending.is_empty() {
            let mut cached = self.durable.clone();
            let mut lost_truncation = u64::MAX;
            let mut truncated_to = u64::MAX;
            for (write, survives) in survivors(pending) {
                let is_truncation = matches!(write, Write::Length(_)) && write.end() < cached.len();
                write.apply(&mut cached);
                if survives && write.end() <= lost_truncation {
                    write.persist(&mut self.durable, &cached);
                    if write.end() > truncated_to {
                        let sector = truncated_to - truncated_to % SECTOR;
                        let end = (sector + SECTOR).min(self.durable.len());
                        copy(&cached, &mut self.durable, sector, end);
                        truncated_to = u64::MAX;
                    }
                    if is_truncation {
                        truncated_to = write.end();
                    }
                } else if is_truncation {
                    lost_truncation = lost_truncation.min(write.end());
                }
            }
        }
        self.evict();
    }

    /// Evicts the clean pages from the page cache.
    pub(crate) fn evict(&mut self) {
        self.cache = self.durable.clone();
        self.uncached =
            Some(self.durable.numbers().collect()).filter(|uncached: &BTreeSet<u64>| !uncached.is_empty());
        for write in &self.pending {
            write.apply(&mut self.cache);
        }
        self.diverged = false;
    }

    /// Returns how many bytes of the range a read has to fetch from the device.
    pub(crate) fn uncached(&self, offset: u64, len: u64) -> u64 {
        let pages = page_range(offset, len);
        self.uncached.as_ref().map_or(0, |uncached| uncached.range(pages).count() as u64 * PAGE)
    }

    fn mark_uncached(&mut self, offset: u64, len: u64) {
        self.uncached.get_or_insert_default().extend(page_range(offset, len));
    }

    /// Marks the pages of the range as cached.
    pub(crate) fn mark_cached(&mut self, offset: u64, len: u64) {
        if let Some(uncached) = &mut self.uncached {
            uncached.retain(|page| !page_range(offset, len).contains(page));
            self.uncached.take_if(|uncached| uncached.is_empty());
        }
    }

    /// Removes the pending changes before number `up_to` and returns them.
    fn take(&mut self, up_to: u64) -> Vec<Write> {
        let count = (up_to.saturating_sub(self.first_pending) as usize).min(self.pending.len());
        let taken: Vec<Write> = self.pending.drain(..count).collect();
        self.dirty -= taken.iter().map(Write::bytes).sum::<u64>();
        self.first_pending += count as u64;
        taken
    }
}

/// Copies a range.
fn copy(from: &Pages, to: &mut Pages, start: u64, end: u64) {
    if start < end {
        let mut bytes = vec![0; (end - start) as usize];
        from.read(start, &mut bytes);
        to.write(start, &bytes);
    }
}

fn page_range(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / PAGE..(offset + len).div_ceil(PAGE)
}
