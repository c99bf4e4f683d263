//! What an orchestrator does with the process of a node: it waits for its end, stops it with a
//! grace period, starts it again, and gives the node another address. And how a program exits.

use crate::life::{SIGKILL, exited_with, killed_by};
use crate::node::Node;
use crate::restart::{Next, Restart, Restarts};
use madsim::net::NetSim;
use std::future::{pending, poll_fn};
use std::net::IpAddr;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass_core::{Kind, Scope};
use stormglass_net::OldAddress;
use stormglass_rt as rt;
use stormglass_rt::signal::unix::SignalKind;

impl Node {
    /// Returns how the node's last process ended, or `None` if none has ended: an exit code
    /// (`ExitStatus::code`) or a signal (`std::os::unix::process::ExitStatusExt::signal`).
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.life().status()
    }

    /// Waits until the node's process ends, and returns how; at once if it is down already. Without
    /// a start function ([`Node::run`], [`Node::set_start`]) it waits for the next kill.
    pub async fn wait(&self) -> ExitStatus {
        let is_down = self.process().is_down();
        let before = {
            let life = self.life();
            match life.status() {
                Some(status) if is_down => return status,
                _ => life.ended,
            }
        };
        poll_fn(|context| self.life().poll_end(before, context)).await
    }

    /// Sends SIGTERM to the process: it ends at once unless it listens for it
    /// ([`stormglass_rt::signal`]).
    pub fn terminate(&self) {
        self.signal(SignalKind::terminate());
    }

    /// Sends SIGINT to the process, as Ctrl-C does: it ends at once unless it listens for it with
    /// [`stormglass_rt::signal`] or madsim's `signal::ctrl_c`.
    pub fn interrupt(&self) {
        self.signal(SignalKind::interrupt());
    }

    /// Sets the policy that starts the process again after it has ended by itself. Default:
    /// [`Restart::never`]. With a policy, a panic of the main task of [`Node::run`] ends the process
    /// with the exit code 101; without one it ends the run.
    ///
    /// ```
    /// use std::process::ExitCode;
    /// use std::time::Duration;
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::restart::Restart;
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    ///
    /// struct Crashes;
    ///
    /// /// A program that fails a second after its start
    /// #[scenario]
    /// impl Scenario for Crashes {
    ///     async fn play(&self, world: World) {
    ///         let node = world.node("node-1");
    ///         node.set_restart(Restart::on_failure());
    ///         node.run("main", || async {
    ///             stormglass_rt::sleep(Duration::from_secs(1)).await;
    ///             ExitCode::from(3)
    ///         });
    ///         assert_eq!(node.wait().await.code(), Some(3));
    ///         // Up again after 100 ms, it fails a second later.
    ///         stormglass_rt::sleep(Duration::from_millis(101)).await;
    ///         assert_eq!(node.wait().await.code(), Some(3));
    ///         let now = stormglass_rt::now().as_secs_f64();
    ///         assert!((2.1..2.11).contains(&now), "{now}");
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&Crashes, None, "quiet", &[])?;
    /// let played = Run::new(&Crashes, settings, Seed(1)).play(Keep::Nothing);
    /// assert!(played.outcome.verdict.is_passed());
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub fn set_restart(&self, restart: Restart) {
        let (node, restarts) = (self.clone(), Mutex::new(Restarts::new(restart)));
        let on_end = move |status, ran| {
            let next = restarts.lock().unwrap_or_else(PoisonError::into_inner).after(status, ran);
            if let Some(next) = next {
                node.start_later(status, next);
            }
        };
        let before = self.life().on_end.replace(Arc::new(on_end));
        drop(before);
    }

    fn start_later(&self, status: ExitStatus, Next { delay, new_address }: Next) {
        let (node, ended) = (self.clone(), self.life().ended);
        self.orchestrate(async move {
            rt::sleep(delay).await;
            if node.life().ended != ended || !node.process().is_down() {
                return;
            }
            if let Some(old) = new_address {
                node.change_address(old);
            }
            let start = node.process().start_or_owe();
            if let Some(start) = start {
                node.note(&format!("start {} again ({status})", node.name));
                node.start(&start);
            }
        });
    }

    /// Gives the node another IP address at once, as a pod gets one that is replaced: its name
    /// resolves to the new one, which is returned. See [`stormglass_net::Host::renew_ip`]. madsim's
    /// own sockets lose the old address as if `old` were [`OldAddress::Hang`].
    pub fn change_address(&self, old: OldAddress) -> IpAddr {
        let ip = self.host.renew_ip(old);
        let network = NetSim::current();
        network.set_ip(self.id, ip);
        network.add_dns_record(&self.name, ip);
        ip
    }

    /// Sends SIGTERM for a fault, and SIGKILL after the grace period if the process still runs.
    /// Keeps the process down until [`Node::release_down`]; if that comes first, the process starts
    /// again when it has ended. Returns `false` if that changes nothing.
    pub(crate) fn keep_down_gracefully(&self, grace: Duration) -> bool {
        let (before, was_down) = {
            let mut process = self.process();
            let (before, was_down) = (process.keep_down(), process.is_down());
            if !was_down {
                process.terminates();
            }
            (before, was_down)
        };
        if !was_down {
            let ended = self.life().ended;
            self.terminate();
            if self.life().ended == ended {
                let node = self.clone();
                self.orchestrate(async move {
                    rt::sleep(grace).await;
                    if node.life().ended == ended {
                        node.note(&format!("kill {} after the grace period", node.name));
                        node.end_by_itself(killed_by(SIGKILL));
                    }
                });
            }
        }
        before > 0 || !was_down
    }

    /// Spawns a task outside of the node.
    fn orchestrate(&self, task: impl Future<Output = ()> + Send + 'static) {
        let recorder = &self.recorder;
        let scope = Scope {
            node: recorder.symbol("harness"),
            task: recorder.symbol("orchestrator"),
            cause: recorder.scope().last(),
            ..Scope::default()
        };
        drop(rt::spawn_on(recorder, &self.harness, scope, task));
    }

    fn note(&self, what: &str) {
        self.recorder.record(rt::now(), Kind::Note, self.recorder.symbol(what), Duration::ZERO, 0);
    }
}

/// The node of the process in whose tasks it is mounted.
#[derive(Clone)]
pub(crate) struct CurrentProcess(pub(crate) Node);

/// Ends the current process with this exit code, as `std::process::exit` does: none of its tasks is
/// polled again. Of the code the kernel keeps 8 bits. Await it; the caller does not continue.
///
/// # Panics
///
/// On a node that is no node of a [`crate::World`], such as that of the scenario itself.
pub async fn exit(code: i32) -> ! {
    let current = rt::mounted::<CurrentProcess>();
    let CurrentProcess(node) = current.expect("exit is called in a task of a node of the world");
    node.end_by_itself(exited_with(code));
    pending().await
}
