//! What changes about a disk.

use super::Begun;
use crate::device::Device;
use crate::error;
use crate::fault::{Corruption, Faults};
use crate::lock::Locks;
use crate::operation::{Counters, Streams};
use crate::power;
use crate::profile::{DiskProfile, NamesDurable, WriteBackProfile};
use crate::tree::{Contents, Inode, Tree, Write};
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
    pub(super) read_only: bool,
    pub(super) capacity: u64,
    /// How often the power was lost: a handle of an earlier time is worth nothing.
    pub(super) epoch: u64,
    pub(super) operations: u64,
    pub(super) stop_before: Option<u64>,
    write_back: Option<WriteBack>,
    names_durable: NamesDurable,
}

/// Where a write goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
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
            read_only: false,
            capacity: profile.capacity_bytes,
            epoch: 0,
            operations: 0,
            stop_before: None,
            write_back: writes_back.then(|| WriteBack::new(profile.write_back, profile.sync.per_mib)),
            names_durable: profile.names_durable,
        }
    }

    /// Counts an operation, and refuses it when the power is gone, now or since the handle's epoch.
    pub(super) fn admit(&mut self, epoch: u64) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        let stopped = self.stop_before.is_some_and(|stop| number >= stop);
        if stopped || self.epoch != epoch { Err(error::eio()) } else { Ok(()) }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whatever was open is worth nothing any more.
    pub(super) fn power_off(&mut self) {
        self.epoch += 1;
        self.stop_before = None;
        self.locks.clear();
        if let Some(write_back) = &mut self.write_back {
            write_back.clear();
        }
    }

    pub(super) fn wipe(&mut self) {
        self.tree = Tree::new();
    }

    pub(super) fn write_back(&mut self, now: SimTime, device: &Device) {
        if let Some(write_back) = &mut self.write_back {
            write_back.advance(now, &mut self.tree, device);
        }
    }

    /// What of a file is on its way to the device: until when, and how many bytes.
    pub(super) fn under_way(&self, inode: Inode) -> (SimTime, u64) {
        self.write_back.as_ref().and_then(|write_back| write_back.under_way(inode)).unwrap_or_default()
    }

    /// When a writer may go on who comes now.
    pub(super) fn throttle(&self, now: SimTime) -> SimTime {
        self.write_back.as_ref().map_or(now, |write_back| write_back.throttle(now, &self.tree))
    }

    /// Reads into the buffer; gives how many bytes there were.
    pub(crate) fn read(
        &mut self,
        begun: &Begun,
        inode: Inode,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let len = begun.shortened(buffer.len());
        let buffer = &mut buffer[..len];
        let count = self.tree.file(inode)?.read(offset, buffer);
        if let Some((Corruption::BitFlip, draw)) = begun.corruption() {
            flip(draw, &mut buffer[..count]);
        }
        self.tree.warm(inode, offset, count as u64);
        Ok(count)
    }

    /// Writes; gives where and how many bytes.
    pub(crate) fn write(
        &mut self,
        begun: &Begun,
        inode: Inode,
        at: At,
        bytes: &[u8],
    ) -> io::Result<(u64, usize)> {
        let contents = self.tree.file(inode)?;
        let offset = match at {
            At::Offset(offset) => offset,
            At::End => contents.len(),
        };
        let mut count = begun.shortened(bytes.len());
        if self.capacity > 0 {
            let room = self.capacity.saturating_sub(self.tree.allocated());
            count = contents.fitting(offset, count as u64, room) as usize;
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let bytes = &bytes[..count];
        if bytes.is_empty() {
            return Ok((offset, 0));
        }
        let instead = begun.corruption().and_then(|how| corrupted(how, contents, offset, bytes));
        let end = offset.saturating_add(count as u64);
        let upto = self.tree.change_file(inode, end, |contents| {
            match &instead {
                None => contents.write(offset, bytes),
                Some(instead) => contents.write_wrongly(offset, bytes, instead),
            }
            contents.changes()
        })?;
        if let Some(write_back) = &mut self.write_back {
            write_back.wrote(inode, upto, count as u64, self.tree.now);
        }
        Ok((offset, count))
    }

    /// Reserves space.
    pub(crate) fn allocate(&mut self, inode: Inode, len: u64) -> io::Result<()> {
        if self.capacity > 0 {
            let more = len.saturating_sub(self.tree.file(inode)?.allocated());
            if self.tree.allocated() + more > self.capacity {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        self.tree.change_file(inode, len, |contents| contents.reserve(len))
    }

    /// Makes durable what was there when the sync began.
    pub(crate) fn sync(&mut self, begun: &Begun, inode: Inode) {
        self.tree.sync(inode, begun.mark, self.names_durable == NamesDurable::FileSync);
    }
}

/// What the device writes instead, if it corrupts this write.
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

/// Flips one bit; which one follows from the draw.
fn flip(draw: u64, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let bit = draw % (bytes.len() as u64 * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}
