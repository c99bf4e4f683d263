//! The test harness: starts a cluster and watches it, as the real `local-cluster-runner` does.

use crate::checks::{Check, Probe};
use crate::health::Statuses;
use crate::journal::Journal;
use crate::machine::process_of_test;
use crate::node::{self, ADMIN_PORT, Healthy, PROGRESS_PORT, PROVISION_PORT, Progress, Running, Start};
use crate::oracle::Oracle;
use crate::process::CurrentProcess;
use crate::settings::{AdminCheck, ClusterSettings, Provision, Step, Strategy};
use sim_raft::Roles;
use sim_raft::settings::Delays;
use std::pin::Pin;
use std::sync::Arc;
use stormglass_core::{Kind, Limit};
use stormglass_fs::Disk;
use stormglass_net::{Channel, Host};
use stormglass_rt::{self as rt, Watch};
use stormglass_sim::{Node, World};

pub use crate::signal::Signal;

/// The harness's own name.
const RUNNER: &str = "runner";

/// A running cluster.
pub struct Cluster {
    launcher: Launcher,
    nodes: Vec<ClusterNode>,
    runner: Host,
    /// Whether it was provisioned by the harness.
    provisioned: Watch<bool>,
}

/// Starts the processes of a cluster. Clones are handles to the same cluster.
#[derive(Clone)]
struct Launcher {
    world: World,
    settings: Arc<ClusterSettings>,
    names: Vec<String>,
    oracle: Oracle,
    journal: Journal,
}

/// A node of the cluster, and its current process.
struct ClusterNode {
    node: Node,
    setup: Setup,
    process: CurrentProcess,
}

/// The configuration of a node.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its roles.
    pub roles: Roles,
    /// The snapshot repository, if it has one.
    pub repository: Option<Disk>,
}

impl Setup {
    /// Every role, and no repository.
    pub const ALL: Setup = Setup { roles: Roles::ALL, repository: None };
}

impl Cluster {
    /// Starts all nodes at once, on one machine; node-1 provisions the cluster.
    pub fn start(world: &World, settings: ClusterSettings) -> Cluster {
        Cluster::start_with(world, settings, &Setup::ALL)
    }

    /// Starts a cluster like [`Cluster::start`], with this configuration of every node.
    pub fn start_with(world: &World, settings: ClusterSettings, setup: &Setup) -> Cluster {
        let settings = Arc::new(settings);
        let names = settings.cluster.names();
        for other in 1..=settings.cluster.side_by_side {
            // The harness waits for none of these clusters; they only share the machine with the
            // cluster under test.
            let names = names.iter().map(|name| format!("test-{other}-{name}")).collect();
            let repository = || process_of_test(world, &format!("test-{other}-repository")).disk().clone();
            let repository = setup.repository.is_some().then(repository);
            let setup = Setup { repository, ..setup.clone() };
            Cluster::of(world, settings.clone(), names, &setup);
        }
        Cluster::of(world, settings, names, setup)
    }

    fn of(world: &World, settings: Arc<ClusterSettings>, names: Vec<String>, setup: &Setup) -> Cluster {
        let (runner, oracle) = (process_of_test(world, RUNNER).host().clone(), Oracle::new(world));
        let journal = Journal::new(world.recorder());
        let provisioned = Watch::new(world.recorder(), false);
        let launcher = Launcher { world: world.clone(), settings, names: names.clone(), oracle, journal };
        let mut cluster = Cluster { launcher, nodes: Vec::new(), runner, provisioned };
        for name in names {
            cluster.add(&name, setup.clone());
        }
        cluster.provision();
        cluster
    }

    /// Has node-1 provision the cluster, and repeats the request after each failure, with
    /// `cluster.provision = "explicit"`.
    fn provision(&self) {
        if self.settings().cluster.provision == Provision::Auto {
            return;
        }
        let node = &self.nodes[0].node;
        let channel = self.runner.channel::<(), bool>(node.host().address(PROVISION_PORT));
        let stream = self.world().seed().stream(("runner", "provision", node.name()));
        let (retry, provisioned) = (&self.settings().cluster.provision_retry, self.provisioned.clone());
        let (mut delays, longest) = (retry.delays(stream), retry.max);
        let recorder = self.world().recorder().clone();
        rt::spawn(self.world().recorder(), "provision", async move {
            let gap = recorder.symbol("provision retry gap");
            while !channel.call(()).await.unwrap_or(false) {
                rt::pause(&recorder, gap, delays.next().unwrap_or(longest)).await;
            }
            provisioned.set(true);
        });
    }

