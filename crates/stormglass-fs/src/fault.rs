//! Faults: rules on operations.
//!
//! A fault says which operations it strikes (kinds, paths, a time, how many, how likely) and what it does to them. It is
//! installed on a disk with [`crate::Disk::inject`] and goes with its guard. Without a fault nothing is drawn and
//! nothing changes.
//!
//! | effect | what the program sees | real event |
//! | --- | --- | --- |
//! | [`Effect::Fail`] | an error at once, after the operation's usual time | a broken cable, a full or read-only filesystem, no more descriptors |
//! | [`Effect::Delay`] | the operation takes longer | a throttled volume |
//! | [`Effect::Slow`] | it takes so many times as long | a neighbour on the same device |
//! | [`Effect::Short`] | a read or write does a part of what was asked | a signal, a full device, a page that is not there yet |
//! | [`Effect::Phantom`] | a write is acknowledged and never happens | firmware that lies (Jepsen, lazyfs; Bairavasundaram and others, FAST 2008) |
//! | [`Effect::Torn`] | a write is acknowledged and only its first sectors happen | power or firmware failed inside it |
//! | [`Effect::Misdirected`] | a write is acknowledged and happens elsewhere in the file | firmware that errs (same paper) |
//! | [`Effect::BitFlip`] | one bit of what is read or stored is another | bit rot |
//! | [`Effect::LostName`] | a new name is acknowledged, even by a sync, and gone after a power loss | a journal that was not replayed whole |
//!
//! What the device makes of a write is not seen while the page cache has what was written: a power loss shows it, or
//! [`crate::Disk::drop_caches`].
//!
//! A failed sync drops what it should have made durable: the bytes stay readable, a second sync succeeds, and a power loss
//! takes them. That is what Linux does (Rebello and others, "Can Applications Recover from fsync Failures?", ATC 2020).

use crate::profile::Slowdown;
use std::fmt;
use std::io;
use std::time::Duration;
use stormglass_core::trigger::{NoProbability, Trigger};
use stormglass_core::{Kind, Latency, SimTime, Stream};

/// A rule: which operations are struck, and how.
///
/// ```
/// use stormglass_core::{Kind, SimTime};
/// use stormglass_fs::fault::{Effect, Error, Fault};
///
/// // On the disks of two nodes, the third and every later sync of a log fails, in the first second.
/// let fault = Fault::new(Effect::Fail(Error::Io))
///     .on([Kind::Fsync, Kind::Fdatasync])
///     .disk("node-[12]")
///     .path("**/*.log")
///     .during(SimTime::ZERO..SimTime::from_nanos(1_000_000_000))
///     .after(2);
/// # drop(fault);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    kinds: Vec<Kind>,
    disk: Option<String>,
    path: Option<String>,
    trigger: Trigger,
}

/// What a fault does to an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It fails.
    Fail(Error),
    /// It takes longer by this.
    Delay(Latency),
    /// It takes so many times as long. A stand-still is for devices: [`crate::Device::stall`].
    Slow(Slowdown),
    /// A read or write of two bytes or more does only a part, how much is drawn. Other operations are not struck.
    Short,
    /// A write is acknowledged and does not happen. Other operations are not struck.
    Phantom,
    /// Of a write some sectors happen, the first ones, how many is drawn; never all. Other operations are not struck.
    Torn,
    /// A write happens in another sector of the file, which one is drawn, and not where it should. Of a file that has one
    /// sector it does not happen. Other operations are not struck.
    Misdirected,
    /// One bit of what is read or stored is flipped, which one is drawn. Other operations than reads and writes are not
    /// struck.
    BitFlip,
    /// The new name of what is created, moved or linked is never made durable. Other operations are not struck.
    LostName,
}

