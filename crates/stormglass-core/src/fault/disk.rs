//! Faults of disks: all definitions of a kind. `stormglass_fs` implements them.

use super::{InvalidRule, Pattern, Rule, RuleEffect, RuleTarget};
use crate::event::{Category, Kind};
use crate::latency::{FACTOR_MAX, Latency};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// A rule that affects operations of disks.
///
/// ```
/// use stormglass_core::fault::{DiskEffect, DiskError, DiskRule};
/// use stormglass_core::{Kind, SimTime};
///
/// // On the disks of two nodes, the third and every later sync of a log fails, in the first second.
/// let rule = DiskRule::new(DiskEffect::Fail(DiskError::Io))
///     .on([Kind::Fsync, Kind::Fdatasync])
///     .disk("node-[12]")
///     .path("**/*.log")
///     .during(SimTime::ZERO..SimTime::from_nanos(1_000_000_000))
///     .after(2);
/// assert!(rule.validate().is_ok());
/// ```
pub type DiskRule = Rule<DiskEffect, DiskTarget>;

/// The effect of a rule on an operation of a disk.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskEffect {
    /// The operation fails.
    Fail(DiskError),
    /// The operation takes longer by this latency.
    Delay(Latency),
    /// The operation takes this many times as long; finite. For a stall, use a device:
    /// `stormglass_fs::Device::stall`.
    Slow(Slowdown),
    /// A read or write of two bytes or more does only a part, of random size. Other operations are
    /// not affected.
    Short,
    /// A read of a directory with two or more remaining entries returns only a random number of
    /// the first ones; the next call returns the rest. Linux does the same when a signal is
    /// pending (`filldir64` in `fs/readdir.c`; getdents64(2)). Other operations are not affected.
    ShortDirectory,
    /// The stored or read data differs from what was acknowledged.
    Corrupt(Corruption),
}

/// The error with which an operation of a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskError {
    /// EIO: the device fails the operation.
    Io,
    /// ENOSPC: the device is full.
    NoSpace,
    /// EROFS: the filesystem was remounted read-only.
    ReadOnly,
    /// EMFILE: the process has too many open files.
    TooManyFiles,
}

/// The difference between the stored and the acknowledged data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// A write is acknowledged and not stored.
    Phantom,
    /// Only the first sectors of a write are stored, a random number of them; never all.
    Torn,
    /// A write goes to another, random sector of the file instead of its own. In a file of one
    /// sector it is not stored.
    Misdirected,
    /// One random bit of the read or stored data is flipped.
    BitFlip,
    /// The new name of a created, renamed or linked file is never durable.
    LostName,
}

/// Conditions on operations of disks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskTarget {
    /// The names of disks; all if absent.
    pub disk: Option<Pattern>,
    /// Paths from the root, without the leading slash; all if absent.
    pub path: Option<Pattern>,
    /// Kinds of operations; all if empty.
    pub kinds: Vec<Kind>,
}

/// An operation of a disk, with the fields that rules compare.
#[derive(Clone, Copy, Debug)]
pub struct DiskOperation<'a> {
    /// The kind of operation.
    pub kind: Kind,
    /// The path of the file, as the program named it.
    pub path: &'a str,
}

impl DiskRule {
    /// Limits the rule to operations of these kinds.
    #[must_use]
    pub fn on(mut self, kinds: impl IntoIterator<Item = Kind>) -> DiskRule {
        self.target.kinds = kinds.into_iter().collect();
        self
    }

    /// Limits the rule to disks whose name matches this pattern of shell wildcards: `node-[12]`.
    #[must_use]
    pub fn disk(mut self, pattern: &str) -> DiskRule {
        self.target.disk = Some(pattern.into());
        self
    }

    /// Limits the rule to files whose path from the root, as the program gave it, matches this
    /// pattern of shell wildcards: `db/*.log`, `**/MANIFEST-*`.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> DiskRule {
        self.target.path = Some(pattern.trim_start_matches('/').into());
        self
    }
}

impl RuleEffect<DiskTarget> for DiskEffect {
    fn can_affect(&self, operation: &DiskOperation<'_>) -> bool {
        let kind = operation.kind;
        match self {
            DiskEffect::Fail(_) | DiskEffect::Delay(_) | DiskEffect::Slow(_) => true,
            DiskEffect::Short | DiskEffect::Corrupt(Corruption::BitFlip) => {
                matches!(kind, Kind::Read | Kind::Write)
            }
            DiskEffect::ShortDirectory => kind == Kind::Readdir,
            DiskEffect::Corrupt(Corruption::LostName) => {
                matches!(kind, Kind::Create | Kind::Mkdir | Kind::Rename | Kind::Link | Kind::Symlink)
            }
            DiskEffect::Corrupt(Corruption::Phantom | Corruption::Torn | Corruption::Misdirected) => {
                kind == Kind::Write
            }
        }
    }

