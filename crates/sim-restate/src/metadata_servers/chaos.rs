//! The scenario `raft-metadata-chaos`: faults of servers, links and disks while clients write and
//! read.

use crate::metadata_servers::faults::Breaker;
use crate::metadata_servers::history::{Client, History};
use crate::metadata_servers::servers::Servers;
use crate::metadata_servers::settings::{ChaosSettings, MetadataSettings};
use std::time::Duration;
use stormglass_rt as rt;
use stormglass_sim::{Scenario, World, scenario};

/// Restate's test `raft_metadata_cluster_chaos_test`, with more faults than its SIGKILL and
/// SIGTERM.
///
/// Three metadata servers run under faults for 20 s: processes are killed, stopped and paused,
/// hosts lose power, links are cut or slow, disks are slow or fail. Meanwhile clients read, write
/// on condition and delete, and the facts that members report have to be consistent. After the
/// last fault a write has to be acknowledged and all members have to be equal, each within a
/// deadline. The history of the clients' operations has to be linearizable.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetadataChaos;

#[scenario(
    name = "raft-metadata-chaos",
    about = "metadata servers, their links and disks break while clients write and read"
)]
impl Scenario for MetadataChaos {
    fn overrides(&self) -> toml::Table {
        MetadataSettings::of_the_tests()
    }

    async fn play(&self, world: World, settings: MetadataSettings) {
        let servers = Servers::start(&world, &settings).await;
        all_are_members(&world, &servers, &settings.chaos).await;
        let history = History::default();
        let clients = work(&world, &servers, &settings.chaos, &history);
        for breaker in Breaker::start(&world, &servers, &settings.chaos) {
            while !breaker.is_finished() {
                rt::sleep(Duration::from_millis(500)).await;
                servers.look();
            }
        }
        recovered(&world, &servers, &settings.chaos, &history).await;
        clients.into_iter().for_each(|client| client.abort());
        converged(&world, &servers, &settings.chaos).await;
        history.judge(&world);
    }
}

/// Waits until every server has applied what the others have, its own membership included.
pub(crate) async fn all_are_members(world: &World, servers: &Servers, settings: &ChaosSettings) {
    let client = Client::new(world, servers, settings, 99, &History::default());
    let ready = async {
        client.until_written("ready").await;
        servers.until_equal().await;
    };
    world.wait("all members", "node-1", Duration::from_secs(30), ready).await;
}

/// Starts the clients and returns their tasks.
pub(crate) fn work(
    world: &World,
    servers: &Servers,
    settings: &ChaosSettings,
    history: &History,
) -> Vec<rt::AbortHandle> {
    let client = |number| {
        let client = Client::new(world, servers, settings, number, history);
        if settings.workload.steps.is_empty() {
            return rt::spawn(world.recorder(), "client", client.work()).abort_handle();
        }
        let steps = settings.workload.of(number - 1).cloned().collect();
        rt::spawn(world.recorder(), "client", client.follow(steps)).abort_handle()
    };
    (1..=settings.clients).map(client).collect()
}

/// Waits until a write is acknowledged, after the last fault has ended.
pub(crate) async fn recovered(world: &World, servers: &Servers, settings: &ChaosSettings, history: &History) {
    let client = Client::new(world, servers, settings, 9, history);
    let written = client.until_written("recovered");
    world.wait("a write", "client-9", settings.recovery(), written).await;
}

/// Waits until all members are equal, after the last write.
pub(crate) async fn converged(world: &World, servers: &Servers, settings: &ChaosSettings) {
    world.wait("equal members", "node-1", settings.recovery(), servers.until_equal()).await;
    servers.look();
}
