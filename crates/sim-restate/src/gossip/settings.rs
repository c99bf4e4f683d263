//! The failure detector's parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// How nodes find out who is up. Source: restatedev/restate 1.7, `crates/types/src/config/gossip.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GossipSettings {
    /// How often a node gossips (`gossip-tick-interval`). Default: 100 ms.
    #[serde(with = "HumanDuration")]
    pub tick: Duration,
    /// How late a tick comes at the most, drawn evenly: a runtime's timer fires a whole number of milliseconds after it began to wait (mio rounds up). A tick that is less late than the last one
    /// is too early for a round, which is left out, so that a node gossips less often than its ticks come. Default: 1 ms.
    #[serde(with = "HumanDuration")]
    pub lateness: Duration,
    /// After so many ticks without news of it a node is dead (`gossip-failure-threshold`). Default: 10.
    pub failure_threshold: u32,
    /// How many others a node tells with each tick (`gossip-num-peers`). Default: 2.
    pub peers: u32,
    /// A node judges others only after so many messages (`gossip-fd-stability-threshold`). Default: 3.
    pub stability_threshold: u32,
    /// How long a node that comes back is suspect before it is alive (`gossip-suspect-interval`). Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub suspect: Duration,
    /// How much longer than others a node suspects itself. Default: 600 ms.
    #[serde(with = "HumanDuration")]
    pub suspect_self: Duration,
    /// After so many ticks without any message a node says that it is lonely (`gossip-loneliness-threshold`). Default: 30.
    pub loneliness_threshold: u32,
    /// Every how manyth message has what is known of partitions too (`gossip-extras-exchange-frequency`). Default: 10.
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
