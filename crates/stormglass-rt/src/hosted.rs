//! Hosted runtimes: the code of a process runs on a real tokio runtime that a simulated task
//! drives.
//!
//! tokio's own tasks, timers, channels and macros are used unchanged, by the process and by its
//! libraries. Sockets and files are those of the simulation.
//!
//! - **Turns.** The driver lets the runtime run until no task of it can go on. That takes no
//!   simulated time, unless the tasks only yield to each other: after [`TURN_POLLS`] polls the
//!   driver waits for the time that they take.
//! - **Time.** The runtime's clock is paused. Before each turn the driver advances it to the node's
//!   monotonic clock. Turns begin when something outside wakes a task, and at each tick: tokio does
//!   not say when its next timer is due, and its timers are no finer than 1 ms.
//! - **Chance.** `tokio::select!` draws from a generator that the run's seed determines.
//! - **Causes.** Each task has a scope of its own, with the node of its process, the place at
//!   which it was spawned as its name, and the spawner's last event as its cause. A task that is
//!   woken within its runtime gets the last event of the tasks that ran before it in this turn as
//!   the cause of its wake-up, because the runtime does not say who woke it.
//!
//! Dropping the driver's future drops the runtime with all its tasks, sockets and timers, as a
//! kill does. The sockets close in the order in which they were made ([`crate::close_order`]).

mod task;

pub use task::{JoinHandle, spawn, spawn_local};

use crate::clock::{now, sleep, sleep_until};
use crate::close_order;
use crate::coop;
use crate::hosting::{Host, HostGuard};
pub use crate::hosting::{Hosting, Schedule, TICK};
use crate::mutex::lock;
use crate::node_clock::monotonic;
use crate::panics;
use crate::wake_causes::WakeCauses;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::Location;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Scope, Seed, SimTime, Stream, Symbol, WakeCause};
use task::Scheduled;
use tokio::runtime::{Builder, RngSeed, Runtime, TaskMeta};
use tokio::task::Id;

/// The number of polls after which a turn ends although tasks are ready.
pub const TURN_POLLS: u32 = 1024;

/// The simulated time of a poll in a turn that ended early: what a poll of a task that is not
/// hosted takes on average.
const POLL: Duration = Duration::from_nanos(75);

