//! The scenario `raft-reconfiguration`: members leave and join under faults.

use crate::metadata_servers::chaos::{all_are_members, converged, recovered, work};
use crate::metadata_servers::faults::Breaker;
use crate::metadata_servers::history::History;
use crate::metadata_servers::servers::{Servers, ask, client_host, swap};
use crate::metadata_servers::settings::{ChaosSettings, MetadataSettings};
use crate::settings::METADATA_MODELS;
use sim_raft::api::{Reply, Request};
use sim_raft::{MetadataState, NodeId, NodesConfiguration, Refusal};
use std::panic::resume_unwind;
use std::time::Duration;
use stormglass_core::Stream;
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_sim::{Preset, Scenario, World, scenario};

/// Restate's test `raft_metadata_cluster_reconfiguration`: 20 s of adding and removing members,
/// more than two of which have to succeed.
///
/// Of five metadata servers the scenario removes and adds random ones, one after the other, while
/// processes are killed, links are cut, disks are slow, and clients read and write. Facts,
/// history and recovery are checked as in `raft-metadata-chaos`; at the end every server has to
/// become a member again.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetadataReconfiguration;

#[scenario(
    name = "raft-reconfiguration",
    about = "members of the metadata cluster come and go while things break"
)]
impl Scenario for MetadataReconfiguration {
    /// Returns the model of Restate 1.7 alone: in March 2025 members could not be removed.
    fn models(&self) -> &[Preset] {
        &METADATA_MODELS[..1]
    }

    fn defaults(&self) -> MetadataSettings {
        let chaos = ChaosSettings { servers: 5, faults: 1, ..ChaosSettings::default() };
        MetadataSettings { chaos, ..MetadataSettings::default() }
    }

    fn overrides(&self) -> toml::Table {
        MetadataSettings::of_the_tests()
    }

    async fn play(&self, world: World, settings: MetadataSettings) {
        let servers = Servers::start(&world, &settings).await;
        all_are_members(&world, &servers, &settings.chaos).await;
        let history = History::default();
        let clients = work(&world, &servers, &settings.chaos, &history);
        let breakers = Breaker::start(&world, &servers, &settings.chaos);
        let mut changer = Changer::new(&world, &servers, &settings.chaos);
        let end = rt::now() + settings.chaos.duration;
        while rt::now() < end {
            changer.change().await;
            servers.look();
        }
        for breaker in breakers {
            // The breaker ends after `duration`. No task aborts it.
            if let Err(error) = breaker.await {
                resume_unwind(error.into_panic());
            }
        }
        let least = if settings.chaos.duration >= Duration::from_secs(20) { 3 } else { 0 };
        if changer.changes < least {
            world.violated("reconfigurations", format!("{} worked, {least} have to", changer.changes));
        }
        let restored = changer.add_all();
        world.wait("all members again", "node-1", settings.chaos.members(), restored).await;
        recovered(&world, &servers, &settings.chaos, &history).await;
        clients.into_iter().for_each(|client| client.abort());
        converged(&world, &servers, &settings.chaos).await;
        history.judge(&world);
    }
}

/// A client that removes members and adds standbys.
struct Changer {
    host: Host,
    servers: Vec<String>,
    settings: ChaosSettings,
    chance: Stream,
    leader: Option<String>,
    /// The number of changes that succeeded.
    changes: u32,
}

impl Changer {
    fn new(world: &World, servers: &Servers, settings: &ChaosSettings) -> Changer {
        Changer {
            host: client_host(world, 8),
            servers: servers.nodes().iter().map(|node| node.name().to_string()).collect(),
            settings: settings.clone(),
            chance: world.seed().stream("changer"),
            leader: None,
            changes: 0,
        }
    }

    /// Removes a member or adds a standby, if the cluster accepts the change now.
    async fn change(&mut self) {
        let Some(nodes) = self.nodes().await else { return self.pause().await };
        let in_state = |state| -> Vec<NodeId> {
            nodes.nodes.iter().filter(|(_, node)| node.metadata == state).map(|(&id, _)| id).collect()
        };
        let (members, standbys) = (in_state(MetadataState::Member), in_state(MetadataState::Standby));
        let removes = members.len() > self.settings.members_least as usize
            && (standbys.is_empty() || self.chance.below(2) == 0);
        let choice = if removes { &members } else { &standbys };
        let node = choice.get(self.chance.below(choice.len().max(1) as u64) as usize);
        if let Some(&node) = node {
            let worked = if removes { self.remove(node).await } else { self.add(nodes, node).await };
            self.changes += u32::from(worked);
        }
        self.pause().await;
    }

    async fn pause(&mut self) {
        rt::sleep(Duration::from_millis(50 + self.chance.below(500))).await;
    }

    async fn nodes(&mut self) -> Option<NodesConfiguration> {
        match self.ask(Request::Get { key: NodesConfiguration::KEY.into() }).await {
            Ok(Reply::Value(Some(value))) => postcard::from_bytes(&value.bytes).ok(),
            _ => None,
        }
    }

    async fn remove(&mut self, node: NodeId) -> bool {
        matches!(self.ask(Request::Remove { node }).await, Ok(Reply::Removed))
    }

    /// Sets the node's state to provisioning in the configuration: the server asks to join when
    /// it receives that configuration.
    async fn add(&mut self, mut nodes: NodesConfiguration, node: NodeId) -> bool {
        let found = nodes.version;
        let Some(entry) = nodes.nodes.get_mut(&node) else { return false };
        entry.metadata = MetadataState::Provisioning;
        nodes.version += 1;
        let Ok(bytes) = postcard::to_stdvec(&nodes) else { return false };
        self.ask(Request::Write(swap(NodesConfiguration::KEY, Some(found), bytes))).await.is_ok()
    }

    /// Adds every standby, until all servers are members.
    async fn add_all(&mut self) {
        loop {
            if let Some(nodes) = self.nodes().await {
                let state =
                    |state| nodes.nodes.iter().find(|(_, node)| node.metadata == state).map(|(&id, _)| id);
                if let Some(standby) = state(MetadataState::Standby) {
                    self.add(nodes, standby).await;
                } else if nodes.nodes.values().all(|node| node.metadata == MetadataState::Member) {
                    return;
                }
            }
            rt::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        let any = self.chance.below(self.servers.len() as u64) as usize;
        let server = self.leader.take().unwrap_or_else(|| self.servers[any].clone());
        let answer = ask(&self.host, &server, request, self.settings.request_timeout).await;
        self.leader = match &answer {
            Ok(_) => Some(server),
            Err(refusal) => refusal.leader.as_ref().map(|leader| leader.host.clone()),
        };
        answer
    }
}