    fn validate(&self) -> Result<(), InvalidRule> {
        match self {
            DiskEffect::Slow(factor) if factor.get().is_infinite() => {
                let problem = "is inf, and an operation cannot stall for ever: give a finite factor, or stall the device for a time";
                Err(InvalidRule { field: "factor", problem: problem.into() })
            }
            DiskEffect::Delay(by) => InvalidRule::of_latency("by", by),
            _ => Ok(()),
        }
    }
}

impl RuleTarget for DiskTarget {
    type Operation<'a> = DiskOperation<'a>;

    /// Compares kind and path only; the disk's name is compared when the rule is installed:
    /// [`DiskTarget::is_on`].
    fn matches(&self, operation: &DiskOperation<'_>) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&operation.kind))
            && self.path.as_ref().is_none_or(|path| path.matches(operation.path.trim_start_matches('/')))
    }

    fn validate(&self) -> Result<(), InvalidRule> {
        self.disk.as_ref().map_or(Ok(()), |disk| disk.validate("disk"))?;
        self.path.as_ref().map_or(Ok(()), |path| path.validate("path"))
    }
}

impl DiskTarget {
    /// Returns whether operations of the disk with this name can match.
    pub fn is_on(&self, disk: &str) -> bool {
        self.disk.as_ref().is_none_or(|pattern| pattern.matches(disk))
    }
}

