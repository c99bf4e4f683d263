//! The scenario `restarts`: a cluster starts, and its nodes are restarted one after the other.

use crate::runner::{Cluster, Signal};
use crate::settings::{ClusterSettings, ScriptedRestart, TopologySettings};
use stormglass_core::Seed;
use stormglass_rt as rt;
use stormglass_sim::{Scenario, World, scenario};

/// A cluster whose nodes are restarted one after the other. Three nodes start on empty disks.
/// When all are healthy, the scenario draws a node at random, kills it or sends it SIGTERM, and
/// starts it again with the data on its disk; the harness waits for its admin API. A pause
/// follows each start. `cluster.script` sets the node, the signal and the time of each restart
/// instead.
///
/// The real cluster that [`crate::fidelity`] compares with was measured this way, and Restate's
/// chaos test restarts its nodes this way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restarts;

#[scenario(about = "nodes of a healthy cluster are killed or stopped, and started again")]
impl Scenario for Restarts {
    async fn play(&self, world: World, settings: ClusterSettings) {
        let pause = settings.cluster.pause;
        let script = script(&settings.cluster, world.seed());
        let mut cluster = Cluster::start(&world, settings);
        cluster.wait_provisioned().await;
        cluster.wait_admin_healthy().await;
        for ScriptedRestart { pause, node, signal } in script {
            rt::sleep(pause).await;
            let place = cluster
                .settings()
                .cluster
                .place(&node)
                .expect("a node of the cluster: reading the settings checks that");
            cluster.restart(place, signal).await;
            cluster.wait_admin_healthy_of(place).await;
        }
        rt::sleep(pause).await;
    }
}

/// Returns the restarts: those of `cluster.script`, or random ones if it is empty.
fn script(settings: &TopologySettings, seed: Seed) -> Vec<ScriptedRestart> {
    if !settings.script.is_empty() {
        return settings.script.clone();
    }
    let (names, pause) = (settings.names(), settings.pause);
    let mut chance = seed.stream("restarts");
    let mut restart = |_| {
        let node = names[chance.below(names.len() as u64) as usize].clone();
        let signal = if chance.below(2) == 0 { Signal::Kill } else { Signal::Term };
        ScriptedRestart { pause, node, signal }
    };
    (0..settings.restarts).map(&mut restart).collect()
}
