//! Tasks that keep their scope.
//!
//! madsim polls tasks one at a time on one thread, in an order drawn from the seed. A scoped task
//! makes its own scope the current one for each poll and saves it afterwards, so the events that
//! it records have its node, its name and its last cause. The task that wakes it passes its own
//! cause on, so causes pass through channels, locks and notifications that do not carry them, such
//! as tokio's.

use crate::coop;
use crate::hosting;
use crate::join::JoinHandle;
use crate::mount::current_node;
use crate::node_clock::ShownClock;
use crate::panics::{self, install_hook};
use crate::task_state::TaskState;
use crate::wake_causes::WakeCauses;
use crate::worker::{TaskWorker, wake_spawned_task};
use madsim::runtime::NodeHandle;
use madsim::task::{AbortHandle, NodeId};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use stormglass_core::{EventId, Recorder, Scope};

/// Spawns a task of this name on the current node. It starts with the spawner's cause.
///
/// The task ends with its node, or when the handle's `abort` is called; dropping the handle lets
/// it run on. [`JoinHandle`] says what happens if it panics.
#[track_caller]
pub fn spawn<F>(recorder: &Recorder, name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_in(recorder, Scope { task: recorder.symbol(name), ..recorder.scope() }, future)
}

/// As [`spawn`], in this scope.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns a task on madsim")]
#[track_caller]
pub fn spawn_in<F>(recorder: &Recorder, scope: Scope, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (state, task) = new_task(recorder, scope, future);
    let task = madsim::task::spawn(task);
    track(|| task.abort_handle());
    wake_spawned_task();
    JoinHandle::new(task, state, recorder)
}

thread_local! {
    /// The node whose tasks are tracked, and its tasks.
    static TRACKED: RefCell<Option<(NodeId, Vec<AbortHandle>)>> = const { RefCell::new(None) };
}

fn track(task: impl FnOnce() -> AbortHandle) {
    TRACKED.with_borrow_mut(|tracked| {
        if let Some((node, tasks)) = tracked
            && *node == current_node()
        {
            if tasks.len() == tasks.capacity() {
                tasks.retain(|task| !task.is_finished());
            }
            tasks.push(task());
        }
    });
}

/// Tracks the tasks of one node, so that they can be aborted where the node cannot be killed:
/// madsim's main node. A task that is never aborted and waits for a value that it holds itself is
/// never freed.
#[derive(Debug)]
pub struct TaskTracker(());

impl TaskTracker {
    /// Tracks the tasks that [`spawn`] and [`spawn_in`] spawn on the current node from now on; one
    /// node at a time.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn on_current_node() -> TaskTracker {
        TRACKED.set(Some((current_node(), Vec::new())));
        TaskTracker(())
    }

    /// Aborts the tracked tasks. Each is dropped when the executor reaches it.
    pub fn abort_all(&self) {
        let tasks = TRACKED.take();
        tasks.into_iter().flat_map(|(_, tasks)| tasks).for_each(|task| task.abort());
    }
}

impl Drop for TaskTracker {
    fn drop(&mut self) {
        TRACKED.set(None);
    }
}

/// As [`spawn_in`], on this node.
#[track_caller]
pub fn spawn_on<F>(recorder: &Recorder, node: &NodeHandle, scope: Scope, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (state, task) = new_task(recorder, scope, future);
    JoinHandle::new(node.spawn(task), state, recorder)
}

/// Returns the future of a task, and what it shares with its handles.
fn new_task<F: Future>(recorder: &Recorder, scope: Scope, future: F) -> (Arc<TaskState>, Task<F>) {
    install_hook();
    let state = TaskState::new(recorder);
    (state.clone(), Task { state, scoped: Some(scoped(recorder, scope, future)) })
}

/// The future of a spawned task: has a budget for each poll, and catches a panic for the task that
/// joins it.
struct Task<F> {
    state: Arc<TaskState>,
    /// `None` once the future has panicked.
    scoped: Option<Scoped<F>>,
}

impl<F: Future> Future for Task<F> {
    /// The output of the future and the last event that it had to wait for; `None` if it panicked.
    type Output = Option<(F::Output, EventId)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let scoped = this.scoped.as_mut().expect("a task is not polled after its end");
        let polled = {
            let _budget = coop::enter_poll();
            catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *scoped).poll(context)))
        };
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                this.state.finish();
                Poll::Ready(Some((output, scoped.last)))
            }
            Err(payload) => {
                let record = panics::take_record(&*payload);
                if !this.state.has_handle() || panics::ends_the_run(&*payload, record.as_ref()) {
                    panics::restore(record);
                    resume_unwind(payload);
                }
                // As with tokio, a destructor that panics as well changes nothing.
                let scoped = this.scoped.take();
                drop(catch_unwind(AssertUnwindSafe(|| drop(scoped))));
                this.state.finish_with(payload, record);
                Poll::Ready(None)
            }
        }
    }
}

