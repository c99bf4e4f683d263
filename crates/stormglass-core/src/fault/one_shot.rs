//! Faults that happen once to processes and connections.

use super::{InvalidRule, Pattern};
use crate::human_duration::HumanDuration;
use crate::time::YEAR;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A fault that happens once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum OneShot {
    /// SIGKILL.
    Kill {
        /// The nodes whose processes are killed.
        node: Pattern,
    },
    /// A node loses power.
    PowerLoss {
        /// The nodes.
        node: Pattern,
        /// What their disks lose. Default: everything that was not synced.
        #[serde(default)]
        loss: Loss,
    },
    /// SIGTERM, and SIGKILL after a grace period if the process still runs, as an orchestrator
    /// stops it.
    Terminate {
        /// The nodes whose processes are terminated.
        node: Pattern,
        /// The time between SIGTERM and SIGKILL. Range: 0 s to 365 days. Default: 10 s, which is
        /// that of `docker stop`; Kubernetes has 30 s (`terminationGracePeriodSeconds`).
        #[serde(default = "docker_grace", with = "HumanDuration")]
        grace: Duration,
    },
    /// SIGSTOP.
    Pause {
        /// The nodes whose processes are stopped.
        node: Pattern,
    },
    /// Connections are reset.
    Reset {
        /// The hosts at one end.
        from: Pattern,
        /// The hosts at the other end.
        to: Pattern,
    },
    /// A node gets another IP address, as a pod does that is replaced. Its name resolves to the new
    /// one.
    NewAddress {
        /// The nodes.
        node: Pattern,
        /// What becomes of the old address. Default: nothing answers there.
        #[serde(default)]
        old_address: OldAddress,
    },
}

fn docker_grace() -> Duration {
    Duration::from_secs(10)
}

/// What becomes of an address that a host gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OldAddress {
    /// No host has the address: packets to it are lost. Connects and connections to it hang until
    /// they time out.
    #[default]
    Hang,
    /// A host without sockets has it: connects to it are refused, and connections get RST when
    /// their other end sends something.
    Refuse,
}

/// The unsynced changes that a power loss discards. All variants are possible on real disks; a
/// program is crash-safe if it recovers from each.
///
/// Names survive in their order, as the journals of ext4 and XFS keep it: all except a random
/// number of the last ones, and except under [`Loss::Everything`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// All unsynced changes are lost.
    #[default]
    Everything,
    /// The oldest writes of each file survive, up to a random one.
    Suffix,
    /// A random subset of the writes of each file survives: the disk wrote them in another order.
    /// Changes of its length are among them.
    ///
    /// Only states that a page cache can leave: a write that survives takes whole sectors of the
    /// page cache with it, and so the earlier writes to them; and a truncation that is lost takes
    /// the later writes beyond it along, because the file system's journal maps their blocks later.
    Subset,
    /// As `Subset`, but for each sector of 512 bytes: writes are torn.
    Torn,
}

impl OneShot {
    pub(super) const KINDS: &[&str] = &["kill", "power-loss", "terminate", "pause", "reset", "new-address"];

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        match self {
            OneShot::Terminate { grace, .. } if *grace > YEAR => {
                Err(InvalidRule { field: "grace", problem: "the range is 0s to 365days".into() })
            }
            OneShot::Kill { node }
            | OneShot::PowerLoss { node, .. }
            | OneShot::Terminate { node, .. }
            | OneShot::Pause { node }
            | OneShot::NewAddress { node, .. } => node.validate("node"),
            OneShot::Reset { from, to } => from.validate("from").and_then(|()| to.validate("to")),
        }
    }
}

impl Loss {
    /// All variants.
    pub const ALL: [Loss; 4] = [Loss::Everything, Loss::Suffix, Loss::Subset, Loss::Torn];
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

impl fmt::Display for OneShot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OneShot::Kill { node } => write!(f, "kill {node}"),
            OneShot::PowerLoss { node, loss } => write!(f, "power loss of {node} ({loss})"),
            OneShot::Terminate { node, grace } => write!(f, "terminate {node} (grace {grace:?})"),
            OneShot::Pause { node } => write!(f, "pause {node}"),
            OneShot::Reset { from, to } => write!(f, "reset connections {from} ↔ {to}"),
            OneShot::NewAddress { node, old_address: OldAddress::Hang } => {
                write!(f, "new address of {node} (the old one hangs)")
            }
            OneShot::NewAddress { node, old_address: OldAddress::Refuse } => {
                write!(f, "new address of {node} (the old one refuses)")
            }
        }
    }
}
