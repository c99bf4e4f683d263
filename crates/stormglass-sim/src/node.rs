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
use stormglass_rt::descriptors::Descriptors;
use stormglass_rt::worker::Workers;

/// A node: a process on a machine, with a host on the network and a disk. Clones are handles to
/// the same node.
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
    pub(crate) descriptors: Descriptors,
}

/// The process of a node that has a start function.
#[derive(Default)]
pub(crate) struct Process {
    /// The function that starts the process again.
    start: Option<Start>,
    /// The number of times that the process was started or ended.
    incarnation: u64,
    is_up: bool,
}

type Start = Arc<dyn Fn() + Send + Sync>;

impl Node {
    /// Returns the node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the node's host on the network. It is mounted on the node: sockets of
    /// `stormglass_net` in the node's tasks are on it.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the node's disk. It is mounted on the node: functions of `stormglass_fs` in the
    /// node's tasks use it. It outlives the tasks.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the file descriptors of the node's process: how many are open, and their limit
    /// (`machine.descriptors` of the profile), which can be set at any time.
    pub fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    /// Returns the node's access to the machine's CPUs.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// Spawns a task on the node. It runs until it ends or the node is killed.
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

    /// Starts the node's process, and starts it again after each fault of a plan that kills it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    ///
    /// struct Counts;
    ///
    /// /// A service counts its starts in a file
    /// #[scenario]
    /// impl Scenario for Counts {
    ///     async fn play(&self, world: World) {
    ///         let node = world.node("node-1");
    ///         let disk = node.disk().clone();
    ///         node.run("service", move || {
    ///             let disk = disk.clone();
    ///             async move {
    ///                 let mut starts = disk.read("starts").await.unwrap_or_default();
    ///                 starts.push(b'|');
    ///                 disk.write("starts", starts).await.unwrap();
    ///                 std::future::pending::<()>().await
    ///             }
    ///         });
    ///         stormglass_rt::sleep(Duration::from_secs(60)).await;
    ///         world.note(&format!("{} starts", node.disk().read("starts").await.unwrap().len()));
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
        self.set_start(start);
    }

    /// Sets the function that starts the node's process again after a fault of a plan has killed
    /// it. The process must be running. For programs that supervise their processes themselves;
    /// others call [`Node::run`].
    pub fn set_start(&self, start: impl Fn() + Send + Sync + 'static) {
        let mut process = self.process();
        process.incarnation += 1;
        process.is_up = true;
        let before = process.start.replace(Arc::new(start));
        drop(process);
        drop(before);
    }

    /// Kills the process, and returns the number of the incarnation that begins with that. Returns
    /// `None` and does nothing if the process is known to be down. A node without a start function
    /// counts as running.
    pub(crate) fn take_down(&self) -> Option<u64> {
        let process = self.process();
        if process.start.is_some() && !process.is_up {
            return None;
        }
        drop(process);
        self.kill();
        Some(self.process().incarnation)
    }

    /// Returns whether the node has a start function.
    pub(crate) fn restarts(&self) -> bool {
        self.process().start.is_some()
    }

    /// Starts the process again and returns `true`, unless it was started or ended since this
    /// incarnation began.
    pub(crate) fn bring_up(&self, incarnation: u64) -> bool {
        let mut process = self.process();
        if process.incarnation != incarnation {
            return false;
        }
        let Some(start) = process.start.clone() else { return false };
        process.incarnation += 1;
        process.is_up = true;
        drop(process);
        start();
        true
    }

    /// Drops the start function, which may own a handle to the node.
    pub(crate) fn forget(&self) {
        let start = self.process().start.take();
        drop(start);
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills every task of the node at once, as SIGKILL does. The disk keeps what was written. The
    /// next [`Node::spawn`] begins the next incarnation of the process.
    pub fn kill(&self) {
        let mut process = self.process();
        process.incarnation += 1;
        process.is_up = false;
        drop(process);
        let handle = Handle::current();
        handle.kill(self.id);
        self.mount_workers();
        handle.restart(self.id);
    }

    /// Mounts new worker threads for the next incarnation, and drops those of the last one even if
    /// they are blocked.
    pub(crate) fn mount_workers(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        drop(workers.take());
        *workers = Some(rt::mount(self.id, Workers::new(&self.recorder, self.cpu.handling())));
    }

    /// Stops the node's tasks until [`Node::resume`], as SIGSTOP does. The node's kernel
    /// continues.
    pub fn pause(&self) {
        Handle::current().pause(self.id);
    }

    /// Continues the node's tasks, as SIGCONT does.
    pub fn resume(&self) {
        Handle::current().resume(self.id);
    }

    /// Cuts the node's power for a moment: kills its process, and discards unsynced writes on its
    /// disk according to `loss`. No peer is notified: a peer's connections stay half-open until it
    /// sends something.
    pub fn power_loss(&self, loss: Loss) {
        let _off = self.host.power_off();
        self.kill();
        self.disk.power_loss(loss);
    }

    fn handle(&self) -> NodeHandle {
        Handle::current().get_node(self.id).expect("the node was made in this run")
    }
}
