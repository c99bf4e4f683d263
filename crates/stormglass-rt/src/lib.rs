//! The asynchronous runtime layer over madsim that every asynchronous crate of Stormglass uses.
//!
//! In reading order, which is the order of dependence:
//!
//! - `hosting`: the runtime that hosts the current task, and wakers that reach it from outside.
//! - [`clock`]: simulated time, sleeps without madsim's floor of 1 ms, timer callbacks without a
//!   task.
//! - [`mod@channel`], [`mod@watch`]: communication between tasks that carries causes.
//! - [`mod@mount`]: values that belong to a node, such as its disk and its host.
//! - [`worker`]: the worker threads of a node's runtime, and blocking calls on them.
//! - [`task`]: tasks that keep their scope (node, name, last cause) from poll to poll.
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
#[cfg(tokio_unstable)]
pub mod hosted;
mod hosting;
pub mod mount;
pub mod task;
mod wakers;
pub mod watch;
pub mod worker;

pub use channel::channel;
pub use clock::{
    Alarm, Clock, MissedTickBehavior, Sleep, Ticker, is_in_run, now, pause, record_status, sleep,
    sleep_until, time_of_day, timeout, wake_at,
};
pub use hosting::{Hosting, Schedule, is_hosted, waker};
pub use mount::{Mount, current_node, mount, mounted};
pub use task::{
    JoinHandle, ScopeGuard, Scoped, TaskTracker, join_all, scoped, scoped_task, spawn, spawn_in, spawn_on,
};
pub use wakers::Wakers;
pub use watch::Watch;
