//! What a task shares with its handles: how it has ended, and its panic until a task receives it.
//!
//! A panic fails the run unless a task that joins the panicked task receives it. While a
//! [`crate::JoinHandle`] exists it may still be received. When the handle is dropped without that,
//! a task on the node of the panicked task resumes the panic. That task exists in no other case,
//! and it never runs if the process has been killed: the process takes its panics with it.

use crate::clock::is_in_run;
use crate::mount::current_node;
use crate::panics::{PanicRecord, restore};
use madsim::runtime::{Handle, NodeHandle};
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use stormglass_core::Recorder;

/// The number of a task: 1, 2, and so on in the order in which the tasks of a run are spawned.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Id(u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a task and its handles share.
pub(crate) struct TaskState {
    pub(crate) id: Id,
    /// Whether a [`crate::JoinHandle`] of the task exists.
    has_handle: AtomicBool,
    is_aborted: AtomicBool,
    is_finished: AtomicBool,
    /// Whether a panic of the task is received elsewhere.
    is_received: AtomicBool,
    /// The panic with which the task has ended, until a task receives it.
    panic: Mutex<Option<TaskPanic>>,
}

/// A panic of a task that was caught.
pub(crate) struct TaskPanic {
    pub(crate) payload: Box<dyn Any + Send>,
    pub(crate) record: Option<PanicRecord>,
    /// The incarnation of the node on which the task ran.
    node: Option<NodeHandle>,
}

thread_local! {
    /// The tasks whose panic was not received, in the order of the panics. A run has one thread.
    static UNJOINED: RefCell<Vec<Arc<TaskState>>> = const { RefCell::new(Vec::new()) };
}

impl TaskState {
    /// Creates that of the run's next task, which has a handle.
    pub(crate) fn new(recorder: &Recorder) -> Arc<TaskState> {
        Arc::new(TaskState {
            id: Id(recorder.number_task()),
            has_handle: AtomicBool::new(true),
            is_aborted: AtomicBool::new(false),
            is_finished: AtomicBool::new(false),
            is_received: AtomicBool::new(false),
            panic: Mutex::default(),
        })
    }

    /// Notes that a panic of the task is received elsewhere.
    #[cfg(tokio_unstable)]
    pub(crate) fn receive_panics(&self) {
        self.is_received.store(true, Relaxed);
    }

    /// Whether a task may still join this one.
    pub(crate) fn has_handle(&self) -> bool {
        self.has_handle.load(Relaxed)
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Relaxed)
    }

    /// Notes that the task was aborted, and returns whether it had not ended before.
    pub(crate) fn abort(&self) -> bool {
        let runs = !self.is_finished();
        if runs {
            self.is_aborted.store(true, Relaxed);
        }
        runs
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Relaxed)
    }

    /// Notes that the task has ended.
    pub(crate) fn finish(&self) {
        self.is_finished.store(true, Relaxed);
    }

    /// Notes that the task, one of the current node, has ended with a panic, and keeps the panic
    /// for the task that joins it.
    pub(crate) fn finish_with(
        self: &Arc<TaskState>,
        payload: Box<dyn Any + Send>,
        record: Option<PanicRecord>,
    ) {
        self.finish();
        if self.is_received.load(Relaxed) {
            return;
        }
        let node = Handle::try_current().ok().and_then(|madsim| madsim.get_node(current_node()));
        *self.panic() = Some(TaskPanic { payload, record, node });
        UNJOINED.with_borrow_mut(|unjoined| unjoined.push(self.clone()));
    }

    /// Takes the panic of the task, if it has one that was not received.
    pub(crate) fn take_panic(&self) -> Option<TaskPanic> {
        let panic = self.panic().take()?;
        let _ =
            UNJOINED.try_with(|unjoined| unjoined.borrow_mut().retain(|other| !std::ptr::eq(&**other, self)));
        Some(panic)
    }

    /// Notes that the task's [`crate::JoinHandle`] was dropped. If the task has a panic that was
    /// not received, another task resumes it.
    pub(crate) fn drop_handle(self: &Arc<TaskState>) {
        self.has_handle.store(false, Relaxed);
        self.resume_elsewhere();
    }

    /// Has another task resume the panic of this one, if it has one that was not received.
    pub(crate) fn resume_elsewhere(self: &Arc<TaskState>) {
        if let Some(TaskPanic { node: Some(node), .. }) = &*self.panic()
            && is_in_run()
        {
            node.spawn(Resuming { state: self.clone(), resumes: true, was_polled: false });
        }
    }

    fn panic(&self) -> MutexGuard<'_, Option<TaskPanic>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskState").field(&self.id).finish()
    }
}

/// A task of the incarnation of a node on which another task panicked. If that incarnation was
/// killed, it is never polled, and the panic is forgotten.
struct Resuming {
    state: Arc<TaskState>,
    /// Whether it resumes the panic, or only finds out whether the process lives.
    resumes: bool,
    was_polled: bool,
}

impl Future for Resuming {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.was_polled = true;
        if self.resumes
            && let Some(panic) = self.state.take_panic()
        {
            restore(panic.record);
            resume_unwind(panic.payload);
        }
        Poll::Ready(())
    }
}

impl Drop for Resuming {
    fn drop(&mut self) {
        if !self.was_polled {
            drop(self.state.take_panic());
        }
    }
}

/// Whether a task of this thread's run has panicked and no task has received the panic.
pub fn has_unjoined_panic() -> bool {
    UNJOINED.with_borrow(|unjoined| !unjoined.is_empty())
}

/// Forgets the panics of processes that were killed since, once the executor has run the tasks that
/// are ready. For the end of a run.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn forget_panics_of_killed_processes() {
    for state in UNJOINED.with_borrow(Clone::clone) {
        if let Some(TaskPanic { node: Some(node), .. }) = &*state.panic() {
            node.spawn(Resuming { state: state.clone(), resumes: false, was_polled: false });
        }
    }
}

/// Takes the payload of the first panic that no task has received, and forgets all others. Its
/// record becomes that of the last panic ([`crate::panics::take_record`]).
pub fn take_unjoined_panic() -> Option<Box<dyn Any + Send>> {
    let unjoined = UNJOINED.take();
    let first = unjoined.iter().filter_map(|state| state.panic().take()).next()?;
    restore(first.record);
    Some(first.payload)
}
