//! Write-back: the kernel writes dirty pages on its own, and syncs queue behind it.
//!
//! As in Linux (`Documentation/admin-guide/sysctl/vm.rst`): it begins when more than `background-bytes` are dirty, at
//! least 4 MiB at a time, and for what has been dirty longer than `expire`; a writer that finds more than `limit-bytes`
//! dirty waits. A journal commits names that are older than `commit` (ext4's mount option of that name). Nothing
//! ticks: what is due is done when the disk is used next, as of the moment when it was due.

use crate::device::Device;
use crate::profile::WriteBackProfile;
use crate::tree::{Inode, Tree};
use std::collections::VecDeque;
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_core::latency::transfer;

/// Write-back takes at least so much at a time (`MIN_WRITEBACK_PAGES` of `fs/fs-writeback.c`).
const BATCH: u64 = 4 << 20;

/// What is dirty, in the order in which it became so, and what is on its way to the device.
#[derive(Debug)]
pub(crate) struct WriteBack {
    profile: WriteBackProfile,
    per_mib: Duration,
    dirty: VecDeque<Chunk>,
    under_way: VecDeque<Batch>,
}

/// One write.
#[derive(Debug)]
struct Chunk {
    inode: Inode,
    /// The number after its change, in its file.
    upto: u64,
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
    /// `per_mib` is what the write-back of a MiB takes.
    pub(crate) fn new(profile: WriteBackProfile, per_mib: Duration) -> WriteBack {
        WriteBack { profile, per_mib, dirty: VecDeque::new(), under_way: VecDeque::new() }
    }

    /// A write became dirty.
    pub(crate) fn wrote(&mut self, inode: Inode, upto: u64, bytes: u64, at: SimTime) {
        self.dirty.push_back(Chunk { inode, upto, bytes, at });
    }

    /// All is gone: power loss, or a new disk.
    pub(crate) fn clear(&mut self) {
        self.dirty.clear();
        self.under_way.clear();
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: SimTime, tree: &mut Tree, device: &Device) {
        loop {
            while self.under_way.front().is_some_and(|batch| batch.done <= now) {
                for Chunk { inode, upto, .. } in self.under_way.pop_front().expect("seen").chunks {
                    tree.sync_contents(inode, upto);
                }
            }
            while self.dirty.front().is_some_and(|chunk| tree.is_synced(chunk.inode, chunk.upto)) {
                self.dirty.pop_front();
            }
            let Some(oldest) = self.dirty.front() else { break };
            let expires = (!self.profile.expire.is_zero()).then(|| oldest.at + self.profile.expire);
            let waiting = tree.dirty().saturating_sub(self.under_way.iter().map(|batch| batch.bytes).sum());
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

    /// Sends the oldest chunks to the device, at least this many bytes if there are.
    fn write(&mut self, now: SimTime, bytes_min: u64, tree: &Tree, device: &Device) {
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while bytes < bytes_min
            && let Some(chunk) = self.dirty.pop_front()
        {
            if !tree.is_synced(chunk.inode, chunk.upto) {
                bytes += chunk.bytes;
                chunks.push(chunk);
            }
        }
        let done = device.take(now, bytes, transfer(self.per_mib, bytes));
        // Batches are done in their order, whatever the device's servers do.
        let done = self.under_way.back().map_or(done, |before| done.max(before.done));
        self.under_way.push_back(Batch { done, chunks, bytes });
    }

    /// What of a file is on its way: when the last of it is done, and how many bytes.
    pub(crate) fn under_way(&self, inode: Inode) -> Option<(SimTime, u64)> {
        let of_file = |batch: &Batch| {
            let chunks = batch.chunks.iter().filter(|chunk| chunk.inode == inode);
            chunks.map(|chunk| chunk.bytes).reduce(|a, b| a + b)
        };
        let batches = self.under_way.iter().filter_map(|batch| Some((batch.done, of_file(batch)?)));
        batches.reduce(|(_, sum), (done, bytes)| (done, sum + bytes))
    }

    /// When a writer may go on who comes now.
    pub(crate) fn throttle(&self, now: SimTime, tree: &Tree) -> SimTime {
        let mut dirty = tree.dirty();
        let mut at = now;
        for batch in &self.under_way {
            if self.profile.limit_bytes == 0 || dirty <= self.profile.limit_bytes {
                break;
            }
            dirty = dirty.saturating_sub(batch.bytes);
            at = batch.done;
        }
        at
    }
}
