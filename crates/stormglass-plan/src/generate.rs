//! Faults that a seed chooses.
//!
//! Each seed takes a subset of the kinds by chance, as swarm testing does (Groce and others, "Swarm Testing", ISSTA 2012): where every run has a bit of
//! everything, what needs much of one kind and none of another is hardly ever met.

use crate::fault::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::fault::{
    Corruption, DiskError, DiskFault, FaultKind, LinkFault, Loss, OneShot, Pattern,
};
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use stormglass_core::{Kind, Latency, Seed, Stream};

/// How many faults a seed chooses, of which kinds, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Generate {
    /// How many faults a run has. Those for which `down` leaves no room are left out. Default: 0.
    pub count: u32,
    /// Which kinds of faults there are. Default: all that a crash-safe, replicated service has to survive, which is all but the disk's errors and corruption.
    pub kinds: Vec<Choice>,
    /// Whether each seed takes about half of the kinds only, by chance. Default: true.
    pub swarm: bool,
    /// From when on faults begin. Default: 0 s.
    #[serde(with = "HumanDuration")]
    pub from: Duration,
    /// Until when they begin. Default: 60 s.
    #[serde(with = "HumanDuration")]
    pub until: Duration,
    /// How long each lasts; a process that was killed starts again then. Default: evenly between 100 ms and 5 s.
    pub lasts: Latency,
    /// How many nodes may be killed, without power, paused or isolated at the same time. Range: 1 and up. Default: 1, so that a majority of three stays.
    pub down: u32,
}

/// A kind of fault that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// A node's process is killed.
    Kill,
    /// A node's power goes, and what was not synced, in any of the ways.
    PowerLoss,
    /// A node's process is paused.
    Pause,
    /// A node is cut off from all others.
    Isolate,
    /// Two nodes are cut off from each other.
    Cut,
    /// One node does not reach another, which reaches it.
    OneWayCut,
    /// A node's messages are lost now and then, 5 to 50 %.
    LossyLink,
    /// A node's messages take longer, by up to 300 ms.
    SlowLink,
    /// A node's connections are reset.
    Reset,
    /// A node's disk is 2 to 50 times slower.
    SlowDisk,
    /// A node's syncs fail.
    SyncError,
    /// A node's disk is full.
    DiskFull,
    /// A node's disk stores something else than it acknowledges, in any of the ways, with 1 % of the operations.
    DiskCorruption,
}

impl Choice {
    /// Every kind.
    pub const ALL: [Choice; 13] = [
        Choice::Kill,
        Choice::PowerLoss,
        Choice::Pause,
        Choice::Isolate,
        Choice::Cut,
        Choice::OneWayCut,
        Choice::LossyLink,
        Choice::SlowLink,
        Choice::Reset,
        Choice::SlowDisk,
        Choice::SyncError,
        Choice::DiskFull,
        Choice::DiskCorruption,
    ];

    /// Whether a crash-safe, replicated service has to survive it.
    pub fn is_survivable(self) -> bool {
        !matches!(self, Choice::SyncError | Choice::DiskFull | Choice::DiskCorruption)
    }

    /// Whether a node counts as down for as long.
    fn takes_down(self) -> bool {
        matches!(self, Choice::Kill | Choice::PowerLoss | Choice::Pause | Choice::Isolate)
    }
}

impl Default for Generate {
    fn default() -> Generate {
        Generate {
            count: 0,
            kinds: Choice::ALL.into_iter().filter(|kind| kind.is_survivable()).collect(),
            swarm: true,
            from: Duration::ZERO,
            until: Duration::from_secs(60),
            lasts: Latency::Uniform { min: Duration::from_millis(100), max: Duration::from_secs(5) },
            down: 1,
        }
    }
}

/// A node that is down, and until when.
struct Down {
    node: usize,
    until: Duration,
}