    /// Waits until the cluster is provisioned, with `cluster.provision = "explicit"`: the first
    /// thing that a test does.
    pub async fn wait_provisioned(&self) {
        if self.settings().cluster.provision == Provision::Explicit {
            let limit = Limit::of("cluster.provision-deadline", self.settings().cluster.provision_deadline);
            let name = self.nodes[0].node.name();
            self.world().wait("provision", name, limit, self.provisioned.until(|done| *done)).await;
        }
    }

    /// Starts one more node and returns its index.
    pub fn add(&mut self, name: &str, setup: Setup) -> usize {
        let node = process_of_test(self.world(), name);
        let process = self.launcher.start_process(&node, 1, &setup);
        self.nodes.push(ClusterNode { node, setup, process });
        self.nodes.len() - 1
    }

    fn world(&self) -> &World {
        &self.launcher.world
    }

    /// Returns the node with this index.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn node(&self, place: usize) -> &Node {
        &self.nodes[place].node
    }

    /// Returns the statuses of the roles of the node's current process.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn statuses(&self, place: usize) -> Statuses {
        self.nodes[place].process.running().statuses()
    }

    /// Returns the harness's own host.
    pub fn runner(&self) -> &Host {
        &self.runner
    }

    /// Returns the oracle that observes the nodes.
    pub fn oracle(&self) -> &Oracle {
        &self.launcher.oracle
    }

    /// Returns the nodes' log lines that tests wait for.
    pub fn journal(&self) -> &Journal {
        &self.launcher.journal
    }

    /// Returns the parameters.
    pub fn settings(&self) -> &Arc<ClusterSettings> {
        &self.launcher.settings
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Ends the process of one node, waits until it has ended, and starts it again at once.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub async fn restart(&mut self, place: usize, signal: Signal) {
        self.stop(place, signal).await;
        self.start_again(place, self.nodes[place].setup.clone());
    }

    /// Ends the process of one node, and waits until it has ended.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub async fn stop(&self, place: usize, signal: Signal) {
        let ClusterNode { node, process, .. } = &self.nodes[place];
        if signal == Signal::Term {
            rt::timeout(self.settings().cluster.shutdown_timeout, process.running().stop()).await;
        }
        self.world().note(&format!("{}{}", signal.note_prefix(), node.name()));
        node.kill();
    }

    /// Starts a stopped node again, with this configuration.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn start_again(&mut self, place: usize, setup: Setup) {
        let (launcher, ClusterNode { node, process, .. }) = (&self.launcher, &self.nodes[place]);
        let node = node.clone();
        // A new handle, so no task that waited for the last process is woken.
        let process = launcher.start_process(&node, process.incarnation() + 1, &setup);
        self.nodes[place] = ClusterNode { node, setup, process };
    }

    /// Waits until the admin API of one node answers.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub async fn wait_admin_healthy_of(&self, place: usize) {
        self.wait_for(&self.nodes[place].node, self.settings().admin.limit()).await;
    }

    /// Waits until every check of every node holds, as far as the node has the role, all in
    /// parallel and each up to `limit`.
    pub async fn wait_healthy(&self, limit: Limit) {
        let mut waits: Vec<rt::Scoped<Pin<Box<dyn Future<Output = ()>>>>> = Vec::new();
        for member in &self.nodes {
            let name = member.node.name();
            for check in self.checks(member.setup.roles) {
                let wait: Pin<Box<dyn Future<Output = ()>>> = match check {
                    Check::Admin => Box::pin(self.wait_for(&member.node, limit)),
                    check => {
                        let probe = self.probe(member);
                        let (world, name) = (self.world().clone(), name.to_string());
                        Box::pin(async move {
                            world.wait(check.name(), &name, limit, probe.until(check)).await;
                        })
                    }
                };
                let task = format!("wait for {} on {name}", check.name());
                waits.push(rt::scoped_task(self.world().recorder(), &task, wait));
            }
        }
        rt::join_all(waits).await;
    }

    /// Returns the checks of a node with these roles; the check of the worker exists where workers
    /// register themselves.
    fn checks(&self, roles: Roles) -> Vec<Check> {
        let all = [
            (Check::Admin, roles.admin),
            (Check::Ingress, roles.ingress),
            (Check::LogServer, roles.log_server),
            (Check::MetadataServer, roles.metadata_server),
            (Check::Worker, roles.worker && self.settings().node.worker_registers),
        ];
        all.into_iter().filter(|(_, has)| *has).map(|(check, _)| check).collect()
    }

    fn probe(&self, member: &ClusterNode) -> Probe {
        Probe {
            runner: self.runner.clone(),
            node: member.node.clone(),
            process: member.process.clone(),
            check: self.settings().admin.clone(),
            client: self.settings().metadata_client.clone(),
            seed: self.world().seed(),
        }
    }

    /// Waits until the admin API of every node answers: one wait for each node, all in parallel.
    pub async fn wait_admin_healthy(&self) {
        let limit = self.settings().admin.limit();
        let waits = self.nodes.iter().map(|member| self.wait_for(&member.node, limit));
        rt::join_all(waits.collect()).await;
    }

    fn wait_for(&self, node: &Node, limit: Limit) -> rt::Scoped<impl Future<Output = ()> + use<>> {
        let (world, runner, check) =
            (self.world().clone(), self.runner.clone(), self.settings().admin.clone());
        let (node, name) = (node.clone(), node.name().to_string());
        let recorder = world.recorder().clone();
        let delays = check.gaps().delays(world.seed().stream(("runner", "health check", &name)));
        rt::scoped_task(&recorder, &format!("wait for {name}"), async move {
            if check.strategy == Strategy::Progress {
                follow_steps(&world, &runner, &node, &check).await;
            }
            let channel = runner.channel::<(), Healthy>(node.host().address(ADMIN_PORT));
            let limit = match check.strategy {
                Strategy::Progress => check.step_limit(),
                Strategy::Poll | Strategy::BackOff => limit,
            };
            world.wait("admin", &name, limit, poll(&channel, &check, delays, world.recorder())).await;
        })
    }
}

