//! Every parameter of the cluster and its harness.
//!
//! Defaults are those of Restate 1.7. A model file sets what differs.

use crate::canary::Canary;
use crate::controller::ControllerSettings;
use crate::gossip::GossipSettings;
use crate::log::LogSettings;
use crate::partition::PartitionSettings;
use crate::partition::table::Replication;
use crate::runner::Signal;
use crate::shipped::PROFILES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::{ClientSettings, MetadataState, RaftSettings, RetryPolicy};
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_core::latency::HumanDuration;
use stormglass_sim::{ParameterSet, Parameters, Preset, SettingsError, Values};

/// The texts of a model: its metadata server, the start of a node, the rest of a cluster.
macro_rules! model {
    ($name:literal) => {
        &[
            include_str!(concat!("../models/", $name, "/metadata.toml")),
            include_str!(concat!("../models/", $name, "/node.toml")),
            include_str!(concat!("../models/", $name, "/cluster.toml")),
        ]
    };
    ($name:literal, $test:literal) => {
        &[
            include_str!(concat!("../models/", $name, "/metadata.toml")),
            include_str!(concat!("../models/", $name, "/node.toml")),
            include_str!(concat!("../models/", $name, "/cluster.toml")),
            include_str!(concat!("../models/", $name, "/", $test, ".toml")),
        ]
    };
}

/// The models that are shipped, for scenarios with whole nodes.
pub const MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7") },
    Preset { name: "restate-m25", layers: model!("restate-m25") },
];

/// The same models with what `fast_forward_over_trim_gap` was like then.
pub(crate) const TRIM_GAP_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7", "trim-gap") },
    Preset { name: "restate-m25", layers: model!("restate-m25", "trim-gap") },
];

/// The same models with what `cluster_chaos_test` was like then.
pub(crate) const CHAOS_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: model!("restate-1.7", "cluster-chaos") },
    Preset { name: "restate-m25", layers: model!("restate-m25", "cluster-chaos") },
];

/// The same models as far as they concern metadata servers, for scenarios with nothing else.
pub const METADATA_MODELS: &[Preset] = &[
    Preset { name: "restate-1.7", layers: &[include_str!("../models/restate-1.7/metadata.toml")] },
    Preset { name: "restate-m25", layers: &[include_str!("../models/restate-m25/metadata.toml")] },
];

/// The parameters of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClusterSettings {
    /// The metadata server.
    pub raft: RaftSettings,
    /// The metadata client of a node.
    pub metadata_client: ClientSettings,
    /// The start of a node.
    pub node: NodeSettings,
    /// What is started.
    pub cluster: TopologySettings,
    /// How the harness watches the admin API.
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

/// How a node starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeSettings {
    /// The steps, in order.
    pub startup: Vec<Step>,
    /// How joining the cluster is repeated (`init.rs`). Default: 100 ms × 2 up to 1 s, without end.
    pub join_retry: RetryPolicy,
    /// How other metadata operations are repeated (`network-error-retry-policy`). Default: 10 ms × 2, 15 times,
    /// up to 5 s.
    pub network_retry: RetryPolicy,
    /// How a fetch of metadata from the store is repeated. Default: 100 ms × 1.5 up to 1 s, without end.
    pub metadata_fetch_retry: RetryPolicy,
    /// What a node that joins says its metadata server shall be. Default: `provisioning`, which becomes `member` once it is taken in.
    pub metadata_state: MetadataState,
    /// Whether a worker enters itself in the cluster's configuration at its first start. Default: true.
    pub worker_registers: bool,
    /// Whose metadata servers a node is configured with; it learns of others: `all`, `first` (node-1's) or a list of nodes' names.
    /// Default: `all`.
    pub metadata_addresses: Addresses,
    /// How often a node looks for newer versions of the cluster's documents (`metadata-update-interval`). Default: 10 s.
    #[serde(with = "HumanDuration")]
    pub metadata_refresh: Duration,
    /// What a node logs. Default: `debug`, as the tests do.
    pub log_level: LogLevel,
    /// CPU time of steps.
    pub work: WorkSettings,
}

/// What a node logs: so many lines on each occasion ([`crate::logging`]), of 250 bytes each, written to a file that nobody syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Nothing, if all goes well.
    Warn,
    /// A line for each step of the start and for each partition that starts or stops, two for one that begins to lead.
    Info,
    /// Four, eight and thirteen.
    #[default]
    Debug,
}

/// Whose metadata servers a node is configured with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"all\", \"first\" or a list of nodes' names")]
pub enum Addresses {
    /// Those that a word stands for.
    Of(Group),
    /// Those of these nodes.
    Nodes(Vec<String>),
}

/// A word for some of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// All of them.
    All,
    /// node-1.
    First,
}

