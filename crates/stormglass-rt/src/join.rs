//! Joining and aborting tasks, with the names and the behaviour of tokio.

use crate::coop;
use crate::panics::{message_of, restore};
use crate::task_state::{Id, TaskPanic, TaskState};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use stormglass_core::{EventId, Recorder};

/// The handle of a spawned task, as `tokio::task::JoinHandle`. The last event of the task is a
/// cause of the task that joins it.
///
/// Dropping it lets the task run on. If the task panics, or has panicked, and no task has received
/// the panic through its handle, the run fails: at the panic if there is no handle, else when the
/// handle is dropped, else at the end of the run. A process that is killed meanwhile takes its
/// panics with it.
///
/// ```
/// use stormglass_core::{Keep, Recorder};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let recorder = Recorder::new(Keep::Nothing);
///     let task = stormglass_rt::spawn(&recorder, "doomed", async { panic!("boom") });
///     let error = task.await.unwrap_err();
///     assert!(error.is_panic());
///     assert_eq!(error.to_string(), "task 1 panicked with message \"boom\"");
/// });
/// ```
pub struct JoinHandle<T> {
    task: madsim::task::JoinHandle<Option<(T, EventId)>>,
    state: Arc<TaskState>,
    recorder: Recorder,
}

impl<T> JoinHandle<T> {
    /// The output of the madsim task is `None` if the task panicked.
    pub(crate) fn new(
        task: madsim::task::JoinHandle<Option<(T, EventId)>>,
        state: Arc<TaskState>,
        recorder: &Recorder,
    ) -> JoinHandle<T> {
        JoinHandle { task, state, recorder: recorder.clone() }
    }

    /// Aborts the task: it ends before its next poll.
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.state.is_finished()
    }

    /// Returns a handle that can abort the task and does not join it.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { task: self.task.abort_handle(), state: self.state.clone() }
    }

    /// Returns the task's number.
    pub fn id(&self) -> Id {
        self.state.id
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let coop = ready!(coop::poll_proceed(context));
        let waker = crate::hosting::waker(context);
        let joined = ready!(Pin::new(&mut self.task).poll(&mut Context::from_waker(&waker)));
        coop.made_progress();
        if let Ok(Some((output, last))) = joined {
            self.recorder.join(last);
            return Poll::Ready(Ok(output));
        }
        let id = self.state.id;
        Poll::Ready(Err(match self.state.take_panic() {
            Some(panic) => {
                if let Some(scope) = panic.record.as_ref().and_then(|record| record.scope) {
                    self.recorder.join(scope.last());
                }
                JoinError::panic(id, panic)
            }
            None => JoinError { id, cause: Cause::Cancelled },
        }))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.state.drop_handle();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

/// A handle that can abort a task, as `tokio::task::AbortHandle`. Dropping it changes nothing.
#[derive(Clone)]
pub struct AbortHandle {
    task: madsim::task::AbortHandle,
    state: Arc<TaskState>,
}

impl AbortHandle {
    /// Aborts the task: it ends before its next poll.
    pub fn abort(&self) {
        if self.state.abort() {
            self.task.abort();
        }
    }

    /// Whether the task has ended. A task that was aborted has ended when it is dropped.
    pub fn is_finished(&self) -> bool {
        self.state.is_finished()
    }

    /// Returns the task's number.
    pub fn id(&self) -> Id {
        self.state.id
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}

/// The error of joining a task that was aborted, killed or panicked, as `tokio::task::JoinError`.
pub struct JoinError {
    id: Id,
    cause: Cause,
}

enum Cause {
    Cancelled,
    /// The payload is locked only to make the error `Sync`.
    Panic {
        panic: Box<Mutex<TaskPanic>>,
        message: Option<Box<str>>,
    },
}

impl JoinError {
    fn panic(id: Id, panic: TaskPanic) -> JoinError {
        let message = message_of(&*panic.payload).map(Box::from);
        JoinError { id, cause: Cause::Panic { panic: Box::new(Mutex::new(panic)), message } }
    }

    /// Whether the task was aborted, or its process was killed.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic { .. })
    }

    /// Returns the payload of the panic. If it is resumed (`std::panic::resume_unwind`), the run's
    /// verdict names the task that panicked first.
    ///
    /// # Panics
    ///
    /// If the task did not panic.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("`JoinError` reason is not a panic.")
    }

    /// Returns the payload of the panic; see [`JoinError::into_panic`].
    ///
    /// # Errors
    ///
    /// Returns the error itself if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.cause {
            Cause::Panic { panic, .. } => {
                let panic = panic.into_inner().unwrap_or_else(PoisonError::into_inner);
                restore(panic.record);
                Ok(panic.payload)
            }
            Cause::Cancelled => Err(self),
        }
    }

    /// Returns the task's number.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id;
        match &self.cause {
            Cause::Cancelled => write!(f, "task {id} was cancelled"),
            Cause::Panic { message: Some(message), .. } => {
                write!(f, "task {id} panicked with message {message:?}")
            }
            Cause::Panic { message: None, .. } => write!(f, "task {id} panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id;
        match &self.cause {
            Cause::Cancelled => write!(f, "JoinError::Cancelled({id:?})"),
            Cause::Panic { message: Some(message), .. } => {
                write!(f, "JoinError::Panic({id:?}, {message:?}, ...)")
            }
            Cause::Panic { message: None, .. } => write!(f, "JoinError::Panic({id:?}, ...)"),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(if error.is_panic() { "task panicked" } else { "task was cancelled" })
    }
}
