//! A node: a process on a machine, with a host on the network and a disk.

use crate::cpu::Cpu;
use madsim::runtime::{Handle, NodeHandle};
use madsim::task::NodeId;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::{Recorder, Scope};
use stormglass_fs::{Disk, Loss};
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_rt::worker::Workers;

/// A node: a process on a machine, with a host on the network and a disk. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) id: NodeId,
    pub(crate) host: Host,
    pub(crate) disk: Disk,
    pub(crate) cpu: Cpu,
    pub(crate) recorder: Recorder,
    pub(crate) process: Arc<Mutex<Process>>,
    pub(crate) workers: Arc<Mutex<Option<rt::Mount<Workers>>>>,
}

/// What runs on a node, as far as somebody has said so.
#[derive(Default)]
pub(crate) struct Process {
    /// How it is started again.
    start: Option<Start>,
    /// How often it was started or ended.
    life: u64,
    up: bool,
}

type Start = Arc<dyn Fn() + Send + Sync>;

impl Node {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its host on the network, which is mounted there: in its tasks `stormglass_net`'s sockets are on it.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its disk, which is mounted there: in its tasks the functions of `stormglass_fs` use it. It outlives them.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its share of the machine's CPUs.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// Runs a task of this name on the node, until it ends or the node is killed.
    pub fn spawn<F>(&self, task: &str, future: F) -> rt::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let scope = Scope {
            node: self.recorder.symbol(&self.name),
            task: self.recorder.symbol(task),
            cause: self.recorder.scope().last(),
            ..Scope::default()
        };
        rt::spawn_on(&self.recorder, &self.handle(), scope, future)
    }

    /// Runs the node's process, and again after each fault of a plan that ends it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::{Play, Run, Scenario, Settings, World};
    ///
    /// /// A service that counts its starts in a file.
    /// struct Counts;
    ///
    /// impl Scenario for Counts {
    ///     fn name(&self) -> &str { "counts" }
    ///     fn about(&self) -> &str { "counts its starts" }
    ///     fn nodes(&self, _settings: &Settings) -> Vec<String> { vec!["node-1".into()] }
    ///     fn play(&self, world: World, _settings: &Settings) -> Play {
    ///         Box::pin(async move {
    ///             let node = world.node("node-1");
    ///             let disk = node.disk().clone();
    ///             node.run("service", move || {
    ///                 let disk = disk.clone();
    ///                 async move {
    ///                     let mut starts = disk.read("starts").await.unwrap_or_default();
    ///                     starts.push(b'|');
    ///                     disk.write("starts", starts).await.unwrap();
    ///                     std::future::pending::<()>().await
    ///                 }
    ///             });
    ///             stormglass_rt::sleep(Duration::from_secs(60)).await;
    ///             world.note(&format!("{} starts", node.disk().read("starts").await.unwrap().len()));
    ///         })
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&Counts, None, "quiet", &[
    ///     ("plan.fault", "[{ kind = 'kill', node = 'node-1', at = '3s', lasts = '1s' }, { kind = 'kill', node = 'node-1', at = '5s', lasts = '1s' }]"),
    /// ])?;
    /// let played = Run::new(&Counts, settings, Seed(1)).play(Keep::Events);
    /// assert!(played.trace.events.iter().any(|event| played.trace.text(event.subject) == "3 starts"));
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub fn run<M, F>(&self, task: &str, main: M)
    where
        M: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (node, task) = (self.clone(), task.to_string());
        let start = move || drop(node.spawn(&task, main()));
        start();
        self.starts_with(start);
    }

    /// Says how the node's process, which runs now, is started again after a fault of a plan that ends it. For whoever keeps account of it himself;
    /// others take [`Node::run`].
    pub fn starts_with(&self, start: impl Fn() + Send + Sync + 'static) {
        let mut process = self.process();
        process.life += 1;
        process.up = true;
        let before = process.start.replace(Arc::new(start));
        drop(process);
        drop(before);
    }

    /// Ends the process if one is known to run, or if nobody has said how one is started. Gives the life that begins with that; none if there was
    /// nothing to end.
    pub(crate) fn take_down(&self) -> Option<u64> {
        let process = self.process();
        if process.start.is_some() && !process.up {
            return None;
        }
        drop(process);
        self.kill();
        Some(self.process().life)
    }

    /// Whether somebody has said how its process is started.
    pub(crate) fn restarts(&self) -> bool {
        self.process().start.is_some()
    }

    /// Starts the process again, unless somebody has started or ended it since this life began.
    pub(crate) fn bring_up(&self, life: u64) -> bool {
        let mut process = self.process();
        if process.life != life {
            return false;
        }
        let Some(start) = process.start.clone() else { return false };
        process.life += 1;
        process.up = true;
        drop(process);
        start();
        true
    }

    /// Forgets how its process is started: what starts it may hold the node itself.
    pub(crate) fn forget(&self) {
        let start = self.process().start.take();
        drop(start);
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills every task of the node at once, as SIGKILL does. Its disk keeps what was written; a later
    /// [`Node::spawn`] starts the next life.
    pub fn kill(&self) {
        let mut process = self.process();
        process.life += 1;
        process.up = false;
        drop(process);
        let handle = Handle::current();
        handle.kill(self.id);
        self.mount_workers();
        handle.restart(self.id);
    }

    /// Mounts the worker threads of the life that begins; those of the last one are gone with what they were at.
    pub(crate) fn mount_workers(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        drop(workers.take());
        *workers = Some(rt::mount(self.id, Workers::new(&self.recorder, self.cpu.handling())));
    }

    /// Stops its tasks, as SIGSTOP does: its kernel goes on. Until [`Node::resume`].
    pub fn pause(&self) {
        Handle::current().pause(self.id);
    }

    /// Lets its tasks go on, as SIGCONT does.
    pub fn resume(&self) {
        Handle::current().resume(self.id);
    }

    /// Takes the node's power away for a moment: kills it, and its disk loses what was not synced, as `loss` says. Nobody is
    /// told: its peers' connections are half-open until they send something.
    pub fn power_loss(&self, loss: Loss) {
        let _off = self.host.power_off();
        self.kill();
        self.disk.power_loss(loss);
    }

    fn handle(&self) -> NodeHandle {
        Handle::current().get_node(self.id).expect("the node was made in this run")
    }
}
