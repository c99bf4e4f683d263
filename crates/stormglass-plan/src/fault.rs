//! What can break.
//!
//! | kind | what happens | when it is over |
//! | --- | --- | --- |
//! | `kill` | a node's process gets SIGKILL | it is started again, if whoever started it said how |
//! | `power-loss` | a node vanishes, and its disk loses what was not synced | as above |
//! | `pause` | a node's process gets SIGSTOP; its kernel goes on | SIGCONT |
//! | `cut` | nothing passes between hosts, or one way only | it heals |
//! | `partition` | groups of hosts do not reach each other | it heals |
//! | `flap` | a link is cut and heals in turns | it heals |
//! | `lossy-link`, `slow-link` | messages are lost (TCP sends them again); take longer | it is over |
//! | `duplicating-link`, `corrupting-link` | datagrams arrive twice; with a bit turned over | it is over |
//! | `refuse` | connects are refused | they are not |
//! | `reset` | connections get RST, once | at once |
//! | `unresolved`, `port-in-use` | names are not found; ports cannot be bound | they are; they can |
//! | `slow-disk` | the device under a disk is slower by a factor, or stands still | it is as before |
//! | `disk-delay`, `disk-error`, `disk-short` | operations take longer; fail; do only a part | they do not |
//! | `disk-corruption` | what is acknowledged is not what is stored | what is stored stays so |
//!
//! What each does in detail is told where it is done: `stormglass_fs::fault`, `stormglass_net::fault` and `stormglass_sim::Node`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;
use stormglass_core::event::Category;
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use stormglass_core::{Kind, Latency};
use toml::{Table, Value};

/// Something that breaks, at a time and for a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// When, from the start of the run. Range: up to 365 days.
    #[serde(with = "HumanDuration")]
    pub at: Duration,
    /// For how long; to the end of the run if left out. Range: up to 365 days; above 0 s, but for what ends a process or a connection.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "human")]
    pub lasts: Option<Duration>,
    /// What.
    #[serde(flatten)]
    pub kind: FaultKind,
}

fn human<S: Serializer>(lasts: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    HumanDuration::serialize(&lasts.unwrap_or_default(), serializer)
}

