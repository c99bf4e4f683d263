//! What starts a cluster and watches it, as the real `local-cluster-runner` does.

use crate::node::{self, ADMIN_PORT, Healthy, PROGRESS_PORT, Progress, Running, Start};
use crate::settings::{AdminCheck, ClusterSettings, Step, Strategy};
use std::sync::Arc;
use stormglass_core::Kind;
use stormglass_net::{Channel, Host};
use stormglass_raft::settings::Delays;
use stormglass_rt as rt;
use stormglass_sim::{Node, World};

/// The harness's own name.
const RUNNER: &str = "runner";

/// A running cluster.
pub struct Cluster {
    world: World,
    settings: Arc<ClusterSettings>,
    nodes: Vec<Process>,
    names: Vec<String>,
    runner: Host,
}

/// One of its nodes, and the process that runs there.
struct Process {
    node: Node,
    life: u32,
    running: Running,
}

/// How a process is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// At once.
    Kill,
    /// When it has stopped by itself.
    Term,
}

impl Cluster {
    /// Starts all nodes at once, on one machine, node-1 provisioning the cluster.
    pub fn start(world: &World, settings: ClusterSettings) -> Cluster {
        let settings = Arc::new(settings);
        let names = settings.cluster.names();
        let runner = world.node(RUNNER).host().clone();
        let mut cluster = Cluster { world: world.clone(), settings, nodes: Vec::new(), names, runner };
        for name in cluster.names.clone() {
            let (node, life) = (world.node(&name), 1);
            let running = cluster.start_process(&node, life);
            cluster.nodes.push(Process { node, life, running });
        }
        cluster
    }

    fn start_process(&self, node: &Node, life: u32) -> Running {
        let (settings, names) = (&self.settings, &self.names);
        let peers = settings.node.metadata_addresses.among(names);
        let (settings, seed) = (settings.clone(), self.world.seed());
        let provisions = node.name() == names[0];
        node::start(node, Start { settings, peers, seed, life, provisions })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Ends the process of one node, waits until it has ended, and starts it again at once.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    pub async fn restart(&mut self, place: usize, signal: Signal) {
        let Process { node, life, running } = &self.nodes[place];
        if signal == Signal::Term {
            rt::timeout(self.settings.cluster.shutdown_timeout, running.stop()).await;
        }
        self.world.note(&format!("{signal:?}: {}", node.name()));
        node.kill();
        let (node, life) = (node.clone(), life + 1);
        let running = self.start_process(&node, life);
        self.nodes[place] = Process { node, life, running };
    }

    /// Waits until the admin API of one node answers.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    pub async fn wait_admin_healthy_of(&self, place: usize) {
        self.wait_for(&self.nodes[place].node).await;
    }

    /// Waits until the admin API of every node answers: one wait for each node, all at once.
    pub async fn wait_admin_healthy(&self) {
        let waits = self.nodes.iter().map(|process| self.wait_for(&process.node));
        rt::join_all(waits.collect()).await;
    }

    fn wait_for(&self, node: &Node) -> rt::Followed<impl Future<Output = ()> + use<>> {
        let (world, runner, check) = (self.world.clone(), self.runner.clone(), self.settings.admin.clone());
        let (node, name) = (node.clone(), node.name().to_string());
        let recorder = world.recorder().clone();
        let delays = check.gaps().delays(world.seed().stream(("runner", "health check", &name)));
        rt::follow_new(&recorder, &format!("wait for {name}"), async move {
            if check.strategy == Strategy::Progress {
                follow_steps(&world, &runner, &node, &check).await;
            }
            let channel = runner.channel::<(), Healthy>(node.host().address(ADMIN_PORT));
            let deadline = match check.strategy {
                Strategy::Progress => check.step_budget,
                Strategy::Poll | Strategy::BackOff => check.deadline,
            };
            world.wait("admin", &name, deadline, poll(&channel, &check, delays, world.recorder())).await;
        })
    }
}

/// Asks until there is an answer: again after each failure, when the next delay is over.
async fn poll(
    channel: &Channel<(), Healthy>,
    check: &AdminCheck,
    mut delays: Delays,
    recorder: &stormglass_core::Recorder,
) {
    let gap = recorder.symbol("health poll gap");
    loop {
        let began = rt::now();
        let answer = if check.request_timeout.is_zero() {
            channel.call(()).await.ok()
        } else {
            rt::timeout(check.request_timeout, channel.call(())).await.and_then(Result::ok)
        };
        if let Some(Healthy { since, cause }) = answer {
            if since < began {
                // Not its own pauses were waited for, but that it answers, and then for the next time that somebody asked.
                let (scope, now) = (recorder.scope().because(cause), rt::now());
                recorder.join(recorder.record_in(scope, now, Kind::Sleep, gap, now - since, 0));
            }
            return;
        }
        rt::pause(recorder, gap, delays.next().unwrap_or(check.back_off.max)).await;
    }
}

/// Follows a start step by step: a wait for each, with the budget of a step as its deadline, until the last.
async fn follow_steps(world: &World, runner: &Host, node: &Node, check: &AdminCheck) {
    let recorder = world.recorder();
    let gap = recorder.symbol("health poll gap");
    let progress = runner.channel::<Progress, Progress>(node.host().address(PROGRESS_PORT));
    let mut seen = Progress::default();
    while !seen.done {
        let next = async {
            loop {
                match progress.call(seen.clone()).await {
                    Ok(next) => return next,
                    Err(_) => rt::pause(recorder, gap, check.poll_interval).await,
                }
            }
        };
        let name = format!("admin, step {}", seen.next.map_or("none yet", Step::title));
        match world.wait(&name, node.name(), check.step_budget, next).await {
            Some(next) => seen = next,
            None => return,
        }
    }
}
