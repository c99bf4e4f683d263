//! Blocking calls on the current worker thread, operations on other threads, and work for other
//! tasks.

use super::pool::{TaskWorker, current_task};
use super::wakeup::Wakeup;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Runs `future` as a blocking call on the current worker thread. Until it completes, the task in
/// this worker's LIFO slot cannot run, and if no other worker is awake, nothing polls the I/O and
/// time drivers, so the whole process stops responding.
///
/// A branch of [`crate::join_all`] counts as a task of its own: the other branches go on.
pub fn block<F: Future>(future: F) -> OnThread<F> {
    OnThread { blocks: true, guard: None, future }
}

/// Runs `future` on the blocking thread pool, as `spawn_blocking` does: it goes on while the event
/// loop of its process is blocked, and when it completes a worker wakes up. A disk operation and
/// work on a CPU do so by themselves, each one; this is for several in a row.
pub fn offload<F: Future>(future: F) -> OnThread<F> {
    OnThread { blocks: false, guard: None, future }
}

/// Runs `future` with [`block`] if `blocks`, else with [`offload`]: for a write whose thread
/// depends on settings.
pub fn block_or_offload<F: Future>(blocks: bool, future: F) -> OnThread<F> {
    if blocks { block(future) } else { offload(future) }
}

pin_project! {
    /// A future that occupies a thread of its process from its first poll on, until it completes;
    /// see [`block`] and [`offload`].
    #[derive(Debug)]
    #[must_use]
    pub struct OnThread<F> {
        #[pin]
        future: F,
        blocks: bool,
        // `None` before the first poll and after the last; dropped after the future.
        guard: Option<ThreadGuard>,
    }
}

impl<F: Future> Future for OnThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.guard.get_or_insert_with(|| ThreadGuard::new(*this.blocks));
        let output = ready!(this.future.poll(context));
        *this.guard = None;
        Poll::Ready(output)
    }
}

/// The thread that an [`OnThread`] occupies; none for a task without [`super::Workers`].
#[derive(Debug)]
enum ThreadGuard {
    Worker { _guard: Option<BlockingGuard> },
    Pool { _guard: Option<BlockingPoolGuard> },
}

impl ThreadGuard {
    fn new(blocks: bool) -> ThreadGuard {
        if blocks {
            ThreadGuard::Worker { _guard: current_task().map(BlockingGuard::new) }
        } else {
            ThreadGuard::Pool { _guard: enter_blocking_pool() }
        }
    }
}

/// Marks the current task as busy on the blocking thread pool until the guard is dropped: for
/// hand-written futures; see [`offload`]. Returns `None` for a task without [`super::Workers`].
pub fn enter_blocking_pool() -> Option<BlockingPoolGuard> {
    current_task().map(BlockingPoolGuard::new)
}

/// Wakes another task of the process to run `work`, such as the one that sends a reply. Runs it at
/// once for a task without [`super::Workers`].
pub fn run_in_other_task(work: impl FnOnce() + Send + 'static) {
    wake_task(None, work);
}

/// As [`run_in_other_task`], in the task of this number: several calls in a row wake it once.
pub fn run_in_task(task: u64, work: impl FnOnce() + Send + 'static) {
    wake_task(Some(task), work);
}

fn wake_task(task: Option<u64>, work: impl FnOnce() + Send + 'static) {
    match current_task() {
        Some(current) => current.put_in_lifo_slot(Wakeup::Task(task, vec![Box::new(work)])),
        None => work(),
    }
}

/// Counts the wake-up of a task that the current task has spawned.
pub(crate) fn wake_spawned_task() {
    if let Some(current) = current_task() {
        current.put_in_lifo_slot(Wakeup::Task(None, Vec::new()));
    }
}

/// The guard of an operation on the blocking thread pool; see [`enter_blocking_pool`].
#[derive(Debug)]
pub struct BlockingPoolGuard(Arc<TaskWorker>);

impl BlockingPoolGuard {
    fn new(task: Arc<TaskWorker>) -> BlockingPoolGuard {
        task.begin_offloaded();
        BlockingPoolGuard(task)
    }
}

impl Drop for BlockingPoolGuard {
    fn drop(&mut self) {
        self.0.end_offloaded();
    }
}

/// The guard of a blocking call on the worker; see [`block`].
#[derive(Debug)]
struct BlockingGuard(Arc<TaskWorker>);

impl BlockingGuard {
    fn new(task: Arc<TaskWorker>) -> BlockingGuard {
        task.begin_blocking();
        BlockingGuard(task)
    }
}

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        self.0.end_blocking();
    }
}
