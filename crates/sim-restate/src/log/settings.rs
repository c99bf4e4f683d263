//! The log's parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::RetryPolicy;
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// How the log is replicated and repaired. Source: restatedev/restate
/// `crates/types/src/config/bifrost.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogSettings {
    /// How many log servers store each record (`default-log-replication`). A log is created only
    /// once there are so many log servers. Range: 1 to the number of nodes. Default: 2.
    pub replication: u8,
    /// How a writer repeats a failed append (`append-retry-min-interval`, `-max-interval`).
    /// Default: 10 ms × 2 up to 1 s, without end.
    pub append_retry: RetryPolicy,
    /// How long a writer that may reconfigure a log waits for another node to do so, and a reader
    /// at the end of a sealed segment for a writer (`auto-recovery-interval`). Default: 15 s.
    #[serde(with = "HumanDuration")]
    pub auto_recovery: Duration,
    /// Which node seals a segment whose sequencer is gone, and opens the next. Default: `leader`.
    pub reconfigures: Reconfigures,
    /// The limit of a request to a log server (`log-server-rpc-timeout`, `store-timeout`).
    /// Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub server_timeout: Duration,
    /// How a sequencer repeats a failed request to a log server (`log-server-retry-policy`).
    /// Default: 250 ms × 2, 3 times, up to 2 s.
    pub server_retry: RetryPolicy,
    /// The limit of an append at another node's sequencer. Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub sequencer_timeout: Duration,
    /// The limit of a request for the tail to a sequencer; after it the log servers are asked.
    /// Default: 500 ms.
    #[serde(with = "HumanDuration")]
    pub find_tail_timeout: Duration,
    /// The pause after a failed search for the tail. Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub find_tail_pause: Duration,
    /// How often a reader that is not on the sequencer's node checks for a new tail. Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub tail_poll: Duration,
    /// How a reader repeats a read when no log server has the record (`read-retry-policy`).
    /// Default: 50 ms × 2, without end, up to 1 s.
    pub read_retry: RetryPolicy,
    /// How many records a reader requests at once (`readahead-records`). Default: 20.
    pub read_ahead: usize,
    /// Whether a log server's writes block their worker thread, which can block the whole process
    /// (the opposite of `log-server.always-commit-in-background`). Default: true.
    pub blocking_writes: bool,
}

/// Which node seals a segment whose sequencer is gone, and opens the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reconfigures {
    /// A partition's leader, when an append fails (1.7).
    Leader,
    /// The cluster controller, when the sequencer's node is dead; or a writer whose append meets a
    /// sealed segment, after `log.auto-recovery` (March 2025).
    Controller,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            replication: 2,
            append_retry: RetryPolicy::exponential(10, 2.0, 1_000, None),
            auto_recovery: Duration::from_secs(15),
            reconfigures: Reconfigures::Leader,
            server_timeout: Duration::from_secs(2),
            server_retry: RetryPolicy::exponential(250, 2.0, 2_000, Some(3)),
            sequencer_timeout: Duration::from_secs(5),
            find_tail_timeout: Duration::from_millis(500),
            find_tail_pause: Duration::from_secs(2),
            tail_poll: Duration::from_secs(2),
            read_retry: RetryPolicy::exponential(50, 2.0, 1_000, None),
            read_ahead: 20,
            blocking_writes: true,
        }
    }
}