/// What breaks. Names of nodes and hosts are patterns of shell wildcards: `node-[12]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// SIGKILL.
    Kill {
        /// Whose process.
        node: String,
    },
    /// The power of a node goes.
    PowerLoss {
        /// Which node's.
        node: String,
        /// What its disk loses. Default: everything that was not synced.
        #[serde(default)]
        loss: Loss,
    },
    /// SIGSTOP.
    Pause {
        /// Whose process.
        node: String,
    },
    /// Nothing passes.
    Cut {
        /// Between these hosts.
        from: String,
        /// And these.
        to: String,
        /// Whether the way back is free. Default: false.
        #[serde(default)]
        one_way: bool,
    },
    /// Groups of hosts do not reach each other. Hosts in none of them reach everybody.
    Partition {
        /// The groups, two or more.
        groups: Vec<Vec<String>>,
    },
    /// A link is cut and heals in turns.
    Flap {
        /// Between these hosts.
        from: String,
        /// And these.
        to: String,
        /// How long a turn is.
        #[serde(with = "HumanDuration")]
        period: Duration,
        /// How long of it the link is cut, first.
        #[serde(with = "HumanDuration")]
        down: Duration,
    },
    /// Messages and segments are lost.
    LossyLink {
        /// Between these hosts. Default: all.
        #[serde(default = "all")]
        from: String,
        /// And these. Default: all.
        #[serde(default = "all")]
        to: String,
        /// Whether the way back is free. Default: false.
        #[serde(default)]
        one_way: bool,
        /// How likely. Range: 0 to 1.
        probability: f64,
    },
    /// Messages and segments take longer.
    SlowLink {
        /// Between these hosts. Default: all.
        #[serde(default = "all")]
        from: String,
        /// And these. Default: all.
        #[serde(default = "all")]
        to: String,
        /// Whether the way back is free. Default: false.
        #[serde(default)]
        one_way: bool,
        /// By how much.
        by: Latency,
    },
    /// Datagrams arrive twice.
    DuplicatingLink {
        /// Between these hosts. Default: all.
        #[serde(default = "all")]
        from: String,
        /// And these. Default: all.
        #[serde(default = "all")]
        to: String,
        /// How likely. Range: 0 to 1.
        probability: f64,
    },
    /// Datagrams arrive with a bit turned over.
    CorruptingLink {
        /// Between these hosts. Default: all.
        #[serde(default = "all")]
        from: String,
        /// And these. Default: all.
        #[serde(default = "all")]
        to: String,
        /// How likely. Range: 0 to 1.
        probability: f64,
    },
    /// Connects are refused.
    Refuse {
        /// Of these hosts. Default: all.
        #[serde(default = "all")]
        from: String,
        /// To these.
        to: String,
    },
    /// Connections are reset, once.
    Reset {
        /// Between these hosts.
        from: String,
        /// And these.
        to: String,
    },
    /// Names are not found.
    Unresolved {
        /// By these hosts. Default: all.
        #[serde(default = "all")]
        from: String,
        /// Which names. Default: all.
        #[serde(default = "all")]
        name: String,
    },
    /// A port cannot be bound.
    PortInUse {
        /// On these hosts.
        node: String,
        /// Which port.
        port: u16,
    },
    /// The device under a disk is slower.
    SlowDisk {
        /// Under the disks of these nodes. What shares a device with one of them is slower too.
        node: String,
        /// By which factor. Range: 1 and up; `inf` is a stand-still.
        factor: f64,
    },
    /// Operations of a disk take longer.
    DiskDelay {
        /// On these nodes.
        node: String,
        /// By how much.
        by: Latency,
        /// Which operations, such as `fsync` and `fdatasync`. Default: all.
        #[serde(default)]
        operations: Vec<Operation>,
        /// On which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: String,
    },
    /// Operations of a disk fail.
    DiskError {
        /// On these nodes.
        node: String,
        /// How.
        error: DiskError,
        /// Which operations. Default: all.
        #[serde(default)]
        operations: Vec<Operation>,
        /// On which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: String,
        /// How likely. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// Reads and writes do only a part of what was asked.
    DiskShort {
        /// On these nodes.
        node: String,
        /// On which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: String,
        /// How likely. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
    /// What is acknowledged is not what is stored.
    DiskCorruption {
        /// On these nodes.
        node: String,
        /// In which way.
        effect: Corruption,
        /// Of which files: a pattern of paths. Default: all.
        #[serde(default = "all_paths")]
        path: String,
        /// How likely. Range: 0 to 1. Default: 1.
        #[serde(default = "always")]
        probability: f64,
    },
}

fn all() -> String {
    "*".into()
}

fn all_paths() -> String {
    "**".into()
}

fn always() -> f64 {
    1.0
}

/// What a power loss takes of what was not synced: see `stormglass_fs::Loss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// All of it.
    #[default]
    Everything,
    /// Of each file the oldest writes survive.
    Suffix,
    /// Of each file any of the writes survive.
    Subset,
    /// As `Subset`, sector by sector.
    Torn,
}

/// How an operation of a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskError {
    /// EIO.
    Io,
    /// ENOSPC.
    NoSpace,
    /// EROFS.
    ReadOnly,
    /// EMFILE.
    TooManyFiles,
}

/// In which way what is stored is not what was acknowledged: see `stormglass_fs::fault::Effect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// A write does not happen.
    Phantom,
    /// Only the first sectors of a write happen.
    Torn,
    /// A write happens elsewhere in the file.
    Misdirected,
    /// A bit of what is read or written is turned over.
    BitFlip,
    /// A new name is not made durable.
    LostName,
}

/// A kind of operation of a disk, by its name in timelines: `fsync`, `write`, `rename`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation(pub Kind);

impl Operation {
    fn all() -> impl Iterator<Item = Kind> {
        let is_operation =
            |kind: &Kind| matches!(kind.category(), Category::Disk | Category::Sync) && *kind != Kind::Settle;
        Kind::ALL.iter().copied().filter(is_operation)
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
        let name = String::deserialize(deserializer)?;
        Operation::all().find(|kind| kind.name() == name).map(Operation).ok_or_else(|| {
            let names: Vec<&str> = Operation::all().map(Kind::name).collect();
            D::Error::custom(format!("{name:?} is no operation of a disk; there are {}", names.join(", ")))
        })
    }
}

