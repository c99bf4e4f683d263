//! Random faults, drawn from the run's seed.
//!
//! Each seed takes a random subset of the kinds, as swarm testing does (Groce and others, "Swarm
//! Testing", ISSTA 2012): if every run has a few faults of every kind, a run hardly ever has many
//! faults of one kind and none of another, and some failures need that.

use crate::fault::{Fault, out_of_range};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::fault::{
    ClockFault, Corruption, DiskError, DiskFault, FaultKind, LinkFault, Loss, OldAddress, OneShot, Pattern,
};
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use stormglass_core::{Kind, Latency, Seed, SignedDuration, Stream};

/// The number of faults that a seed draws, their kinds, and their times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Generate {
    /// The number of faults of a run. Faults for which `down` leaves no room are left out. Range:
    /// 0 to 100000. Default: 0.
    pub count: u32,
    /// The kinds of faults. Default: all that a crash-safe, replicated service has to survive,
    /// which is all except errors and corruption of the disk; without `terminate`, `new-address`
    /// and the kinds of clocks.
    pub kinds: Vec<GeneratedKind>,
    /// Whether each seed takes only a random subset of about half of the kinds. Default: true.
    pub swarm: bool,
    /// The earliest time at which faults begin. Default: 0 s.
    #[serde(with = "HumanDuration")]
    pub from: Duration,
    /// The latest time at which faults begin. Default: 60 s.
    #[serde(with = "HumanDuration")]
    pub until: Duration,
    /// The duration of each fault; a killed process starts again after it. Default: evenly between
    /// 100 ms and 5 s.
    pub lasts: Latency,
    /// The number of nodes that may be killed, without power, paused or isolated at the same time.
    /// Range: 1 and up. Default: 1, so that a majority of three stays.
    pub down: u32,
}

/// A kind of fault that the generator can draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratedKind {
    /// A node's process is killed.
    Kill,
    /// A node loses power and its unsynced writes, with a random `loss`.
    PowerLoss,
    /// A node's process is paused.
    Pause,
    /// A node cannot communicate with any other node.
    Isolate,
    /// Two nodes cannot communicate with each other.
    Cut,
    /// The messages of one node do not reach another node; those of the other direction arrive.
    OneWayCut,
    /// A node's messages are lost with a probability of 5 to 50 %.
    LossyLink,
    /// A node's messages take up to 300 ms longer.
    SlowLink,
    /// A node's connections are reset.
    Reset,
    /// A node's disk is 2 to 50 times slower.
    SlowDisk,
    /// A node's syncs fail.
    SyncError,
    /// A node's disk is full.
    DiskFull,
    /// A node's disk stores other data than it acknowledges, with a random `effect`, for 1 % of
    /// the operations.
    DiskCorruption,
    /// A node's process gets SIGTERM, and SIGKILL after 10 s.
    Terminate,
    /// A node gets another address, and nothing answers at the old one.
    NewAddress,
    /// A node's time of day is up to 10 s fast or slow.
    ClockSkew,
    /// A node's clocks are up to 500 millionths fast or slow: as much as NTP corrects by itself.
    ClockDrift,
    /// A node's time of day is set up to 10 s forward or back.
    ClockJump,
}

impl GeneratedKind {
    /// All kinds.
    pub const ALL: [GeneratedKind; 18] = [
        GeneratedKind::Kill,
        GeneratedKind::PowerLoss,
        GeneratedKind::Pause,
        GeneratedKind::Isolate,
        GeneratedKind::Cut,
        GeneratedKind::OneWayCut,
        GeneratedKind::LossyLink,
        GeneratedKind::SlowLink,
        GeneratedKind::Reset,
        GeneratedKind::SlowDisk,
        GeneratedKind::SyncError,
        GeneratedKind::DiskFull,
        GeneratedKind::DiskCorruption,
        // Kinds are appended: each has one draw in `kinds_of`.
        GeneratedKind::Terminate,
        GeneratedKind::NewAddress,
        GeneratedKind::ClockSkew,
        GeneratedKind::ClockDrift,
        GeneratedKind::ClockJump,
    ];

    /// Returns whether a crash-safe, replicated service has to survive this kind of fault.
    pub fn is_survivable(self) -> bool {
        !matches!(self, GeneratedKind::SyncError | GeneratedKind::DiskFull | GeneratedKind::DiskCorruption)
    }