impl Launcher {
    fn start(&self, node: &Node, incarnation: u32, setup: &Setup) -> Running {
        let (settings, names) = (&self.settings, &self.names);
        let peers = settings.node.metadata_addresses.among(names);
        let (settings, seed) = (settings.clone(), self.world.seed());
        let provisions = node.name() == names[0];
        let Setup { roles, repository } = setup.clone();
        let (oracle, journal) = (self.oracle.clone(), self.journal.clone());
        let log_disk = process_of_test(&self.world, RUNNER).disk().clone();
        let start = Start {
            settings,
            peers,
            seed,
            incarnation,
            provisions,
            roles,
            repository,
            oracle,
            journal,
            log_disk,
        };
        let running = node::start(node, start);
        let standing = running.standing().clone();
        let name = format!("metadata server of {}", node.name());
        self.world.state(&name, move || standing.get());
        running
    }

    /// Starts a process, and has it started again after a fault of a plan has ended it, as an
    /// operator would.
    fn start_process(&self, node: &Node, incarnation: u32, setup: &Setup) -> CurrentProcess {
        let process =
            CurrentProcess::new(self.world.recorder(), incarnation, self.start(node, incarnation, setup));
        let (launcher, again, setup, current) = (self.clone(), node.clone(), setup.clone(), process.clone());
        node.set_start(move || current.next(|incarnation| launcher.start(&again, incarnation, &setup)));
        process
    }
}

/// Repeats the request until there is an answer, after each failure once the next delay is over.
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
                // The wait was for the admin API to answer, and then for the next attempt, not for
                // the pauses before it.
                let (scope, now) = (recorder.scope().with_cause(cause), rt::now());
                recorder.join(recorder.record_in(scope, now, Kind::Sleep, gap, now - since, 0));
            }
            return;
        }
        rt::pause(recorder, gap, delays.next().unwrap_or(check.back_off.max)).await;
    }
}

/// Follows a start step by step until the last: one wait for each step, with the budget of a step
/// as its deadline.
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
        match world.wait(&name, node.name(), check.step_limit(), next).await {
            Some(next) => seen = next,
            None => return,
        }
    }
}
