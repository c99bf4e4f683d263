//! The scenario `trim-gap`: Restate's test `fast_forward_over_trim_gap`, from its start to its verdict.

use crate::control::{ControlRequest, ControlResponse};
use crate::ingress::Response;
use crate::log::Lsn;
use crate::partition::PartitionId;
use crate::partition::log_lines::{gap_text, import_text, started_text};
use crate::partition::state::Handler;
use crate::runner::{Cluster, Setup, Signal};
use crate::settings::{ClusterSettings, TRIM_GAP_MODELS};
use crate::shipped::PROFILES;
use crate::tools::{Admin, Ingress, POLL, REPOSITORY, converge, register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::{RetryPolicy, Roles};
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_core::latency::HumanDuration;
use stormglass_rt as rt;
use stormglass_sim::{Parameters, Play, Preset, Scenario, Settings, SettingsError, World};

/// A partition's log is trimmed up to a snapshot; a node that joins without the snapshot repository cannot go on; started again with it, it imports
/// the snapshot and catches up.
///
/// The test's steps and limits at both dates are those of restatedev/restate `server/tests/trim_gap_handling.rs`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrimGap;

/// The limits of the test's own waits: all observers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrimGapSettings {
    /// Whether the first nodes have a snapshot repository. Default: true.
    pub starts_with_repository: bool,
    /// On how many nodes the partition shall be once the new one has joined; 0 leaves it as it is. Default: 2.
    pub expands_to: u8,
    /// For each first node's partition to start. Default: 180 s, the test runner's own limit.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub partition_started: Duration,
    /// For the partition to have a leader. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub leader: Duration,
    /// For the first call of the service. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub first_call: Duration,
    /// How the first call is repeated when it is refused. Default: 500 ms, without end.
    pub first_call_retry: RetryPolicy,
    /// For the snapshot. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub snapshot: Duration,
    /// For the new node to meet the gap. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub gap_met: Duration,
    /// For the new node to import the snapshot. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub import: Duration,
    /// For the call through the new node. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub last_call: Duration,
    /// For all replicas to have applied the same. Default: 180 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub applied: Duration,
}

impl Default for TrimGapSettings {
    fn default() -> TrimGapSettings {
        const NEXTEST: Duration = Duration::from_secs(180);
        TrimGapSettings {
            starts_with_repository: true,
            expands_to: 2,
            partition_started: NEXTEST,
            leader: NEXTEST,
            first_call: NEXTEST,
            first_call_retry: RetryPolicy { jitter: 0.0, ..RetryPolicy::exponential(500, 1.0, 500, None) },
            snapshot: NEXTEST,
            gap_met: NEXTEST,
            import: NEXTEST,
            last_call: NEXTEST,
            applied: NEXTEST,
        }
    }
}

const SECTION: &str = "trim-gap";

fn parse(settings: &Settings) -> Result<(ClusterSettings, TrimGapSettings), SettingsError> {
    let own: TrimGapSettings = settings.section(SECTION)?;
    let retry = own.first_call_retry.validate();
    retry.map_err(|problem| settings.wrong("trim-gap.first-call-retry", problem))?;
    Ok((ClusterSettings::with_logs(settings)?, own))
}

impl Scenario for TrimGap {
    fn name(&self) -> &str {
        "trim-gap"
    }

    fn about(&self) -> &str {
        "a new replica meets a trimmed log, and goes on from a snapshot once it has the repository"
    }

    fn models(&self) -> &[Preset] {
        TRIM_GAP_MODELS
    }

    fn profiles(&self) -> &[Preset] {
        PROFILES
    }

    fn defaults(&self) -> Parameters {
        ClusterSettings::defaults().with(SECTION, &TrimGapSettings::default())
    }

    fn overrides(&self) -> toml::Table {
        toml::toml! {
            [run]
            horizon = "300s"
        }
    }

    fn validate(&self, settings: &Settings) -> Result<(), SettingsError> {
        parse(settings).map(drop)
    }

    fn nodes(&self, settings: &Settings) -> Vec<String> {
        ClusterSettings::nodes(settings)
    }

    fn play(&self, world: World, settings: &Settings) -> Play {
        let (cluster, own) = parse(settings).expect("validated when resolved");
        Box::pin(async move { Test::start(world, cluster, own).run().await })
    }
}

/// The only partition.
const PARTITION: PartitionId = PartitionId(0);

struct Test {
    world: World,
    cluster: Cluster,
    own: TrimGapSettings,
    with_repository: Setup,
}

impl Test {
    fn start(world: World, settings: ClusterSettings, own: TrimGapSettings) -> Test {
        let repository = Some(world.node(REPOSITORY).disk().clone());
        let with_repository = Setup { repository, ..Setup::ALL };
        let first = if own.starts_with_repository { &with_repository } else { &Setup::ALL };
        let cluster = Cluster::start_with(&world, settings, first);
        Test { world, cluster, own, with_repository }
    }