/// By way of a table: a field that nobody knows is an error also beside those of the kind, which serde's `flatten` does not tell.
impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let mut duration = |name: &str| {
            let Some(value) = table.remove(name) else { return Ok(None) };
            let problem = |error: toml::de::Error| {
                D::Error::custom(format!("`{name}`: {}", error.message().trim_end()))
            };
            HumanDuration::deserialize(value).map(Some).map_err(problem)
        };
        let (at, lasts) = (duration("at")?, duration("lasts")?);
        let at = at.ok_or_else(|| D::Error::missing_field("at"))?;
        let kind = FaultKind::deserialize(Value::Table(table));
        let kind = kind.map_err(|error| D::Error::custom(error.message().trim_end()))?;
        Ok(Fault { at, lasts, kind })
    }
}

impl Fault {
    /// A fault of this kind, at this time and for this long.
    pub fn new(at: Duration, lasts: Duration, kind: FaultKind) -> Fault {
        Fault { at, lasts: Some(lasts), kind }
    }

    /// When it is over, if it ever is.
    pub fn end(&self) -> Option<Duration> {
        self.lasts.map(|lasts| self.at.saturating_add(lasts))
    }

    /// Checks it.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let needs_time = !matches!(
            self.kind,
            FaultKind::Kill { .. } | FaultKind::PowerLoss { .. } | FaultKind::Reset { .. }
        );
        for (field, time) in [("at", Some(self.at)), ("lasts", self.lasts)] {
            if time.is_some_and(|time| time > YEAR) {
                return Err((field, "the range is 0s to 365days".into()));
            }
        }
        if needs_time && self.lasts.is_some_and(|lasts| lasts.is_zero()) {
            return Err(("lasts", "must be above 0s; leave it out for the rest of the run".into()));
        }
        for (field, pattern) in self.kind.patterns() {
            glob::Pattern::new(pattern)
                .map_err(|error| (field, format!("{pattern:?} is no pattern: {error}")))?;
        }
        if let Some(probability) = self.kind.probability()
            && !(0.0..=1.0).contains(&probability)
        {
            return Err(("probability", format!("is {probability}, the range is 0 to 1")));
        }
        match &self.kind {
            FaultKind::SlowDisk { factor, .. } if *factor < 1.0 || factor.is_nan() => {
                Err(("factor", format!("is {factor}, the range is 1 and up, inf is a stand-still")))
            }
            FaultKind::SlowDisk { factor, .. } if factor.is_infinite() && self.lasts.is_none() => {
                Err(("lasts", "is missing: a disk cannot stand still for ever".into()))
            }
            FaultKind::Flap { period, down, .. } if down.is_zero() || down > period => {
                Err(("down", "must be above 0s and no longer than `period`".into()))
            }
            FaultKind::Partition { groups } if groups.len() < 2 || groups.iter().any(Vec::is_empty) => {
                Err(("groups", "there must be two or more, and none of them empty".into()))
            }
            _ => Ok(()),
        }
    }
}

impl FaultKind {
    /// Its patterns of names and paths, with their fields.
    fn patterns(&self) -> Vec<(&'static str, &str)> {
        match self {
            FaultKind::Kill { node }
            | FaultKind::PowerLoss { node, .. }
            | FaultKind::Pause { node }
            | FaultKind::PortInUse { node, .. }
            | FaultKind::SlowDisk { node, .. } => vec![("node", node)],
            FaultKind::DiskDelay { node, path, .. }
            | FaultKind::DiskError { node, path, .. }
            | FaultKind::DiskShort { node, path, .. }
            | FaultKind::DiskCorruption { node, path, .. } => vec![("node", node), ("path", path)],
            FaultKind::Cut { from, to, .. }
            | FaultKind::Flap { from, to, .. }
            | FaultKind::LossyLink { from, to, .. }
            | FaultKind::SlowLink { from, to, .. }
            | FaultKind::DuplicatingLink { from, to, .. }
            | FaultKind::CorruptingLink { from, to, .. }
            | FaultKind::Refuse { from, to }
            | FaultKind::Reset { from, to } => vec![("from", from), ("to", to)],
            FaultKind::Unresolved { from, name } => vec![("from", from), ("name", name)],
            FaultKind::Partition { groups } => {
                groups.iter().flatten().map(|name| ("groups", name.as_str())).collect()
            }
        }
    }

