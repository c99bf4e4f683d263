//! The scenario `cluster-chaos`: Restate's test `cluster_chaos_test`.

use crate::ingress::Response;
use crate::partition::PartitionId;
use crate::partition::state::Handler;
use crate::runner::{Cluster, Setup, Signal};
use crate::settings::{CHAOS_MODELS, ClusterSettings};
use crate::shipped::PROFILES;
use crate::tools::{Ingress, REPOSITORY, converge, register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_core::latency::HumanDuration;
use stormglass_rt::{self as rt, Watch};
use stormglass_sim::{Parameters, Play, Preset, Scenario, Settings, SettingsError, World};

/// Three nodes with every role. Again and again one of them is restarted, while one writer adds to a counter through any of the three; after each restart all nodes have to be healthy and a write has to
/// be acknowledged, each within its limit. Every acknowledged add has to tell the number of those acknowledged so far: none is lost, none counts twice.
///
/// The test's steps and limits at both dates are those of restatedev/restate `server/tests/cluster.rs`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClusterChaos;

/// The test's own parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClusterChaosSettings {
    /// How long nodes are restarted and a writer writes. Default: 60 s.
    #[serde(with = "HumanDuration")]
    pub duration: Duration,
    /// The limit of the first start's health: an observer. Default: 30 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub first_healthy: Duration,
    /// The limit of the health after a restart: an observer. Default: 10 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub healthy: Duration,
    /// The limit of the wait for a new acknowledged add after that: an observer. Default: 30 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub recovery: Duration,
    /// The limit of a request of the writer; 0 s has none. Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
    /// The writer's pause after a request that failed on its way. Default: 200 ms.
    #[serde(with = "HumanDuration")]
    pub failed_pause: Duration,
    /// Whether nodes have a snapshot repository; the real test's have none. Default: false.
    pub repository: bool,
    /// How nodes are stopped. Default: `both`.
    pub signals: Signals,
    /// The limit of the wait for equal replicas at the end: an observer; the real test has none. Default: 60 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub converged: Duration,
}

/// How nodes are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signals {
    /// By SIGKILL.
    Kill,
    /// By SIGKILL or SIGTERM.
    Both,
}

impl Default for ClusterChaosSettings {
    fn default() -> ClusterChaosSettings {
        ClusterChaosSettings {
            duration: Duration::from_secs(60),
            first_healthy: Duration::from_secs(30),
            healthy: Duration::from_secs(10),
            recovery: Duration::from_secs(30),
            request_timeout: Duration::from_secs(5),
            failed_pause: Duration::from_millis(200),
            repository: false,
            signals: Signals::Both,
            converged: Duration::from_secs(60),
        }
    }
}

const SECTION: &str = "cluster-chaos";

fn parse(settings: &Settings) -> Result<(ClusterSettings, ClusterChaosSettings), SettingsError> {
    let own: ClusterChaosSettings = settings.section(SECTION)?;
    if own.failed_pause.is_zero() {
        return Err(settings.wrong("cluster-chaos.failed-pause", "must be above 0s"));
    }
    Ok((ClusterSettings::with_logs(settings)?, own))
}

impl Scenario for ClusterChaos {
    fn name(&self) -> &str {
        "cluster-chaos"
    }

    fn about(&self) -> &str {
        "nodes are restarted, one after the other, while a writer adds to a counter"
    }

    fn models(&self) -> &[Preset] {
        CHAOS_MODELS
    }

    fn profiles(&self) -> &[Preset] {
        PROFILES
    }

    fn defaults(&self) -> Parameters {
        ClusterSettings::defaults().with(SECTION, &ClusterChaosSettings::default())
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
        let (settings, own) = parse(settings).expect("validated when resolved");
        Box::pin(async move {
            let repository = own.repository.then(|| world.node(REPOSITORY).disk().clone());
            let cluster = Cluster::start_with(&world, settings, &Setup { repository, ..Setup::ALL });
            cluster.wait_provisioned().await;
            cluster.wait_healthy(Limit::of("cluster-chaos.first-healthy", own.first_healthy)).await;
            register(&world, &cluster, 0).await;
            play(&world, cluster, &own).await;
        })
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
    let writer = rt::spawn(world.recorder(), "writer", writer.work());
    let ends = rt::now() + own.duration;
    let mut chance = world.seed().stream("cluster-chaos");
    while rt::now() < ends {
        let place = chance.below(cluster.len() as u64) as usize;
        let term = own.signals == Signals::Both && chance.below(2) == 1;
        cluster.restart(place, if term { Signal::Term } else { Signal::Kill }).await;
        let before = successes.get();
        cluster.wait_healthy(Limit::of("cluster-chaos.healthy", own.healthy)).await;
        let new = successes.until(|&now| now > before);
        world
            .wait(
                "a new success",
                cluster.node(place).name(),
                Limit::of("cluster-chaos.recovery", own.recovery),
                new,
            )
            .await;
    }
    writer.abort();
    let acknowledged = successes.get();
    if acknowledged <= 1 {
        world.violated("progress", format!("{acknowledged} adds were acknowledged"));
    }
    let partition = PartitionId::of(COUNTER, cluster.settings().partition.count);
    let places: Vec<usize> = (0..cluster.len()).collect();
    converge(world, &cluster, partition, &places, Limit::of("cluster-chaos.converged", own.converged)).await;
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
