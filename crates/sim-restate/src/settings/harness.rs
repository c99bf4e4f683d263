//! The parameters of the test harness: what it starts, and how it waits until nodes are healthy.

use crate::canary::Canary;
use crate::signal::Signal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::RetryPolicy;
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_core::latency::HumanDuration;

/// What the harness starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TopologySettings {
    /// How many nodes, all on one machine, each with every role. Range: 1 to 99. Default: 3.
    pub nodes: u32,
    /// How often the scenario `restarts` restarts a node once all nodes are healthy. Default: 2.
    pub restarts: u32,
    /// The pause of `restarts` after each start. Default: 10 s.
    #[serde(with = "HumanDuration")]
    pub pause: Duration,
    /// The restarts of `restarts`, one by one, as those of a recorded run, each like `{ pause =
    /// "10s", node = "node-1", signal = "kill" }` (or `"term"`). Default: none; nodes and signals
    /// are drawn.
    pub script: Vec<ScriptedRestart>,
    /// How long a process may take to stop after SIGTERM (`shutdown-timeout`). Default: 60 s.
    #[serde(with = "HumanDuration")]
    pub shutdown_timeout: Duration,
    /// How many other clusters of the same kind start on the same machine at the same time, as
    /// when a test runner runs several tests in parallel: they share its cores, and its disk if
    /// the profile says so (`machine.shared-disk`). Range: 0 to 15. Default: 0.
    pub side_by_side: u32,
    /// Who provisions the cluster. Default: `auto`.
    pub provision: Provision,
    /// How the harness repeats a failed request to provision, with `provision = "explicit"`.
    /// Default: 100 ms × 2 up to 1 s, without end.
    pub provision_retry: RetryPolicy,
    /// How long provisioning by the harness may take: an observer. Default: 60 s, about what the
    /// real harness's 60 attempts take.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub provision_deadline: Duration,
    /// A bug to plant, to show that the oracle finds it. Default: none.
    pub canary: Canary,
}

/// A restart that is written down instead of drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScriptedRestart {
    /// The pause after the last restarted node, or at first every node, became healthy.
    #[serde(with = "HumanDuration")]
    pub pause: Duration,
    /// The name of the node.
    pub node: String,
    /// The signal that ends its process.
    pub signal: Signal,
}

/// Who provisions a cluster. Source: restatedev/restate
/// `crates/local-cluster-runner/src/node/mod.rs` (`provision_cluster`), which the tests call since
/// restatedev/restate#3090.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provision {
    /// Node-1 provisions the cluster by itself as it starts (`auto-provision`).
    #[default]
    Auto,
    /// The harness sends node-1 a request to provision, and waits until that is done before it
    /// waits for anything else.
    Explicit,
}

impl TopologySettings {
    /// Returns the names of the nodes.
    pub fn names(&self) -> Vec<String> {
        node_names(self.nodes)
    }

    /// Returns the index of a node, from 0.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.names().iter().position(|other| other == name)
    }
}

/// Returns the names of `count` nodes.
pub(crate) fn node_names(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("node-{number}")).collect()
}

impl Default for TopologySettings {
    fn default() -> TopologySettings {
        TopologySettings {
            nodes: 3,
            restarts: 2,
            pause: Duration::from_secs(10),
            script: Vec::new(),
            shutdown_timeout: Duration::from_secs(60),
            side_by_side: 0,
            provision: Provision::Auto,
            provision_retry: RetryPolicy::exponential(100, 2.0, 1_000, None),
            provision_deadline: Duration::from_secs(60),
            canary: Canary::None,
        }
    }
}

/// How the harness waits for the admin API of a node (`local-cluster-runner`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AdminCheck {
    /// How long the harness waits in total: an observer, which changes nothing before it ends the
    /// test. Default: 10 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub deadline: Duration,
    /// How the harness checks. Default: `poll`, as the real harness does.
    pub strategy: Strategy,
    /// The pause after a failed attempt of `poll` and `progress`. Default: 250 ms.
    #[serde(with = "HumanDuration")]
    pub poll_interval: Duration,
    /// The growing pauses of `back-off`. Default: 50 ms × 2 up to 1 s, without end.
    pub back_off: RetryPolicy,
    /// How long a step of a start may take under `progress`: an observer. Default: 10 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub step_budget: Duration,
    /// The limit of one attempt; 0 s, the default, sets none, so an attempt at a socket that is
    /// bound but not yet served hangs until it is served.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
}

impl AdminCheck {
    /// Returns the limit of the whole wait.
    pub fn limit(&self) -> Limit {
        Limit::of("admin.deadline", self.deadline)
    }

    /// Returns the limit of the wait for one step.
    pub fn step_limit(&self) -> Limit {
        Limit::of("admin.step-budget", self.step_budget)
    }

    /// Returns the pauses between attempts: growing with `back-off`, otherwise constant.
    pub fn gaps(&self) -> RetryPolicy {
        match self.strategy {
            Strategy::BackOff => self.back_off.clone(),
            Strategy::Poll | Strategy::Progress => RetryPolicy {
                initial: self.poll_interval,
                factor: 1.0,
                max: self.poll_interval,
                attempts: None,
                jitter: 0.0,
            },
        }
    }
}

impl Default for AdminCheck {
    fn default() -> AdminCheck {
        AdminCheck {
            deadline: Duration::from_secs(10),
            strategy: Strategy::Poll,
            poll_interval: Duration::from_millis(250),
            back_off: RetryPolicy::exponential(50, 2.0, 1_000, None),
            step_budget: Duration::from_secs(10),
            request_timeout: Duration::ZERO,
        }
    }
}

/// How the harness finds out whether a node is healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Polls the admin API at a constant interval, up to one deadline.
    #[default]
    Poll,
    /// Polls like `poll`, with growing pauses.
    BackOff,
    /// Follows each step of the start over a port that answers from the process's first step on.
    /// There is no deadline for the whole start: each step has its own budget. So the harness
    /// waits for a slow node that makes progress, and finds a node that hangs, and the step it
    /// hangs in.
    Progress,
}