/// A fault of disks, as a plan names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum DiskFault {
    /// The device under a disk is slower.
    SlowDisk {
        /// The nodes. Every disk that shares a device with one of their disks is slower too.
        node: Pattern,
        /// The factor. Range: 1 to [`FACTOR_MAX`]; `inf` is a stall.
        factor: f64,
    },
    /// Operations take longer: [`DiskEffect::Delay`].
    DiskDelay {
        /// The nodes.
        node: Pattern,
        /// The additional latency.
        by: Latency,
        /// The affected operations, such as `fsync` and `fdatasync`. Default: all.
        #[serde(default, with = "operations")]
        #[schemars(with = "Vec<String>")]
        operations: Vec<Kind>,
        /// The affected files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
    },
    /// Operations fail: [`DiskEffect::Fail`].
    DiskError {
        /// The nodes.
        node: Pattern,
        /// The error.
        error: DiskError,
        /// The affected operations. Default: all.
        #[serde(default, with = "operations")]
        #[schemars(with = "Vec<String>")]
        operations: Vec<Kind>,
        /// The affected files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// The probability of an error. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Reads and writes do only a part of the request: [`DiskEffect::Short`].
    DiskShort {
        /// The nodes.
        node: Pattern,
        /// The affected files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// The probability of a short read or write. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Reads of directories return only a part of the entries, and the next call returns the rest:
    /// [`DiskEffect::ShortDirectory`].
    DiskShortDirectory {
        /// The nodes.
        node: Pattern,
        /// The affected directories: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// The probability of a short read. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// The stored data differs from the acknowledged data: [`DiskEffect::Corrupt`].
    DiskCorruption {
        /// The nodes.
        node: Pattern,
        /// The difference between the stored and the acknowledged data.
        effect: Corruption,
        /// The affected files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// The probability of corruption. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
}

fn all_paths() -> Pattern {
    "**".into()
}

fn always() -> f64 {
    1.0
}

impl DiskFault {
    pub(super) const KINDS: &[&str] =
        &["slow-disk", "disk-delay", "disk-error", "disk-short", "disk-short-directory", "disk-corruption"];

    /// Returns the nodes whose disks the fault affects.
    pub fn node(&self) -> &Pattern {
        match self {
            DiskFault::SlowDisk { node, .. }
            | DiskFault::DiskDelay { node, .. }
            | DiskFault::DiskError { node, .. }
            | DiskFault::DiskShort { node, .. }
            | DiskFault::DiskShortDirectory { node, .. }
            | DiskFault::DiskCorruption { node, .. } => node,
        }
    }

    /// Returns the rule of this fault, or `None` for a slower device.
    pub fn rule(&self) -> Option<DiskRule> {
        Some(match self {
            DiskFault::SlowDisk { .. } => return None,
            DiskFault::DiskDelay { by, operations, path, .. } => DiskRule::new(DiskEffect::Delay(by.clone()))
                .on(operations.iter().copied())
                .path(path.as_str()),
            DiskFault::DiskError { error, operations, path, probability, .. } => {
                DiskRule::new(DiskEffect::Fail(*error))
                    .on(operations.iter().copied())
                    .path(path.as_str())
                    .with_probability(*probability)
            }
            DiskFault::DiskShort { path, probability, .. } => {
                DiskRule::new(DiskEffect::Short).path(path.as_str()).with_probability(*probability)
            }
            DiskFault::DiskShortDirectory { path, probability, .. } => {
                DiskRule::new(DiskEffect::ShortDirectory).path(path.as_str()).with_probability(*probability)
            }
            DiskFault::DiskCorruption { effect, path, probability, .. } => {
                DiskRule::new(DiskEffect::Corrupt(*effect)).path(path.as_str()).with_probability(*probability)
            }
        })
    }

    /// Returns the factor by which the device is slower, or `None` for a rule.
    pub fn device_slowdown(&self) -> Option<Slowdown> {
        if let DiskFault::SlowDisk { factor, .. } = self { Slowdown::new(*factor).ok() } else { None }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        self.node().validate("node")?;
        match self {
            DiskFault::SlowDisk { factor, .. } if Slowdown::new(*factor).is_err() => {
                let problem = format!("is {factor}, the range is 1 to {FACTOR_MAX}; inf stops the disk");
                Err(InvalidRule { field: "factor", problem })
            }
            _ => self.rule().map_or(Ok(()), |rule| rule.validate()),
        }
    }
}

/// Reads and writes kinds of operations by their names in timelines: `fsync`, `write`, `rename`.
mod operations {
    use super::{Category, Kind};
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::Serializer;

    fn all() -> impl Iterator<Item = Kind> {
        let is_operation =
            |kind: &Kind| matches!(kind.category(), Category::Disk | Category::Sync) && *kind != Kind::Settle;
        Kind::ALL.iter().copied().filter(is_operation)
    }

    pub(super) fn serialize<S: Serializer>(kinds: &[Kind], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kinds.iter().map(|kind| kind.name()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Kind>, D::Error> {
        let kind = |name: String| {
            all().find(|kind| kind.name() == name).ok_or_else(|| {
                let names: Vec<&str> = all().map(Kind::name).collect();
                D::Error::custom(format!(
                    "{name:?} is no operation of a disk; there are {}",
                    names.join(", ")
                ))
            })
        };
        Vec::deserialize(deserializer)?.into_iter().map(kind).collect()
    }
}

/// A factor by which an operation takes longer: 1 to [`FACTOR_MAX`]. Infinity is a stall.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(extend("minimum" = 1.0))]
pub struct Slowdown(f64);

/// The error for a slowdown that is below 1, above [`FACTOR_MAX`] and finite, or NaN.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no slow-down: give 1 to {FACTOR_MAX}, or inf to stop the disk")]
pub struct NoSlowdown(pub f64);

impl Slowdown {
    /// Returns a slowdown by this factor.
    ///
    /// # Errors
    ///
    /// Returns [`NoSlowdown`] if the factor is below 1, above [`FACTOR_MAX`] and finite, or NaN.
    pub const fn new(factor: f64) -> Result<Slowdown, NoSlowdown> {
        let is_valid = factor >= 1.0 && (factor <= FACTOR_MAX || factor == f64::INFINITY);
        if is_valid { Ok(Slowdown(factor)) } else { Err(NoSlowdown(factor)) }
    }

    /// Returns the factor.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Slowdown {
    type Error = NoSlowdown;

    fn try_from(factor: f64) -> Result<Slowdown, NoSlowdown> {
        Slowdown::new(factor)
    }
}

impl From<Slowdown> for f64 {
    fn from(slowdown: Slowdown) -> f64 {
        slowdown.0
    }
}

impl From<DiskError> for io::Error {
    fn from(error: DiskError) -> io::Error {
        // The error numbers of Linux; std maps them to `ErrorKind`.
        io::Error::from_raw_os_error(match error {
            DiskError::Io => 5,
            DiskError::NoSpace => 28,
            DiskError::ReadOnly => 30,
            DiskError::TooManyFiles => 24,
        })
    }
}

impl Corruption {
    /// All variants.
    pub const ALL: [Corruption; 5] = [
        Corruption::Phantom,
        Corruption::Torn,
        Corruption::Misdirected,
        Corruption::BitFlip,
        Corruption::LostName,
    ];

    /// Returns whether the position of the corruption is random.
    pub fn draws(self) -> bool {
        matches!(self, Corruption::Torn | Corruption::Misdirected | Corruption::BitFlip)
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskError::Io => "EIO",
            DiskError::NoSpace => "ENOSPC",
            DiskError::ReadOnly => "EROFS",
            DiskError::TooManyFiles => "EMFILE",
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Corruption::Phantom => "phantom",
            Corruption::Torn => "torn",
            Corruption::Misdirected => "misdirected",
            Corruption::BitFlip => "bit flip",
            Corruption::LostName => "lost name",
        })
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskFault::SlowDisk { node, factor } if factor.is_infinite() => {
                write!(f, "disk of {node} stalls")
            }
            DiskFault::SlowDisk { node, factor } => write!(f, "disk of {node} {factor} times slower"),
            DiskFault::DiskDelay { node, path, .. } => write!(f, "slow operations on {node}:{path}"),
            DiskFault::DiskError { node, error, path, .. } => write!(f, "{error} on {node}:{path}"),
            DiskFault::DiskShort { node, path, .. } => write!(f, "short reads and writes on {node}:{path}"),
            DiskFault::DiskShortDirectory { node, path, .. } => {
                write!(f, "short reads of directories on {node}:{path}")
            }
            DiskFault::DiskCorruption { node, effect, path, .. } => {
                let writes =
                    matches!(effect, Corruption::Phantom | Corruption::Torn | Corruption::Misdirected);
                write!(f, "{effect}{} on {node}:{path}", if writes { " writes" } else { "s" })
            }
        }
    }
}
