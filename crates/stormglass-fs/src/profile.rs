//! What each operation costs, as data.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::Latency;
use stormglass_core::latency::human_duration;

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// fsync and fdatasync of a file or directory. Each of the two draws from its own stream.
    pub sync: OpCost,
    /// Renaming.
    pub rename: OpCost,
    /// Removing a file or directory.
    pub unlink: OpCost,
    /// Making a directory.
    pub mkdir: OpCost,
    /// Listing a directory.
    pub readdir: OpCost,
    /// Setting a file's length.
    pub truncate: OpCost,
    /// Reserving space for a file.
    pub allocate: OpCost,
    /// How many syncs the device serves at once; the others wait in order. 0, the default, has no limit.
    pub queue_depth: u16,
    /// What makes a new or moved name durable. Default: a sync of its directory.
    pub names_durable: NamesDurable,
}

/// What makes a new or moved name durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamesDurable {
    /// Only a sync of the directory: all that POSIX promises.
    #[default]
    DirectorySync,
    /// A sync of the file as well: what ext4 does (`Documentation/filesystems/ext4`, and `ext4_sync_parent`).
    FileSync,
}

impl DiskProfile {
    /// A disk on which nothing takes time.
    pub fn instant() -> DiskProfile {
        DiskProfile::default()
    }
}

/// The cost of one kind of operation: `delay + latency + size · per-mib`. A sync waits for the device after its delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OpCost {
    /// What the operation itself takes. Default: nothing.
    pub latency: Latency,
    /// Injected before it, each time: a slow device, a throttled volume. Default: nothing.
    #[serde(with = "human_duration")]
    pub delay: Duration,
    /// Time for each MiB read or written. Default: nothing.
    #[serde(with = "human_duration")]
    pub per_mib: Duration,
}

impl Default for OpCost {
    fn default() -> OpCost {
        OpCost { latency: Latency::ZERO, delay: Duration::ZERO, per_mib: Duration::ZERO }
    }
}

impl OpCost {
    /// What an operation on `bytes` takes with this draw, after its delay.
    pub fn work(&self, draw: u64, bytes: u64) -> Duration {
        let size_nanos = (self.per_mib.as_nanos() * u128::from(bytes)) >> 20;
        self.latency.at(draw) + Duration::from_nanos(size_nanos as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 ms latency + 512 KiB at 4 ms a MiB = 3 ms, after a delay of 10 ms.
    #[test]
    fn a_cost_is_the_sum_of_its_parts() {
        let cost = OpCost {
            latency: Latency::from_millis(1),
            delay: Duration::from_millis(10),
            per_mib: Duration::from_millis(4),
        };
        assert_eq!(cost.delay + cost.work(0, 512 << 10), Duration::from_millis(13));
    }
}
