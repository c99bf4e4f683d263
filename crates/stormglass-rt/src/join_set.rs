//! A set of tasks that are joined as they end, as `tokio::task::JoinSet`.

use crate::coop;
use crate::join::{AbortHandle, JoinError, JoinHandle};
use crate::mutex::lock;
use crate::panics::{self, PanicRecord};
use crate::task::{spawn, spawn_on};
use crate::task_state::Id;
use madsim::runtime::NodeHandle;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use stormglass_core::{Recorder, Scope};

/// A set of tasks of one output type that are joined in the order in which they end, as
/// `tokio::task::JoinSet`. The last event of a task is a cause of the task that joins it.
///
/// Dropping the set aborts its tasks. A panic that no task has received through the set fails the
/// run, as with [`JoinHandle`].
///
/// Tokio's `spawn_blocking` and `spawn_local` are missing, as a run has one thread; so are
/// `FromIterator` and `Extend`, as a task has a name.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::{Keep, Recorder};
/// use stormglass_rt::JoinSet;
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let mut tasks = JoinSet::new(&Recorder::new(Keep::Nothing));
///     for millis in [3, 1, 2] {
///         tasks.spawn("worker", async move {
///             stormglass_rt::sleep(Duration::from_millis(millis)).await;
///             millis
///         });
///     }
///     let mut ended = Vec::new();
///     while let Some(joined) = tasks.join_next().await {
///         ended.push(joined.unwrap());
///     }
///     assert_eq!(ended, [1, 2, 3]);
/// });
/// ```
pub struct JoinSet<T> {
    recorder: Recorder,
    /// The tasks by their number in the set.
    tasks: BTreeMap<u64, JoinHandle<T>>,
    spawned: u64,
    notified: Arc<Mutex<Notified>>,
}

/// The tasks of a set that have ended, in the order in which they did.
#[derive(Default)]
struct Notified {
    tasks: VecDeque<u64>,
    /// That of the task that joins.
    waker: Option<Waker>,
}

/// The waker of one task's handle.
struct TaskEnded {
    task: u64,
    notified: Arc<Mutex<Notified>>,
}

impl Wake for TaskEnded {
    fn wake(self: Arc<Self>) {
        let mut notified = lock(&self.notified);
        notified.tasks.push_back(self.task);
        let waker = notified.waker.take();
        drop(notified);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> JoinSet<T> {
    /// Creates an empty set of a run.
    pub fn new(recorder: &Recorder) -> JoinSet<T> {
        let notified = Arc::default();
        JoinSet { recorder: recorder.clone(), tasks: BTreeMap::new(), spawned: 0, notified }
    }

    /// Returns the number of tasks that were not joined.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether every task was joined.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task of this name on the current node, as [`crate::spawn`].
    #[track_caller]
    pub fn spawn<F>(&mut self, name: &str, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let task = spawn(&self.recorder, name, future);
        self.insert(task)
    }

    /// Spawns a task on this node, as [`crate::spawn_on`].
    #[track_caller]
    pub fn spawn_on<F>(&mut self, node: &NodeHandle, scope: Scope, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let task = spawn_on(&self.recorder, node, scope, future);
        self.insert(task)
    }

    fn insert(&mut self, mut task: JoinHandle<T>) -> AbortHandle {
        let abort = task.abort_handle();
        self.spawned += 1;
        // A poll keeps the waker: the set learns in which order the tasks end.
        let ended = poll_handle(&mut task, self.spawned, &self.notified);
        assert!(ended.is_pending(), "a task that was just spawned has not run");
        self.tasks.insert(self.spawned, task);
        abort
    }

    /// Waits until a task ends, removes it and returns its result; `None` if the set is empty.
    ///
    /// Cancel safe: a result that was not returned stays in the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// As [`JoinSet::join_next`], with the number of the task. A [`JoinError`] has it too.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|context| self.poll_join_next_with_id(context)).await
    }

    /// Joins a task that has ended, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_join_next_with_id().map(without_id)
    }

    /// As [`JoinSet::try_join_next`], with the number of the task.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        coop::count_try();
        self.pop_ended()
    }

    /// Aborts all tasks and waits until they have ended.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits until all tasks have ended, and returns their outputs in the order in which they
    /// ended.
    ///
    /// # Panics
    ///
    /// If a task panicked, with its payload, or if one was aborted or killed.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next().await {
            outputs.push(joined.unwrap_or_else(|error| {
                let message = error.to_string();
                match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    Err(_) => {
                        panics::restore(Some(PanicRecord {
                            message: Some(message.clone()),
                            ..PanicRecord::default()
                        }));
                        resume_unwind(Box::new(message))
                    }
                }
            }));
        }
        outputs
    }

    /// Aborts all tasks. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }

    /// Removes all tasks without aborting them.
    pub fn detach_all(&mut self) {
        self.tasks.clear();
    }

    /// Polls [`JoinSet::join_next`].
    pub fn poll_join_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(context).map(|joined| joined.map(without_id))
    }

    /// Polls [`JoinSet::join_next_with_id`].
    pub fn poll_join_next_with_id(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        let coop = ready!(coop::poll_proceed(context));
        let joined = self.pop_ended();
        if joined.is_some() || self.is_empty() {
            coop.made_progress();
            return Poll::Ready(joined);
        }
        lock(&self.notified).waker = Some(crate::hosting::waker(context).into_owned());
        Poll::Pending
    }

    /// Removes the task that ended first.
    fn pop_ended(&mut self) -> Option<Result<(Id, T), JoinError>> {
        loop {
            let number = lock(&self.notified).tasks.pop_front()?;
            let Some(task) = self.tasks.get_mut(&number) else { continue };
            if let Poll::Ready(joined) = poll_handle(task, number, &self.notified) {
                let id = task.id();
                self.tasks.remove(&number);
                return Some(joined.map(|output| (id, output)));
            }
        }
    }
}

/// Polls a task's handle, and arranges that the set is notified when the task ends. Takes nothing
/// from the budget: joining the set does.
fn poll_handle<T>(
    task: &mut JoinHandle<T>,
    number: u64,
    notified: &Arc<Mutex<Notified>>,
) -> Poll<Result<T, JoinError>> {
    let waker = Waker::from(Arc::new(TaskEnded { task: number, notified: notified.clone() }));
    let _guard = coop::without_budget();
    Pin::new(task).poll(&mut Context::from_waker(&waker))
}

fn without_id<T>(joined: Result<(Id, T), JoinError>) -> Result<T, JoinError> {
    joined.map(|(_, output)| output)
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}
