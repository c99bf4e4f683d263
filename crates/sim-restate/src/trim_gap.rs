//! The scenario `trim-gap`: Restate's test `fast_forward_over_trim_gap`, from start to verdict.

use crate::control::{ControlRequest, ControlResponse};
use crate::ingress::Response;
use crate::log::Lsn;
use crate::machine::process_of_test;
use crate::partition::PartitionId;
use crate::partition::log_lines::{gap_text, import_text, started_text};
use crate::partition::state::Handler;
use crate::runner::{Cluster, Setup, Signal};
use crate::settings::{ClusterSettings, TRIM_GAP_MODELS, TestParameters, TestSettings};
use crate::tools::{Admin, Ingress, POLL, REPOSITORY, converge, register};
use sim_raft::{RetryPolicy, Roles};
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_rt as rt;
use stormglass_sim::{Parameters, Preset, Scenario, World, scenario};

/// Restate's test `fast_forward_over_trim_gap`. A partition's log is trimmed up to a snapshot. A
/// node that joins without the snapshot repository cannot continue at the gap; restarted with the
/// repository, it imports the snapshot and catches up.
///
/// The test's steps and limits at both dates are those of restatedev/restate
/// `server/tests/trim_gap_handling.rs`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrimGap;

/// The time limit of a test under nextest, which runs the real test.
const NEXTEST: Duration = Duration::from_secs(180);

/// The parameters of the test; the limits of its own waits are observers.
#[derive(Clone, Debug, PartialEq, Parameters)]
#[parameters(crate = "stormglass_sim", validate)]
pub struct TrimGapSettings {
    /// Whether the first nodes have a snapshot repository. Default: true.
    #[parameter(default = true)]
    pub starts_with_repository: bool,
    /// The number of nodes that the partition is replicated to after the new node has joined; 0
    /// leaves it unchanged. Default: 2.
    #[parameter(default = 2)]
    pub expands_to: u8,
    /// The limit of the wait for the partition to start on each of the first nodes. Default: 180
    /// s, the test runner's own limit.
    #[parameter(default = NEXTEST)]
    pub partition_started: Limit,
    /// The limit of the wait for the partition's leader. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub leader: Limit,
    /// The limit of the first call of the service. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub first_call: Limit,
    /// The pauses between the attempts of the first call while it is refused. Default: 500 ms,
    /// without end.
    #[parameter(default = RetryPolicy { jitter: 0.0, ..RetryPolicy::exponential(500, 1.0, 500, None) })]
    pub first_call_retry: RetryPolicy,
    /// The limit of the wait for the snapshot. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub snapshot: Limit,
    /// The limit of the wait for the new node to reach the trim gap. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub gap_met: Limit,
    /// The limit of the wait for the new node to import the snapshot. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub import: Limit,
    /// The limit of the call through the new node. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub last_call: Limit,
    /// The limit of the wait for all replicas to have applied the same records. Default: 180 s.
    #[parameter(default = NEXTEST)]
    pub applied: Limit,
}

impl TrimGapSettings {
    fn validate(&self) -> Result<(), (&'static str, String)> {
        self.first_call_retry.validate().map_err(|problem| ("first-call-retry", problem.to_string()))
    }
}

impl TestParameters for TrimGapSettings {
    const MODELS: &'static [Preset] = TRIM_GAP_MODELS;
}

#[scenario(
    about = "a new replica meets a trimmed log, and goes on from a snapshot once it has the repository"
)]
impl Scenario for TrimGap {
    async fn play(&self, world: World, TestSettings { cluster, test }: TestSettings<TrimGapSettings>) {
        Test::start(world, cluster, test).run().await;
    }
}

/// The only partition of the cluster.
const PARTITION: PartitionId = PartitionId(0);

struct Test {
    world: World,
    cluster: Cluster,
    own: TrimGapSettings,
    with_repository: Setup,
}

impl Test {
    fn start(world: World, settings: ClusterSettings, own: TrimGapSettings) -> Test {
        let repository = Some(process_of_test(&world, REPOSITORY).disk().clone());
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
            self.line(place, 0, "partition started", self.own.partition_started, |line| {
                line == started_text(PARTITION)
            })
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
        let gap_met = self.own.gap_met;
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
        self.line(new, from, "snapshot import", self.own.import, |line| line == import).await;
        self.last_call(new).await;
        let all: Vec<usize> = (0..self.cluster.len()).collect();
        converge(&self.world, &self.cluster, PARTITION, &all, self.own.applied).await;
    }

    /// Waits until a node logs a line that `accept` accepts, from the line with index `from` on.
    async fn line(&self, place: usize, from: usize, name: &str, limit: Limit, accept: impl Fn(&str) -> bool) {
        let node = self.cluster.node(place).name();
        self.world.wait(name, node, limit, self.cluster.journal().wait(node, from, accept)).await;
    }

    /// Waits until the controller of node-1 has observed a leader of the partition.
    async fn leader(&self) {
        let admin = Admin::of(&self.cluster, 0);
        let gap = self.world.recorder().symbol("poll gap");
        let seen = async {
            while admin.observed().await.is_none_or(|observed| observed.leader(PARTITION).is_none()) {
                rt::pause(self.world.recorder(), gap, POLL).await;
            }
        };
        self.world.wait("partition leader", "node-1", self.own.leader, seen).await;
    }

    /// Makes the first call, and repeats it while it is refused. Any other failure, such as a
    /// broken connection, fails the test.
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
        self.world.wait("first call", "node-1", self.own.first_call, called).await;
    }

    /// Creates a snapshot, trims the log up to it, and returns the snapshot's id.
    async fn snapshot(&self) -> Option<String> {
        const LEAST: Lsn = Lsn(3);
        let admin = Admin::of(&self.cluster, 0);
        let made = admin.ask(ControlRequest::CreateSnapshot(PARTITION, LEAST, true));
        match self.world.wait("snapshot", "node-1", self.own.snapshot, made).await? {
            Ok(ControlResponse::Snapshot(Ok(snapshot))) => Some(snapshot.id),
            other => {
                self.world.violated("snapshot-created", format!("{other:?}"));
                None
            }
        }
    }

    /// Makes one call through the new node; any result but success fails the test.
    async fn last_call(&self, place: usize) {
        let node = self.cluster.node(place).name();
        let ingress = Ingress::of(&self.cluster, place);
        let called = async {
            let response = ingress.invoke(0, Handler::Get, None, None).await;
            if !matches!(response, Ok(Response::Ok(Some(0)))) {
                self.world.violated("last-call", format!("{node} answers {response:?}"));
            }
        };
        self.world.wait("last call", node, self.own.last_call, called).await;
    }
}

const NO_REPOSITORY: &str = "no snapshot repository is configured";

/// Returns the text with which the line about a gap begins, whatever the gap.
fn gap_prefix() -> String {
    let text = gap_text(PARTITION, Lsn(0));
    text[..text.find(" 0,").unwrap_or(text.len())].to_string()
}
