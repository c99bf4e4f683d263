//! The operations of a disk: their streams, their prices, and how often they happened.

use crate::profile::{DiskProfile, OpCost};
use crate::tree::Inode;
use std::fmt;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Kind, Seed, Stream, Symbol};

/// What is done, as the recorder has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) subject: Symbol,
    /// Its size.
    pub(crate) bytes: u64,
    /// The open file that it is done to, and where.
    pub(crate) on: Option<(Inode, u64)>,
}

/// Every kind of operation, in the order of the streams.
const OPERATIONS: [Kind; 16] = [
    Kind::Open,
    Kind::Create,
    Kind::Read,
    Kind::Write,
    Kind::Fsync,
    Kind::Fdatasync,
    Kind::Rename,
    Kind::Unlink,
    Kind::Mkdir,
    Kind::Readdir,
    Kind::Truncate,
    Kind::Allocate,
    Kind::Stat,
    Kind::Link,
    Kind::Symlink,
    Kind::Readlink,
];

/// An operation's place in [`OPERATIONS`], and its price.
pub(crate) fn price(kind: Kind, profile: &DiskProfile) -> (usize, &OpCost) {
    match kind {
        Kind::Open => (0, &profile.open),
        Kind::Create => (1, &profile.create),
        Kind::Read => (2, &profile.read),
        Kind::Write => (3, &profile.write),
        Kind::Fsync => (4, &profile.sync),
        Kind::Fdatasync => (5, &profile.sync),
        Kind::Rename => (6, &profile.rename),
        Kind::Unlink => (7, &profile.unlink),
        Kind::Mkdir => (8, &profile.mkdir),
        Kind::Readdir => (9, &profile.readdir),
        Kind::Truncate => (10, &profile.truncate),
        Kind::Allocate => (11, &profile.allocate),
        Kind::Stat => (12, &profile.stat),
        Kind::Link => (13, &profile.link),
        Kind::Symlink => (14, &profile.link),
        Kind::Readlink => (15, &profile.readlink),
        other => unreachable!("{other} is no disk operation"),
    }
}

/// Whether an operation changes something, so that a read-only filesystem refuses it.
pub(crate) fn changes(kind: Kind) -> bool {
    use Kind::{Allocate, Create, Link, Mkdir, Rename, Symlink, Truncate, Unlink, Write};
    matches!(kind, Create | Write | Rename | Unlink | Mkdir | Truncate | Allocate | Link | Symlink)
}

/// Whether an operation makes something durable.
pub(crate) fn is_sync(kind: Kind) -> bool {
    kind.category() == Category::Sync
}

/// The streams that the operations draw from.
#[derive(Debug)]
pub(crate) struct Streams([Stream; OPERATIONS.len()]);

impl Streams {
    pub(crate) fn new(disk: &str, seed: Seed) -> Streams {
        Streams(OPERATIONS.map(|kind| seed.stream(("disk", disk, kind.name()))))
    }

    pub(crate) fn draw(&mut self, place: usize) -> u64 {
        self.0[place].draw()
    }
}

/// What was done to a disk since it was made; `Display` is a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    of: [Count; OPERATIONS.len()],
    /// Operations that faults struck.
    pub struck: u64,
}

/// How often one kind of operation happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often, failed ones included.
    pub times: u64,
    /// How often it failed.
    pub failed: u64,
    /// Bytes read, written, synced, cut to or reserved.
    pub bytes: u64,
    /// The time that they took, all together.
    pub took: Duration,
}

impl Counters {
    /// How often this kind of operation happened; all zeros if it is no operation of disks.
    pub fn of(&self, kind: Kind) -> Count {
        OPERATIONS.iter().position(|&operation| operation == kind).map_or(Count::default(), |at| self.of[at])
    }

    pub(crate) fn count(&mut self, place: usize, failed: bool, bytes: u64, took: Duration) {
        let count = &mut self.of[place];
        count.times += 1;
        count.failed += u64::from(failed);
        count.bytes = count.bytes.saturating_add(bytes);
        count.took += took;
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10}{:>9}{:>8}{:>14}{:>13}", "", "times", "failed", "bytes", "time")?;
        for (kind, count) in OPERATIONS.iter().zip(&self.of).filter(|(_, count)| count.times > 0) {
            let Count { times, failed, bytes, took } = count;
            writeln!(f, "{kind:<10}{times:>9}{failed:>8}{bytes:>14}{:>11.6} s", took.as_secs_f64())?;
        }
        if self.struck > 0 {
            writeln!(f, "struck by faults: {}", self.struck)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The streams are found by position; the table and the match must agree.
    #[test]
    fn every_operation_draws_from_its_own_stream() {
        for (place, kind) in OPERATIONS.into_iter().enumerate() {
            assert_eq!(price(kind, &DiskProfile::instant()).0, place, "{kind}");
        }
    }
}
