//! The parameters of partitions.

use super::table::{Everywhere, Replication};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::RetryPolicy;
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// How partitions run. Source: restatedev/restate `crates/types/src/config/worker.rs`, `crates/worker/src/partition_processor_manager.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PartitionSettings {
    /// How many there are (`default-num-partitions`; the measured cluster has 4). Range: 1 to 1024. Default: 4.
    pub count: u16,
    /// On how many nodes each is: a number, or `everywhere`. Default: 2.
    pub replication: Replication,
    /// A partition is made durable after so many records (`persist-lsn-threshold`); 0 leaves it to a stop or a snapshot. Default: 0.
    pub flush_records: u64,
    /// A leader makes a snapshot by itself after so many records (`snapshots.snapshot-interval-num-records`), and trims its log up to it; 0 leaves both to the
    /// admin tool. Default: 0.
    pub snapshot_records: u64,
    /// The pause between such a snapshot and the trim (`worker.trim-delay-interval`). Default: 10 min.
    #[serde(with = "HumanDuration")]
    pub trim_delay: Duration,
    /// Who starts a partition again that has stopped. Default: `manager`.
    pub restarts: Restarts,
    /// The pause before it starts again after a failed start. Default: 1 s.
    #[serde(with = "HumanDuration")]
    pub restart_failed: Duration,
    /// The pause when it cannot go on without a snapshot, plus up to 30 %. Default: 30 s.
    #[serde(with = "HumanDuration")]
    pub restart_blocked: Duration,
    /// The least pause when the repository has no snapshot that is new enough; the most is twice that. 0 s fails the start instead. Default: 0 s.
    #[serde(with = "HumanDuration")]
    pub unsuitable_snapshot: Duration,
    /// How a request of the ingress to a partition's leader is repeated. Default: 50 ms × 2 up to 1 s, without end.
    pub ingress_retry: RetryPolicy,
    /// How a call of the user's service is repeated (`invoker.retry-policy`). Default: 50 ms × 2 up to 10 s, without end.
    pub invoker_retry: RetryPolicy,
    /// How a request to the snapshot repository is repeated (`snapshots.object-store-retry-policy`). Default: 100 ms × 2, 10 times, up to 10 s.
    pub repository_retry: RetryPolicy,
    /// CPU time of the user's service for a call. Default: 200 µs.
    #[serde(with = "HumanDuration")]
    pub service_work: Duration,
    /// Whether the epochs' documents say where partitions are, and nodes hear of it by gossip, or the partition table says it, and the controller tells them.
    /// Default: `epochs`.
    pub placed_by: PlacedBy,
}

/// Who starts a partition again that has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Restarts {
    /// Its node, after a pause that depends on the reason (1.7).
    Manager,
    /// The cluster controller, when it sees that it does not run (March 2025).
    Controller,
}

/// Which documents say where partitions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlacedBy {
    /// One for each partition (1.7).
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
    /// Everywhere, as a value.
    pub const EVERYWHERE: Replication = Replication::Everywhere(Everywhere::Everywhere);
}
