//! How fast disks, links and CPUs are, as data.

use crate::cpu::CpuProfile;
use crate::preset::Preset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_fs::DiskProfile;
use stormglass_net::NetProfile;

/// A profile: the latency of disks, network and CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Profile {
    /// What disk operations cost. In TOML and assignments a name of [`stormglass_fs::profile::PRESETS`] can stand for it.
    pub disk: DiskProfile,
    /// What connects and messages cost.
    pub net: NetProfile,
    /// How much CPU there is.
    pub cpu: CpuProfile,
    /// What the nodes of a machine share, and the limits of their processes.
    pub machine: MachineProfile,
}

/// What the nodes of a machine share besides its CPUs, and the limits of their processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MachineProfile {
    /// Whether their disks lie on one device (`disk.device`), as on a CI machine: its queue, its stalls.
    /// Default: false.
    pub shared_disk: bool,
    /// How many file descriptors a process may have open (`RLIMIT_NOFILE`): files, sockets and
    /// pipes; those of standard input and output and of the runtime do not count. Default: 1048576,
    /// the largest that Linux allows (`fs.nr_open`).
    pub descriptors: u64,
}

impl Default for MachineProfile {
    fn default() -> MachineProfile {
        MachineProfile { shared_disk: false, descriptors: 1 << 20 }
    }
}

impl Profile {
    /// The general profiles that are shipped.
    pub const PRESETS: &[Preset] = &[
        Preset { name: "quiet", layers: &[include_str!("../profiles/quiet.toml")] },
        Preset { name: "ci-disk", layers: &[include_str!("../profiles/ci-disk.toml")] },
    ];
}