    fn probability(&self) -> Option<f64> {
        match self {
            FaultKind::LossyLink { probability, .. }
            | FaultKind::DuplicatingLink { probability, .. }
            | FaultKind::CorruptingLink { probability, .. }
            | FaultKind::DiskError { probability, .. }
            | FaultKind::DiskShort { probability, .. }
            | FaultKind::DiskCorruption { probability, .. } => Some(*probability),
            _ => None,
        }
    }
}

impl Loss {
    /// Every kind.
    pub const ALL: [Loss; 4] = [Loss::Everything, Loss::Suffix, Loss::Subset, Loss::Torn];
}

impl Corruption {
    /// Every kind.
    pub const ALL: [Corruption; 5] = [
        Corruption::Phantom,
        Corruption::Torn,
        Corruption::Misdirected,
        Corruption::BitFlip,
        Corruption::LostName,
    ];
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Everything => "everything",
            Loss::Suffix => "suffix",
            Loss::Subset => "subset",
            Loss::Torn => "torn",
        })
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
            Corruption::Phantom => "phantom writes",
            Corruption::Torn => "torn writes",
            Corruption::Misdirected => "misdirected writes",
            Corruption::BitFlip => "bit flips",
            Corruption::LostName => "lost names",
        })
    }
}

/// What breaks, in a line.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |one_way: &bool| if *one_way { "→" } else { "↔" };
        match self {
            FaultKind::Kill { node } => write!(f, "kill {node}"),
            FaultKind::PowerLoss { node, loss } => {
                write!(f, "power loss of {node} ({loss})")
            }
            FaultKind::Pause { node } => write!(f, "pause {node}"),
            FaultKind::Cut { from, to, one_way } => write!(f, "cut {from} {} {to}", arrow(one_way)),
            FaultKind::Partition { groups } => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(" ")).collect();
                write!(f, "partition {}", groups.join(" | "))
            }
            FaultKind::Flap { from, to, period, down } => {
                write!(f, "flap {from} ↔ {to}, cut {down:?} of {period:?}")
            }
            FaultKind::LossyLink { from, to, one_way, probability } => {
                write!(f, "lose {:.0} % of {from} {} {to}", probability * 100.0, arrow(one_way))
            }
            FaultKind::SlowLink { from, to, one_way, .. } => {
                write!(f, "slow link {from} {} {to}", arrow(one_way))
            }
            FaultKind::DuplicatingLink { from, to, probability } => {
                write!(f, "duplicate {:.0} % of {from} ↔ {to}", probability * 100.0)
            }
            FaultKind::CorruptingLink { from, to, probability } => {
                write!(f, "corrupt {:.0} % of {from} ↔ {to}", probability * 100.0)
            }
            FaultKind::Refuse { from, to } => write!(f, "refuse connects {from} → {to}"),
            FaultKind::Reset { from, to } => write!(f, "reset connections {from} ↔ {to}"),
            FaultKind::Unresolved { from, name } => write!(f, "{from} cannot resolve {name}"),
            FaultKind::PortInUse { node, port } => write!(f, "port {port} of {node} is in use"),
            FaultKind::SlowDisk { node, factor } if factor.is_infinite() => {
                write!(f, "disk of {node} stands still")
            }
            FaultKind::SlowDisk { node, factor } => write!(f, "disk of {node} {factor} times slower"),
            FaultKind::DiskDelay { node, path, .. } => write!(f, "slow operations on {node}:{path}"),
            FaultKind::DiskError { node, error, path, .. } => write!(f, "{error} on {node}:{path}"),
            FaultKind::DiskShort { node, path, .. } => write!(f, "short reads and writes on {node}:{path}"),
            FaultKind::DiskCorruption { node, effect, path, .. } => write!(f, "{effect} on {node}:{path}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.at, self.kind)?;
        match self.lasts {
            Some(lasts) if lasts.is_zero() => Ok(()),
            Some(lasts) => write!(f, ", for {lasts:?}"),
            None => f.write_str(", to the end"),
        }
    }
}
