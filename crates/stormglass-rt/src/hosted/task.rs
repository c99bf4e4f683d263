//! Tasks of a hosted runtime that are spawned by [`spawn`]: their order among the ready ones, and
//! what becomes of their panics.

use crate::hosting::{draws_yield, end_run, recorder};
use crate::panics;
use crate::task_state::TaskState;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::{AbortHandle, Id, JoinError};

/// Spawns a task on the current hosted runtime, as `tokio::spawn`.
///
/// Its order among the ready tasks follows [`super::Hosting::schedule`]. Its panic is a
/// [`JoinError`] for the task that joins it; a panic that no task receives fails the run, as that of
/// [`crate::spawn`] does. A task that a library spawns with tokio's own `spawn` has neither.
///
/// # Panics
///
/// Outside a hosted runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let state = recorder().map(|recorder| TaskState::new(&recorder));
    let task = Some(tokio::spawn(Scheduled::new(future, state.clone())));
    JoinHandle { task, state }
}

/// Spawns a task that is not `Send` on the current `LocalSet`, as `tokio::task::spawn_local`, with the
/// order and the panics of [`spawn`].
///
/// # Panics
///
/// Outside a `LocalSet` of a hosted runtime.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let state = recorder().map(|recorder| TaskState::new(&recorder));
    let task = Some(tokio::task::spawn_local(Scheduled::new(future, state.clone())));
    JoinHandle { task, state }
}

const TAKEN: &str = "only `into_tokio` takes tokio's handle";

/// The future of a task.
pub(super) struct Scheduled<F> {
    future: Pin<Box<F>>,
    /// What the task shares with its handle; the main task has none.
    state: Option<Arc<TaskState>>,
}

impl<F> Scheduled<F> {
    pub(super) fn new(future: F, state: Option<Arc<TaskState>>) -> Scheduled<F> {
        Scheduled { future: Box::pin(future), state }
    }
}

impl<F: Future> Future for Scheduled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if draws_yield() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(state) = self.state.clone() else { return self.future.as_mut().poll(context) };
        catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(context))).unwrap_or_else(|payload| {
            let mut record = panics::take_record(&*payload);
            if let (Some(record), Some(recorder)) = (&mut record, recorder()) {
                record.scope.get_or_insert(recorder.scope());
            }
            // tokio gives the payload to the task that joins this one. The message stays here.
            let message = panics::describe(&*payload).to_string();
            if panics::ends_the_run(&*payload, record.as_ref()) {
                panics::restore(record);
                end_run(payload);
                resume_unwind(Box::new(message));
            }
            state.finish_with(Box::new(message), record);
            if !state.has_handle() {
                state.resume_elsewhere();
            }
            resume_unwind(payload)
        })
    }
}

/// The handle of a task that [`spawn`] has spawned: tokio's, which notes whether somebody receives
/// the task's panic. [`JoinHandle::into_tokio`] returns tokio's, for a library that wants it.
pub struct JoinHandle<T> {
    /// `None` once it was taken.
    task: Option<tokio::task::JoinHandle<T>>,
    state: Option<Arc<TaskState>>,
}

impl<T> JoinHandle<T> {
    /// Aborts the task.
    pub fn abort(&self) {
        self.task().abort();
    }

    /// Returns a handle that aborts the task.
    pub fn abort_handle(&self) -> AbortHandle {
        self.task().abort_handle()
    }

    /// Returns the task's number in this process.
    pub fn id(&self) -> Id {
        self.task().id()
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.task().is_finished()
    }

    /// Returns tokio's handle. A panic of the task counts as received.
    ///
    /// ```
    /// use stormglass_core::{Keep, Recorder, Seed};
    /// use stormglass_rt::hosted::{self, Hosting};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let recorder = Recorder::new(Keep::Nothing);
    ///     let main = async { hosted::spawn(async { 7 }).into_tokio().await };
    ///     assert_eq!(hosted::run(&recorder, Hosting::new(Seed(1)), main).await.unwrap(), 7);
    /// });
    /// ```
    pub fn into_tokio(mut self) -> tokio::task::JoinHandle<T> {
        if let Some(state) = self.state.take() {
            drop(state.take_panic());
            // From now on its panic is received.
            state.receive_panics();
        }
        self.task.take().expect(TAKEN)
    }

    fn task(&self) -> &tokio::task::JoinHandle<T> {
        self.task.as_ref().expect(TAKEN)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = Pin::new(self.task.as_mut().expect(TAKEN)).poll(context);
        if let (Poll::Ready(Err(error)), Some(state)) = (&joined, &self.state)
            && error.is_panic()
        {
            drop(state.take_panic());
        }
        joined
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            state.drop_handle();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}
