//! Faults: one vocabulary of everything that can break, as plain data.
//!
//! Two kinds of fault exist. A [`Rule`] is active for a time: it states an effect ([`DiskEffect`],
//! [`LinkEffect`]), the operations that it affects (a target: hosts, files, kinds) and a condition
//! (a [`Trigger`]). A [`OneShot`] happens once to a process or a connection. `stormglass_fs` and
//! `stormglass_net` install rules in a [`Registry`] and match on the effects; `stormglass_sim`
//! matches on the one-shot faults. A plan (`stormglass_plan`) is a list of [`FaultKind`]s with
//! their times.
//!
//! In reading order: [`Trigger`], [`Pattern`], [`Rule`], [`Registry`]; then each family with its
//! kinds in a plan's TOML:
//!
//! | kind | what happens | when it is over |
//! | --- | --- | --- |
//! | `kill` | a node's process gets SIGKILL | it is started again, if its `Node` has a start function |
//! | `power-loss` | a node vanishes, and its disk loses unsynced writes | as above |
//! | `terminate` | a node's process gets SIGTERM, and SIGKILL after a grace period | as above |
//! | `pause` | a node's process gets SIGSTOP; its kernel goes on | SIGCONT |
//! | `reset` | connections get RST, once | at once |
//! | `new-address` | a node gets another IP address, once | it keeps it |
//! | `cut` | all messages between hosts are lost, or those of one direction | it heals |
//! | `partition` | groups of hosts do not reach each other | it heals |
//! | `flap` | a link is cut and heals periodically | it heals |
//! | `lossy-link`, `slow-link` | messages are lost (TCP retransmits them); take longer | links are as before |
//! | `duplicating-link`, `corrupting-link` | datagrams arrive twice; with a flipped bit | links are as before |
//! | `short-reads`, `short-writes` | reads and writes of byte streams transfer a part | they transfer all again |
//! | `refuse` | connects are refused | they are accepted again |
//! | `unresolved`, `port-in-use` | name lookups fail; ports cannot be bound | lookups succeed; ports can be bound |
//! | `slow-disk` | the device under a disk is slower by a factor, or stalls | the device is as before |
//! | `disk-delay`, `disk-error`, `disk-short` | operations take longer; fail; do only a part | operations are as before |
//! | `disk-short-directory` | reading a directory takes several calls | it takes one |
//! | `disk-corruption` | stored data differs from acknowledged data | stored data stays corrupt |
//! | `clock-skew` | a node's time of day is wrong by an offset | NTP steps it back |
//! | `clock-drift` | a node's clocks run faster or slower | the rate is right; the deviation stays |
//! | `clock-jump` | a node's time of day is set to another | at once; it stays set |
//!
//! Faults may overlap: a state is over when the last fault that asks for it is over.
//!
//! A new kind of disk fault is defined in `fault/disk.rs` alone and implemented in
//! `stormglass_fs`.

mod clock;
mod disk;
mod link;
mod one_shot;
mod pattern;
mod registry;
mod rule;
mod trigger;

pub use clock::ClockFault;
pub use disk::{
    Corruption, DiskEffect, DiskError, DiskFault, DiskOperation, DiskRule, DiskTarget, NoSlowdown, Slowdown,
};
pub use link::{LinkEffect, LinkFault, LinkOperation, LinkRule, LinkTarget, Sent, across};
pub use one_shot::{Loss, OldAddress, OneShot};
pub use pattern::Pattern;
pub use registry::Registry;
pub use rule::{InvalidRule, Rule, RuleEffect, RuleTarget};
pub use trigger::{Flapping, Trigger};

use serde::de::{Deserialize, Deserializer, Error as _};
use std::fmt;

/// A fault as a plan names it. Names of nodes and hosts are patterns of shell wildcards:
/// `node-[12]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum FaultKind {
    /// A fault that happens once to processes or connections.
    OneShot(OneShot),
    /// Rules on links.
    Link(LinkFault),
    /// A rule on disks, or a slower device.
    Disk(DiskFault),
    /// A wrong clock.
    Clock(ClockFault),
}

impl FaultKind {
    /// Reads the table of a fault whose field `kind` has this value.
    ///
    /// # Errors
    ///
    /// Returns an error for an unknown kind and for an unknown, missing or invalid field.
    pub fn read<'de, D: Deserializer<'de>>(kind: &str, table: D) -> Result<FaultKind, D::Error> {
        if OneShot::KINDS.contains(&kind) {
            OneShot::deserialize(table).map(FaultKind::OneShot)
        } else if LinkFault::KINDS.contains(&kind) {
            LinkFault::deserialize(table).map(FaultKind::Link)
        } else if DiskFault::KINDS.contains(&kind) {
            DiskFault::deserialize(table).map(FaultKind::Disk)
        } else if ClockFault::KINDS.contains(&kind) {
            ClockFault::deserialize(table).map(FaultKind::Clock)
        } else {
            let known: Vec<&str> =
                [OneShot::KINDS, LinkFault::KINDS, DiskFault::KINDS, ClockFault::KINDS].concat();
            let known = known.join("`, `");
            Err(D::Error::custom(format!("unknown variant `{kind}`, expected one of `{known}`")))
        }
    }

    /// Checks patterns, probabilities, factors and periods.
    ///
    /// # Errors
    ///
    /// Returns the field and what is wrong with it.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        match self {
            FaultKind::OneShot(fault) => fault.validate(),
            FaultKind::Link(fault) => fault.validate(),
            FaultKind::Disk(fault) => fault.validate(),
            FaultKind::Clock(fault) => fault.validate(),
        }
    }

    /// Returns whether a duration of 0 s makes sense: the fault ends a process or a connection, or
    /// sets a clock, which is instantaneous.
    pub fn is_instant(&self) -> bool {
        match self {
            FaultKind::OneShot(fault) => !matches!(fault, OneShot::Pause { .. }),
            FaultKind::Clock(fault) => matches!(fault, ClockFault::ClockJump { .. }),
            FaultKind::Link(_) | FaultKind::Disk(_) => false,
        }
    }
}

impl From<OneShot> for FaultKind {
    fn from(fault: OneShot) -> FaultKind {
        FaultKind::OneShot(fault)
    }
}

impl From<LinkFault> for FaultKind {
    fn from(fault: LinkFault) -> FaultKind {
        FaultKind::Link(fault)
    }
}

impl From<ClockFault> for FaultKind {
    fn from(fault: ClockFault) -> FaultKind {
        FaultKind::Clock(fault)
    }
}

impl From<DiskFault> for FaultKind {
    fn from(fault: DiskFault) -> FaultKind {
        FaultKind::Disk(fault)
    }
}

/// Writes the fault in one line.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::OneShot(fault) => fault.fmt(f),
            FaultKind::Link(fault) => fault.fmt(f),
            FaultKind::Disk(fault) => fault.fmt(f),
            FaultKind::Clock(fault) => fault.fmt(f),
        }
    }
}