impl Effect {
    /// Whether operations of this kind can be struck.
    fn concerns(&self, kind: Kind) -> bool {
        match self {
            Effect::Fail(_) | Effect::Delay(_) | Effect::Slow(_) => true,
            Effect::Phantom | Effect::Torn | Effect::Misdirected => kind == Kind::Write,
            Effect::BitFlip | Effect::Short => matches!(kind, Kind::Read | Kind::Write),
            Effect::LostName => {
                matches!(kind, Kind::Create | Kind::Mkdir | Kind::Rename | Kind::Link | Kind::Symlink)
            }
        }
    }
}

/// A fault that is none.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFault {
    /// Its pattern of disks or paths is none.
    #[error("the pattern {pattern:?} is none: {source}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// Its probability is not between 0 and 1.
    #[error(transparent)]
    Probability(#[from] NoProbability),
    /// It slows single operations down without end.
    #[error("an operation cannot stand still for ever: give a finite factor, or stall the device for a time")]
    StandStill,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// EIO: the device does not do it.
    Io,
    /// ENOSPC: the device is full.
    NoSpace,
    /// EROFS: the filesystem was remounted read-only.
    ReadOnly,
    /// EMFILE: the process has too many open files.
    TooManyFiles,
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        // The numbers of Linux; std gives them their kinds.
        io::Error::from_raw_os_error(match error {
            Error::Io => 5,
            Error::NoSpace => 28,
            Error::ReadOnly => 30,
            Error::TooManyFiles => 24,
        })
    }
}

impl Fault {
    /// A fault that strikes every operation, always.
    pub fn new(effect: Effect) -> Fault {
        Fault { effect, kinds: Vec::new(), disk: None, path: None, trigger: Trigger::default() }
    }

    /// Only operations of these kinds.
    #[must_use]
    pub fn on(mut self, kinds: impl IntoIterator<Item = Kind>) -> Fault {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Only on disks whose name matches this pattern of shell wildcards: `node-[12]`.
    #[must_use]
    pub fn disk(mut self, pattern: &str) -> Fault {
        self.disk = Some(pattern.to_string());
        self
    }

    /// Only files whose path from the root, as it was given, matches this pattern of shell wildcards: `db/*.log`,
    /// `**/MANIFEST-*`.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Fault {
        self.path = Some(pattern.trim_start_matches('/').to_string());
        self
    }

    stormglass_core::trigger_methods!("`(\"disk\", name, \"fault\")`");
}

/// A fault at work.
#[derive(Debug)]
struct Rule {
    number: u64,
    fault: Fault,
    path: Option<glob::Pattern>,
}

impl Rule {
    /// Whether an operation is struck; counts it if it matches.
    fn strikes(&mut self, kind: Kind, path: &str, now: SimTime, stream: &mut Stream) -> bool {
        let fault = &mut self.fault;
        let matches = fault.effect.concerns(kind)
            && (fault.kinds.is_empty() || fault.kinds.contains(&kind))
            && self.path.as_ref().is_none_or(|pattern| pattern.matches(path.trim_start_matches('/')));
        matches && fault.trigger.strikes(now, stream)
    }
}

/// What all the faults of a disk together do to one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strike {
    pub(crate) error: Option<Error>,
    pub(crate) delay: Duration,
    pub(crate) factor: Option<f64>,
    short: Option<u64>,
    pub(crate) silent: Silent,
}

impl Strike {
    pub(crate) fn happens(&self) -> bool {
        self.error.is_some()
            || !self.delay.is_zero()
            || self.factor.is_some()
            || self.short.is_some()
            || self.silent != Silent::Nothing
    }

