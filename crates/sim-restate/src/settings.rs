//! All parameters of the cluster and of its test harness.
//!
//! The defaults are those of Restate 1.7. A model file sets the values that differ.

mod harness;
mod models;
mod node;
mod startup;

pub use harness::{AdminCheck, Provision, ScriptedRestart, Strategy, TopologySettings};
pub use models::{METADATA_MODELS, MODELS, PROFILES};
pub use node::{Addresses, Group, LogLevel, NodeSettings, WorkSettings};
pub use startup::Step;

pub(crate) use harness::node_names;
pub(crate) use models::{CHAOS_MODELS, TRIM_GAP_MODELS};

use crate::controller::settings::ControllerSettings;
use crate::gossip::settings::GossipSettings;
use crate::log::settings::LogSettings;
use crate::partition::settings::PartitionSettings;
use crate::partition::table::Replication;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::{ClientSettings, RaftSettings};
use startup::check_order;
use std::time::Duration;
use stormglass_core::latency::HumanDuration;
use stormglass_sim::{ParameterSet, Parameters, Preset, SettingsError, Values};

/// The parameters of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClusterSettings {
    /// The metadata server.
    pub raft: RaftSettings,
    /// The metadata client of a node.
    pub metadata_client: ClientSettings,
    /// How a node starts.
    pub node: NodeSettings,
    /// What the harness starts.
    pub cluster: TopologySettings,
    /// How the harness checks the admin API.
    pub admin: AdminCheck,
    /// Connections between nodes.
    pub network: NetworkSettings,
    /// The failure detector.
    pub gossip: GossipSettings,
    /// The cluster controller.
    pub controller: ControllerSettings,
    /// The replicated log.
    pub log: LogSettings,
    /// Partitions.
    pub partition: PartitionSettings,
}

/// Connections between nodes. Source: restatedev/restate `crates/types/src/config/networking.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// The limit of connecting to another node (`networking.connect-timeout`). Default: 3 s.
    #[serde(with = "HumanDuration")]
    pub connect_timeout: Duration,
}

impl Default for NetworkSettings {
    fn default() -> NetworkSettings {
        NetworkSettings { connect_timeout: Duration::from_secs(3) }
    }
}

/// Returns the error text for a name that is not in `names`.
fn unknown_node(name: &str, names: &[String]) -> String {
    format!("{name:?} is no node of this cluster, which has node-1 to node-{}", names.len())
}

