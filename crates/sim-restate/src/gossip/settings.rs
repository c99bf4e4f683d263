//! The failure detector's parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// How nodes detect failures. Source: restatedev/restate 1.7, `crates/types/src/config/gossip.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GossipSettings {
    /// The interval between rounds of gossip (`gossip-tick-interval`). Default: 100 ms.
    #[serde(with = "HumanDuration")]
    pub tick: Duration,
    /// The upper limit of a tick's lateness, drawn uniformly: a runtime's timer fires a whole
    /// number of milliseconds after it began to wait (mio rounds up). If a tick is less late than
    /// the last one, less than an interval has passed, and the round is skipped, so a node gossips
    /// less often than its ticks come. Default: 1 ms.
    #[serde(with = "HumanDuration")]
    pub lateness: Duration,
    /// A node is dead after more ticks than this without news of it (`gossip-failure-threshold`).
    /// Default: 10.
    pub failure_threshold: u32,
    /// The number of other nodes that get a message with each tick (`gossip-num-peers`). Default:
    /// 2.
    pub peers: u32,
    /// The number of messages that a node receives before it changes the states of others
    /// (`gossip-fd-stability-threshold`). Default: 3.
    pub stability_threshold: u32,
    /// How long a node that comes back is suspect before it is alive (`gossip-suspect-interval`).
    /// Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub suspect: Duration,
    /// How much longer a node suspects itself than others. Default: 600 ms.
    #[serde(with = "HumanDuration")]
    pub suspect_self: Duration,
    /// The number of ticks without any message after which a node reports itself as lonely
    /// (`gossip-loneliness-threshold`). Default: 30.
    pub loneliness_threshold: u32,
    /// Every n-th message contains the view of partitions too
    /// (`gossip-extras-exchange-frequency`). Default: 10.
    pub extras_every: u32,
}

impl Default for GossipSettings {
    fn default() -> GossipSettings {
        GossipSettings {
            tick: Duration::from_millis(100),
            lateness: Duration::from_millis(1),
            failure_threshold: 10,
            peers: 2,
            stability_threshold: 3,
            suspect: Duration::from_secs(5),
            suspect_self: Duration::from_millis(600),
            loneliness_threshold: 30,
            extras_every: 10,
        }
    }
}