    /// Returns whether a plan that names no kinds draws this one: what a service has to survive,
    /// except kinds that it may not have been written for.
    fn is_usual(self) -> bool {
        self.is_survivable()
            && !matches!(
                self,
                GeneratedKind::Terminate
                    | GeneratedKind::NewAddress
                    | GeneratedKind::ClockSkew
                    | GeneratedKind::ClockDrift
                    | GeneratedKind::ClockJump
            )
    }

    /// Returns whether a node counts as down for the duration of this kind of fault.
    fn takes_down(self) -> bool {
        matches!(
            self,
            GeneratedKind::Kill
                | GeneratedKind::PowerLoss
                | GeneratedKind::Terminate
                | GeneratedKind::Pause
                | GeneratedKind::Isolate
        )
    }
}

impl Default for Generate {
    fn default() -> Generate {
        Generate {
            count: 0,
            kinds: GeneratedKind::ALL.into_iter().filter(|kind| kind.is_usual()).collect(),
            swarm: true,
            from: Duration::ZERO,
            until: Duration::from_secs(60),
            lasts: Latency::Uniform { min: Duration::from_millis(100), max: Duration::from_secs(5) },
            down: 1,
        }
    }
}

/// The largest number of generated faults of a run.
const COUNT_MAX: u32 = 100_000;

/// A node that is down, with the end of its fault.
struct Down {
    node: usize,
    until: Duration,
}

impl Generate {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// Returns the field and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.count > COUNT_MAX {
            return Err(("count", format!("is {}, the range is 0 to {COUNT_MAX}", self.count)));
        }
        if self.count > 0 && self.kinds.is_empty() {
            return Err(("kinds", "is empty; leave it out for the usual ones".into()));
        }
        if self.until < self.from {
            return Err(("until", "is before `from`".into()));
        }
        if self.until > YEAR {
            return Err(("until", out_of_range(self.until)));
        }
        if self.down == 0 {
            return Err(("down", "is 0, it must be at least 1".into()));
        }
        Ok(())
    }

    /// Returns the faults of this seed in the order of time.
    ///
    /// Each fault is drawn from the seed's stream `("plan", number)`, so a larger `count` keeps
    /// the faults of a smaller one; the subset of kinds is drawn from `("plan", "kinds")`.
    ///
    /// # Panics
    ///
    /// Panics if `count` is above 0 and there are no nodes.
    pub fn faults(&self, seed: Seed, nodes: &[String]) -> Vec<Fault> {
        if self.count == 0 {
            return Vec::new();
        }
        assert!(!nodes.is_empty(), "faults are about nodes, and there are none");
        let kinds = self.kinds_of(seed);
        let drawn = |number: u32| {
            let mut stream = seed.stream(("plan", u64::from(number)));
            let choice = kinds[stream.below(kinds.len() as u64) as usize];
            let window = Latency::Uniform { min: self.from, max: self.until };
            let at = whole_millis(window.at(stream.draw()));
            let lasts = whole_millis(self.lasts.at(stream.draw()));
            let node = stream.below(nodes.len() as u64) as usize;
            (at, lasts, node, choice, stream)
        };
        let mut all: Vec<_> = (0..self.count).map(drawn).collect();
        all.sort_by_key(|(at, ..)| *at);
        let mut down: Vec<Down> = Vec::new();
        let mut faults = Vec::new();
        for (at, lasts, node, choice, mut stream) in all {
            let Some(kind) = kind(choice, nodes, node, &mut stream) else { continue };
            if choice.takes_down() {
                down.retain(|other| other.until > at);
                if down.len() >= self.down as usize || down.iter().any(|other| other.node == node) {
                    continue;
                }
                down.push(Down { node, until: at + lasts });
            }
            let is_instant =
                matches!(choice, GeneratedKind::Reset | GeneratedKind::NewAddress | GeneratedKind::ClockJump);
            let lasts = if is_instant { Duration::ZERO } else { lasts };
            faults.push(Fault::new(at, lasts, kind));
        }
        faults
    }

    /// Returns the kinds of this seed: a random subset of about half of them if `swarm` is set.
    fn kinds_of(&self, seed: Seed) -> Vec<GeneratedKind> {
        let mut stream = seed.stream(("plan", "kinds"));
        // One draw for each kind that exists, so that removing a kind from the list changes no
        // other draw.
        let taken: Vec<GeneratedKind> =
            GeneratedKind::ALL.into_iter().filter(|_| stream.chance(1, 2)).collect();
        let some: Vec<GeneratedKind> =
            self.kinds.iter().copied().filter(|kind| taken.contains(kind)).collect();
        if self.swarm && !some.is_empty() { some } else { self.kinds.clone() }
    }
}

