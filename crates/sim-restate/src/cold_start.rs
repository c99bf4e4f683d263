//! The scenario `cold-start`: a cluster on empty disks, until every admin API answers.

use crate::runner::Cluster;
use crate::settings::ClusterSettings;
use stormglass_sim::{Exhibit, Scenario, World, scenario};

/// The start of `fast_forward_over_trim_gap` in restatedev/restate#2973: node-1 logs its id after
/// 7.35 s, and its admin API does not answer within 10 s.
const EXHIBITS: &[Exhibit] = &[Exhibit {
    name: "incident-2973",
    about: "the bad day of March 2025: two nodes start, the disk stands nearly still, node-1 is late",
    model: "restate-m25",
    profile: "ci-2025-03",
    sets: &[("cluster.nodes", "2")],
    seed: 74_687,
}];

/// A cluster of three nodes that start at the same instant on empty disks, while the harness
/// waits for each node's admin API.
///
/// The tests that failed with "timed out waiting for Admin on node-1" begin this way.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColdStart;

#[scenario(about = "a cluster starts on empty disks; the harness waits for every admin API")]
impl Scenario for ColdStart {
    fn exhibits(&self) -> &[Exhibit] {
        EXHIBITS
    }

    async fn play(&self, world: World, settings: ClusterSettings) {
        let cluster = Cluster::start(&world, settings);
        cluster.wait_provisioned().await;
        cluster.wait_admin_healthy().await;
    }
}
