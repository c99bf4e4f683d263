//! The worker threads of a node's runtime, and blocking calls on them.
//!
//! A worker thread of an asynchronous runtime polls the I/O and time drivers when it has no task
//! to run. It runs the task that the driver wakes itself, and does not wake another worker for a
//! single task. So a task that makes a blocking call (a synced write, for example) blocks the
//! thread that would have polled the drivers: the event loop of its whole process is blocked until
//! the task waits for something else or another worker wakes up. Another worker wakes up
//!
//! - when the task wakes more than one task: the last one stays in the LIFO slot of its own
//!   worker, and other workers run the ones before ([`run_in_other_task`]);
//! - when work on another thread of the process completes ([`offload`]): a disk operation, the
//!   opening of a database, work on a CPU;
//! - when the drivers notify more than one task: each keeps a worker awake for a while.
//!
//! Wake-ups that arrive while no worker polls the drivers are delayed, never dropped: they are
//! delivered when a worker polls again.
//!
//! [`block`] is a blocking call. It has an effect in the tasks of a node on which [`Workers`] are
//! mounted. Without them, and without blocking calls, this module changes nothing.
//!
//! (Source: tokio 1.x, `runtime/scheduler/multi_thread/worker.rs`: a worker that the driver wakes
//! is not searching, `should_notify_others` requires more than one task before another worker is
//! woken, and no other worker can steal the task in a LIFO slot; see also
//! `Builder::disable_lifo_slot`.)
//!
//! ```
//! use std::time::Duration;
//! use stormglass_core::{Keep, Recorder};
//! use stormglass_rt::{self as rt, worker};
//!
//! const MS: fn(u64) -> Duration = Duration::from_millis;
//!
//! madsim::runtime::Runtime::new().block_on(async {
//!     let recorder = Recorder::new(Keep::Nothing);
//!     let _mounted = rt::mount(rt::current_node(), worker::Workers::new(&recorder, Duration::ZERO));
//!     let ticks = rt::spawn(&recorder, "ticks", async {
//!         rt::sleep(MS(10)).await;
//!         rt::now()
//!     });
//!     rt::spawn(&recorder, "server", worker::block(rt::sleep(MS(200))));
//!     // The timer was due after 10 ms; its wake-up is delivered after 200 ms.
//!     assert!(ticks.await.unwrap().as_nanos() >= 200_000_000);
//! });
//! ```

mod blocking;
mod pool;
mod wakeup;

pub(crate) use blocking::wake_spawned_task;
pub use blocking::{
    BlockingPoolGuard, block, block_or_offload, enter_blocking_pool, offload, run_in_other_task, run_in_task,
};
pub(crate) use pool::TaskWorker;
pub use pool::Workers;
