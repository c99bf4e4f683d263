//! The asynchronous runtime layer over madsim that every asynchronous crate of Stormglass uses.
//!
//! In reading order, which is the order of dependence:
//!
//! - [`clock`]: simulated time, sleeps without madsim's floor of 1 ms, timer callbacks without a
//!   task.
//! - [`mod@channel`], [`mod@watch`]: communication between tasks that carries causes.
//! - [`mod@mount`]: values that belong to a node, such as its disk and its host.
//! - [`process`]: the incarnations of a node, which own ports and locks until they are killed.
//! - [`special_file`]: Unix sockets and FIFOs, where a filesystem and a network meet.
//! - [`descriptors`]: the file descriptors of a process, and their limit.
//! - [`process`]: the incarnations of a node, which own ports and locks until they are killed.
//! - [`worker`]: the worker threads of a node's runtime, and blocking calls on them.
//! - [`task`]: tasks that keep their scope (node, name, last cause) from poll to poll.
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
pub mod descriptors;
pub mod mount;
pub mod process;
pub mod special_file;
pub mod task;
mod wakers;
pub mod watch;
pub mod worker;

pub use channel::channel;
pub use clock::{
    Alarm, Clock, MissedTickBehavior, Sleep, Ticker, is_in_run, now, pause, record_status, sleep,
    sleep_until, time_of_day, timeout, wake_at,
};
pub use descriptors::Descriptor;
pub use mount::{Mount, current_node, mount, mounted};
pub use process::{Process, ProcessTracker};
pub use special_file::{Filesystem, SpecialFile, SpecialFiles, SpecialKind};
pub use task::{
    JoinHandle, ScopeGuard, Scoped, TaskTracker, join_all, scoped, scoped_task, spawn, spawn_in, spawn_on,
};
pub use wakers::Wakers;
pub use watch::Watch;
