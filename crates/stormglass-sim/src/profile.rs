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
    /// What the nodes of a machine share.
    pub machine: MachineProfile,
}

/// What the nodes of a machine share besides its CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MachineProfile {
    /// Whether their disks lie on one device (`disk.device`), as on a CI machine: its queue, its stalls.
    /// Default: false.
    pub shared_disk: bool,
}

impl Profile {
    /// The general profiles that are shipped.
    pub const PRESETS: &[Preset] = &[
        Preset { name: "quiet", layers: &[include_str!("../profiles/quiet.toml")] },
        Preset { name: "ci-disk", layers: &[include_str!("../profiles/ci-disk.toml")] },
    ];
}