impl Generate {
    /// Checks it.
    ///
    /// # Errors
    ///
    /// The field and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.count > 0 && self.kinds.is_empty() {
            return Err(("kinds", "is empty; leave it out for the usual ones".into()));
        }
        if self.until < self.from {
            return Err(("until", "is before `from`".into()));
        }
        if self.until > YEAR {
            return Err(("until", "the range is 0s to 365days".into()));
        }
        if self.down == 0 {
            return Err(("down", "is 0, it must be at least 1".into()));
        }
        Ok(())
    }

    /// The faults of this seed, in the order of time.
    ///
    /// A fault draws from the seed's stream `("plan", number)`, so that with a larger `count` the first ones stay; which kinds there are is drawn from
    /// `("plan", "kinds")`.
    ///
    /// # Panics
    ///
    /// When there shall be faults and there are no nodes.
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
            if choice.takes_down() {
                down.retain(|other| other.until > at);
                if down.len() >= self.down as usize || down.iter().any(|other| other.node == node) {
                    continue;
                }
                down.push(Down { node, until: at + lasts });
            }
            let lasts = if choice == Choice::Reset { Duration::ZERO } else { lasts };
            if let Some(kind) = kind(choice, nodes, node, &mut stream) {
                faults.push(Fault::new(at, lasts, kind));
            }
        }
        faults
    }

    /// The kinds of this seed: half of them, if there is a swarm.
    fn kinds_of(&self, seed: Seed) -> Vec<Choice> {
        let mut stream = seed.stream(("plan", "kinds"));
        // A draw for each that there is, so that one less in the list moves no other.
        let taken: Vec<Choice> = Choice::ALL.into_iter().filter(|_| stream.chance(1, 2)).collect();
        let some: Vec<Choice> = self.kinds.iter().copied().filter(|kind| taken.contains(kind)).collect();
        if self.swarm && !some.is_empty() { some } else { self.kinds.clone() }
    }
}

/// What people like to read, and the grain of a plan.
fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis((duration.min(YEAR).as_millis() as u64).max(1))
}

/// A fault of this kind about this node; none if it needs another one and there is none.
fn kind(choice: Choice, nodes: &[String], place: usize, stream: &mut Stream) -> Option<FaultKind> {
    let (node, all) = (Pattern::from(nodes[place].as_str()), || Pattern::from("*"));
    let other = |stream: &mut Stream| {
        let step = stream.below(nodes.len().checked_sub(1).filter(|others| *others > 0)? as u64) as usize;
        Some(Pattern::from(nodes[(place + 1 + step) % nodes.len()].as_str()))
    };
    let fails = |node, error, operations: &[Kind]| {
        let (operations, path) = (operations.to_vec(), "**".into());
        DiskFault::DiskError { node, error, operations, path, probability: 1.0 }.into()
    };
    Some(match choice {
        Choice::Kill => OneShot::Kill { node }.into(),
        Choice::PowerLoss => {
            let loss = Loss::ALL[stream.below(Loss::ALL.len() as u64) as usize];
            OneShot::PowerLoss { node, loss }.into()
        }
        Choice::Pause => OneShot::Pause { node }.into(),
        Choice::Isolate => {
            let others =
                nodes.iter().filter(|other| **other != node.as_str()).map(|other| other.as_str().into());
            let others: Vec<Pattern> = others.collect();
            if others.is_empty() {
                return None;
            }
            LinkFault::Partition { groups: vec![vec![node], others] }.into()
        }
        Choice::Cut => LinkFault::Cut { from: node, to: other(stream)?, one_way: false }.into(),
        Choice::OneWayCut => LinkFault::Cut { from: node, to: other(stream)?, one_way: true }.into(),
        Choice::LossyLink => {
            let probability = (5 + stream.below(46)) as f64 / 100.0;
            LinkFault::LossyLink { from: node, to: all(), one_way: false, probability }.into()
        }
        Choice::SlowLink => {
            let most = Duration::from_millis(1 + stream.below(300));
            let by = Latency::Uniform { min: Duration::ZERO, max: most };
            LinkFault::SlowLink { from: node, to: all(), one_way: false, by }.into()
        }
        Choice::Reset => OneShot::Reset { from: node, to: all() }.into(),
        Choice::SlowDisk => DiskFault::SlowDisk { node, factor: (2 + stream.below(49)) as f64 }.into(),
        Choice::SyncError => fails(node, DiskError::Io, &[Kind::Fsync, Kind::Fdatasync]),
        Choice::DiskFull => {
            let operations = [Kind::Create, Kind::Write, Kind::Mkdir, Kind::Truncate, Kind::Allocate];
            fails(node, DiskError::NoSpace, &operations)
        }
        Choice::DiskCorruption => {
            let effect = Corruption::ALL[stream.below(Corruption::ALL.len() as u64) as usize];
            DiskFault::DiskCorruption { node, effect, path: "**".into(), probability: 0.01 }.into()
        }
    })
}
