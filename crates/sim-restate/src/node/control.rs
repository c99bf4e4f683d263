//! The control service of a node: answers the requests of [`crate::control`].

use crate::control::{CONTROL_PORT, ClusterState, ControlRequest, ControlResponse, NodeReport};
use crate::controller::Controller;
use crate::liveness::{Liveness, NodeState};
use crate::log::Generation;
use crate::metadata::Metadata;
use crate::partition::manager::Manager;
use crate::partition::views::Views;
use std::io;
use stormglass_core::Recorder;
use stormglass_net::Host;
use stormglass_rt as rt;

/// The parts of a node that its control service reads and controls.
#[derive(Clone)]
pub(super) struct ControlService {
    pub(super) me: Generation,
    pub(super) liveness: Liveness,
    pub(super) views: Views,
    pub(super) metadata: Metadata,
    pub(super) manager: Option<Manager>,
    pub(super) controller: Option<Controller>,
}

impl ControlService {
    /// Serves requests from now on.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub(super) fn serve(self, host: &Host) -> io::Result<()> {
        let mut service = host.serve::<ControlRequest, ControlResponse>(CONTROL_PORT)?;
        let recorder: Recorder = host.network().recorder().clone();
        rt::spawn(&recorder.clone(), "control", async move {
            while let Some(call) = service.next().await {
                let (request, reply) = call.split();
                let control = self.clone();
                rt::spawn(&recorder, "control request", async move {
                    let response = control.answer(request).await;
                    reply.send(response);
                });
            }
        });
        Ok(())
    }

    async fn answer(&self, request: ControlRequest) -> ControlResponse {
        match request {
            ControlRequest::ClusterState => {
                let nodes = self.liveness.watch().get();
                let ready = nodes.get(&self.me.id).is_some_and(|seen| seen.state == NodeState::Alive);
                ControlResponse::ClusterState(
                    ready.then(|| ClusterState { nodes, partitions: self.views.get() }),
                )
            }
            ControlRequest::NodeState(versions) => {
                self.metadata.advertise(versions);
                let partitions = self.manager.as_ref().map(Manager::statuses).unwrap_or_default();
                ControlResponse::NodeState(NodeReport { generation: self.me.generation, partitions })
            }
            ControlRequest::Control(orders) => {
                let Some(manager) = &self.manager else { return ControlResponse::Failed("no worker".into()) };
                orders.into_iter().for_each(|(partition, role)| manager.control(partition, role));
                ControlResponse::Done
            }
            ControlRequest::Snapshot(partition, least) => match &self.manager {
                Some(manager) => ControlResponse::Snapshot(manager.snapshot(partition, least).await),
                None => ControlResponse::Snapshot(Err("no worker".into())),
            },
            ControlRequest::PartitionState(partition) => match &self.manager {
                Some(manager) => ControlResponse::State(manager.state(partition).await),
                None => ControlResponse::State(None),
            },
            ControlRequest::Observed
            | ControlRequest::CreateSnapshot(..)
            | ControlRequest::Register(_)
            | ControlRequest::Replicate(_) => match &self.controller {
                Some(controller) => controller.answer(request).await,
                None => ControlResponse::Failed("no cluster controller here".into()),
            },
        }
    }
}
