//! The steps of a node's start, and which step needs which others before it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of a node's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The process starts.
    Boot,
    /// The fabric's and the admin API's sockets are bound; they are served later.
    BindSockets,
    /// The cluster marker is read, or written durably.
    ClusterMarker,
    /// The metadata server's database is opened.
    OpenMetadataStore,
    /// The log server's database is opened.
    OpenLogStore,
    /// The partition store's database is opened before a partition needs it.
    OpenPartitionStore,
    /// The other roles are built.
    BuildRoles,
    /// The fabric's socket is bound.
    BindFabric,
    /// The node begins to fetch the cluster's metadata, in the background.
    FetchMetadata,
    /// The fabric answers.
    ServeFabric,
    /// The metadata server's task starts, and on node-1 the task that provisions the cluster.
    StartMetadataServer,
    /// The node adds itself to the cluster's configuration.
    Join,
    /// The cluster marker is rewritten durably, at the node's first start.
    MarkProvisioned,
    /// The failure detector sends the other nodes the message that this node starts.
    FailureDetector,
    /// The node waits until it has the logs and the partition table.
    AwaitMetadata,
    /// The node logs its id.
    NodeId,
    /// The node reads the schema and the partition table from the store, each as often as the
    /// retry policy allows.
    SyncMetadata,
    /// The node reads the chains of logs, or writes the first version if there is none.
    StartBifrost,
    /// The local loglet's database is opened. Nothing uses it.
    OpenLocalLoglet,
    /// The log store is marked and registered as read-write.
    LogServer,
    /// The ingress starts.
    Ingress,
    /// The worker starts, and registers itself as active in the background.
    Worker,
    /// The admin API's socket is bound.
    BindAdmin,
    /// The admin API answers.
    Admin,
}

impl Step {
    /// Returns the step's name in timelines.
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

/// Returns the step's name in model files.
fn name_of(step: Step) -> String {
    toml::Value::try_from(step).map_or_else(|_| String::new(), |name| name.to_string())
}

/// Checks that each step comes after the steps that it needs, and that no step comes twice.
pub(super) fn check_order(startup: &[Step]) -> Result<(), String> {
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
            return Err(problem);
        }
    }
    for (step, early, late) in [
        (Step::ServeFabric, Step::BindSockets, Step::BindFabric),
        (Step::Admin, Step::BindSockets, Step::BindAdmin),
    ] {
        let bound = [early, late].map(|bind| place(bind).filter(|&at| Some(at) < place(step)));
        if place(step).is_some() && bound.iter().flatten().count() != 1 {
            let problem = format!("{} needs its port bound once before it", name_of(step));
            return Err(problem);
        }
    }
    if place(Step::Admin).is_none() {
        return Err("needs \"admin\", which is what the harness waits for".to_string());
    }
    let repeated = startup.iter().enumerate().find(|(at, step)| startup[..*at].contains(step));
    if let Some((_, step)) = repeated {
        return Err(format!("has the step `{}` twice", step.title()));
    }
    Ok(())
}