/// Runs `main` as the main task of a process on a hosted runtime, and returns its output. The
/// process ends with it: its other tasks are dropped.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::{Keep, Recorder, Seed};
/// use stormglass_rt::hosted::{self, Hosting};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let recorder = Recorder::new(Keep::Nothing);
///     let (sender, receiver) = tokio::sync::oneshot::channel();
///     let main = async move {
///         tokio::spawn(async move {
///             tokio::time::sleep(Duration::from_millis(5)).await;
///             sender.send(7)
///         });
///         receiver.await
///     };
///     assert_eq!(hosted::run(&recorder, Hosting::new(Seed(1)), main).await, Ok(7));
///     // A sleep of 5 ms ends in the millisecond after them, as without simulation.
///     assert!((5_000_000..7_000_000).contains(&stormglass_rt::now().as_nanos()));
/// });
/// ```
///
/// # Panics
///
/// If `main` panics, with its payload.
pub async fn run<F>(recorder: &Recorder, hosting: Hosting, main: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let driver = Arc::new(Driver::new(recorder, &hosting));
    let runtime = DroppedInOrder(Some(driver.clone().runtime(hosting.seed)));
    let tick = hosting.tick;
    let mut ticks = Ticks { next: now() + tick, tick };
    let mut main = {
        let _hosting = HostGuard::enter(driver.clone());
        runtime.spawn(Scheduled::new(main, None))
    };
    // What the runtime's clock shows: the node's monotonic clock.
    let mut shown = monotonic();
    loop {
        let time = monotonic();
        driver.turn(&runtime, time.saturating_sub(shown));
        shown = time;
        let panic = driver.state().panic.take();
        if let Some(payload) = panic {
            std::panic::resume_unwind(payload);
        }
        if main.is_finished() {
            let output = runtime.block_on(&mut main);
            return output.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        if driver.state().is_exhausted {
            sleep(POLL * TURN_POLLS).await;
        } else {
            driver.wait(&mut ticks).await;
        }
    }
}

/// A runtime whose sockets close in an order of the simulation when it is dropped.
struct DroppedInOrder(Option<Runtime>);

impl Deref for DroppedInOrder {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl Drop for DroppedInOrder {
    fn drop(&mut self) {
        close_order::in_order(|| drop(self.0.take()));
    }
}

/// The ticks of a runtime.
struct Ticks {
    next: SimTime,
    tick: Duration,
}

/// The driver of one runtime.
struct Driver {
    recorder: Recorder,
    /// The scope of the driver: its node, and its task's name for the main task.
    scope: Scope,
    state: Mutex<State>,
    /// Whether something outside has woken a task since the last turn began.
    woken: AtomicBool,
    /// Whether a task yields before a poll, with [`Schedule::Random`].
    yields: Option<Mutex<Stream>>,
}

#[derive(Default)]
struct State {
    /// Only looked up, never iterated over.
    tasks: IndexMap<Id, HostedTask, FxBuildHasher>,
    /// The names of tasks by the file, line and column that spawned them.
    names: IndexMap<(&'static str, u32, u32), Symbol, FxBuildHasher>,
    has_main: bool,
    /// The task that is polled, and the scope outside of it.
    current: Option<(Id, Scope)>,
    /// The last event of the tasks that were polled in this turn.
    cause: Option<WakeCause>,
    /// The waker of the turn's own future; waking it ends the turn.
    turn: Option<Waker>,
    polls: u32,
    is_exhausted: bool,
    /// A panic that ends the run.
    panic: Option<Box<dyn Any + Send>>,
    /// The waker of the driver while it waits.
    driver: Option<Waker>,
}

/// A task of the runtime.
struct HostedTask {
    scope: Scope,
    /// The last waker of the task that was given away, and what it was made of.
    outside: Option<(Waker, Waker)>,
    /// The cause of the wake-ups from outside since the last poll.
    cause: Arc<WakeCauses>,
}

impl Driver {
    fn new(recorder: &Recorder, hosting: &Hosting) -> Driver {
        let (state, woken) = (Mutex::default(), AtomicBool::new(false));
        let yields = match hosting.schedule {
            Schedule::Fifo => None,
            Schedule::Random => Some(Mutex::new(hosting.seed.stream("schedule"))),
        };
        Driver { recorder: recorder.clone(), scope: recorder.scope(), state, woken, yields }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Builds the runtime, whose hooks call this driver.
    fn runtime(self: Arc<Driver>, seed: Seed) -> Runtime {
        let [park, spawn, before, after, end] = [0; 5].map(|_| self.clone());
        let mut builder = Builder::new_current_thread();
        builder
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(&seed.stream("select").draw().to_le_bytes()));
        // Nothing can go on: the turn ends. Waking its future also keeps tokio from advancing the
        // paused clock to its next timer.
        builder.on_thread_park(move || park.end_turn());
        builder.on_task_spawn(move |task| spawn.begin_task(task));
        builder.on_before_task_poll(move |task| before.begin_poll(task.id()));
        builder.on_after_task_poll(move |task| after.end_poll(task.id()));
        builder.on_task_terminate(move |task| drop(end.remove(task.id())));
        builder.build().expect("a runtime without I/O driver asks nothing of the system")
    }

    /// Lets the runtime run until no task can go on, `passed` after its last turn.
    fn turn(self: &Arc<Driver>, runtime: &Runtime, passed: Duration) {
        let _hosting = HostGuard::enter(self.clone());
        let _budget = coop::enter_poll();
        self.woken.store(false, Relaxed);
        let mut state = self.state();
        (state.polls, state.is_exhausted, state.cause) = (0, false, None);
        drop(state);
        runtime.block_on(async {
            if !passed.is_zero() {
                tokio::time::advance(passed).await;
            }
            let mut has_begun = false;
            poll_fn(|context| {
                let mut state = self.state();
                if std::mem::replace(&mut has_begun, true) && state.turn.is_none() {
                    return Poll::Ready(());
                }
                state.turn = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
        });
    }

    fn end_turn(&self) {
        let turn = self.state().turn.take();
        turn.into_iter().for_each(Waker::wake);
    }

    /// Waits for a wake-up from outside, or for the next tick.
    async fn wait(&self, ticks: &mut Ticks) {
        let mut tick = pin!(sleep_until(ticks.next));
        let is_tick = poll_fn(|context| {
            if tick.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            if self.woken.load(Relaxed) {
                return Poll::Ready(false);
            }
            self.state().driver = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        while is_tick && ticks.next <= now() {
            ticks.next += ticks.tick;
        }
        self.state().driver = None;
    }

    /// A wake-up from outside.
    fn wake(&self) {
        if !self.woken.swap(true, Relaxed) {
            let waker = self.state().driver.take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// The tasks' scopes.
impl Driver {
    fn begin_task(&self, task: &TaskMeta<'_>) {
        let mut state = self.state();
        let name = if std::mem::replace(&mut state.has_main, true) {
            let place = task.spawned_at();
            let key = (place.file(), place.line(), place.column());
            *state.names.entry(key).or_insert_with(|| self.recorder.symbol(&place_name(place)))
        } else {
            self.scope.task
        };
        let scope = Scope { task: name, ..self.scope.with_cause(self.recorder.scope().last()) };
        state.tasks.insert(task.id(), HostedTask { scope, outside: None, cause: Arc::default() });
    }

    fn begin_poll(&self, id: Id) {
        let mut state = self.state();
        state.polls += 1;
        state.is_exhausted = state.polls > TURN_POLLS;
        let turn = if state.is_exhausted { state.turn.take() } else { None };
        let within = state.cause.unwrap_or_default();
        let task = state.tasks.get_mut(&id).expect("a task is polled between its spawn and its end");
        let outside = task.cause.take();
        task.scope.wake_cause = task.scope.wake_cause.or(outside.unwrap_or(within));
        let scope = task.scope;
        drop(state);
        turn.into_iter().for_each(Waker::wake);
        coop::refill();
        // A panic before this poll is not this task's.
        drop(panics::take_unreported());
        let outer = self.recorder.enter_turn(scope);
        self.state().current = Some((id, outer));
    }

    fn end_poll(&self, id: Id) {
        // A real process prints the panic on standard error, also if a task receives it.
        if let Some(panic) = panics::take_unreported() {
            let subject = self.recorder.symbol(&panic);
            self.recorder.record(now(), Kind::Note, subject, Duration::ZERO, 0);
        }
        let (scope, cause) = (self.recorder.scope(), self.recorder.wake_cause());
        let mut state = self.state();
        state.cause = Some(state.cause.unwrap_or_default().or(cause));
        if let Some(task) = state.tasks.get_mut(&id) {
            task.scope = scope;
        }
        if let Some((_, outer)) = state.current.take() {
            drop(state);
            self.recorder.leave_turn(outer);
        }
    }

    /// Removes a task that has ended.
    fn remove(&self, id: Id) -> Option<HostedTask> {
        self.state().tasks.swap_remove(&id)
    }
}

impl Host for Driver {
    fn end_run(&self, payload: Box<dyn Any + Send>) {
        self.state().panic.get_or_insert(payload);
        self.end_turn();
    }

    fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    fn draws_yield(&self) -> bool {
        self.yields.as_ref().is_some_and(|stream| lock(stream).draw() & 1 == 1)
    }

    fn outside_waker(self: Arc<Driver>, waker: &Waker) -> Waker {
        let mut state = self.state();
        let current = state.current.map(|(id, _)| id);
        let task = current.and_then(|id| state.tasks.get_mut(&id));
        if let Some((made_of, outside)) = task.as_ref().and_then(|task| task.outside.as_ref())
            && made_of.will_wake(waker)
        {
            return outside.clone();
        }
        let cause = task.as_ref().map_or_else(Arc::default, |task| task.cause.clone());
        let outside = OutsideWaker { task: waker.clone(), cause, driver: Arc::downgrade(&self) };
        let outside = Waker::from(Arc::new(outside));
        if let Some(task) = task {
            task.outside = Some((waker.clone(), outside.clone()));
        }
        outside
    }
}

/// Wakes a task of a runtime, and its driver.
struct OutsideWaker {
    task: Waker,
    cause: Arc<WakeCauses>,
    driver: Weak<Driver>,
}

impl Wake for OutsideWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(driver) = self.driver.upgrade() else { return };
        self.cause.add(&driver.recorder);
        self.task.wake_by_ref();
        driver.wake();
    }
}

/// Returns the name of tasks that are spawned at this place: its file and line. Of a path outside
/// the current package only the folder of its package is kept, because the rest differs from
/// machine to machine.
fn place_name(place: &Location<'_>) -> String {
    let file = Path::new(place.file());
    let parts: Vec<_> = file.iter().collect();
    let package =
        parts.iter().rposition(|&part| part == "src").map_or(parts.len() - 1, |at| at.saturating_sub(1));
    let kept: std::path::PathBuf =
        if file.is_absolute() { parts[package..].iter().collect() } else { file.into() };
    format!("{}:{}", kept.display(), place.line())
}