    async fn run(mut self) {
        let first: Vec<usize> = (0..self.cluster.len()).collect();
        self.cluster.wait_provisioned().await;
        self.cluster.wait_healthy(self.cluster.settings().admin.limit()).await;
        for &place in &first {
            self.line(
                place,
                0,
                "partition started",
                Limit::of("trim-gap.partition-started", self.own.partition_started),
                |line| line == started_text(PARTITION),
            )
            .await;
        }
        self.leader().await;
        register(&self.world, &self.cluster, 0).await;
        self.first_call().await;
        let Some(snapshot) = self.snapshot().await else { return };

        let worker = Setup { roles: Roles::WORKER, repository: None };
        let from = self.cluster.journal().len();
        let name = format!("node-{}", first.len() + 1);
        let new = self.cluster.add(&name, worker);
        let gap_met = Limit::of("trim-gap.gap-met", self.own.gap_met);
        if self.own.expands_to > 0 {
            self.line(new, from, "node id", gap_met, |line| line.starts_with("My Node ID")).await;
            let _ = Admin::of(&self.cluster, 0).ask(ControlRequest::Replicate(self.own.expands_to)).await;
        }
        let gap = |line: &str| line.starts_with(gap_prefix().as_str()) && line.ends_with(NO_REPOSITORY);
        self.line(new, from, "trim gap met", gap_met, gap).await;

        self.cluster.stop(new, Signal::Term).await;
        let from = self.cluster.journal().len();
        let setup = Setup { roles: Roles::WORKER, ..self.with_repository.clone() };
        self.cluster.start_again(new, setup);
        let import = import_text(&snapshot);
        self.line(new, from, "snapshot import", Limit::of("trim-gap.import", self.own.import), |line| {
            line == import
        })
        .await;
        self.last_call(new).await;
        let all: Vec<usize> = (0..self.cluster.len()).collect();
        converge(
            &self.world,
            &self.cluster,
            PARTITION,
            &all,
            Limit::of("trim-gap.applied", self.own.applied),
        )
        .await;
    }

    /// Waits for a line in a node's log.
    async fn line(&self, place: usize, from: usize, name: &str, limit: Limit, accept: impl Fn(&str) -> bool) {
        let node = self.cluster.node(place).name();
        self.world.wait(name, node, limit, self.cluster.journal().wait(node, from, accept)).await;
    }

    /// Waits until the controller of node-1 has seen a leader.
    async fn leader(&self) {
        let admin = Admin::of(&self.cluster, 0);
        let gap = self.world.recorder().symbol("poll gap");
        let seen = async {
            while admin.observed().await.is_none_or(|observed| observed.leader(PARTITION).is_none()) {
                rt::pause(self.world.recorder(), gap, POLL).await;
            }
        };
        self.world
            .wait("partition leader", "node-1", Limit::of("trim-gap.leader", self.own.leader), seen)
            .await;
    }

    /// The first call, again while it is refused; one whose connection breaks ends the test.
    async fn first_call(&self) {
        let ingress = Ingress::of(&self.cluster, 0);
        let gap = self.world.recorder().symbol("call retry gap");
        let mut delays = self.own.first_call_retry.delays(self.world.seed().stream("first call"));
        let called = async {
            loop {
                match ingress.invoke(0, Handler::Get, None, None).await {
                    Ok(Response::Ok(Some(0))) => return,
                    Ok(Response::NotFound) => match delays.next() {
                        Some(delay) => rt::pause(self.world.recorder(), gap, delay).await,
                        None => return self.world.violated("first-call", "404 as often as it is tried"),
                    },
                    other => return self.world.violated("first-call", format!("node-1 answers {other:?}")),
                }
            }
        };
        self.world
            .wait("first call", "node-1", Limit::of("trim-gap.first-call", self.own.first_call), called)
            .await;
    }

    /// Has a snapshot made and the log trimmed; gives its name.
    async fn snapshot(&self) -> Option<String> {
        const LEAST: Lsn = Lsn(3);
        let admin = Admin::of(&self.cluster, 0);
        let made = admin.ask(ControlRequest::CreateSnapshot(PARTITION, LEAST, true));
        match self
            .world
            .wait("snapshot", "node-1", Limit::of("trim-gap.snapshot", self.own.snapshot), made)
            .await?
        {
            Ok(ControlResponse::Snapshot(Ok(snapshot))) => Some(snapshot.id),
            other => {
                self.world.violated("snapshot-created", format!("{other:?}"));
                None
            }
        }
    }

    /// One call through the new node, which has to work.
    async fn last_call(&self, place: usize) {
        let node = self.cluster.node(place).name();
        let ingress = Ingress::of(&self.cluster, place);
        let called = async {
            let response = ingress.invoke(0, Handler::Get, None, None).await;
            if !matches!(response, Ok(Response::Ok(Some(0)))) {
                self.world.violated("last-call", format!("{node} answers {response:?}"));
            }
        };
        self.world.wait("last call", node, Limit::of("trim-gap.last-call", self.own.last_call), called).await;
    }
}

const NO_REPOSITORY: &str = "no snapshot repository is configured";

/// How the line about the gap begins, whatever the gap.
fn gap_prefix() -> String {
    let text = gap_text(PARTITION, Lsn(0));
    text[..text.find(" 0,").unwrap_or(text.len())].to_string()
}
