//! The parameters of partitions.

use super::table::{Everywhere, Replication};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::RetryPolicy;
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// How partitions run. Source: restatedev/restate `crates/types/src/config/worker.rs`,
/// `crates/worker/src/partition_processor_manager.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PartitionSettings {
    /// The number of partitions (`default-num-partitions`; the measured cluster has 4). Range: 1
    /// to 1024. Default: 4.
    pub count: u16,
    /// The number of replicas of each partition, or `everywhere`. Default: 2.
    pub replication: Replication,
    /// The number of records after which a partition's state is flushed (`persist-lsn-threshold`);
    /// with 0 only a stop or a snapshot flushes it. Default: 0.
    pub flush_records: u64,
    /// The number of records after which a leader creates a snapshot by itself
    /// (`snapshots.snapshot-interval-num-records`) and trims its log up to it; with 0 only the
    /// admin tool does either. Default: 0.
    pub snapshot_records: u64,
    /// The pause between such a snapshot and the trim (`worker.trim-delay-interval`). Default: 10
    /// min.
    #[serde(with = "HumanDuration")]
    pub trim_delay: Duration,
    /// Which component restarts a partition that has stopped. Default: `manager`.
    pub restarts: Restarts,
    /// The pause before a restart after a failed start. Default: 1 s.
    #[serde(with = "HumanDuration")]
    pub restart_failed: Duration,
    /// The pause before a restart when the partition needs a snapshot and has no repository, plus
    /// up to 30 %. Default: 30 s.
    #[serde(with = "HumanDuration")]
    pub restart_blocked: Duration,
    /// The minimal pause when the repository has no snapshot that is new enough; the maximum is
    /// twice that. With 0 s the start fails instead. Default: 0 s.
    #[serde(with = "HumanDuration")]
    pub unsuitable_snapshot: Duration,
    /// How an ingress repeats a failed request to a partition's leader. Default: 50 ms × 2 up to 1
    /// s, without end.
    pub ingress_retry: RetryPolicy,
    /// How a leader repeats a failed call of the user's service (`invoker.retry-policy`). Default:
    /// 50 ms × 2 up to 10 s, without end.
    pub invoker_retry: RetryPolicy,
    /// How a node repeats a failed request to the snapshot repository
    /// (`snapshots.object-store-retry-policy`). Default: 100 ms × 2, 10 times, up to 10 s.
    pub repository_retry: RetryPolicy,
    /// CPU time of one call of the user's service. Default: 200 µs.
    #[serde(with = "HumanDuration")]
    pub service_work: Duration,
    /// Where the placement of partitions is stored: in one document for each partition, which
    /// nodes learn of by gossip (`epochs`), or in the partition table, from which the controller
    /// gives nodes orders (`table`). Default: `epochs`.
    pub placed_by: PlacedBy,
}

/// Which component restarts a partition that has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Restarts {
    /// The node's partition processor manager, after a pause that depends on the reason (1.7).
    Manager,
    /// The cluster controller, when it observes that the partition does not run (March 2025).
    Controller,
}

/// The documents that store the placement of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlacedBy {
    /// One document for each partition (1.7).
    Epochs,
    /// The partition table (March 2025).
    Table,
}

impl Default for PartitionSettings {
    fn default() -> PartitionSettings {
        PartitionSettings {
            count: 4,
            replication: Replication::Nodes(2),
            flush_records: 0,
            snapshot_records: 0,
            trim_delay: Duration::from_secs(600),
            restarts: Restarts::Manager,
            restart_failed: Duration::from_secs(1),
            restart_blocked: Duration::from_secs(30),
            unsuitable_snapshot: Duration::ZERO,
            ingress_retry: RetryPolicy::exponential(50, 2.0, 1_000, None),
            invoker_retry: RetryPolicy::exponential(50, 2.0, 10_000, None),
            repository_retry: RetryPolicy::exponential(100, 2.0, 10_000, Some(10)),
            service_work: Duration::from_micros(200),
            placed_by: PlacedBy::Epochs,
        }
    }
}

impl PartitionSettings {
    /// The value `everywhere`.
    pub const EVERYWHERE: Replication = Replication::Everywhere(Everywhere::Everywhere);
}
