//! The kinds of disk operations: their streams, their costs, and counters.

use crate::profile::{DiskProfile, OpCost};
use crate::tree::Inode;
use std::fmt;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::{Kind, Seed, Stream, Symbol};

/// An operation, as it is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) subject: Symbol,
    /// The size in bytes.
    pub(crate) bytes: u64,
    /// The inode of the open file, and the offset; `None` for an operation on a path.
    pub(crate) target: Option<(Inode, u64)>,
    /// Whether it bypasses the page cache (`O_DIRECT`).
    pub(crate) direct: bool,
}

/// Every kind of operation, in the order of the streams.
const OPERATIONS: [Kind; 17] = [
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
    Kind::SetAttributes,
];

/// Returns an operation's index in [`OPERATIONS`].
pub(crate) fn index(kind: Kind) -> usize {
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
        Kind::SetAttributes => 16,
        other => unreachable!("{other} is not a disk operation"),
    }
}

/// Returns an operation's cost.
pub(crate) fn cost(kind: Kind, profile: &DiskProfile) -> &OpCost {
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
        Kind::Truncate | Kind::SetAttributes => &profile.truncate,
        Kind::Allocate => &profile.allocate,
        Kind::Stat => &profile.stat,
        Kind::Link | Kind::Symlink => &profile.link,
        Kind::Readlink => &profile.readlink,
        other => unreachable!("{other} is not a disk operation"),
    }
}

/// Returns whether a read-only filesystem refuses the operation.
pub(crate) fn changes(kind: Kind) -> bool {
    use Kind::{Allocate, Create, Link, Mkdir, Rename, SetAttributes, Symlink, Truncate, Unlink, Write};
    matches!(
        kind,
        Create | Link | Mkdir | Rename | Symlink | Unlink | Allocate | SetAttributes | Truncate | Write
    )
}

/// Returns whether the operation is a sync.
pub(crate) fn is_sync(kind: Kind) -> bool {
    kind.category() == Category::Sync
}

/// The streams that the operations draw from, each created at its first draw.
#[derive(Debug)]
pub(crate) struct Streams {
    disk: String,
    seed: Seed,
    streams: [Option<Box<Stream>>; OPERATIONS.len()],
    /// Skipped draws by which the stream has not advanced yet.
    skipped: [u64; OPERATIONS.len()],
}

impl Streams {
    pub(crate) fn new(disk: &str, seed: Seed) -> Streams {
        Streams { disk: disk.to_string(), seed, streams: Default::default(), skipped: Default::default() }
    }

    /// Returns the next draw for an operation of this kind: one draw per operation, whatever its cost.
    pub(crate) fn draw(&mut self, kind: Kind) -> u64 {
        let Streams { disk, seed, streams, skipped } = self;
        let index = index(kind);
        let new = || Box::new(seed.stream(("disk", disk.as_str(), kind.name())));
        let stream = streams[index].get_or_insert_with(new);
        match std::mem::take(&mut skipped[index]) {
            0 => {}
            draws => stream.skip(draws),
        }
        stream.draw()
    }

    /// Skips the next draw, on which the cost does not depend.
    pub(crate) fn skip(&mut self, kind: Kind) {
        self.skipped[index(kind)] += 1;
    }
}

/// Operations of a disk since its creation, by kind; `Display` prints a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    of: [Count; OPERATIONS.len()],
    /// Operations that rules were applied to.
    pub affected: u64,
}

/// The counters of one kind of operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of operations, failed ones included.
    pub times: u64,
    /// Number of failed operations.
    pub failed: u64,
    /// Bytes read, written, synced, truncated to or reserved.
    pub bytes: u64,
    /// Total time of the operations.
    pub took: Duration,
}

impl Counters {
    /// Returns the counters of a kind of operation; zeros if it is not a disk operation.
    pub fn of(&self, kind: Kind) -> Count {
        if OPERATIONS.contains(&kind) { self.of[index(kind)] } else { Count::default() }
    }

    pub(crate) fn count(&mut self, kind: Kind, failed: bool, bytes: u64, took: Duration) {
        let count = &mut self.of[index(kind)];
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
            assert_eq!(index(kind), number, "{kind}");
        }
    }
}
