//! Faults of disks: all that there is to say about a kind but how `stormglass_fs` does it.

use super::{InvalidRule, Pattern, Rule, RuleEffect, RuleTarget};
use crate::event::{Category, Kind};
use crate::latency::Latency;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// A rule on the operations of disks.
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

/// What a rule does to an operation of a disk.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskEffect {
    /// It fails.
    Fail(DiskError),
    /// It takes longer by this.
    Delay(Latency),
    /// It takes so many times as long; finite. A stall is for devices: `stormglass_fs::Device::stall`.
    Slow(Slowdown),
    /// A read or write of two bytes or more does only a part, how much is drawn. Other operations are not affected.
    Short,
    /// A read of a directory with two entries or more returns only the first of those that are left, how many is drawn; the
    /// next call returns the rest. So does Linux when a signal is pending (`filldir64` in `fs/readdir.c`; getdents64(2)).
    /// Other operations are not affected.
    ShortDirectory,
    /// What is stored or read is not what was acknowledged.
    Corrupt(Corruption),
}

/// How an operation of a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskError {
    /// EIO: the device does not do it.
    Io,
    /// ENOSPC: the device is full.
    NoSpace,
    /// EROFS: the filesystem was remounted read-only.
    ReadOnly,
    /// EMFILE: the process has too many open files.
    TooManyFiles,
}

/// How what is stored differs from what was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// A write is acknowledged and does not happen.
    Phantom,
    /// Of a write some sectors happen, the first ones, how many is drawn; never all.
    Torn,
    /// A write happens in another sector of the file, which one is drawn, and not where it should. Of a file that has one
    /// sector it does not happen.
    Misdirected,
    /// One bit of what is read or stored is flipped, which one is drawn.
    BitFlip,
    /// The new name of what is created, moved or linked is never made durable.
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

/// An operation of a disk, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct DiskOperation<'a> {
    /// What is done.
    pub kind: Kind,
    /// To which file, as the program named it.
    pub path: &'a str,
}

impl DiskRule {
    /// Applies only to operations of these kinds.
    #[must_use]
    pub fn on(mut self, kinds: impl IntoIterator<Item = Kind>) -> DiskRule {
        self.target.kinds = kinds.into_iter().collect();
        self
    }

    /// Applies only on disks whose name matches this pattern of shell wildcards: `node-[12]`.
    #[must_use]
    pub fn disk(mut self, pattern: &str) -> DiskRule {
        self.target.disk = Some(pattern.into());
        self
    }

    /// Applies only to files whose path from the root, as it was given, matches this pattern of shell wildcards:
    /// `db/*.log`, `**/MANIFEST-*`.
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
            _ => Ok(()),
        }
    }
}

impl RuleTarget for DiskTarget {
    type Operation<'a> = DiskOperation<'a>;

    /// The name of the disk is compared when the rule is installed: [`DiskTarget::is_on`].
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
    /// Whether operations of the disk with this name can match.
    pub fn is_on(&self, disk: &str) -> bool {
        self.disk.as_ref().is_none_or(|pattern| pattern.matches(disk))
    }
}

/// A fault of disks, as a plan names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum DiskFault {
    /// The device under a disk is slower.
    SlowDisk {
        /// The nodes. What shares a device with one of their disks is slower too.
        node: Pattern,
        /// By which factor. Range: 1 and up; `inf` is a stall.
        factor: f64,
    },
    /// Operations take longer: [`DiskEffect::Delay`].
    DiskDelay {
        /// The nodes.
        node: Pattern,
        /// By how much.
        by: Latency,
        /// Which operations, such as `fsync` and `fdatasync`. Default: all.
        #[serde(default, with = "operations")]
        operations: Vec<Kind>,
        /// On which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
    },
    /// Operations fail: [`DiskEffect::Fail`].
    DiskError {
        /// The nodes.
        node: Pattern,
        /// How.
        error: DiskError,
        /// Which operations. Default: all.
        #[serde(default, with = "operations")]
        operations: Vec<Kind>,
        /// On which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// How likely. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Reads and writes do only a part of what was asked: [`DiskEffect::Short`].
    DiskShort {
        /// The nodes.
        node: Pattern,
        /// On which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// How likely. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Reads of directories return only a part of the entries, the rest with the next call: [`DiskEffect::ShortDirectory`].
    DiskShortDirectory {
        /// The nodes.
        node: Pattern,
        /// Of which directories: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// How likely. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// What is acknowledged is not what is stored: [`DiskEffect::Corrupt`].
    DiskCorruption {
        /// The nodes.
        node: Pattern,
        /// How it differs.
        effect: Corruption,
        /// Of which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: Pattern,
        /// How likely. Range: 0 to 1. Default: 1.
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

    /// The nodes whose disks it affects.
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

    /// The rule that it is; none for a slower device.
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

    /// By which factor a device is slower; none for a rule.
    pub fn device_slowdown(&self) -> Option<Slowdown> {
        if let DiskFault::SlowDisk { factor, .. } = self { Slowdown::new(*factor).ok() } else { None }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        self.node().validate("node")?;
        match self {
            DiskFault::SlowDisk { factor, .. } if Slowdown::new(*factor).is_err() => {
                let problem = format!("is {factor}, the range is 1 and up, inf is a stand-still");
                Err(InvalidRule { field: "factor", problem })
            }
            _ => self.rule().map_or(Ok(()), |rule| rule.validate()),
        }
    }
}

/// Kinds of operations by their names in timelines: `fsync`, `write`, `rename`.
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

/// How many times as long something takes: 1 or more. Infinity is a stand-still.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(extend("minimum" = 1.0))]
pub struct Slowdown(f64);

/// A slow-down below 1, or not a number.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no slow-down: give 1 or more, inf for a stand-still")]
pub struct NoSlowdown(pub f64);

impl Slowdown {
    /// A slow-down by this factor.
    ///
    /// # Errors
    ///
    /// [`NoSlowdown`] if it is below 1 or not a number.
    pub const fn new(factor: f64) -> Result<Slowdown, NoSlowdown> {
        if factor >= 1.0 { Ok(Slowdown(factor)) } else { Err(NoSlowdown(factor)) }
    }

    /// The factor.
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
        // The numbers of Linux; std gives them their kinds.
        io::Error::from_raw_os_error(match error {
            DiskError::Io => 5,
            DiskError::NoSpace => 28,
            DiskError::ReadOnly => 30,
            DiskError::TooManyFiles => 24,
        })
    }
}

impl Corruption {
    /// Every variant.
    pub const ALL: [Corruption; 5] = [
        Corruption::Phantom,
        Corruption::Torn,
        Corruption::Misdirected,
        Corruption::BitFlip,
        Corruption::LostName,
    ];

    /// Whether a draw decides where it happens.
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
                write!(f, "disk of {node} stands still")
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
