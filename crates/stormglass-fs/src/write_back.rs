//! Write-back: the kernel writes dirty pages on its own, and syncs queue behind it.
//!
//! As in Linux (`Documentation/admin-guide/sysctl/vm.rst`): it begins when more than `background-bytes` are dirty, at
//! least 4 MiB at a time, and for pages that have been dirty longer than `expire`; a writer that finds more than `limit-bytes`
//! dirty waits. The journal commits transactions that are older than `commit` (ext4's mount option of that name). There is no
//! timer: work that is due is done when the disk is used next, as of the time it was due.

use crate::device::Device;
use crate::profile::WriteBackProfile;
use crate::tree::{Inode, Tree};
use std::collections::VecDeque;
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_core::latency::transfer;

/// The least bytes of one batch of write-back (`MIN_WRITEBACK_PAGES` of `fs/fs-writeback.c`).
const BATCH: u64 = 4 << 20;

/// The dirty writes, oldest first, and the batches in flight to the device.
#[derive(Debug)]
pub(crate) struct WriteBack {
    profile: WriteBackProfile,
    per_mib: Duration,
    dirty: VecDeque<Chunk>,
    in_flight: VecDeque<Batch>,
}

/// A dirty write.
#[derive(Debug)]
struct Chunk {
    inode: Inode,
    /// The number after its change: `Contents::sync` up to it covers the write.
    up_to: u64,
    bytes: u64,
    at: SimTime,
}

#[derive(Debug)]
struct Batch {
    done: SimTime,
    chunks: Vec<Chunk>,
    bytes: u64,
}

impl WriteBack {
    /// Creates the state of write-back; `per_mib` is the time to write back one MiB.
    pub(crate) fn new(profile: WriteBackProfile, per_mib: Duration) -> WriteBack {
        WriteBack { profile, per_mib, dirty: VecDeque::new(), in_flight: VecDeque::new() }
    }

    /// Adds a dirty write.
    pub(crate) fn wrote(&mut self, inode: Inode, up_to: u64, bytes: u64, at: SimTime) {
        self.dirty.push_back(Chunk { inode, up_to, bytes, at });
    }

    /// Discards everything, after a power loss or a wipe.
    pub(crate) fn clear(&mut self) {
        self.dirty.clear();
        self.in_flight.clear();
    }

    /// Does the work that is due at `now`.
    pub(crate) fn advance(&mut self, now: SimTime, tree: &mut Tree, device: &Device) {
        loop {
            while self.in_flight.front().is_some_and(|batch| batch.done <= now) {
                for Chunk { inode, up_to, .. } in
                    self.in_flight.pop_front().expect("the front was checked").chunks
                {
                    tree.sync_contents(inode, up_to);
                }
            }
            while self.dirty.front().is_some_and(|chunk| tree.is_synced(chunk.inode, chunk.up_to)) {
                self.dirty.pop_front();
            }
            let Some(oldest) = self.dirty.front() else { break };
            let expires = (!self.profile.expire.is_zero()).then(|| oldest.at + self.profile.expire);
            let waiting = tree.dirty().saturating_sub(self.in_flight.iter().map(|batch| batch.bytes).sum());
            let crowded = self.profile.background_bytes > 0 && waiting > self.profile.background_bytes;
            let begins = match expires.filter(|&expires| expires <= now) {
                Some(expires) => expires,
                None if crowded => now,
                None => break,
            };
            let excess = if crowded { waiting - self.profile.background_bytes } else { 0 };
            self.write(begins, excess.max(BATCH), tree, device);
        }
        let commit = self.profile.commit;
        if let Some(before) = (now - SimTime::ZERO).checked_sub(commit).filter(|_| !commit.is_zero()) {
            tree.commit_until(SimTime::ZERO + before);
        }
    }

    /// Sends the oldest chunks to the device, at least `bytes_min` if there are that many.
    fn write(&mut self, now: SimTime, bytes_min: u64, tree: &Tree, device: &Device) {
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while bytes < bytes_min
            && let Some(chunk) = self.dirty.pop_front()
        {
            if !tree.is_synced(chunk.inode, chunk.up_to) {
                bytes += chunk.bytes;
                chunks.push(chunk);
            }
        }
        let done = device.submit(now, bytes, transfer(self.per_mib, bytes));
        // Batches complete in order, even if the device's servers would not.
        let done = self.in_flight.back().map_or(done, |before| done.max(before.done));
        self.in_flight.push_back(Batch { done, chunks, bytes });
    }

    /// Returns the bytes in flight to the device.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.iter().map(|batch| batch.bytes).sum()
    }

    /// Returns the in-flight write-back of a file: when it completes, and how many bytes.
    pub(crate) fn in_flight_of(&self, inode: Inode) -> Option<(SimTime, u64)> {
        let of_file = |batch: &Batch| {
            let chunks = batch.chunks.iter().filter(|chunk| chunk.inode == inode);
            chunks.map(|chunk| chunk.bytes).reduce(|a, b| a + b)
        };
        let batches = self.in_flight.iter().filter_map(|batch| Some((batch.done, of_file(batch)?)));
        batches.reduce(|(_, sum), (done, bytes)| (done, sum + bytes))
    }

    /// Returns until when a writer that arrives at `now` waits.
    pub(crate) fn throttle(&self, now: SimTime, tree: &Tree) -> SimTime {
        let mut dirty = tree.dirty();
        let mut at = now;
        for batch in &self.in_flight {
            if self.profile.limit_bytes == 0 || dirty <= self.profile.limit_bytes {
                break;
            }
            dirty = dirty.saturating_sub(batch.bytes);
            at = batch.done;
        }
        at
    }
}
