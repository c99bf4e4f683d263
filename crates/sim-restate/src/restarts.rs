//! The scenario `restarts`: a cluster starts, and its nodes are started again, one after the other.

use crate::runner::{Cluster, Signal};
use crate::settings::{ClusterSettings, ScriptedRestart, TopologySettings};
use stormglass_core::Seed;
use stormglass_rt as rt;
use stormglass_sim::{Scenario, World, scenario};

/// Three nodes start on empty disks. Once all are healthy a node drawn by chance is killed, or told to stop, and started again on what its disk
/// has kept; the harness waits for its admin API. After each start there is a pause. `cluster.script` says instead which node it is, how it ends and when.
///
/// This is how the real cluster was measured that [`crate::fidelity`] compares with, and what the chaos test does to its nodes.
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

/// What is restarted, how and when: as written down, or drawn.
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