impl ClusterSettings {
    /// Reads and checks the parameters.
    fn from_values(values: &Values) -> Result<ClusterSettings, SettingsError> {
        let cluster = ClusterSettings {
            raft: values.section("raft")?,
            metadata_client: values.section("metadata-client")?,
            node: values.section("node")?,
            cluster: values.section("cluster")?,
            admin: values.section("admin")?,
            network: values.section("network")?,
            gossip: values.section("gossip")?,
            controller: values.section("controller")?,
            log: values.section("log")?,
            partition: values.section("partition")?,
        };
        cluster
            .raft
            .validate()
            .map_err(|(field, problem)| values.wrong(&format!("raft.{field}"), problem))?;
        let policies = [
            ("metadata-client.conflict-retry", &cluster.metadata_client.conflict_retry),
            ("node.join-retry", &cluster.node.join_retry),
            ("node.network-retry", &cluster.node.network_retry),
            ("node.metadata-fetch-retry", &cluster.node.metadata_fetch_retry),
            ("admin.back-off", &cluster.admin.back_off),
            ("log.append-retry", &cluster.log.append_retry),
            ("log.server-retry", &cluster.log.server_retry),
            ("log.read-retry", &cluster.log.read_retry),
            ("partition.ingress-retry", &cluster.partition.ingress_retry),
            ("partition.invoker-retry", &cluster.partition.invoker_retry),
            ("partition.repository-retry", &cluster.partition.repository_retry),
        ];
        for (key, policy) in policies {
            policy.validate().map_err(|problem| values.wrong(key, problem))?;
        }
        if !(1..=99).contains(&cluster.cluster.nodes) {
            return Err(values.wrong("cluster.nodes", "the range is 1 to 99"));
        }
        let names = cluster.cluster.names();
        if let Addresses::Nodes(these) = &cluster.node.metadata_addresses {
            let key = "node.metadata-addresses";
            if these.is_empty() {
                return Err(values.wrong(key, "needs a node at least"));
            }
            if let Some(unknown) = these.iter().find(|name| !names.contains(name)) {
                return Err(values.wrong(key, unknown_node(unknown, &names)));
            }
        }
        if let Some(restart) = cluster.cluster.script.iter().find(|restart| !names.contains(&restart.node)) {
            return Err(values.wrong("cluster.script", unknown_node(&restart.node, &names)));
        }
        if cluster.cluster.side_by_side > 15 {
            return Err(values.wrong("cluster.side-by-side", "the range is 0 to 15"));
        }
        if !(1..=1_024).contains(&cluster.partition.count) {
            return Err(values.wrong("partition.count", "the range is 1 to 1024"));
        }
        if cluster.partition.replication == Replication::Nodes(0) {
            return Err(values.wrong("partition.replication", "must be at least 1, or \"everywhere\""));
        }
        if cluster.log.read_ahead == 0 {
            return Err(values.wrong("log.read-ahead", "must be at least 1"));
        }
        let intervals = [
            ("gossip.tick", cluster.gossip.tick),
            ("controller.heartbeat", cluster.controller.heartbeat),
            ("node.metadata-refresh", cluster.node.metadata_refresh),
            ("log.tail-poll", cluster.log.tail_poll),
        ];
        for (key, interval) in intervals {
            if interval.is_zero() {
                return Err(values.wrong(key, "must be above 0s"));
            }
        }
        if cluster.admin.poll_interval.is_zero() {
            return Err(values.wrong("admin.poll-interval", "must be above 0s"));
        }
        check_order(&cluster.node.startup).map_err(|problem| values.wrong("node.startup", problem))?;
        Ok(cluster)
    }

    /// Reads the parameters, and checks those of the logs too: for a scenario that writes to logs.
    ///
    /// # Errors
    ///
    /// A wrong value, with the key of its parameter.
    pub fn with_logs(values: &Values) -> Result<ClusterSettings, SettingsError> {
        let cluster = ClusterSettings::from_values(values)?;
        let (copies, nodes) = (cluster.log.replication, cluster.cluster.nodes);
        if !(1..=nodes).contains(&u32::from(copies)) {
            let problem = format!("is {copies}, and there are {nodes} nodes: the range is 1 to {nodes}");
            return Err(values.wrong("log.replication", problem));
        }
        Ok(cluster)
    }
}

/// The parameters of the scenarios with whole nodes.
impl Parameters for ClusterSettings {
    fn describe(&self) -> ParameterSet {
        ParameterSet::of(self)
    }

    fn read(values: &Values) -> Result<ClusterSettings, SettingsError> {
        ClusterSettings::from_values(values)
    }

    fn nodes(&self) -> Vec<String> {
        self.cluster.names()
    }

    fn models() -> &'static [Preset] {
        MODELS
    }

    fn profiles() -> &'static [Preset] {
        PROFILES
    }
}

/// The parameters of one of Restate's tests: those of the cluster, and the test's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestSettings<T> {
    /// The cluster, which writes to logs.
    pub cluster: ClusterSettings,
    /// The test's own parameters.
    pub test: T,
}

/// The own parameters of one of Restate's tests.
pub trait TestParameters: Parameters {
    /// The models with the configuration that the test had at their dates.
    const MODELS: &'static [Preset];
}

impl<T: TestParameters> Parameters for TestSettings<T> {
    fn describe(&self) -> ParameterSet {
        self.cluster.describe().and(self.test.describe())
    }

    fn read(values: &Values) -> Result<TestSettings<T>, SettingsError> {
        let test = T::read(values)?;
        Ok(TestSettings { cluster: ClusterSettings::with_logs(values)?, test })
    }

    fn nodes(&self) -> Vec<String> {
        self.cluster.nodes()
    }

    fn models() -> &'static [Preset] {
        T::MODELS
    }

    fn profiles() -> &'static [Preset] {
        PROFILES
    }

    /// A test has 300 s, whatever the model says.
    fn overrides() -> toml::Table {
        toml::toml! {
            [run]
            horizon = "300s"
        }
    }
}
