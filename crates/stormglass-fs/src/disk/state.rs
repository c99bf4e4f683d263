//! The mutable state of a disk.

use super::in_flight::InFlight;
use crate::device::Device;
use crate::error::Errno;
use crate::fault::{Corruption, Faults};
use crate::lock::Locks;
use crate::operation::{Counters, Streams};
use crate::power;
use crate::profile::{DiskProfile, NamesDurable, WriteBackProfile};
use crate::tree::{Contents, Inode, LEN_MAX, Tree, Write};
use crate::write_back::WriteBack;
use std::io;
use stormglass_core::{Seed, SimTime, Stream};

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) locks: Locks,
    pub(super) streams: Streams,
    pub(super) power: Stream,
    pub(super) faults: Faults,
    pub(super) counters: Counters,
    pub(super) capacity: u64,
    /// Number of power losses: operations on files that were opened in an earlier epoch fail.
    pub(super) epoch: u64,
    pub(super) operations: u64,
    pub(super) stop_before: Option<u64>,
    write_back: Option<WriteBack>,
    names_durable: NamesDurable,
}

/// Where a write starts: `pwrite(2)` at an offset, or `O_APPEND` at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WriteAt {
    Offset(u64),
    End,
}

impl State {
    pub(super) fn new(name: &str, profile: &DiskProfile, seed: Seed) -> State {
        let writes_back = profile.write_back != WriteBackProfile::default();
        State {
            tree: Tree::new(),
            locks: Locks::default(),
            streams: Streams::new(name, seed),
            power: seed.stream(("disk", name, "power loss")),
            faults: Faults::new(name, seed.stream(("disk", name, "fault"))),
            counters: Counters::default(),
            capacity: profile.capacity_bytes,
            epoch: 0,
            operations: 0,
            stop_before: None,
            write_back: writes_back.then(|| WriteBack::new(profile.write_back, profile.sync.per_mib)),
            names_durable: profile.names_durable,
        }
    }

