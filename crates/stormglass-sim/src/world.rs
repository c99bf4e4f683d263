//! The world of one run: its nodes, disks, links and CPUs, its waits, and what the scenario
//! reports.

use crate::active_faults::Faults;
use crate::cpu::Cpu;
use crate::lifecycle::CurrentProcess;
use crate::node::Node;
use crate::profile::Profile;
use crate::run_settings::RunSettings;
use crate::state::{self, Addition, RunState};
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use stormglass_core::fault::Pattern;
use stormglass_core::outcome::TooFew;
use stormglass_core::queue::Servers;
use stormglass_core::requirements::Requirements;
use stormglass_core::{EventId, Kind, Length, Limit, Recorder, Seed, SimTime, Verdict, Wait};
use stormglass_fs::{self as fs, Device, Disk};
use stormglass_net::{self as net, Location, Network};
use stormglass_plan::Fault;
use stormglass_rt::coop::SystemCallCost;
use stormglass_rt::descriptors::Descriptors;
use stormglass_rt::signal::Signals;
use stormglass_rt::{self as rt, NodeClock};

/// The world of one run: it makes nodes, and receives what the scenario waits for and reports.
/// Clones are handles to the same world.
///
/// A scenario makes a [`Node`] with [`World::node`], spawns tasks on it, waits with
/// [`World::wait`], and reports a broken property with [`World::violated`].
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    seed: Seed,
    profile: Profile,
    horizon: Duration,
    hosting: rt::Hosting,
    recorder: Recorder,
    network: Network,
    /// The node on which the scenario's tasks run.
    harness: OnceLock<NodeHandle>,
    state: Mutex<State>,
}

impl Shared {
    fn system_call_cost(&self) -> SystemCallCost {
        SystemCallCost(self.profile.cpu.system_call)
    }
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<String, Node>,
    /// The nodes that run code of the test: no pattern of a plan selects them.
    clients: BTreeSet<String>,
    machines: BTreeMap<String, Machine>,
    faults: Faults,
    waits: Vec<Wait>,
    violation: Option<(SimTime, Verdict)>,
    requirements: Requirements,
    /// What the scenario adds to the state at a time.
    additions: BTreeMap<String, Addition>,
    /// The mounts that connect `stormglass_fs` on a node to its disk, and sockets of
    /// `stormglass_net` to its host.
    disks: Vec<fs::Mount>,
    hosts: Vec<net::Mount>,
    /// What a system call costs on each node.
    system_calls: Vec<rt::Mount<SystemCallCost>>,
    descriptors: Vec<rt::Mount<Descriptors>>,
    /// The mounts of the signals and of the process of each node.
    processes: Vec<(rt::Mount<Signals>, rt::Mount<CurrentProcess>)>,
}

/// The resources that the nodes of one machine share.
#[derive(Clone)]
struct Machine {
    cores: Arc<Mutex<Servers>>,
    device: Device,
}

impl World {
    /// The machine of nodes for which no other one is named.
    pub const MACHINE: &'static str = "machine-1";

    pub(crate) fn new(
        seed: Seed,
        profile: Profile,
        limits: &RunSettings,
        recorder: Recorder,
        faults: Vec<Fault>,
    ) -> World {
        let RunSettings { horizon, tick, schedule, .. } = *limits;
        let hosting = rt::Hosting { seed, tick, schedule };
        net::integrations::patched_tokio::install();
        let network = Network::recorded(profile.net.clone(), seed, &recorder);
        let state = Mutex::new(State { faults: Faults::new(faults), ..State::default() });
        let harness = OnceLock::new();
        World {
            shared: Arc::new(Shared { seed, profile, horizon, hosting, recorder, network, harness, state }),
        }
    }

    /// Returns the run's seed, for the scenario's own streams of random numbers.
    pub fn seed(&self) -> Seed {
        self.shared.seed
    }

    /// Returns the recorder of the run's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Returns the network.
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// Returns the node of this name, and makes it on the first call: with its own disk and its own
    /// network namespace, on the machine that all nodes share unless [`World::node_on`] names
    /// another one.
    pub fn node(&self, name: &str) -> Node {
        self.node_on(name, World::MACHINE)
    }

