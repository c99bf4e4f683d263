//! Tools with which tests act on a running cluster from outside: the admin tool, and an HTTP
//! client.

use crate::control::{CONTROL_PORT, ControlRequest, ControlResponse, ObservedState};
use crate::ingress::{INGRESS_PORT, Request, Response};
use crate::machine::process_of_test;
use crate::partition::PartitionId;
use crate::partition::state::{Handler, State};
use crate::partition::table::Replication;
use crate::runner::Cluster;
use sim_raft::NodeId;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_net::Channel;
use stormglass_rt as rt;
use stormglass_sim::World;

/// The interval at which tests poll.
pub(crate) const POLL: Duration = Duration::from_millis(250);

/// The host of the tests' mock service.
pub(crate) const SERVICES: &str = "services";
/// The host whose disk is the snapshot repository.
pub(crate) const REPOSITORY: &str = "repository";

/// The admin tool, connected to one node.
pub(crate) struct Admin {
    channel: Channel<ControlRequest, ControlResponse>,
}

impl Admin {
    pub(crate) fn of(cluster: &Cluster, place: usize) -> Admin {
        let address = cluster.node(place).host().address(CONTROL_PORT);
        Admin { channel: cluster.runner().channel(address) }
    }

    pub(crate) async fn ask(&self, request: ControlRequest) -> io::Result<ControlResponse> {
        self.channel.call(request).await
    }

    /// Returns what the node's controller has observed.
    pub(crate) async fn observed(&self) -> Option<Arc<ObservedState>> {
        match self.ask(ControlRequest::Observed).await {
            Ok(ControlResponse::Observed(observed)) => Some(observed),
            _ => None,
        }
    }

    /// Returns the state of a partition on the node.
    async fn state(&self, partition: PartitionId) -> Option<Arc<State>> {
        match self.ask(ControlRequest::PartitionState(partition)).await {
            Ok(ControlResponse::State(state)) => state,
            _ => None,
        }
    }
}

/// Starts the mock service and registers it with a node, in one attempt.
pub(crate) async fn register(world: &World, cluster: &Cluster, place: usize) {
    let node = process_of_test(world, SERVICES);
    let work = cluster.settings().partition.service_work;
    crate::partition::service::start(&node, work).expect("the host has no other process");
    let response = Admin::of(cluster, place).ask(ControlRequest::Register(SERVICES.into())).await;
    if !matches!(response, Ok(ControlResponse::Done)) {
        let name = cluster.node(place).name();
        world.violated("deployment-accepted", format!("POST /deployments on {name}: {response:?}"));
    }
}

/// An HTTP client of a node's ingress.
pub(crate) struct Ingress {
    channel: Channel<Request, Response>,
}

impl Ingress {
    pub(crate) fn of(cluster: &Cluster, place: usize) -> Ingress {
        let address = cluster.node(place).host().address(INGRESS_PORT);
        Ingress { channel: cluster.runner().channel(address) }
    }

    /// Invokes a counter's handler. Without a limit the call never times out.
    pub(crate) async fn invoke(
        &self,
        object: u64,
        handler: Handler,
        idempotency_key: Option<u64>,
        limit: Option<Duration>,
    ) -> io::Result<Response> {
        let request = Request::Invoke { object, handler, idempotency_key };
        match limit {
            Some(limit) => self.channel.call_within(limit, request).await,
            None => self.channel.call(request).await,
        }
    }
}

/// Waits until the replicas of a partition on these nodes have applied the same records, and has
/// the oracle compare their states.
pub(crate) async fn converge(
    world: &World,
    cluster: &Cluster,
    partition: PartitionId,
    places: &[usize],
    limit: Limit,
) {
    let least = match cluster.settings().partition.replication {
        Replication::Nodes(count) => usize::from(count).min(places.len()),
        Replication::Everywhere(_) => places.len(),
    };
    let admins: Vec<Admin> = places.iter().map(|&place| Admin::of(cluster, place)).collect();
    let equal = async {
        let gap = world.recorder().symbol("poll gap");
        loop {
            let mut states = Vec::new();
            for (admin, &place) in admins.iter().zip(places) {
                states.extend(admin.state(partition).await.map(|state| (NodeId(place as u32 + 1), state)));
            }
            cluster.oracle().replicas(partition, &states);
            let applied = states.first().map(|(_, state)| state.applied());
            if states.len() >= least && states.iter().all(|(_, state)| Some(state.applied()) == applied) {
                return;
            }
            rt::pause(world.recorder(), gap, POLL).await;
        }
    };
    world.wait(&format!("equal replicas of {partition}"), "cluster", limit, equal).await;
}