impl<F> Drop for Task<F> {
    /// Drops the future of a task that was aborted or killed. As with tokio, a destructor that
    /// panics when a task is aborted is a panic of the task.
    fn drop(&mut self) {
        if self.state.is_aborted() && !self.state.is_finished() && self.state.has_handle() {
            let scoped = self.scoped.take();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(scoped))) {
                let record = panics::take_record(&*payload);
                return self.state.finish_with(payload, record);
            }
        }
        self.state.finish();
    }
}

/// Runs a future in this scope, wherever it is polled.
pub fn scoped<F: Future>(recorder: &Recorder, scope: Scope, future: F) -> Scoped<F> {
    Scoped {
        recorder: recorder.clone(),
        scope,
        future: Box::pin(future),
        waker: None,
        last: EventId::default(),
    }
}

/// Runs a future in the scope of a new task of this name on the current node, wherever it is
/// polled: a branch of [`join_all`].
pub fn scoped_task<F: Future>(recorder: &Recorder, name: &str, future: F) -> Scoped<F> {
    let scope = Scope { task: recorder.symbol(name), ..recorder.scope() };
    scoped(recorder, scope, future)
}

/// Runs branches concurrently in one task until all have completed. The last event of the last
/// branch is a cause of the task.
pub async fn join_all<F: Future>(mut branches: Vec<Scoped<F>>) {
    let mut done = vec![false; branches.len()];
    poll_fn(|context| {
        for (branch, done) in branches.iter_mut().zip(&mut done) {
            if !*done && branch.is_due(context) && Pin::new(&mut *branch).poll(context).is_ready() {
                *done = true;
                branch.recorder.join(branch.scope.last());
            }
        }
        if done.iter().all(|&done| done) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A future that runs in its own scope; see [`scoped`].
#[derive(Debug)]
pub struct Scoped<F> {
    recorder: Recorder,
    scope: Scope,
    future: Pin<Box<F>>,
    waker: Option<(Arc<ScopeWaker>, Waker)>,
    /// The last event that the future had to wait for, once it has completed: without those of the
    /// tasks that run on its worker after it.
    last: EventId,
}

/// Wakes a scoped future and keeps the cause of its waker.
#[derive(Debug)]
struct ScopeWaker {
    recorder: Recorder,
    cause: WakeCauses,
    task: Waker,
    /// The worker thread of the task, if its process has worker threads.
    worker: Option<Arc<TaskWorker>>,
}

impl Wake for ScopeWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.cause.add(&self.recorder);
        match &self.worker {
            None => self.task.wake_by_ref(),
            Some(worker) => worker.wake(&self.task, || Waker::from(self.clone())),
        }
    }
}

impl<F> Scoped<F> {
    /// Whether it has to be polled: it was woken, or this context is not the one that it would
    /// wake. [`join_all`] polls no other branches.
    fn is_due(&self, context: &Context<'_>) -> bool {
        let sleeps = |(waker, _): &(Arc<ScopeWaker>, Waker)| {
            waker.cause.is_empty() && waker.task.will_wake(&hosting::waker(context))
        };
        !self.waker.as_ref().is_some_and(sleeps)
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let outer = hosting::waker(context);
        let (own, waker) = match &this.waker {
            Some((own, waker)) if own.task.will_wake(&outer) => {
                let wake_cause = own.cause.take().unwrap_or_default();
                this.scope.wake_cause = this.scope.wake_cause.or(wake_cause);
                (own, waker)
            }
            _ => {
                let (recorder, task) = (this.recorder.clone(), outer.into_owned());
                let worker = TaskWorker::new(this.scope);
                let own = Arc::new(ScopeWaker { recorder, cause: WakeCauses::default(), task, worker });
                let waker = Waker::from(own.clone());
                let (own, waker) = this.waker.insert((own, waker));
                (&*own, &*waker)
            }
        };
        let worker_guard = own.worker.as_ref().map(TaskWorker::enter);
        let scope_guard = ScopeGuard::enter(&this.recorder, this.scope);
        let _clock = ShownClock::enter();
        let polled = this.future.as_mut().poll(&mut Context::from_waker(waker));
        if polled.is_ready() {
            this.last = this.recorder.scope().last();
        }
        drop(worker_guard);
        this.scope = scope_guard.exit();
        polled
    }
}

/// Makes a scope the current one for one turn (poll) of a task; dropping it, also by a panic,
/// restores the one before.
#[derive(Debug)]
pub struct ScopeGuard<'a> {
    recorder: &'a Recorder,
    outer: Scope,
}

impl<'a> ScopeGuard<'a> {
    /// Makes `scope` the current one.
    ///
    /// # Panics
    ///
    /// As [`Recorder::enter_turn`].
    pub fn enter(recorder: &'a Recorder, scope: Scope) -> ScopeGuard<'a> {
        ScopeGuard { recorder, outer: recorder.enter_turn(scope) }
    }

    /// Restores the scope before, and returns this one with its causes since.
    pub fn exit(self) -> Scope {
        self.recorder.scope()
    }
}

impl Drop for ScopeGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            panics::note_scope(self.recorder.scope());
            self.recorder.enter(self.outer);
        } else {
            self.recorder.leave_turn(self.outer);
        }
    }
}