    /// Counts an operation.
    ///
    /// # Errors
    ///
    /// EIO if the disk has stopped or lost power since `epoch`.
    pub(super) fn admit(&mut self, epoch: u64) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        let stopped = self.stop_before.is_some_and(|stop| number >= stop);
        if stopped || self.epoch != epoch { Err(Errno::EIO.into()) } else { Ok(()) }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.tree.read_only
    }

    /// Invalidates every open file and lock, and forgets in-flight write-back.
    pub(super) fn power_off(&mut self) {
        self.epoch += 1;
        self.stop_before = None;
        self.locks.clear();
        if let Some(write_back) = &mut self.write_back {
            write_back.clear();
        }
    }

    pub(super) fn wipe(&mut self) {
        let read_only = self.tree.read_only;
        self.tree = Tree::new();
        self.tree.read_only = read_only;
    }

    pub(super) fn write_back(&mut self, now: SimTime, device: &Device) {
        if let Some(write_back) = &mut self.write_back {
            write_back.advance(now, &mut self.tree, device);
        }
    }

    /// Returns the bytes that are dirty, and how many of them are in flight to the device.
    pub(super) fn dirty(&self) -> (u64, u64) {
        (self.tree.dirty(), self.write_back.as_ref().map_or(0, WriteBack::in_flight))
    }

    /// Returns the in-flight write-back of a file: when it completes, and how many bytes.
    pub(super) fn write_back_of(&self, inode: Inode) -> (SimTime, u64) {
        self.write_back.as_ref().and_then(|write_back| write_back.in_flight_of(inode)).unwrap_or_default()
    }

    /// Returns until when a writer that arrives at `now` is throttled (`balance_dirty_pages`).
    pub(super) fn throttle(&self, now: SimTime) -> SimTime {
        self.write_back.as_ref().map_or(now, |write_back| write_back.throttle(now, &self.tree))
    }

    /// Reads into `buffer` and returns the number of bytes.
    pub(crate) fn read(
        &mut self,
        in_flight: &InFlight,
        inode: Inode,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let len = in_flight.shortened(buffer.len());
        let buffer = &mut buffer[..len];
        let direct = in_flight.operation.direct;
        let contents = self.tree.file(inode)?;
        let count = if direct { contents.read_direct(offset, buffer) } else { contents.read(offset, buffer) };
        if let Some((Corruption::BitFlip, draw)) = in_flight.corruption() {
            flip(draw, &mut buffer[..count]);
        }
        if !direct {
            self.tree.mark_cached(inode, offset, count as u64);
        }
        Ok(count)
    }

    /// Writes and returns the offset and the number of bytes.
    pub(crate) fn write(
        &mut self,
        in_flight: &InFlight,
        inode: Inode,
        at: WriteAt,
        bytes: &[u8],
    ) -> io::Result<(u64, usize)> {
        let contents = self.tree.file(inode)?;
        let offset = match at {
            WriteAt::Offset(offset) => offset,
            WriteAt::End => contents.len(),
        };
        let direct = in_flight.operation.direct;
        if direct && !is_aligned(offset, bytes.len() as u64) {
            return Err(Errno::EINVAL.into());
        }
        // A write that begins below the largest file size ends there
        // (`generic_write_check_limits`).
        let below_max = LEN_MAX.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let mut count = in_flight.shortened(below_max);
        if count == 0 && !bytes.is_empty() {
            return Err(Errno::EFBIG.into());
        }
        if self.capacity > 0 {
            let room = self.capacity.saturating_sub(self.tree.allocated());
            count = contents.writable(offset, count as u64, room) as usize;
            if count == 0 && !bytes.is_empty() {
                return Err(Errno::ENOSPC.into());
            }
        }
        let bytes = &bytes[..count];
        if bytes.is_empty() {
            return Ok((offset, 0));
        }
        let instead = in_flight.corruption().and_then(|how| corrupted(how, contents, offset, bytes));
        let end = offset.saturating_add(count as u64);
        let up_to = self.tree.change_file(inode, end, |contents| {
            match &instead {
                None if direct => contents.write_direct(offset, bytes),
                None => contents.write(offset, bytes),
                Some(instead) => contents.write_corrupted(offset, bytes, instead),
            }
            contents.changes()
        })?;
        if let Some(write_back) = &mut self.write_back
            && !direct
        {
            write_back.wrote(inode, up_to, count as u64, self.tree.now);
        }
        Ok((offset, count))
    }

    /// Reserves space (`fallocate`).
    ///
    /// # Errors
    ///
    /// EINVAL for no bytes, EFBIG above the largest file size, ENOSPC.
    pub(crate) fn allocate(&mut self, inode: Inode, len: u64) -> io::Result<()> {
        if len == 0 || i64::try_from(len).is_err() {
            return Err(Errno::EINVAL.into());
        }
        if len > LEN_MAX {
            return Err(Errno::EFBIG.into());
        }
        if self.capacity > 0 {
            let more = len.saturating_sub(self.tree.file(inode)?.allocated());
            if self.tree.allocated() + more > self.capacity {
                return Err(Errno::ENOSPC.into());
            }
        }
        self.tree.change_file(inode, len, |contents| contents.reserve(len))
    }

    /// Makes the changes durable that were made before the sync started.
    pub(crate) fn sync(&mut self, in_flight: &InFlight, inode: Inode) {
        self.tree.sync(
            inode,
            in_flight.sync_point,
            in_flight.at,
            self.names_durable == NamesDurable::FileSync,
        );
    }
}

/// Returns whether direct I/O accepts the range: whole sectors of the device.
pub(crate) fn is_aligned(offset: u64, len: u64) -> bool {
    (offset | len).is_multiple_of(power::SECTOR)
}

/// Returns what the device writes instead, if it corrupts the write.
fn corrupted(
    (corruption, draw): (Corruption, u64),
    contents: &Contents,
    offset: u64,
    bytes: &[u8],
) -> Option<Vec<Write>> {
    let write = |offset, bytes: &[u8]| Write::Bytes { offset, bytes: bytes.to_vec() };
    match corruption {
        Corruption::LostName => None,
        Corruption::Phantom => Some(Vec::new()),
        Corruption::BitFlip => {
            let mut flipped = bytes.to_vec();
            flip(draw, &mut flipped);
            Some(vec![write(offset, &flipped)])
        }
        Corruption::Torn => {
            let mut sectors = power::sectors(write(offset, bytes));
            sectors.truncate((draw % sectors.len() as u64) as usize);
            Some(sectors)
        }
        Corruption::Misdirected => {
            let len = contents.len().max(offset + bytes.len() as u64);
            let (sectors, own) = (len.div_ceil(power::SECTOR), offset / power::SECTOR);
            let other = (own + 1 + draw % sectors.saturating_sub(1).max(1)) % sectors;
            if other == own {
                return Some(Vec::new());
            }
            let to = other * power::SECTOR + offset % power::SECTOR;
            let room = len.saturating_sub(to).min(bytes.len() as u64) as usize;
            Some(if room == 0 { Vec::new() } else { vec![write(to, &bytes[..room])] })
        }
    }
}

/// Flips the bit that the draw selects.
fn flip(draw: u64, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let bit = draw % (bytes.len() as u64 * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}
