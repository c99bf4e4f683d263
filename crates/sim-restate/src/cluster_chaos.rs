//! The scenario `cluster-chaos`: Restate's test `cluster_chaos_test`.

use crate::ingress::Response;
use crate::machine::process_of_test;
use crate::partition::PartitionId;
use crate::partition::state::Handler;
use crate::runner::{Cluster, Setup, Signal};
use crate::settings::{CHAOS_MODELS, TestParameters, TestSettings};
use crate::tools::{Ingress, REPOSITORY, converge, register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_rt::{self as rt, Watch};
use stormglass_sim::{Parameters, Preset, Scenario, World, scenario};

/// Restate's test `cluster_chaos_test`. Of three nodes with every role, one after the other is
/// restarted, while one writer adds to a counter through any of the three. After each restart all
/// nodes have to become healthy and a write has to be acknowledged, each within its limit. Every
/// acknowledged add has to return the number of adds acknowledged so far: none is lost, and none
/// counts twice.
///
/// The test's steps and limits at both dates are those of restatedev/restate
/// `server/tests/cluster.rs`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClusterChaos;

/// The test's own parameters.
#[derive(Clone, Debug, PartialEq, Eq, Parameters)]
#[parameters(crate = "stormglass_sim", validate)]
pub struct ClusterChaosSettings {
    /// The time during which nodes are restarted and the writer writes. Default: 60 s.
    #[parameter(default = "60s")]
    pub duration: Duration,
    /// The limit of the wait for healthy nodes after the first start: an observer. Default: 30 s.
    #[parameter(default = "30s")]
    pub first_healthy: Limit,
    /// The limit of the wait for healthy nodes after a restart: an observer. Default: 10 s.
    #[parameter(default = "10s")]
    pub healthy: Limit,
    /// The limit of the wait for the first acknowledged add after that: an observer. Default: 30
    /// s.
    #[parameter(default = "30s")]
    pub recovery: Limit,
    /// The limit of a request of the writer; 0 s means no limit. Default: 5 s.
    #[parameter(default = "5s")]
    pub request_timeout: Duration,
    /// The writer's pause after a request that failed without a response. Default: 200 ms.
    #[parameter(default = "200ms")]
    pub failed_pause: Duration,
    /// Whether the nodes have a snapshot repository; those of the real test have none. Default:
    /// false.
    pub repository: bool,
    /// The signals that stop nodes. Default: `both`.
    #[parameter(default = Signals::Both)]
    pub signals: Signals,
    /// The limit of the wait for equal replicas at the end: an observer; the real test has no
    /// such wait. Default: 60 s.
    #[parameter(default = "60s")]
    pub converged: Limit,
}

/// The signals that stop nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signals {
    /// SIGKILL.
    Kill,
    /// SIGKILL or SIGTERM.
    Both,
}

impl ClusterChaosSettings {
    fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.failed_pause.is_zero() {
            return Err(("failed-pause", "must be above 0s".into()));
        }
        Ok(())
    }
}

impl TestParameters for ClusterChaosSettings {
    const MODELS: &'static [Preset] = CHAOS_MODELS;
}

#[scenario(about = "nodes are restarted, one after the other, while a writer adds to a counter")]
impl Scenario for ClusterChaos {
    async fn play(&self, world: World, TestSettings { cluster, test }: TestSettings<ClusterChaosSettings>) {
        let repository = test.repository.then(|| process_of_test(&world, REPOSITORY).disk().clone());
        let cluster = Cluster::start_with(&world, cluster, &Setup { repository, ..Setup::ALL });
        cluster.wait_provisioned().await;
        cluster.wait_healthy(test.first_healthy).await;
        register(&world, &cluster, 0).await;
        play(&world, cluster, &test).await;
    }
}

/// The counter that the writer adds to.
const COUNTER: u64 = 1;

async fn play(world: &World, mut cluster: Cluster, own: &ClusterChaosSettings) {
    let successes = Watch::new(world.recorder(), 0u64);
    let writer = Writer {
        world: world.clone(),
        ingresses: (0..cluster.len()).map(|place| Ingress::of(&cluster, place)).collect(),
        successes: successes.clone(),
        own: own.clone(),
    };
    let writer = rt::spawn(world.recorder(), "writer", writer.work()).abort_handle();
    let ends = rt::now() + own.duration;
    let mut chance = world.seed().stream("cluster-chaos");
    while rt::now() < ends {
        let place = chance.below(cluster.len() as u64) as usize;
        let term = own.signals == Signals::Both && chance.below(2) == 1;
        cluster.restart(place, if term { Signal::Term } else { Signal::Kill }).await;
        let before = successes.get();
        cluster.wait_healthy(own.healthy).await;
        let new = successes.until(|&now| now > before);
        world.wait("a new success", cluster.node(place).name(), own.recovery, new).await;
    }
    writer.abort();
    let acknowledged = successes.get();
    if acknowledged <= 1 {
        world.violated("progress", format!("{acknowledged} adds were acknowledged"));
    }
    let partition = PartitionId::of(COUNTER, cluster.settings().partition.count);
    let places: Vec<usize> = (0..cluster.len()).collect();
    converge(world, &cluster, partition, &places, own.converged).await;
}

/// A client that adds to the counter, one request after the other, through any node.
struct Writer {
    world: World,
    ingresses: Vec<Ingress>,
    successes: Watch<u64>,
    own: ClusterChaosSettings,
}

impl Writer {
    async fn work(self) {
        let limit = Some(self.own.request_timeout).filter(|limit| !limit.is_zero());
        let pause = self.world.recorder().symbol("writer pause");
        let mut chance = self.world.seed().stream("writer");
        loop {
            let ingress = &self.ingresses[chance.below(self.ingresses.len() as u64) as usize];
            let key = self.successes.get();
            match ingress.invoke(COUNTER, Handler::Add(1), Some(key), limit).await {
                Ok(Response::Ok(Some(value))) => {
                    let expected = key + 1;
                    if value != expected as i64 {
                        let evidence = format!("add {expected} was acknowledged as {value}");
                        self.world.violated("exactly-once", evidence);
                    }
                    self.successes.set(expected);
                }
                Ok(_) => {}
                Err(_) => rt::pause(self.world.recorder(), pause, self.own.failed_pause).await,
            }
        }
    }
}
