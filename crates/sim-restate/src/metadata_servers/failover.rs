//! The scenario `raft-failover`: the time from the loss of the leader to the next leader, and to
//! an acknowledged write.

use crate::metadata_servers::chaos::all_are_members;
use crate::metadata_servers::history::{Client, History};
use crate::metadata_servers::servers::Servers;
use crate::metadata_servers::settings::{ChaosSettings, MetadataSettings};
use std::time::Duration;
use stormglass_rt as rt;
use stormglass_sim::{Scenario, World, scenario};

/// Three metadata servers, with Restate's own timings, that lose their leader. The scenario
/// pauses the leader's process, and the two other servers elect one of themselves. Then it kills
/// all three processes, which start again within a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetadataFailover;

#[scenario(
    name = "raft-failover",
    about = "the leader of the metadata servers is gone; how long until there is another"
)]
impl Scenario for MetadataFailover {
    fn defaults(&self) -> MetadataSettings {
        MetadataSettings::unbroken()
    }

    async fn play(&self, world: World, settings: MetadataSettings) {
        let deadline = settings.chaos.recovery();
        let servers = Servers::start(&world, &settings).await;
        all_are_members(&world, &servers, &settings.chaos).await;
        let Some((term, leader)) = servers.leader() else {
            return world.violated("leader", "a write was acknowledged and nobody has led");
        };
        let gone = servers.nodes().iter().find(|node| node.name() == leader).expect("a leader is a server");
        gone.pause();
        world.wait("another leader", "node-1", deadline, later_leader(&servers, term)).await;
        write(&world, &servers, &settings.chaos, "a write without it").await;
        gone.resume();

        let term = servers.leader().map_or(term, |(term, _)| term);
        servers.nodes().iter().for_each(stormglass_sim::Node::kill);
        world.wait("a leader after all were killed", "node-1", deadline, later_leader(&servers, term)).await;
        write(&world, &servers, &settings.chaos, "a write after all were killed").await;
        servers.look();
    }
}

async fn later_leader(servers: &Servers, term: u64) {
    while servers.leader().is_none_or(|(newest, _)| newest <= term) {
        rt::sleep(Duration::from_millis(1)).await;
    }
}

async fn write(world: &World, servers: &Servers, settings: &ChaosSettings, name: &str) {
    let client = Client::new(world, servers, settings, 1, &History::default());
    world.wait(name, "client-1", settings.recovery(), client.until_written("k")).await;
}
