//! The costs of operations and the speed of devices, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::Latency;
pub use stormglass_core::fault::{NoSlowdown, Slowdown};
use stormglass_core::latency::{HumanDuration, transfer};

/// The cost of every operation of a disk.
///
/// ```
/// use stormglass_fs::DiskProfile;
///
/// let profile: DiskProfile = toml::from_str(r#"
///     read = { latency = "80us", per-mib = "400us" }
///     sync = { latency = { log-normal = { median = "2ms", sigma = 0.8 } }, delay = "200ms" }
/// "#)?;
/// assert_eq!(profile.sync.delay.as_millis(), 200);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DiskProfile {
    /// Opening an existing file or directory.
    pub open: OpCost,
    /// Creating a file.
    pub create: OpCost,
    /// Reading.
    pub read: OpCost,
    /// Writing to the page cache.
    pub write: OpCost,
    /// fsync and fdatasync of a file or directory; its size is what it writes. Each of the two draws from its own stream.
    pub sync: OpCost,
    /// Renaming.
    pub rename: OpCost,
    /// Removing a file or directory.
    pub unlink: OpCost,
    /// Creating a directory.
    pub mkdir: OpCost,
    /// Listing a directory.
    pub readdir: OpCost,
    /// Setting a file's length, permission bits or times: a change of its inode.
    pub truncate: OpCost,
    /// Reserving space for a file.
    pub allocate: OpCost,
    /// Looking a name up: metadata, whether something exists, the path without links.
    pub stat: OpCost,
    /// Creating a hard or symbolic link.
    pub link: OpCost,
    /// Reading a symbolic link.
    pub readlink: OpCost,
    /// Additional cost of a read that misses the page cache: after a power loss, or after the cache was dropped.
    pub miss: OpCost,
    /// The block device.
    pub device: DeviceProfile,
    /// Write-back by the kernel. Default: none.
    pub write_back: WriteBackProfile,
    /// Capacity in bytes, in pages of 4 KiB. 0, the default, has no limit.
    pub capacity_bytes: u64,
    /// What makes a new or moved name durable. Default: a sync of its directory.
    pub names_durable: NamesDurable,
}

/// The speed and limits of a block device.
///
/// ```
/// use stormglass_fs::profile::DeviceProfile;
///
/// // A volume of 3,000 operations and 125 MiB a second that almost stalls for a second or so, twice a minute.
/// let profile: DeviceProfile = toml::from_str(r#"
///     iops = 3000
///     per-mib = "8ms"
///     queue-depth = 64
///     stall = { every = { exponential = { mean = "30s", max = "5m" } }, length = "1s", factor = 50 }
/// "#)?;
/// assert_eq!(profile.per_mib.as_millis(), 8);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DeviceProfile {
    /// Requests that the device processes concurrently; the others wait in order. 0, the default, has no limit.
    pub queue_depth: u16,
    /// Requests per second; a request that arrives too early waits. 0, the default, has no limit.
    pub iops: u32,
    /// Time to transfer one MiB, one request after the other: the bandwidth of the whole device. Default: nothing.
    #[serde(with = "HumanDuration")]
    pub per_mib: Duration,
    /// Episodes in which the device is slow, drawn repeatedly. Default: none.
    pub stall: StallProfile,
    /// Episodes in which the device is slow, at given times: a warm-up, a neighbour's backup. Default: none.
    pub episodes: Vec<Episode>,
}

/// Episodes in which a device is slow, drawn repeatedly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StallProfile {
    /// Time from the end of one episode to the start of the next; at least 1 ms. Default: 1 min.
    pub every: Latency,
    /// Duration of an episode. 0, the default, is no stalls.
    pub length: Latency,
    /// How much slower the device is then. Default: 20.
    pub factor: Slowdown,
}

impl Default for StallProfile {
    fn default() -> StallProfile {
        StallProfile {
            every: Latency::from_millis(60_000),
            length: Latency::ZERO,
            factor: Slowdown::new(20.0).expect("20 is 1 or more"),
        }
    }
}

/// An episode in which a device is slow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Episode {
    /// Start, from the start of the run.
    #[serde(with = "HumanDuration")]
    pub at: Duration,
    /// Duration.
    #[serde(with = "HumanDuration")]
    pub length: Duration,
    /// How much slower the device is then.
    pub factor: Slowdown,
}