    /// How many of so many bytes are read or written.
    pub(crate) fn shortened(&self, len: usize) -> usize {
        match self.short {
            Some(draw) if len > 1 => 1 + (draw % (len as u64 - 1)) as usize,
            _ => len,
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error, self.silent) {
            (Some(Error::Io), _) => f.write_str("EIO"),
            (Some(Error::NoSpace), _) => f.write_str("ENOSPC"),
            (Some(Error::ReadOnly), _) => f.write_str("EROFS"),
            (Some(Error::TooManyFiles), _) => f.write_str("EMFILE"),
            (None, Silent::Phantom) => f.write_str("phantom"),
            (None, Silent::Torn(_)) => f.write_str("torn"),
            (None, Silent::Misdirected(_)) => f.write_str("misdirected"),
            (None, Silent::BitFlip(_)) => f.write_str("bit flip"),
            (None, Silent::LostName) => f.write_str("lost name"),
            (None, Silent::Nothing) if self.short.is_some() => f.write_str("short"),
            (None, Silent::Nothing) => f.write_str("slow"),
        }
    }
}

/// What the program is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Silent {
    /// Nothing: all is as it seems.
    #[default]
    Nothing,
    /// The write does not happen.
    Phantom,
    /// Only the first sectors of the write happen: how many follows from the number.
    Torn(u64),
    /// The write happens elsewhere: where follows from the number.
    Misdirected(u64),
    /// A bit is flipped: which one follows from the number.
    BitFlip(u64),
    /// The new name does not become durable.
    LostName,
}

/// The faults of one disk, in the order in which they were installed.
#[derive(Debug)]
pub(crate) struct Faults {
    disk: String,
    rules: Vec<Rule>,
    number_last: u64,
    stream: Stream,
}

impl Faults {
    /// None yet, for the disk of this name.
    pub(crate) fn new(disk: &str, stream: Stream) -> Faults {
        Faults { disk: disk.to_string(), rules: Vec::new(), number_last: 0, stream }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn install(&mut self, fault: Fault) -> Result<u64, InvalidFault> {
        let pattern = |pattern: &String| {
            glob::Pattern::new(pattern)
                .map_err(|source| InvalidFault::Pattern { pattern: pattern.clone(), source })
        };
        let (disk, path) =
            (fault.disk.as_ref().map(pattern).transpose()?, fault.path.as_ref().map(pattern).transpose()?);
        fault.trigger.validate()?;
        if matches!(fault.effect, Effect::Slow(factor) if factor.get().is_infinite()) {
            return Err(InvalidFault::StandStill);
        }
        self.number_last += 1;
        if disk.is_none_or(|pattern| pattern.matches(&self.disk)) {
            self.rules.push(Rule { number: self.number_last, fault, path });
        }
        Ok(self.number_last)
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.rules.retain(|rule| rule.number != number);
    }

    pub(crate) fn struck(&self, number: u64) -> u64 {
        self.rules.iter().find(|rule| rule.number == number).map_or(0, |rule| rule.fault.trigger.struck())
    }

    /// Asks every fault. Delays add up, factors multiply, the first error and the first silent effect count.
    pub(crate) fn strike(&mut self, kind: Kind, path: &str, now: SimTime) -> Strike {
        let mut strike = Strike::default();
        let Faults { rules, stream, .. } = self;
        for rule in rules {
            if !rule.strikes(kind, path, now, stream) {
                continue;
            }
            let silent = match &rule.fault.effect {
                Effect::Fail(error) => {
                    strike.error.get_or_insert(*error);
                    continue;
                }
                Effect::Delay(latency) => {
                    strike.delay += latency.at(stream.draw());
                    continue;
                }
                Effect::Slow(factor) => {
                    strike.factor = Some(strike.factor.unwrap_or(1.0) * factor.get());
                    continue;
                }
                Effect::Short => {
                    strike.short = Some(stream.draw());
                    continue;
                }
                Effect::Phantom => Silent::Phantom,
                Effect::Torn => Silent::Torn(stream.draw()),
                Effect::Misdirected => Silent::Misdirected(stream.draw()),
                Effect::BitFlip => Silent::BitFlip(stream.draw()),
                Effect::LostName => Silent::LostName,
            };
            if strike.silent == Silent::Nothing {
                strike.silent = silent;
            }
        }
        strike
    }
}