impl Addresses {
    /// The names, out of those of all nodes.
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

/// CPU time of a start's steps on an idle core; see [`stormglass_sim::cpu`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WorkSettings {
    /// Process start to the banner.
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

/// What is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TopologySettings {
    /// How many nodes, all on one machine, each with every role. Range: 1 to 99. Default: 3.
    pub nodes: u32,
    /// How often a node is started again once all are healthy, in `restarts`. Default: 2.
    pub restarts: u32,
    /// The pause after each start there. Default: 10 s.
    #[serde(with = "HumanDuration")]
    pub pause: Duration,
    /// The restarts there one by one, as those of a recorded run, each like `{ pause = "10s", node = "node-1", signal = "kill" }` (or `"term"`). Default: none; nodes and signals are drawn.
    pub script: Vec<ScriptedRestart>,
    /// How long a process that was told to stop may take (`shutdown-timeout`). Default: 60 s.
    #[serde(with = "HumanDuration")]
    pub shutdown_timeout: Duration,
    /// How many other clusters of the same kind start on the same machine at the same time, as a runner of tests does that runs several: they share its
    /// cores, and its disk if the profile says so (`machine.shared-disk`). Range: 0 to 15. Default: 0.
    pub side_by_side: u32,
    /// Who provisions the cluster. Default: `auto`.
    pub provision: Provision,
    /// How the harness repeats asking for that, if it is the one. Default: 100 ms × 2 up to 1 s, without end.
    pub provision_retry: RetryPolicy,
    /// How long it may take then: an observer. Default: 60 s, about what the real harness's 60 attempts take.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub provision_deadline: Duration,
    /// A bug to plant, for whoever wants to see it found. Default: none.
    pub canary: Canary,
}

/// A restart that is not drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScriptedRestart {
    /// How long after the node before was healthy, or all nodes.
    #[serde(with = "HumanDuration")]
    pub pause: Duration,
    /// Which node.
    pub node: String,
    /// How it is told to end.
    pub signal: Signal,
}

/// Who provisions a cluster. Source: restatedev/restate `crates/local-cluster-runner/src/node/mod.rs` (`provision_cluster`), which the tests call since
/// restatedev/restate#3090.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provision {
    /// Node-1 does it by itself as it starts (`auto-provision`).
    #[default]
    Auto,
    /// The harness asks node-1 to, and waits until it is done, before it waits for anything else.
    Explicit,
}

impl TopologySettings {
    /// The names of the nodes.
    pub fn names(&self) -> Vec<String> {
        node_names(self.nodes)
    }

    /// Which node that is, from 0.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.names().iter().position(|other| other == name)
    }
}

/// What is wrong with a name that is none of these.
fn no_node(stranger: &str, names: &[String]) -> String {
    format!("{stranger:?} is no node of this cluster, which has node-1 to node-{}", names.len())
}

/// The names of so many nodes.
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
    /// How long it waits in all: an observer, it changes nothing before. Default: 10 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub deadline: Duration,
    /// How it asks. Default: `poll`, as the real harness does.
    pub strategy: Strategy,
    /// The pause after a failed attempt of `poll` and `progress`. Default: 250 ms.
    #[serde(with = "HumanDuration")]
    pub poll_interval: Duration,
    /// The pauses of `back-off`. Default: 50 ms × 2 up to 1 s, without end.
    pub back_off: RetryPolicy,
    /// How long a step of a start may take under `progress`: an observer. Default: 10 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub step_budget: Duration,
    /// The limit of one attempt; 0 s, the default, has none, so that an attempt at a bound socket hangs until it
    /// is served.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
}

impl AdminCheck {
    /// How long it waits in all.
    pub fn limit(&self) -> Limit {
        Limit::of("admin.deadline", self.deadline)
    }

    /// How long it waits for a step.
    pub fn step_limit(&self) -> Limit {
        Limit::of("admin.step-budget", self.step_budget)
    }

    /// The pauses between attempts: growing ones, or always the same.
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

/// How the harness finds out that a node is healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// It asks the admin API, again after the same pause, up to one deadline.
    #[default]
    Poll,
    /// As `poll`, with pauses that grow.
    BackOff,
    /// It is told each step of the start, by a port that answers from the process's first step on. No deadline for all of them: each has its own
    /// budget, so a slow node that gets on is waited for, and one that hangs is found, and where.
    Progress,
}

/// A step of a node's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The process starts.
    Boot,
    /// Fabric and admin sockets are bound; served later.
    BindSockets,
    /// The cluster marker is read, or written durably.
    ClusterMarker,
    /// The metadata server's database is opened.
    OpenMetadataStore,
    /// The log server's database is opened.
    OpenLogStore,
    /// The partition store's database is opened, before anybody needs it.
    OpenPartitionStore,
    /// The other roles are built.
    BuildRoles,
    /// The fabric's socket is bound.
    BindFabric,
    /// Fetching the cluster's metadata begins, in the background.
    FetchMetadata,
    /// The fabric answers.
    ServeFabric,
    /// The metadata server's task starts, and on node-1 the task that provisions the cluster.
    StartMetadataServer,
    /// The node enters itself in the cluster's configuration.
    Join,
    /// The cluster marker is rewritten durably, at the first start.
    MarkProvisioned,
    /// The failure detector tells the others that the node comes up.
    FailureDetector,
    /// Logs and partition table are known.
    AwaitMetadata,
    /// The node tells its id.
    NodeId,
    /// Schema and partition table are read from the store, each as often as its retry policy allows.
    SyncMetadata,
    /// The chain of logs is read, or written where there is none.
    StartBifrost,
    /// The local loglet's database is opened, which nobody uses.
    OpenLocalLoglet,
    /// The log store is marked and entered as read-write.
    LogServer,
    /// The ingress starts.
    Ingress,
    /// The worker starts, and in the background enters itself as active.
    Worker,
    /// The admin API's socket is bound.
    BindAdmin,
    /// The admin API answers.
    Admin,
}

