//! The health checks of a node, as the real harness makes them.
//!
//! Each check of each node is a wait of its own; all run in parallel under one deadline. Source:
//! restatedev/restate `crates/local-cluster-runner/src/node/mod.rs`, `HealthCheck`.

use crate::ingress::{INGRESS_PORT, Request, Response};
use crate::process::CurrentProcess;
use crate::settings::AdminCheck;
use serde::{Deserialize, Serialize};
use sim_raft::{ClientSettings, MetadataClient, NodeConfig, NodesConfiguration, StorageState, WorkerState};
use stormglass_core::{Kind, Recorder, Seed};
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_sim::Node;

/// A health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The admin API answers.
    Admin,
    /// The ingress answers.
    Ingress,
    /// The log server is registered as usable.
    LogServer,
    /// The metadata server is a member.
    MetadataServer,
    /// The worker is registered as usable.
    Worker,
}

impl Check {
    /// Returns its name, which is that of its wait.
    pub fn name(self) -> &'static str {
        match self {
            Check::Admin => "admin",
            Check::Ingress => "ingress",
            Check::LogServer => "log-server",
            Check::MetadataServer => "metadata-server",
            Check::Worker => "worker",
        }
    }
}

/// One health check of one node by the harness. For the admin API, [`crate::runner`] has a check
/// of its own.
pub(crate) struct Probe {
    pub(crate) runner: Host,
    pub(crate) node: Node,
    pub(crate) process: CurrentProcess,
    pub(crate) check: AdminCheck,
    pub(crate) client: ClientSettings,
    pub(crate) seed: Seed,
}

impl Probe {
    /// Repeats the check, with a pause before each repetition, until it succeeds.
    pub(crate) async fn until(self, check: Check) {
        match check {
            Check::Admin => {}
            Check::Ingress => self.ingress().await,
            Check::MetadataServer => self.member().await,
            Check::LogServer => self.entered(|node| node.storage != StorageState::Provisioning).await,
            Check::Worker => self.entered(|node| node.worker != WorkerState::Provisioning).await,
        }
    }

    fn recorder(&self) -> &Recorder {
        self.runner.network().recorder()
    }

    async fn pause(&self) {
        let gap = self.recorder().symbol("health poll gap");
        rt::pause(self.recorder(), gap, self.check.poll_interval).await;
    }

    async fn ingress(&self) {
        let channel = self.runner.channel::<Request, Response>(self.node.host().address(INGRESS_PORT));
        while channel.call(Request::Health).await.is_err() {
            self.pause().await;
        }
    }

    /// Waits until the metadata server's own status is member. The result is that of a poll after
    /// each pause; the wait is for the change of the status.
    async fn member(&self) {
        let began = rt::now();
        self.process.until_member().await;
        let (waited, gap) = (rt::now() - began, self.check.poll_interval.as_nanos());
        let polls = waited.as_nanos().div_ceil(gap);
        let rest = std::time::Duration::from_nanos((polls * gap - waited.as_nanos()) as u64);
        if !rest.is_zero() {
            rt::sleep(rest).await;
            let subject = self.recorder().symbol("health poll gap");
            self.recorder().record(rt::now(), Kind::Sleep, subject, rest, 0);
        }
    }

    /// Waits until the node's entry in the cluster's configuration, read through the node itself,
    /// is accepted.
    async fn entered(&self, accept: impl Fn(&NodeConfig) -> bool) {
        let name = self.node.name();
        loop {
            let endpoint = [name.to_string()];
            let client = MetadataClient::new(
                self.runner.clone(),
                "runner",
                rt::now().as_nanos() as u32,
                self.client.clone(),
                &endpoint,
                self.seed,
            );
            let found = client.get::<NodesConfiguration>(NodesConfiguration::KEY).await;
            if let Ok(Some(nodes)) = found
                && nodes.find(name).is_some_and(|(_, node)| accept(node))
            {
                return;
            }
            self.pause().await;
        }
    }
}
