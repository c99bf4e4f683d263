//! The parameters of a node's start.

use super::startup::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::{MetadataState, RetryPolicy};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;

/// How a node starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeSettings {
    /// The steps of the start, in order.
    pub startup: Vec<Step>,
    /// How a node repeats a failed attempt to join the cluster (`init.rs`). Default: 100 ms × 2 up
    /// to 1 s, without end.
    pub join_retry: RetryPolicy,
    /// How a node repeats other failed metadata operations (`network-error-retry-policy`).
    /// Default: 10 ms × 2, 15 times, up to 5 s.
    pub network_retry: RetryPolicy,
    /// How a node repeats a failed fetch of metadata from the store. Default: 100 ms × 1.5 up to 1
    /// s, without end.
    pub metadata_fetch_retry: RetryPolicy,
    /// The state of the metadata server that a joining node writes into the configuration.
    /// Default: `provisioning`, which becomes `member` once the server is added to the metadata
    /// cluster.
    pub metadata_state: MetadataState,
    /// Whether a worker registers itself in the cluster's configuration at its first start.
    /// Default: true.
    pub worker_registers: bool,
    /// The nodes whose metadata servers are in a node's own configuration; it discovers others
    /// later: `all`, `first` (node-1) or a list of nodes' names. Default: `all`.
    pub metadata_addresses: Addresses,
    /// How often a node checks for newer versions of the cluster's documents
    /// (`metadata-update-interval`). Default: 10 s.
    #[serde(with = "HumanDuration")]
    pub metadata_refresh: Duration,
    /// The log level of a node. Default: `debug`, as the tests set it.
    pub log_level: LogLevel,
    /// CPU time of the steps.
    pub work: WorkSettings,
}

/// The log level of a node: how many lines it writes on each occasion ([`crate::logging`]), of 250
/// bytes each, to a file that is never synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// No lines, unless something fails.
    Warn,
    /// One line for each step of the start and for each partition that starts or stops, two for a
    /// partition that becomes leader.
    Info,
    /// Four lines for a step, eight for a partition that starts or stops, thirteen for one that
    /// becomes leader.
    #[default]
    Debug,
}

/// The nodes whose metadata servers a node is configured with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"all\", \"first\" or a list of nodes' names")]
pub enum Addresses {
    /// A group of nodes, by a keyword.
    Of(Group),
    /// The nodes with these names.
    Nodes(Vec<String>),
}

/// A keyword for a group of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// All nodes.
    All,
    /// The first node, node-1.
    First,
}

impl Addresses {
    /// Returns the names of the group, given the names of all nodes.
    pub fn among(&self, names: &[String]) -> Vec<String> {
        match self {
            Addresses::Of(Group::All) => names.to_vec(),
            Addresses::Of(Group::First) => names[..1].to_vec(),
            Addresses::Nodes(these) => these.clone(),
        }
    }
}

impl Default for NodeSettings {
    fn default() -> NodeSettings {
        NodeSettings {
            startup: Vec::new(),
            join_retry: RetryPolicy::exponential(100, 2.0, 1_000, None),
            network_retry: RetryPolicy::exponential(10, 2.0, 5_000, Some(15)),
            metadata_fetch_retry: RetryPolicy::exponential(100, 1.5, 1_000, None),
            metadata_state: MetadataState::Provisioning,
            worker_registers: true,
            metadata_addresses: Addresses::Of(Group::All),
            metadata_refresh: Duration::from_secs(10),
            log_level: LogLevel::Debug,
            work: WorkSettings::default(),
        }
    }
}

/// CPU time of each step of a start on an idle core; see [`stormglass_sim::cpu`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WorkSettings {
    /// From the start of the process to its banner.
    #[serde(with = "HumanDuration")]
    pub boot: Duration,
    /// Opening the metadata server's database.
    #[serde(with = "HumanDuration")]
    pub open_metadata_store: Duration,
    /// Opening the log server's database.
    #[serde(with = "HumanDuration")]
    pub open_log_store: Duration,
    /// Opening the partition store's database.
    #[serde(with = "HumanDuration")]
    pub open_partition_store: Duration,
    /// Opening the local loglet's database.
    #[serde(with = "HumanDuration")]
    pub open_local_loglet: Duration,
    /// Building roles and services.
    #[serde(with = "HumanDuration")]
    pub roles: Duration,
    /// Starting the fabric's server.
    #[serde(with = "HumanDuration")]
    pub serve: Duration,
    /// Starting the admin API.
    #[serde(with = "HumanDuration")]
    pub admin: Duration,
    /// Writing a line of the log: formatting it and a system call.
    #[serde(with = "HumanDuration")]
    pub log_line: Duration,
}