impl Step {
    /// What a timeline calls the step.
    pub fn title(self) -> &'static str {
        match self {
            Step::Boot => "process boot",
            Step::BindSockets => "bind sockets",
            Step::ClusterMarker => "cluster marker",
            Step::OpenMetadataStore => "open metadata database",
            Step::OpenLogStore => "open log database",
            Step::OpenPartitionStore => "open partition database",
            Step::BindFabric => "bind fabric",
            Step::FetchMetadata => "fetch metadata",
            Step::SyncMetadata => "sync metadata",
            Step::StartBifrost => "start bifrost",
            Step::OpenLocalLoglet => "open local loglet database",
            Step::BindAdmin => "bind admin",
            Step::BuildRoles => "build roles",
            Step::ServeFabric => "serve fabric",
            Step::StartMetadataServer => "start metadata server",
            Step::Join => "join cluster",
            Step::MarkProvisioned => "mark as provisioned",
            Step::FailureDetector => "start failure detector",
            Step::AwaitMetadata => "await logs and partition table",
            Step::NodeId => "node id",
            Step::LogServer => "provision log server",
            Step::Ingress => "start ingress",
            Step::Worker => "start worker",
            Step::Admin => "start admin api",
        }
    }
}

/// The step as a model file names it.
fn name_of(step: Step) -> String {
    toml::Value::try_from(step).map_or_else(|_| String::new(), |name| name.to_string())
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
            if let Some(stranger) = these.iter().find(|name| !names.contains(name)) {
                return Err(values.wrong(key, no_node(stranger, &names)));
            }
        }
        if let Some(restart) = cluster.cluster.script.iter().find(|restart| !names.contains(&restart.node)) {
            return Err(values.wrong("cluster.script", no_node(&restart.node, &names)));
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
        cluster.check_order(values)?;
        Ok(cluster)
    }

    /// Reads and checks the parameters for a scenario that writes to logs.
    ///
    /// # Errors
    ///
    /// Names the parameter.
    pub fn with_logs(values: &Values) -> Result<ClusterSettings, SettingsError> {
        let cluster = ClusterSettings::from_values(values)?;
        let (copies, nodes) = (cluster.log.replication, cluster.cluster.nodes);
        if !(1..=nodes).contains(&u32::from(copies)) {
            let problem = format!("is {copies}, and there are {nodes} nodes: the range is 1 to {nodes}");
            return Err(values.wrong("log.replication", problem));
        }
        Ok(cluster)
    }

    /// A step needs what earlier ones made.
    fn check_order(&self, values: &Values) -> Result<(), SettingsError> {
        let startup = &self.node.startup;
        let place = |step: Step| startup.iter().position(|&other| other == step);
        let needs = [
            (Step::StartMetadataServer, Step::OpenMetadataStore),
            (Step::StartMetadataServer, Step::ServeFabric),
            (Step::Join, Step::StartMetadataServer),
            (Step::MarkProvisioned, Step::Join),
            (Step::AwaitMetadata, Step::Join),
            (Step::FailureDetector, Step::MarkProvisioned),
            (Step::NodeId, Step::MarkProvisioned),
            (Step::SyncMetadata, Step::NodeId),
            (Step::StartBifrost, Step::NodeId),
            (Step::LogServer, Step::OpenLogStore),
            (Step::LogServer, Step::NodeId),
            (Step::Worker, Step::NodeId),
            (Step::Admin, Step::NodeId),
        ];
        for (step, needed) in needs {
            if let Some(at) = place(step)
                && place(needed).is_none_or(|other| other > at)
            {
                let problem = format!("{} needs {} before it", name_of(step), name_of(needed));
                return Err(values.wrong("node.startup", problem));
            }
        }
        for (step, early, late) in [
            (Step::ServeFabric, Step::BindSockets, Step::BindFabric),
            (Step::Admin, Step::BindSockets, Step::BindAdmin),
        ] {
            let bound = [early, late].map(|bind| place(bind).filter(|&at| Some(at) < place(step)));
            if place(step).is_some() && bound.iter().flatten().count() != 1 {
                let problem = format!("{} needs its port bound once before it", name_of(step));
                return Err(values.wrong("node.startup", problem));
            }
        }
        if place(Step::Admin).is_none() {
            return Err(values.wrong("node.startup", "needs \"admin\", which is what the harness waits for"));
        }
        let repeated = startup.iter().enumerate().find(|(at, step)| startup[..*at].contains(step));
        if let Some((_, step)) = repeated {
            return Err(values.wrong("node.startup", format!("has the step `{}` twice", step.title())));
        }
        Ok(())
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
