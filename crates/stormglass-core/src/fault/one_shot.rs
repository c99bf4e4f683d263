//! Faults that happen once to processes and connections.

use super::{InvalidRule, Pattern};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A fault that happens once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The unsynced changes that a power loss discards. All variants are possible on real disks; a
/// program is crash-safe if it recovers from each.
///
/// Names survive in their order, as the journals of ext4 and XFS keep it: all except a random
/// number of the last ones, and except under [`Loss::Everything`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// All unsynced changes are lost.
    #[default]
    Everything,
    /// The oldest writes of each file survive, up to a random one.
    Suffix,
    /// A random subset of the writes of each file survives: the disk wrote them in another order.
    Subset,
    /// As `Subset`, but for each sector of 512 bytes: writes are torn.
    Torn,
}

impl OneShot {
    pub(super) const KINDS: &[&str] = &["kill", "power-loss", "pause", "reset"];

    pub(super) fn validate(&self) -> Result<(), InvalidRule> {
        match self {
            OneShot::Kill { node } | OneShot::PowerLoss { node, .. } | OneShot::Pause { node } => {
                node.validate("node")
            }
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
            OneShot::Pause { node } => write!(f, "pause {node}"),
            OneShot::Reset { from, to } => write!(f, "reset connections {from} ↔ {to}"),
        }
    }
}
