//! Faults: rules on operations.
//!
//! A [`DiskRule`] says which operations it affects (kinds, paths, a time, how many, how likely) and what it does to them. It
//! is installed on a disk with [`crate::Disk::inject`] and removed with its guard. Without a rule nothing is drawn and
//! nothing changes.
//!
//! | effect | what the program sees | real event |
//! | --- | --- | --- |
//! | [`DiskEffect::Fail`] | an error, after the operation's usual time | a broken cable, a full or read-only filesystem, no more descriptors |
//! | [`DiskEffect::Delay`] | the operation takes longer | a throttled volume |
//! | [`DiskEffect::Slow`] | it takes so many times as long | a neighbour on the same device |
//! | [`DiskEffect::Short`] | a read or write does a part of what was asked | a signal, a full device, a page that is not there yet |
//! | [`DiskEffect::ShortDirectory`] | a directory is read with several calls: it takes longer, and what is created or removed meanwhile may be in the list or not | a signal during getdents64(2) |
//! | [`Corruption::Phantom`] | a write is acknowledged and never happens | firmware that lies (Jepsen, lazyfs; Bairavasundaram and others, FAST 2008) |
//! | [`Corruption::Torn`] | a write is acknowledged and only its first sectors happen | power or firmware failed inside it |
//! | [`Corruption::Misdirected`] | a write is acknowledged and happens elsewhere in the file | firmware that errs (same paper) |
//! | [`Corruption::BitFlip`] | one bit of what is read or stored is another | bit rot |
//! | [`Corruption::LostName`] | a new name is acknowledged, even by a sync, and gone after a power loss | a journal that was not replayed whole |
//!
//! Corruption by the device is not seen while the page cache has what was written: a power loss shows it, or
//! [`crate::Disk::drop_caches`].
//!
//! A failed sync drops what it should have made durable: the bytes stay readable, a second sync succeeds, and a power loss
//! takes them. That is what Linux does (Rebello and others, "Can Applications Recover from fsync Failures?", ATC 2020).

use std::fmt;
use std::time::Duration;
pub use stormglass_core::fault::{
    Corruption, DiskEffect, DiskError, DiskRule, DiskTarget, InvalidRule, Pattern, Slowdown,
};
use stormglass_core::fault::{DiskOperation, Registry};
use stormglass_core::{Kind, SimTime, Stream};

/// What all the rules of a disk together do to one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) error: Option<DiskError>,
    pub(crate) delay: Duration,
    pub(crate) factor: Option<f64>,
    short: Option<u64>,
    /// How the device corrupts it, with the draw that says where.
    pub(crate) corruption: Option<(Corruption, u64)>,
}

impl Applied {
    /// Whether a rule changed anything.
    pub(crate) fn happens(&self) -> bool {
        self.error.is_some()
            || !self.delay.is_zero()
            || self.factor.is_some()
            || self.short.is_some()
            || self.corruption.is_some()
    }

    /// How many of so many bytes, or entries of a directory, are read or written.
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
    /// None yet, for the disk of this name.
    pub(crate) fn new(disk: &str, stream: Stream) -> Faults {
        Faults { disk: disk.to_string(), rules: Registry::default(), stream }
    }

    /// Whether a rule may apply to what begins now.
    pub(crate) fn any_on(&self, now: SimTime) -> bool {
        self.rules.any_on(now)
    }

    /// Installs a rule and returns its number; none if it is for other disks.
    pub(crate) fn install(&mut self, rule: DiskRule) -> Result<Option<u64>, InvalidRule> {
        rule.validate()?;
        if rule.target.is_on(&self.disk) { self.rules.install(rule).map(Some) } else { Ok(None) }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.rules.remove(number);
    }

    pub(crate) fn applied(&self, number: u64) -> u64 {
        self.rules.applied(number)
    }

    /// Applies every rule to an operation. Delays add up, factors multiply, the first error and the first corruption count.
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