/// Write-back: what the kernel writes to the device without a sync, named after its settings (`vm.dirty_*`, ext4's `commit`). What
/// it writes costs `sync.per-mib`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WriteBackProfile {
    /// Dirty bytes at which the kernel starts write-back (`vm.dirty_background_bytes`). 0, the default, has no limit.
    pub background_bytes: u64,
    /// Dirty bytes at which writers wait for in-flight write-back (`vm.dirty_bytes`). 0, the default, has no limit.
    pub limit_bytes: u64,
    /// Age at which dirty pages are written back (`vm.dirty_expire_centisecs`). 0, the default, is never.
    #[serde(with = "HumanDuration")]
    pub expire: Duration,
    /// Age at which changes of directory entries are durable: the journal's commit interval. 0, the default, is never.
    #[serde(with = "HumanDuration")]
    pub commit: Duration,
}

/// What makes a new or moved name durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NamesDurable {
    /// Only a sync of the directory: all that POSIX promises.
    #[default]
    DirectorySync,
    /// A sync of the file as well: what ext4 does (`Documentation/filesystems/ext4`, and `ext4_sync_parent`).
    FileSync,
}

impl DiskProfile {
    /// Returns the profile of a disk on which nothing takes time.
    pub fn instant() -> DiskProfile {
        DiskProfile::default()
    }

    /// Returns a shipped profile, or `None` if there is none of that name.
    ///
    /// | name | what it is |
    /// | --- | --- |
    /// | `memory` | a file system in memory: nothing takes time |
    /// | `nvme` | a local NVMe disk of a server |
    /// | `sata-ssd` | an SSD at a SATA port, without power-loss protection |
    /// | `ci-disk` | the disk of a shared CI runner |
    /// | `cloud-volume` | a network volume of a cloud provider |
    ///
    /// Each file says where its figures come from.
    pub fn named(name: &str) -> Option<DiskProfile> {
        let text = PRESETS.iter().find(|(preset, _)| *preset == name)?.1;
        Some(toml::from_str(text).expect("a shipped profile is one: a test reads each"))
    }
}

/// The shipped profiles: their names and their TOML.
pub const PRESETS: [(&str, &str); 5] = [
    ("memory", include_str!("../profiles/memory.toml")),
    ("nvme", include_str!("../profiles/nvme.toml")),
    ("sata-ssd", include_str!("../profiles/sata-ssd.toml")),
    ("ci-disk", include_str!("../profiles/ci-disk.toml")),
    ("cloud-volume", include_str!("../profiles/cloud-volume.toml")),
];

/// The cost of one kind of operation: `delay + latency + size · per-mib`. A sync waits for the device after its delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OpCost {
    /// Latency of the operation itself. Default: nothing.
    pub latency: Latency,
    /// Injected before it, each time: a slow device, a throttled volume. Default: nothing.
    #[serde(with = "HumanDuration")]
    pub delay: Duration,
    /// Time for each MiB read or written. Default: nothing.
    #[serde(with = "HumanDuration")]
    pub per_mib: Duration,
}

impl Default for OpCost {
    fn default() -> OpCost {
        OpCost { latency: Latency::ZERO, delay: Duration::ZERO, per_mib: Duration::ZERO }
    }
}

impl OpCost {
    /// Returns the latency of an operation on `bytes` with this draw, without its delay.
    pub fn work(&self, draw: u64, bytes: u64) -> Duration {
        self.latency.at(draw) + transfer(self.per_mib, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_profiles_parse() {
        for (name, _) in PRESETS {
            assert!(DiskProfile::named(name).is_some());
        }
        assert_eq!(DiskProfile::named("memory"), Some(DiskProfile::instant()));
        assert_eq!(DiskProfile::named("floppy"), None);
    }

    #[test]
    fn a_slow_down_is_one_or_more() {
        let error = toml::from_str::<Episode>(
            r#"at = "0s", length = "1s", factor = 0.5"#.replace(", ", "\n").as_str(),
        );
        assert!(error.unwrap_err().to_string().contains("0.5 is no slow-down: give 1 or more"));
        assert!(Slowdown::new(f64::NAN).is_err());
        let still: Episode = toml::from_str("at = \"0s\"\nlength = \"1s\"\nfactor = inf").unwrap();
        assert_eq!(still.factor.get(), f64::INFINITY);
    }

    /// 1 ms latency + 512 KiB at 4 ms a MiB = 3 ms, after a delay of 10 ms.
    #[test]
    fn cost_is_delay_plus_latency_plus_transfer() {
        let cost = OpCost {
            latency: Latency::from_millis(1),
            delay: Duration::from_millis(10),
            per_mib: Duration::from_millis(4),
        };
        assert_eq!(cost.delay + cost.work(0, 512 << 10), Duration::from_millis(13));
    }
}
