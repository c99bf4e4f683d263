//! A node: a process on a machine, with a host on the network and a disk.

use crate::cpu::Cpu;
use crate::life::{Life, PANICKED, SIGKILL, exited_with, killed_by, status_of};
use crate::process::{Process, Start};
use madsim::runtime::{Handle, NodeHandle};
use madsim::task::NodeId;
use std::any::TypeId;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::process::{ExitStatus, Termination};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{ProcessState, Recorder, Scope, Seed, TurnsSpent};
use stormglass_fs::{Disk, Loss};
use stormglass_net::Host;
use stormglass_rt as rt;
use stormglass_rt::NodeClock;
use stormglass_rt::descriptors::Descriptors;
use stormglass_rt::signal::Signals;
use stormglass_rt::signal::unix::{DefaultAction, SignalKind};
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
    pub(crate) life: Arc<Mutex<Life>>,
    pub(crate) signals: Signals,
    pub(crate) clock: NodeClock,
    /// The node on which the scenario's tasks run.
    pub(crate) harness: NodeHandle,
    pub(crate) workers: Arc<Mutex<Option<rt::Mount<Workers>>>>,
    pub(crate) descriptors: Descriptors,
    /// How the node's processes are hosted; the seed is the run's.
    #[cfg_attr(not(tokio_unstable), expect(dead_code, reason = "processes are not hosted"))]
    pub(crate) hosting: rt::Hosting,
}

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

    /// Returns the node's clock, which a scenario can set and let drift; the kinds `clock-skew`,
    /// `clock-drift` and `clock-jump` of a plan do the same.
    pub fn clock(&self) -> &NodeClock {
        &self.clock
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
    /// The process ends when its main function returns an exit code or a result, as a program does:
    /// its other tasks end with it, and its output gives the exit code ([`Node::exit_status`]).
    /// [`Node::set_restart`] starts it again then. A main function that returns `()` may also have
    /// started other tasks, which go on; it ends the process if the node has a restart policy, if
    /// the process has listened for a signal ([`stormglass_rt::signal`]), or if a fault has sent
    /// SIGTERM.
    ///
    /// The process has a tokio runtime of its own ([`stormglass_rt::hosted`]): `main` and the
    /// libraries that it calls use tokio's tasks, timers, channels and macros as they are. tokio's
    /// tasks are dropped when `main` returns, as in any program. That needs `--cfg tokio_unstable`;
    /// without it the process runs as with [`Node::run_unhosted`].
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
        F::Output: Termination + Send + 'static,
    {
        let node = self.clone();
        self.run_unhosted(task, move || node.hosted(main()));
    }

    /// As [`Node::run`], without a tokio runtime: `main` is a task of the simulation. It uses tasks,
    /// timers and channels of [`stormglass_rt`] (of tokio only `tokio::sync`), costs no ticks, and
    /// the seed determines the order of ready tasks.
    pub fn run_unhosted<M, F>(&self, task: &str, main: M)
    where
        M: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: Termination + Send + 'static,
    {
        let (node, task) = (self.clone(), task.to_string());
        let start = move || {
            let (process, ended) = (node.clone(), node.life().ended);
            let main = main();
            let main = async move {
                let status = process.status_of_main(main).await;
                let is_over = TypeId::of::<F::Output>() != TypeId::of::<()>() || process.ends_with_main();
                if is_over && process.life().ended == ended {
                    process.end_by_itself(status);
                }
            };
            drop(node.spawn(&task, main));
        };
        start();
        self.set_start(start);
    }

    /// Returns whether the process ends when its main function returns nothing.
    fn ends_with_main(&self) -> bool {
        let has_policy = self.life().on_end.is_some();
        has_policy || self.signals.listens() || self.process().is_terminating()
    }

    /// Runs a main function and returns how the process ends with it. Its panic is a status if
    /// something starts the process again; otherwise the panic goes on.
    async fn status_of_main<F: Future<Output: Termination>>(&self, main: F) -> ExitStatus {
        let mut main = pin!(main);
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| main.as_mut().poll(context))) {
            Ok(polled) => polled.map(status_of),
            Err(panic) if panic.is::<TurnsSpent>() || self.life().on_end.is_none() => resume_unwind(panic),
            Err(_) => Poll::Ready(exited_with(PANICKED)),
        })
        .await
    }

    /// Returns a future that runs `main` as the main task of a process with a runtime of its own.
    #[cfg(tokio_unstable)]
    pub(crate) fn hosted<F>(&self, main: F) -> impl Future<Output = F::Output> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (recorder, ended) = (self.recorder.clone(), self.life().ended);
        let seed = Seed(self.hosting.seed.stream(("hosted", &*self.name, ended)).draw());
        let hosting = rt::Hosting { seed, ..self.hosting };
        async move { rt::hosted::run(&recorder, hosting, main).await }
    }

    #[cfg(not(tokio_unstable))]
    pub(crate) fn hosted<F: Future>(&self, main: F) -> F {
        main
    }

    /// Sets the function that starts the node's process again after a fault of a plan has killed
    /// it. The process must be running. For programs that supervise their processes themselves;
    /// others call [`Node::run`].
    pub fn set_start(&self, start: impl Fn() + Send + Sync + 'static) {
        let before = self.process().started(Arc::new(start));
        self.life().starts(rt::now());
        drop(before);
    }

    pub(crate) fn start(&self, start: &Start) {
        self.life().starts(rt::now());
        self.record_state();
        start();
    }

    /// Ends the process for a fault, and keeps it down until [`Node::release_down`]. Returns
    /// `false` if that changes nothing: the scenario has ended the process, and no other fault
    /// keeps it down.
    pub(crate) fn keep_down(&self) -> bool {
        let mut process = self.process();
        let (before, was_down) = (process.keep_down(), process.is_down());
        drop(process);
        if !was_down {
            self.end_process(killed_by(SIGKILL));
            self.process().ended_by_fault();
        }
        before > 0 || !was_down
    }

    /// Ends one fault that keeps the process down. Starts the process again and returns `true` if
    /// it was the last one, and the scenario has neither started nor ended the process since a
    /// fault ended it.
    pub(crate) fn release_down(&self) -> bool {
        let start = self.process().release_down();
        start.map(|start| self.start(&start)).is_some()
    }

    /// Pauses the node for a fault until [`Node::release_paused`], whichever processes are started
    /// on it in the meantime.
    pub(crate) fn keep_paused(&self) {
        self.process().keep_paused();
        Handle::current().pause(self.id);
        self.record_state();
    }

    /// Ends one fault that keeps the node paused. Returns whether the node continues: no other
    /// fault and not the scenario keeps it paused.
    pub(crate) fn release_paused(&self) -> bool {
        let is_paused = self.process().release_paused();
        if !is_paused {
            Handle::current().resume(self.id);
            self.record_state();
            self.receive_pending();
        }
        !is_paused
    }

    /// Returns whether the node has a start function.
    pub(crate) fn restarts(&self) -> bool {
        self.process().restarts()
    }

    /// Returns whether a fault has ended the process and it was not started again.
    pub(crate) fn is_kept_down(&self) -> bool {
        self.process().is_kept_down()
    }

    /// Drops the start function, which may own a handle to the node.
    pub(crate) fn forget(&self) {
        let (start, on_end) = (self.process().forget(), self.life().on_end.take());
        drop((start, on_end));
    }

    pub(crate) fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills every task of the node at once, as SIGKILL does. The disk keeps what was written. The
    /// next [`Node::spawn`] begins the next incarnation of the process, which [`Node::pause`] did
    /// not stop; if a fault of a plan pauses the node, that process is paused too.
    pub fn kill(&self) {
        self.end_by_itself(killed_by(SIGKILL));
    }

    /// Ends the process for another reason than a fault of a plan that keeps it down. What waits for
    /// that starts it again: a fault that has sent SIGTERM, or the restart policy.
    pub(crate) fn end_by_itself(&self, status: ExitStatus) {
        let is_terminating = self.process().is_terminating();
        let ran = self.end_process(status);
        if is_terminating {
            let mut process = self.process();
            process.ended_by_fault();
            let start = process.start_if_owed();
            drop(process);
            start.iter().for_each(|start| self.start(start));
        } else if let Some(ran) = ran {
            let on_end = self.life().on_end.clone();
            on_end.iter().for_each(|on_end| on_end(status, ran));
        }
    }

    /// Ends the process. Returns how long it ran, or `None` if it was down.
    fn end_process(&self, status: ExitStatus) -> Option<Duration> {
        let mut process = self.process();
        let was_down = process.is_down();
        process.ended();
        let is_paused = process.is_paused();
        drop(process);
        let handle = Handle::current();
        handle.kill(self.id);
        self.mount_workers();
        handle.restart(self.id);
        if is_paused {
            handle.pause(self.id);
        }
        self.signals.reset();
        if was_down {
            return None;
        }
        self.recorder.record_process(rt::now(), &self.name, || ProcessState::Down(status.to_string()));
        let (mut waiting, ran) = self.life().ends(status, rt::now());
        waiting.wake_all();
        Some(ran)
    }

    /// Sends a signal to the process. If it does not listen for it ([`stormglass_rt::signal`]), the
    /// kernel's default action follows, which for most signals ends the process. A stopped process
    /// receives signals when it continues, except SIGKILL and SIGCONT. A process that is down
    /// receives none.
    pub fn signal(&self, kind: SignalKind) {
        let (is_down, is_paused) = {
            let process = self.process();
            (process.is_down(), process.is_paused())
        };
        if is_down {
            return;
        }
        let is_continue = kind.default_action() == DefaultAction::Continue;
        if kind == SIGKILL {
            return self.kill();
        }
        if is_paused && !is_continue {
            return self.life().pending.push(kind);
        }
        let handle = Handle::current();
        let is_heard = self.signals.raise(kind);
        if kind == SignalKind::interrupt() {
            // madsim's own listeners. It kills the node if neither they nor ours exist.
            handle.send_ctrl_c(self.id);
            if handle.is_exit(self.id) {
                return self.end_by_itself(killed_by(kind));
            }
            return;
        }
        match kind.default_action() {
            DefaultAction::Continue => self.resume(),
            _ if is_heard => {}
            DefaultAction::Terminate => self.end_by_itself(killed_by(kind)),
            DefaultAction::Stop => self.pause(),
            DefaultAction::Ignore => {}
        }
    }

    /// Delivers the signals that arrived while the process was stopped.
    fn receive_pending(&self) {
        let pending = std::mem::take(&mut self.life().pending);
        pending.into_iter().for_each(|kind| self.signal(kind));
    }

    /// Mounts new worker threads for the next incarnation, and drops those of the last one even if
    /// they are blocked.
    pub(crate) fn mount_workers(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        drop(workers.take());
        *workers = Some(rt::mount(self.id, Workers::new(&self.recorder, self.cpu.handling())));
    }

    /// Stops the node's tasks until [`Node::resume`], as SIGSTOP does: calls are not counted, a kill
    /// ends it, and a process that is down is not affected. The node's kernel continues.
    pub fn pause(&self) {
        if self.process().stop() {
            Handle::current().pause(self.id);
            self.record_state();
        }
    }

    /// Continues the node's tasks, as SIGCONT does, unless a fault of a plan pauses the node: then
    /// its tasks continue when the last such fault is over.
    pub fn resume(&self) {
        if !self.process().cont() {
            Handle::current().resume(self.id);
            self.record_state();
            self.receive_pending();
        }
    }

    /// Records for reports whether the process runs or is paused.
    fn record_state(&self) {
        let (is_down, is_paused) = {
            let process = self.process();
            (process.is_down(), process.is_paused())
        };
        if !is_down {
            let state = if is_paused { ProcessState::Paused } else { ProcessState::Up };
            self.recorder.record_process(rt::now(), &self.name, || state);
        }
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
