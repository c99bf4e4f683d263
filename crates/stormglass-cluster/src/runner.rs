//! What starts a cluster and watches it, as the real `local-cluster-runner` does.

use crate::node::{self, ADMIN_PORT, Healthy, Start};
use crate::settings::{AdminCheck, ClusterSettings};
use std::sync::Arc;
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_sim::{Node, World};

/// The harness's own name.
const RUNNER: &str = "runner";

/// A running cluster.
pub struct Cluster {
    world: World,
    settings: Arc<ClusterSettings>,
    nodes: Vec<Node>,
    runner: Host,
}

impl Cluster {
    /// Starts all nodes at once, on one machine, node-1 provisioning the cluster.
    pub fn start(world: &World, settings: ClusterSettings) -> Cluster {
        let settings = Arc::new(settings);
        let names: Vec<String> =
            (1..=settings.cluster.nodes).map(|number| format!("node-{number}")).collect();
        let nodes: Vec<Node> = names.iter().map(|name| world.node(name)).collect();
        for (place, node) in nodes.iter().enumerate() {
            let (settings, peers, seed) = (settings.clone(), names.clone(), world.seed());
            node::start(node, Start { settings, peers, seed, life: 1, provisions: place == 0 });
        }
        let runner = world.node(RUNNER).host().clone();
        Cluster { world: world.clone(), settings, nodes, runner }
    }

    /// Waits until the admin API of every node answers: one wait for each node, all at once.
    pub async fn wait_admin_healthy(&self) {
        let waits = self.nodes.iter().map(|node| {
            let (world, runner, check) =
                (self.world.clone(), self.runner.clone(), self.settings.admin.clone());
            let name = node.name().to_string();
            let recorder = world.recorder().clone();
            let admin = node.host().address(ADMIN_PORT);
            rt::follow_new(&recorder, &format!("wait for {name}"), async move {
                let channel = runner.channel::<(), Healthy>(admin);
                world.wait("admin", &name, check.deadline, poll(&channel, &check, world.recorder())).await;
            })
        });
        rt::join_all(waits.collect()).await;
    }
}

/// Asks until there is an answer: again a poll interval after each failure.
async fn poll(
    channel: &stormglass_net::Channel<(), Healthy>,
    check: &AdminCheck,
    recorder: &stormglass_core::Recorder,
) {
    let gap = recorder.symbol("health poll gap");
    loop {
        let healthy = if check.request_timeout.is_zero() {
            channel.call(()).await.is_ok()
        } else {
            matches!(rt::timeout(check.request_timeout, channel.call(())).await, Some(Ok(Healthy)))
        };
        if healthy {
            return;
        }
        rt::pause(recorder, gap, check.poll_interval).await;
    }
}
