//! The ground that every asynchronous crate of ours stands on, over madsim.
//!
//! - [`clock`]: the run's time, sleeps without madsim's floor of 1 ms, timer callbacks without a task.
//! - [`task`]: tasks that carry their scope (node, name, last cause) from poll to poll.
//! - [`mod@channel`], [`mod@watch`]: hand-overs between tasks that carry the cause across.
//! - [`mod@mount`]: what belongs to the node at work: its disk, its host.
//! - [`worker`]: the threads of a node's runtime, and what it costs to block one.
//!
//! What these have in common is cause: when something made here completes, the scope at work has waited for
//! the latest of what it needed, and [`stormglass_core::blame`] can follow that back.

#[cfg(not(madsim))]
compile_error!(
    "Stormglass builds for the simulated world only, and `--cfg madsim` is missing. Inside this workspace \
     .cargo/config.toml sets it; an exported RUSTFLAGS or RUSTDOCFLAGS replaces that silently, so unset them. \
     In your own workspace add to .cargo/config.toml: [build] rustflags = [\"--cfg\", \"madsim\"]"
);

pub mod channel;
pub mod clock;
pub mod mount;
pub mod task;
mod wakers;
pub mod watch;
pub mod worker;

pub use channel::channel;
pub use clock::{
    Alarm, Clock, Missed, Sleep, Ticker, now, pause, running, sleep, sleep_until, status, time_of_day,
    timeout, wake_at,
};
pub use mount::{Mount, mount, mounted, node};
pub use task::{
    Followed, Gathered, JoinHandle, Turn, follow, follow_new, join_all, spawn, spawn_in, spawn_on,
};
pub use wakers::Wakers;
pub use watch::Watch;
