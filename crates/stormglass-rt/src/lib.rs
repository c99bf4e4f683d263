//! The asynchronous runtime layer over madsim that every asynchronous crate of Stormglass uses.
//!
//! In reading order, which is the order of dependence:
//!
//! - `hosting`: the runtime that hosts the current task, and wakers that reach it from outside.
//! - `timers`: the run's timers, in order also where several are due at once.
//! - [`clock`]: simulated time, sleeps without madsim's floor of 1 ms, timer callbacks without a
//!   task.
//! - [`special_file`]: Unix sockets and FIFOs, where a filesystem and a network meet.
//! - [`descriptors`]: the file descriptors of a process, and their limit.
//! - [`process`]: the incarnations of a node, which own ports and locks until they are killed.
//! - [`leaks`]: calls of code in a run that reach the real machine.
//! - [`panics`]: where and in which task a panic happened.
//! - [`coop`]: the budget of operations of a poll, and the time that system calls take.
//! - [`node_clock`]: clocks of nodes that are wrong, and the run's date.
//! - [`mod@channel`], [`mod@watch`]: communication between tasks that carries causes.
//! - [`mod@mount`]: values that belong to a node, such as its disk and its host.
//! - [`signal`]: the signals of a node's process, as `tokio::signal`.
//! - [`worker`]: the worker threads of a node's runtime, and blocking calls on them.
//! - [`task`]: tasks that keep their scope (node, name, last cause) from poll to poll; their
//!   handles, with the names and the behaviour of tokio's.
//! - `hosted`: processes whose code runs on a tokio runtime that a task drives; with `--cfg
//!   tokio_unstable` only.
//!
//! All of them record causes: when an operation of this crate completes, the cause of the current
//! scope is the latest event that the operation needed, and [`stormglass_core::critical_path`] can
//! follow it back.

#[cfg(not(madsim))]
compile_error!(
    "Stormglass builds for the simulated world only, and `--cfg madsim` is missing. Inside this workspace \
     .cargo/config.toml sets it; an exported RUSTFLAGS or RUSTDOCFLAGS replaces that silently, so unset them. \
     In your own workspace add to .cargo/config.toml: [build] rustflags = [\"--cfg\", \"madsim\"]"
);

pub mod channel;
pub mod clock;
pub mod close_order;
pub mod coop;
pub mod descriptors;
#[cfg(tokio_unstable)]
pub mod hosted;
mod hosting;
mod join;
mod join_set;
pub mod leaks;
pub mod mount;
mod mutex;
pub mod node_clock;
pub mod panics;
pub mod process;
mod run;
pub mod signal;
pub mod special_file;
mod std_clock;
pub mod task;
mod task_state;
mod timers;
mod wake_causes;
mod wakers;
pub mod watch;
pub mod worker;

pub use channel::channel;
pub use clock::{
    Alarm, Clock, MissedTickBehavior, Sleep, Ticker, is_in_run, now, pause, record_status, sleep,
    sleep_until, timeout, wake_at,
};
pub use descriptors::Descriptor;
pub use hosting::{Hosting, Schedule, waker};
pub use join::{AbortHandle, JoinError, JoinHandle};
pub use join_set::JoinSet;
pub use leaks::{Leak, Leaks};
pub use mount::{Mount, current_node, mount, mounted};
pub use node_clock::{NodeClock, monotonic, set_date, time_of_day};
pub use process::{Process, ProcessTracker};
pub use run::{RunGuard, enter_run};
pub use special_file::{Filesystem, SpecialFile, SpecialFiles, SpecialKind};
pub use task::{ScopeGuard, Scoped, TaskTracker, join_all, scoped, scoped_task, spawn, spawn_in, spawn_on};
pub use task_state::{Id, forget_panics_of_killed_processes, has_unjoined_panic, take_unjoined_panic};
pub use wakers::Wakers;
pub use watch::Watch;
