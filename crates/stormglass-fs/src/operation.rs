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

/// An operation's place in [`OPERATIONS`].
pub(crate) fn place(kind: Kind) -> usize {
    match kind {
        Kind::Open => 0,
        Kind::Create => 1,
        Kind::Read => 2,
        Kind::Write => 3,
        Kind::Fsync => 4,
        Kind::Fdatasync => 5,
        Kind::Rename => 6,
        Kind::Unlink => 7,
        Kind::Mkdir => 8,
        Kind::Readdir => 9,
        Kind::Truncate => 10,
        Kind::Allocate => 11,
        Kind::Stat => 12,
        Kind::Link => 13,
        Kind::Symlink => 14,
        Kind::Readlink => 15,
        other => unreachable!("{other} is no disk operation"),
    }
}

/// An operation's price.
pub(crate) fn price(kind: Kind, profile: &DiskProfile) -> &OpCost {
    match kind {
        Kind::Open => &profile.open,
        Kind::Create => &profile.create,
        Kind::Read => &profile.read,
        Kind::Write => &profile.write,
        Kind::Fsync | Kind::Fdatasync => &profile.sync,
        Kind::Rename => &profile.rename,
        Kind::Unlink => &profile.unlink,
        Kind::Mkdir => &profile.mkdir,
        Kind::Readdir => &profile.readdir,
        Kind::Truncate => &profile.truncate,
        Kind::Allocate => &profile.allocate,
        Kind::Stat => &profile.stat,
        Kind::Link | Kind::Symlink => &profile.link,
        Kind::Readlink => &profile.readlink,
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

/// The streams that the operations draw from, each made when it is drawn from first.
#[derive(Debug)]
pub(crate) struct Streams {
    disk: String,
    seed: Seed,
    streams: [Option<Box<Stream>>; OPERATIONS.len()],
    /// Draws that nobody has looked at yet.
    skipped: [u64; OPERATIONS.len()],
}

impl Streams {
    pub(crate) fn new(disk: &str, seed: Seed) -> Streams {
        Streams { disk: disk.to_string(), seed, streams: Default::default(), skipped: Default::default() }
    }

    /// The next draw of an operation of this kind: one each, whatever its price.
    pub(crate) fn draw(&mut self, kind: Kind) -> u64 {
        let Streams { disk, seed, streams, skipped } = self;
        let place = place(kind);
        let new = || Box::new(seed.stream(("disk", disk.as_str(), kind.name())));
        let stream = streams[place].get_or_insert_with(new);
        match std::mem::take(&mut skipped[place]) {
            0 => {}
            draws => stream.skip(draws),
        }
        stream.draw()
    }

    /// Passes over the next draw, which the price does not depend on.
    pub(crate) fn skip(&mut self, kind: Kind) {
        self.skipped[place(kind)] += 1;
    }
}

/// What was done to a disk since it was made; `Display` is a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    of: [Count; OPERATIONS.len()],
    /// Operations that rules were applied to.
    pub affected: u64,
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
        if OPERATIONS.contains(&kind) { self.of[place(kind)] } else { Count::default() }
    }

    pub(crate) fn count(&mut self, kind: Kind, failed: bool, bytes: u64, took: Duration) {
        let count = &mut self.of[place(kind)];
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
        if self.affected > 0 {
            writeln!(f, "affected by faults: {}", self.affected)?;
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
        for (number, kind) in OPERATIONS.into_iter().enumerate() {
            assert_eq!(place(kind), number, "{kind}");
        }
    }
}