    /// Returns the node of this name, and makes it on this machine on the first call; an existing
    /// node stays on its machine. Nodes of one machine share its cores, communicate over loopback,
    /// and have one device under their disks if the profile says so (`machine.shared-disk`).
    ///
    /// Each has a network namespace of its own, as a container has: every node may bind the same
    /// port, and 127.0.0.1 is the node itself. See [`World::node_at`] for processes that share
    /// one.
    pub fn node_on(&self, name: &str, machine: &str) -> Node {
        self.node_at(name, Location::machine(machine))
    }

    /// Returns the node of this name, and makes it at this location on the first call; an existing
    /// node stays where it is. The location says which machine it is on, as [`World::node_on`],
    /// and with [`Location::namespace`] with which nodes it shares loopback and ports.
    ///
    /// ```
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::net::{Location, TcpListener};
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    ///
    /// struct TwoServers;
    ///
    /// /// Two processes of one machine bind the same port
    /// #[scenario]
    /// impl Scenario for TwoServers {
    ///     async fn play(&self, world: World) {
    ///         let here = Location::machine(World::MACHINE).namespace("host");
    ///         let bind = |name: &str| {
    ///             let node = world.node_at(name, here.clone());
    ///             node.spawn("bind", TcpListener::bind("127.0.0.1:8080"))
    ///         };
    ///         let _listener = bind("one").await.unwrap().unwrap();
    ///         world.note(&bind("two").await.unwrap().unwrap_err().to_string());
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&TwoServers, None, "quiet", &[])?;
    /// let played = Run::new(&TwoServers, settings, Seed(1)).play(Keep::Events);
    /// let note = played.trace.events.last().map(|event| played.trace.text(event.subject));
    /// assert_eq!(note.as_deref(), Some("Address already in use (os error 98)"));
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub fn node_at(&self, name: &str, location: Location) -> Node {
        let shared = &self.shared;
        if let Some(node) = self.state_mut().nodes.get(name) {
            return node.clone();
        }
        let machine = &*location.machine_name().to_string();
        let profile = &shared.profile;
        let machine_of = || Machine {
            cores: Arc::new(Mutex::new(Servers::new(usize::from(profile.cpu.cores)))),
            device: Device::new(machine, &profile.disk.device, shared.seed),
        };
        let Machine { cores, device } =
            self.state_mut().machines.entry(machine.to_string()).or_insert_with(machine_of).clone();
        let (device, device_name) = if profile.machine.shared_disk {
            (device, machine)
        } else {
            (Device::new(name, &profile.disk.device, shared.seed), name)
        };
        let host = shared.network.host_at(name, location);
        // madsim's own sockets reach the same names at the same addresses.
        let id = Handle::current().create_node().name(name).ip(host.ip()).build().id();
        NetSim::current().add_dns_record(name, host.ip());
        let node = Node {
            name: name.to_string(),
            id,
            host,
            disk: Disk::on(device, name, profile.disk.clone(), shared.seed, &shared.recorder),
            cpu: Cpu::new(cores, profile.cpu.clone(), shared.seed, name, &shared.recorder),
            recorder: shared.recorder.clone(),
            process: Arc::default(),
            life: Arc::default(),
            signals: Signals::default(),
            clock: NodeClock::of(id),
            harness: self.harness(),
            workers: Arc::default(),
            descriptors: Descriptors::new(profile.machine.descriptors),
            hosting: shared.hosting,
        };
        node.mount_workers();
        let process = rt::mount(node.id, CurrentProcess(node.clone()));
        let mut state = self.state_mut();
        state.processes.push((node.signals.mount_on(node.id), process));
        state.disks.push(node.disk.mount_on(node.id));
        state.hosts.push(node.host.mount_on(node.id));
        state.system_calls.push(rt::mount(node.id, shared.system_call_cost()));
        state.descriptors.push(rt::mount(node.id, node.descriptors.clone()));
        state.nodes.insert(name.to_string(), node.clone());
        state.faults.concern(&node, device_name, &shared.network);
        drop(state);
        node
    }

    /// Returns what a system call costs.
    pub(crate) fn system_call_cost(&self) -> SystemCallCost {
        self.shared.system_call_cost()
    }

    /// Returns the node on which the scenario's tasks run: the current one on the first call.
    pub(crate) fn harness(&self) -> NodeHandle {
        let current = || Handle::current().get_node(rt::current_node());
        let harness = || current().expect("a run's scenario has a node");
        self.shared.harness.get_or_init(harness).clone()
    }

    /// Marks a node as one that runs code of the test.
    pub(crate) fn mark_as_client(&self, node: &Node) {
        self.state_mut().clients.insert(node.name.clone());
    }

    /// Records that a client was killed while its main function ran.
    pub(crate) fn client_was_killed(&self, name: &str) {
        self.note(&format!("{name} was killed and does not start again"));
        self.requirements(|requirements| requirements.add_killed(name, rt::now()));
    }

    /// Returns the nodes that a pattern of a plan selects, in the order of names: a client only by
    /// its own name.
    pub(crate) fn selected(&self, pattern: &Pattern) -> Vec<Node> {
        let state = self.state_mut();
        let is_selected = |node: &&Node| {
            pattern.matches(&node.name)
                && (pattern.as_str() == node.name || !state.clients.contains(&node.name))
        };
        state.nodes.values().filter(is_selected).cloned().collect()
    }

    /// Returns every node in the order of names.
    pub(crate) fn all_nodes(&self) -> Vec<Node> {
        self.state_mut().nodes.values().cloned().collect()
    }

    /// Calls `access` with the plan's faults.
    pub(crate) fn with_faults<T>(&self, access: impl FnOnce(&mut Faults) -> T) -> T {
        access(&mut self.state_mut().faults)
    }

    /// Ends every task on the nodes and in the network.
    pub(crate) fn shut_down(&self) {
        for node in self.all_nodes() {
            node.forget();
            Handle::current().kill(node.id);
        }
        self.shared.network.shut_down();
    }

    /// Waits for `future` as an observer with a deadline does, and records the wait under `name`
    /// and `node`. Returns the future's output, or `None` if the run reaches its horizon first. A wait
    /// that begins at the horizon does not return.
    ///
    /// The deadline ends nothing: the future is polled until it completes or the run reaches its
    /// horizon, and the verdict states whether it took too long. Waits may overlap. If the
    /// deadline is a parameter, pass a [`Limit`] with its key ([`Limit::of`], or a parameter of
    /// type `Limit`): then a sweep reads the verdict for each value of the parameter from one run.
    pub async fn wait<F: Future>(
        &self,
        name: &str,
        node: &str,
        limit: impl Into<Limit>,
        future: F,
    ) -> Option<F::Output> {
        let Limit { deadline, parameter } = limit.into();
        let recorder = self.recorder();
        let subject = recorder.symbol(&format!("{name} on {node}"));
        let began = rt::now();
        recorder.record(began, Kind::WaitBegin, subject, Duration::ZERO, deadline.as_nanos() as u64);
        let index = {
            let mut state = self.state_mut();
            let length = Length::Censored(Duration::ZERO);
            let (name, node) = (name.to_string(), node.to_string());
            let (end, parameter) = (EventId::START, parameter.map(Cow::Borrowed));
            state.waits.push(Wait { name, node, began, deadline, parameter, length, end });
            state.waits.len() - 1
        };
        let left = SimTime::from(self.shared.horizon).saturating_since(began);
        if left.is_zero() {
            // The run ends at this instant. A scenario that tries again and again would never let it.
            std::future::pending::<()>().await;
        }
        let result = rt::timeout(left, future).await;
        let (now, length) = (rt::now(), rt::now() - began);
        let mut end = EventId::START;
        if result.is_some() {
            end = recorder.record(now, Kind::WaitEnd, subject, length, 0);
        }
        let wait = &mut self.state_mut().waits[index];
        wait.length = if result.is_some() { Length::Observed(length) } else { Length::Censored(length) };
        wait.end = end;
        result
    }

    /// Reports that a property does not hold, which is the run's verdict. Only the first report
    /// counts. The current wait, or else the last one, is appended to its evidence.
    pub fn violated(&self, property: &str, evidence: impl Into<String>) {
        self.violated_at(rt::now(), property, evidence);
    }

    /// As [`World::violated`], for a check of what happened before: `at` is the time from which the
    /// property does not hold.
    pub fn violated_at(&self, at: SimTime, property: &str, evidence: impl Into<String>) {
        let state = self.state_mut();
        if state.violation.is_some() {
            return;
        }
        let mut evidence = evidence.into();
        let in_progress = state.waits.iter().rev().find(|wait| wait.end == EventId::START);
        if let Some(Wait { name, node, began, length, end, .. }) = in_progress.or(state.waits.last()) {
            let (word, took) = if *end == EventId::START {
                ("while waiting for", rt::now().saturating_since(*began))
            } else {
                ("after waiting for", length.duration())
            };
            evidence += &format!(" ({word} {name} on {node}, for {:.3} s)", took.as_secs_f64());
        }
        drop(state);
        let violation = Verdict::Violated { property: property.into(), evidence };
        // The report is an event with the verdict's text, so that its causes can be followed.
        self.note(&violation.to_string());
        self.state_mut().violation = Some((at, violation));
    }

    /// Records a note in the trace, which `replay` shows.
    pub fn note(&self, what: &str) {
        let recorder = self.recorder();
        recorder.record(rt::now(), Kind::Note, recorder.symbol(what), Duration::ZERO, 0);
    }

    /// Records that a part of the current node has entered another state: `status("database",
    /// "open")`. If a wait for the node takes too long, `explain` shows the states of its parts.
    pub fn status(&self, what: &str, state: &str) {
        rt::record_status(self.recorder(), what, state);
    }

    /// Adds something of the scenario to the state that `replay --at` prints. `state` is called when the
    /// state at a time is asked for, which ends that run; in all other runs it is never called. A later
    /// addition with the same name replaces an earlier one.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use std::time::Duration;
    /// use stormglass_core::{Seed, SimTime};
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    ///
    /// struct Counts;
    ///
    /// /// Counts to ten, once a second
    /// #[scenario]
    /// impl Scenario for Counts {
    ///     async fn play(&self, world: World) {
    ///         let count = Arc::new(Mutex::new(0));
    ///         let counted = count.clone();
    ///         world.state("count", move || *counted.lock().unwrap());
    ///         for number in 1..=10 {
    ///             stormglass_rt::sleep(Duration::from_secs(1)).await;
    ///             *count.lock().unwrap() = number;
    ///         }
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&Counts, None, "quiet", &[])?;
    /// let run = Run::new(&Counts, settings, Seed(1));
    /// let state = run.state_at(SimTime::from(Duration::from_millis(3_500)));
    /// assert_eq!(state.scenario["count"], 3);
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub fn state<T: Serialize>(&self, name: &str, state: impl Fn() -> T + Send + 'static) {
        let value = move || {
            let value = serde_json::to_value(state());
            value.unwrap_or_else(|error| format!("it cannot be serialized: {error}").into())
        };
        self.state_mut().additions.insert(name.to_string(), Box::new(value));
    }

    /// Returns the state of the run as of now.
    pub(crate) fn run_state(&self) -> RunState {
        let (at, nodes) = (rt::now(), self.all_nodes());
        // A closure of the scenario may use the world.
        let additions = std::mem::take(&mut self.state_mut().additions);
        let scenario = additions.iter().map(|(name, value)| (name.clone(), value())).collect();
        let waits = self.state_mut().waits.clone();
        let is_open =
            |wait: &Wait| wait.end == EventId::START && wait.length == Length::Censored(Duration::ZERO);
        RunState {
            at,
            nodes: state::of_nodes(&nodes, self.network()),
            waits: state::open_waits(&waits, is_open, at),
            held: state::held(self.network()),
            scenario,
        }
    }

    /// Calls `access` with what the scenario requires to happen.
    pub(crate) fn requirements<T>(&self, access: impl FnOnce(&mut Requirements) -> T) -> T {
        access(&mut self.state_mut().requirements)
    }

    /// Returns what the run's reports and waits say: the verdict, the waits, including those that
    /// the end of the run censored, and what the scenario requires to happen.
    pub(crate) fn judge(&self, ended: SimTime) -> Judgement {
        let state = self.state_mut();
        let mut waits = state.waits.clone();
        for wait in &mut waits {
            if wait.end == EventId::START {
                wait.length = Length::Censored(ended.saturating_since(wait.began));
            }
        }
        let down = state.nodes.values().filter(|node| node.is_kept_down()).map(|node| node.name.clone());
        let too_few = state.requirements.too_few(&waits, &down.collect::<Vec<_>>());
        let of_waits = || Verdict::of_waits(&waits, ended).or_too_few(too_few.as_ref());
        let (violated, verdict) = state.violation.clone().unzip();
        let verdict = verdict.unwrap_or_else(of_waits);
        Judgement { verdict, violated, waits, sometimes: state.requirements.sometimes.clone(), too_few }
    }

    fn state_mut(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the reports and the waits of a run say.
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    /// When the property was violated, if that is the verdict.
    pub(crate) violated: Option<SimTime>,
    pub(crate) waits: Vec<Wait>,
    pub(crate) sometimes: BTreeMap<String, bool>,
    pub(crate) too_few: Option<TooFew>,
}
