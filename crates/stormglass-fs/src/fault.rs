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
//! | [`Effect::Phantom`] | a write is acknowledged and never happens | firmware that lies (Jepsen, lazyfs; Bairavasundaram and others, FAST 2008) |
//! | [`Effect::BitFlip`] | one bit of what is read or written is another | bit rot |
//!
//! A failed sync drops what it should have made durable: the bytes stay readable, a second sync succeeds, and a power loss
//! takes them. That is what Linux does (Rebello and others, "Can Applications Recover from fsync Failures?", ATC 2020).

use std::fmt;
use std::io;
use std::ops::Range;
use std::time::Duration;
use stormglass_core::{Kind, Latency, SimTime, Stream};

/// A rule: which operations are struck, and how.
///
/// ```
/// use stormglass_core::{Kind, SimTime};
/// use stormglass_fs::fault::{Effect, Error, Fault};
///
/// // The third and every later sync of a log fails, in the first second.
/// let fault = Fault::new(Effect::Fail(Error::Io))
///     .on([Kind::Fsync, Kind::Fdatasync])
///     .path("**/*.log")?
///     .during(SimTime::ZERO..SimTime::from_nanos(1_000_000_000))
///     .after(2);
/// # drop(fault);
/// # Ok::<(), glob::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    kinds: Vec<Kind>,
    path: Option<glob::Pattern>,
    during: Range<SimTime>,
    skip: u64,
    limit: u64,
    probability: f64,
}

/// What a fault does to an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It fails.
    Fail(Error),
    /// It takes longer by this.
    Delay(Latency),
    /// It takes so many times as long; 0 or more.
    Slow(f64),
    /// A write is acknowledged and does not happen. Other operations are not struck.
    Phantom,
    /// One bit of what is read or written is flipped, which one is drawn. Other operations are not struck.
    BitFlip,
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
        Fault {
            effect,
            kinds: Vec::new(),
            path: None,
            during: SimTime::ZERO..SimTime::from_nanos(u64::MAX),
            skip: 0,
            limit: u64::MAX,
            probability: 1.0,
        }
    }

    /// Only operations of these kinds.
    #[must_use]
    pub fn on(mut self, kinds: impl IntoIterator<Item = Kind>) -> Fault {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Only files whose path from the root matches this pattern of shell wildcards: `db/*.log`, `**/MANIFEST-*`.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn path(mut self, pattern: &str) -> Result<Fault, glob::PatternError> {
        self.path = Some(glob::Pattern::new(pattern.trim_start_matches('/'))?);
        Ok(self)
    }

    /// Only operations that begin in this time.
    #[must_use]
    pub fn during(mut self, time: Range<SimTime>) -> Fault {
        self.during = time;
        self
    }

    /// Lets so many matching operations pass first.
    #[must_use]
    pub fn after(mut self, count: u64) -> Fault {
        self.skip = count;
        self
    }

    /// Strikes at most so often.
    #[must_use]
    pub fn times(mut self, count: u64) -> Fault {
        self.limit = count;
        self
    }

    /// Strikes a matching operation only with this probability, 0 to 1, drawn from the disk's stream
    /// `("disk", name, "fault")`.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Fault {
        self.probability = probability;
        self
    }

    /// Whether an operation is struck; counts it if it matches.
    fn strikes(&mut self, kind: Kind, path: &str, now: SimTime, stream: &mut Stream) -> bool {
        let silent = match self.effect {
            Effect::Phantom => kind == Kind::Write,
            Effect::BitFlip => matches!(kind, Kind::Read | Kind::Write),
            _ => true,
        };
        let matches = silent
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.during.contains(&now)
            && self.path.as_ref().is_none_or(|pattern| pattern.matches(path.trim_start_matches('/')));
        if !matches || self.limit == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        const ONE: u64 = 1 << 53;
        if self.probability < 1.0 && !stream.chance((self.probability * ONE as f64) as u64, ONE) {
            return false;
        }
        self.limit -= 1;
        true
    }
}

/// What all the faults of a disk together do to one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strike {
    pub(crate) error: Option<Error>,
    pub(crate) delay: Duration,
    pub(crate) factor: Option<f64>,
    pub(crate) silent: Silent,
}

impl Strike {
    pub(crate) fn happens(&self) -> bool {
        self.error.is_some()
            || !self.delay.is_zero()
            || self.factor.is_some()
            || self.silent != Silent::Nothing
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error, self.silent) {
            (Some(Error::Io), _) => f.write_str("EIO"),
            (Some(Error::NoSpace), _) => f.write_str("ENOSPC"),
            (Some(Error::ReadOnly), _) => f.write_str("EROFS"),
            (Some(Error::TooManyFiles), _) => f.write_str("EMFILE"),
            (None, Silent::Phantom) => f.write_str("phantom write"),
            (None, Silent::BitFlip(_)) => f.write_str("bit flip"),
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
    /// A bit is flipped: which one follows from the number.
    BitFlip(u64),
}

impl Silent {
    /// The bytes with a bit flipped, if one is.
    pub(crate) fn spoil(self, bytes: &mut [u8]) {
        if let Silent::BitFlip(draw) = self
            && !bytes.is_empty()
        {
            let bit = draw % (bytes.len() as u64 * 8);
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

/// The faults of one disk, in the order in which they were installed.
#[derive(Debug)]
pub(crate) struct Faults {
    installed: Vec<(u64, Fault)>,
    number_last: u64,
    stream: Stream,
}

impl Faults {
    pub(crate) fn new(stream: Stream) -> Faults {
        Faults { installed: Vec::new(), number_last: 0, stream }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.installed.is_empty()
    }

    pub(crate) fn install(&mut self, fault: Fault) -> u64 {
        self.number_last += 1;
        self.installed.push((self.number_last, fault));
        self.number_last
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.installed.retain(|(installed, _)| *installed != number);
    }

    /// Asks every fault. Delays add up, factors multiply, the first error and the first silent effect count.
    pub(crate) fn strike(&mut self, kind: Kind, path: &str, now: SimTime) -> Strike {
        let mut strike = Strike::default();
        for (_, fault) in &mut self.installed {
            if !fault.strikes(kind, path, now, &mut self.stream) {
                continue;
            }
            match &fault.effect {
                Effect::Fail(error) => drop(strike.error.get_or_insert(*error)),
                Effect::Delay(latency) => strike.delay += latency.at(self.stream.draw()),
                Effect::Slow(factor) => strike.factor = Some(strike.factor.unwrap_or(1.0) * factor),
                Effect::Phantom if strike.silent == Silent::Nothing => strike.silent = Silent::Phantom,
                Effect::BitFlip if strike.silent == Silent::Nothing => {
                    strike.silent = Silent::BitFlip(self.stream.draw());
                }
                Effect::Phantom | Effect::BitFlip => {}
            }
        }
        strike
    }
}
