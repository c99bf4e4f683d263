//! Tasks that carry their scope.
//!
//! madsim polls tasks one at a time on one thread, in an order drawn from the seed. A followed task puts its
//! own scope to work for each poll and takes it back afterwards, so whatever it records finds its node, its
//! name and what it last waited for. Whoever wakes it hands its own cause over: so causes pass through channels, locks and
//! notifications that know nothing of them, such as tokio's.

use crate::worker::{self, Seat};
use madsim::runtime::NodeHandle;
use madsim::task::{AbortHandle, JoinError, NodeId};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use stormglass_core::{EventId, Recorder, Scope, Woken};

/// Spawns a task of this name on the node at work. It starts with the spawner's cause.
///
/// The task ends with its node, or when the handle's `abort` is called; dropping the handle lets it run on.
#[track_caller]
pub fn spawn<F>(recorder: &Recorder, name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_in(recorder, Scope { task: recorder.symbol(name), ..recorder.scope() }, future)
}

/// As [`spawn`], in this scope.
#[expect(clippy::disallowed_methods, reason = "the one place that asks madsim for a task")]
#[track_caller]
pub fn spawn_in<F>(recorder: &Recorder, scope: Scope, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = madsim::task::spawn(follow(recorder, scope, to_the_end(recorder, future)));
    gather(|| task.abort_handle());
    worker::wakes_another();
    JoinHandle { task, recorder: recorder.clone() }
}

thread_local! {
    /// The tasks of the node whose tasks are gathered.
    static GATHERED: RefCell<Option<(NodeId, Vec<AbortHandle>)>> = const { RefCell::new(None) };
}

fn gather(task: impl FnOnce() -> AbortHandle) {
    GATHERED.with_borrow_mut(|gathered| {
        if let Some((node, tasks)) = gathered
            && *node == crate::node()
        {
            if tasks.len() == tasks.capacity() {
                tasks.retain(|task| !task.is_finished());
            }
            tasks.push(task());
        }
    });
}

/// The tasks that were spawned here on one node, so that they can be ended where the node cannot be killed: madsim's main one. A task
/// that is never ended, and waits for something that it holds itself, is never freed.
#[derive(Debug)]
pub struct Gathered(());

impl Gathered {
    /// Gathers the tasks that are spawned on the node at work, by [`spawn`] and [`spawn_in`], from now on; one node at a time.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn on_this_node() -> Gathered {
        GATHERED.set(Some((crate::node(), Vec::new())));
        Gathered(())
    }

    /// Ends them. They are dropped when it is their turn.
    pub fn abort(&self) {
        let tasks = GATHERED.take();
        tasks.into_iter().flat_map(|(_, tasks)| tasks).for_each(|task| task.abort());
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        GATHERED.set(None);
    }
}

/// As [`spawn_in`], on this node.
#[track_caller]
pub fn spawn_on<F>(recorder: &Recorder, node: &NodeHandle, scope: Scope, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = node.spawn(follow(recorder, scope, to_the_end(recorder, future)));
    JoinHandle { task, recorder: recorder.clone() }
}

/// What a future gives, and what it had last waited for when it did.
fn to_the_end<F: Future>(
    recorder: &Recorder,
    future: F,
) -> impl Future<Output = (F::Output, EventId)> + use<F> {
    let recorder = recorder.clone();
    async move {
        let output = future.await;
        (output, recorder.scope().last())
    }
}

/// A task that was spawned. Whoever waits for it has waited for what it has waited for.
#[derive(Debug)]
pub struct JoinHandle<T> {
    task: madsim::task::JoinHandle<(T, EventId)>,
    recorder: Recorder,
}

impl<T> JoinHandle<T> {
    /// Ends the task at its next turn.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map_ok(|(output, last)| {
            self.recorder.join(last);
            output
        })
    }
}

/// A future that runs in this scope, wherever it is polled.
pub fn follow<F: Future>(recorder: &Recorder, scope: Scope, future: F) -> Followed<F> {
    Followed { recorder: recorder.clone(), scope, future: Box::pin(future), alarm: None }
}

/// A future that runs as a task of this name on the node at work, wherever it is polled: a branch of a join.
pub fn follow_new<F: Future>(recorder: &Recorder, name: &str, future: F) -> Followed<F> {
    let scope = Scope { task: recorder.symbol(name), ..recorder.scope() };
    follow(recorder, scope, future)
}

/// Runs branches side by side in one task until all are done, and has waited for the last of them.
pub async fn join_all<F: Future>(mut branches: Vec<Followed<F>>) {
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

/// See [`follow`].
#[derive(Debug)]
pub struct Followed<F> {
    recorder: Recorder,
    scope: Scope,
    future: Pin<Box<F>>,
    alarm: Option<(Arc<WakeUp>, Waker)>,
}

/// Wakes a followed task and keeps the cause of whoever did.
#[derive(Debug)]
struct WakeUp {
    recorder: Recorder,
    /// By whom, since the last turn, if anybody has.
    woken: Mutex<Option<Woken>>,
    task: Waker,
    /// Its place among the workers of its process, if it has any.
    seat: Option<Arc<Seat>>,
}

impl WakeUp {
    fn woken(&self) -> MutexGuard<'_, Option<Woken>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for WakeUp {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Between turns no scope is at work: a timer has no cause but time.
        let by = self.recorder.waking();
        let mut woken = self.woken();
        *woken = Some(woken.unwrap_or_default().or(by));
        drop(woken);
        match &self.seat {
            None => self.task.wake_by_ref(),
            Some(seat) => seat.wake(&self.task, || Waker::from(self.clone())),
        }
    }
}

impl<F> Followed<F> {
    /// Whether it is woken, or would not be: one branch of many that has nothing to do need not be polled.
    fn is_due(&self, context: &Context<'_>) -> bool {
        let sleeps = |(alarm, _): &(Arc<WakeUp>, Waker)| {
            alarm.woken().is_none() && alarm.task.will_wake(context.waker())
        };
        !self.alarm.as_ref().is_some_and(sleeps)
    }
}

impl<F: Future> Future for Followed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let (alarm, waker) = match &this.alarm {
            Some((alarm, waker)) if alarm.task.will_wake(context.waker()) => {
                this.scope.woken = this.scope.woken.or(alarm.woken().take().unwrap_or_default());
                (alarm, waker)
            }
            _ => {
                let (recorder, task) = (this.recorder.clone(), context.waker().clone());
                let seat = Seat::new(this.scope);
                let alarm = Arc::new(WakeUp { recorder, woken: Mutex::default(), task, seat });
                let waker = Waker::from(alarm.clone());
                let (alarm, waker) = this.alarm.insert((alarm, waker));
                (&*alarm, &*waker)
            }
        };
        let sitting = alarm.seat.as_ref().map(Seat::sit);
        let turn = Turn::begin(&this.recorder, this.scope);
        let polled = this.future.as_mut().poll(&mut Context::from_waker(waker));
        drop(sitting);
        this.scope = turn.end();
        polled
    }
}

/// One turn of a scope: put to work when it begins, taken back when it ends, by a panic too.
#[derive(Debug)]
pub struct Turn<'a> {
    recorder: &'a Recorder,
    outer: Scope,
}

impl<'a> Turn<'a> {
    /// Puts the scope to work.
    pub fn begin(recorder: &'a Recorder, scope: Scope) -> Turn<'a> {
        Turn { recorder, outer: recorder.enter_turn(scope) }
    }

    /// Takes the scope back, with what it has waited for since.
    pub fn end(self) -> Scope {
        self.recorder.scope()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.recorder.note_panic();
        }
        self.recorder.enter(self.outer);
    }
}
