//! The controller's parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// The controller's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ControllerSettings {
    /// How often the controller asks the nodes for their state (`admin.heartbeat-interval`).
    /// Default: 1.5 s.
    #[serde(with = "HumanDuration")]
    pub heartbeat: Duration,
    /// The limit of a request for a node's state. Default: 3 s.
    #[serde(with = "HumanDuration")]
    pub node_state_timeout: Duration,
    /// How the controller finds out which nodes are alive. Default: `gossip`.
    pub liveness: LivenessBy,
}

/// How the controller finds out which nodes are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LivenessBy {
    /// From the failure detector (1.7).
    Gossip,
    /// From the answers to its own requests (March 2025).
    Polling,
}

impl Default for ControllerSettings {
    fn default() -> ControllerSettings {
        ControllerSettings {
            heartbeat: Duration::from_millis(1_500),
            node_state_timeout: Duration::from_secs(3),
            liveness: LivenessBy::Gossip,
        }
    }
}
