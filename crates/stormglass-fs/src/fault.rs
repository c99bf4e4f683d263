//! Faults: rules on operations.
//!
//! A [`DiskRule`] selects operations (by kind, path, time, count and probability) and has an
//! effect on them. [`crate::Disk::inject`] installs it on a disk; dropping the guard removes it.
//! Without a rule a disk draws no random numbers for faults, and no operation changes.
//!
//! | effect | what the program sees | real event |
//! | --- | --- | --- |
//! | [`DiskEffect::Fail`] | an error, after the operation's usual time | a broken cable, a full or read-only filesystem, no more descriptors |
//! | [`DiskEffect::Delay`] | the operation takes longer | a throttled volume |
//! | [`DiskEffect::Slow`] | the operation's time is multiplied | other load on the same device |
//! | [`DiskEffect::Short`] | a read or write transfers fewer bytes than requested | a signal, a full device, a page that is not in the cache |
//! | [`DiskEffect::ShortDirectory`] | a directory is read with several calls: it takes longer, and the list may have names that are created or removed meanwhile, or not | a signal during getdents64(2) |
//! | [`Corruption::Phantom`] | a write is acknowledged and never stored | faulty firmware (Jepsen, lazyfs; Bairavasundaram and others, FAST 2008) |
//! | [`Corruption::Torn`] | a write is acknowledged and only its first sectors are stored | power or firmware failed during the write |
//! | [`Corruption::Misdirected`] | a write is acknowledged and stored elsewhere in the file | faulty firmware (same paper) |
//! | [`Corruption::BitFlip`] | one bit of the data is flipped when it is read or stored | bit rot |
//! | [`Corruption::LostName`] | a new name is acknowledged, even by a sync, and lost at a power loss | an incomplete replay of the journal |
//!
//! While the page cache holds the written data, reads do not show corruption by the device; they
//! do after a power loss or [`crate::Disk::drop_caches`].
//!
//! A failed sync drops the data that it should have made durable: the bytes stay readable, a
//! second sync succeeds, and a power loss loses them. Linux does the same (Rebello and others,
//! "Can Applications Recover from fsync Failures?", ATC 2020).

use std::fmt;
use std::time::Duration;
pub use stormglass_core::fault::{
    Corruption, DiskEffect, DiskError, DiskRule, DiskTarget, InvalidRule, Pattern, Slowdown,
};
use stormglass_core::fault::{DiskOperation, Registry};
use stormglass_core::{Kind, SimTime, Stream};

/// The combined effect of all rules of a disk on one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) error: Option<DiskError>,
    pub(crate) delay: Duration,
    pub(crate) factor: Option<f64>,
    short: Option<u64>,
    /// How the device corrupts the data, with the draw that decides where.
    pub(crate) corruption: Option<(Corruption, u64)>,
}

impl Applied {
    /// Returns whether a rule changed anything.
    pub(crate) fn happens(&self) -> bool {
        self.error.is_some()
            || !self.delay.is_zero()
            || self.factor.is_some()
            || self.short.is_some()
            || self.corruption.is_some()
    }

    /// Returns how many of `len` bytes, or entries of a directory, are read or written.
    pub(crate) fn shortened(&self, len: usize) -> usize {
        match self.short {
            Some(draw) if len > 1 => 1 + (draw % (len as u64 - 1)) as usize,
            _ => len,
        }
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error, self.corruption) {
            (Some(error), _) => error.fmt(f),
            (None, Some((corruption, _))) => corruption.fmt(f),
            (None, None) if self.short.is_some() => f.write_str("short"),
            (None, None) => f.write_str("slow"),
        }
    }
}

/// The rules of one disk.
#[derive(Debug)]
pub(crate) struct Faults {
    disk: String,
    rules: Registry<DiskEffect, DiskTarget>,
    stream: Stream,
}

impl Faults {
    /// Returns the faults of the disk of this name, without rules.
    pub(crate) fn new(disk: &str, stream: Stream) -> Faults {
        Faults { disk: disk.to_string(), rules: Registry::default(), stream }
    }

    /// Returns the name of the disk.
    pub(crate) fn disk(&self) -> &str {
        &self.disk
    }

    /// Returns whether a rule may apply to an operation that begins now.
    pub(crate) fn any_on(&mut self, now: SimTime) -> bool {
        self.rules.any_on(now)
    }

    /// Installs a rule and returns its number; `None` if the rule is for other disks.
    pub(crate) fn install(&mut self, rule: DiskRule) -> Result<Option<u64>, InvalidRule> {
        if rule.target.is_on(&self.disk) {
            self.rules.install(rule).map(Some)
        } else {
            rule.validate().map(|()| None)
        }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.rules.remove(number);
    }

    pub(crate) fn applied(&self, number: u64) -> u64 {
        self.rules.applied(number)
    }

    /// Applies every rule to an operation. Delays are added, factors multiplied; of errors and
    /// corruptions the first one is used.
    pub(crate) fn apply(&mut self, kind: Kind, path: &str, now: SimTime) -> Applied {
        let mut applied = Applied::default();
        let operation = DiskOperation { kind, path };
        self.rules.apply(&operation, now, &mut self.stream, |effect, stream| match effect {
            DiskEffect::Fail(error) => {
                applied.error.get_or_insert(*error);
            }
            DiskEffect::Delay(latency) => applied.delay += latency.at(stream.draw()),
            DiskEffect::Slow(factor) => {
                applied.factor = Some(applied.factor.unwrap_or(1.0) * factor.get());
            }
            DiskEffect::Short | DiskEffect::ShortDirectory => applied.short = Some(stream.draw()),
            DiskEffect::Corrupt(corruption) => {
                let draw = if corruption.draws() { stream.draw() } else { 0 };
                applied.corruption.get_or_insert((*corruption, draw));
            }
        });
        applied
    }
}