/// Returns the duration in whole milliseconds, which is the resolution of generated plans; at
/// least 1 ms.
fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis((duration.min(YEAR).as_millis() as u64).max(1))
}

/// Returns a fault of this kind for the node at this index, or `None` if it needs a second node
/// and there is none.
fn kind(choice: GeneratedKind, nodes: &[String], index: usize, stream: &mut Stream) -> Option<FaultKind> {
    let (node, all) = (Pattern::from(nodes[index].as_str()), || Pattern::from("*"));
    let other = |stream: &mut Stream| {
        let step = stream.below(nodes.len().checked_sub(1).filter(|others| *others > 0)? as u64) as usize;
        Some(Pattern::from(nodes[(index + 1 + step) % nodes.len()].as_str()))
    };
    let fails = |node, error, operations: &[Kind]| {
        let (operations, path) = (operations.to_vec(), "**".into());
        DiskFault::DiskError { node, error, operations, path, probability: 1.0 }.into()
    };
    Some(match choice {
        GeneratedKind::Kill => OneShot::Kill { node }.into(),
        GeneratedKind::PowerLoss => {
            let loss = Loss::ALL[stream.below(Loss::ALL.len() as u64) as usize];
            OneShot::PowerLoss { node, loss }.into()
        }
        GeneratedKind::Pause => OneShot::Pause { node }.into(),
        GeneratedKind::Terminate => OneShot::Terminate { node, grace: Duration::from_secs(10) }.into(),
        GeneratedKind::NewAddress => OneShot::NewAddress { node, old_address: OldAddress::Hang }.into(),
        GeneratedKind::ClockSkew => ClockFault::ClockSkew { node, offset: wrong_by(stream) }.into(),
        GeneratedKind::ClockDrift => {
            let ppm = (1 + stream.below(500)) as f64;
            let ppm = if stream.chance(1, 2) { ppm } else { -ppm };
            ClockFault::ClockDrift { node, ppm }.into()
        }
        GeneratedKind::ClockJump => ClockFault::ClockJump { node, offset: wrong_by(stream) }.into(),
        GeneratedKind::Isolate => {
            let others =
                nodes.iter().filter(|other| **other != node.as_str()).map(|other| other.as_str().into());
            let others: Vec<Pattern> = others.collect();
            if others.is_empty() {
                return None;
            }
            LinkFault::Partition { groups: vec![vec![node], others] }.into()
        }
        GeneratedKind::Cut => LinkFault::Cut { from: node, to: other(stream)?, one_way: false }.into(),
        GeneratedKind::OneWayCut => LinkFault::Cut { from: node, to: other(stream)?, one_way: true }.into(),
        GeneratedKind::LossyLink => {
            let probability = (5 + stream.below(46)) as f64 / 100.0;
            LinkFault::LossyLink { from: node, to: all(), one_way: false, probability }.into()
        }
        GeneratedKind::SlowLink => {
            let most = Duration::from_millis(1 + stream.below(300));
            let by = Latency::Uniform { min: Duration::ZERO, max: most };
            LinkFault::SlowLink { from: node, to: all(), one_way: false, by }.into()
        }
        GeneratedKind::Reset => OneShot::Reset { from: node, to: all() }.into(),
        GeneratedKind::SlowDisk => DiskFault::SlowDisk { node, factor: (2 + stream.below(49)) as f64 }.into(),
        GeneratedKind::SyncError => fails(node, DiskError::Io, &[Kind::Fsync, Kind::Fdatasync]),
        GeneratedKind::DiskFull => {
            let operations = [Kind::Create, Kind::Write, Kind::Mkdir, Kind::Truncate, Kind::Allocate];
            fails(node, DiskError::NoSpace, &operations)
        }
        GeneratedKind::DiskCorruption => {
            let effect = Corruption::ALL[stream.below(Corruption::ALL.len() as u64) as usize];
            DiskFault::DiskCorruption { node, effect, path: "**".into(), probability: 0.01 }.into()
        }
    })
}

/// Returns an offset of a clock of up to 10 s.
fn wrong_by(stream: &mut Stream) -> SignedDuration {
    let by = Duration::from_millis(1 + stream.below(10_000));
    if stream.chance(1, 2) { SignedDuration::after(by) } else { SignedDuration::before(by) }
}
