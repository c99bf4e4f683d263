//! How processes are hosted on tokio runtimes, the runtime that hosts the current task, and wakers
//! that reach it from outside.
//!
//! A tokio runtime that the simulation drives does not learn of a wake-up from outside by itself:
//! its thread is not parked, it is not running at all. So whatever of the simulation keeps a waker
//! (a socket, a file, a timer) keeps the one that [`waker`] returns, which wakes the task and the
//! driver of its runtime. For a task that is not hosted it is the task's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use stormglass_core::{Recorder, Seed};

/// The default length of a tick: tokio's timers are no finer.
pub const TICK: Duration = Duration::from_millis(1);

/// How a process is hosted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hosting {
    /// Determines the branches that `tokio::select!` tries first, and the order of ready tasks with
    /// [`Schedule::Random`].
    pub seed: Seed,
    /// The distance of ticks: the runtime's timers complete at the first tick after they are due.
    /// Default: [`TICK`].
    pub tick: Duration,
    /// The order of ready tasks. Default: [`Schedule::Fifo`].
    pub schedule: Schedule,
}

impl Hosting {
    /// Returns the defaults with this seed.
    pub fn new(seed: Seed) -> Hosting {
        Hosting { seed, tick: TICK, schedule: Schedule::default() }
    }
}

/// The order in which the ready tasks of a hosted runtime run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The order in which they were woken: that of tokio's current-thread runtime.
    #[default]
    Fifo,
    /// An order drawn from the seed, as several worker threads could have it: before a poll a task
    /// yields to the other ready ones with a probability of 1/2, again and again. Of tasks that
    /// libraries spawn, the order is that of `Fifo` among themselves: see `hosted::spawn`.
    Random,
}

/// What hosts tasks.
pub(crate) trait Host {
    /// Returns a waker that wakes `waker`, a task of this host, and the host.
    fn outside_waker(self: Arc<Self>, waker: &Waker) -> Waker;

    /// Ends the run with this panic, which no task may receive.
    fn end_run(&self, payload: Box<dyn Any + Send>);

    /// Returns the run's recorder.
    fn recorder(&self) -> Recorder;

    /// Draws whether a task that is about to be polled yields to the others first.
    fn draws_yield(&self) -> bool;
}

thread_local! {
    /// The host whose tasks run now. A run has one thread.
    static CURRENT: RefCell<Option<Arc<dyn Host>>> = const { RefCell::new(None) };
    /// Whether there is one: cheaper to read.
    static IS_HOSTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns the waker to keep for whatever wakes the task of this context from outside its runtime.
/// An implementation of a future that stores `context.waker()` in the simulation calls this
/// instead.
#[inline]
pub fn waker<'a>(context: &Context<'a>) -> Cow<'a, Waker> {
    if IS_HOSTED.get() { Cow::Owned(outside_waker(context.waker())) } else { Cow::Borrowed(context.waker()) }
}

fn outside_waker(waker: &Waker) -> Waker {
    let host = CURRENT.with_borrow(Clone::clone).expect("a host is current");
    host.outside_waker(waker)
}

/// Ends the run with this panic of the current hosted task.
#[cfg(tokio_unstable)]
pub(crate) fn end_run(payload: Box<dyn Any + Send>) {
    if let Some(host) = CURRENT.with_borrow(Clone::clone) {
        host.end_run(payload);
    }
}

/// Returns the recorder of the run that the current hosted task is part of.
#[cfg(tokio_unstable)]
pub(crate) fn recorder() -> Option<Recorder> {
    CURRENT.with_borrow(|host| host.as_ref().map(|host| host.recorder()))
}

/// Draws whether the current hosted task yields to the others before it is polled.
#[cfg(tokio_unstable)]
pub(crate) fn draws_yield() -> bool {
    CURRENT.with_borrow(|host| host.as_ref().is_some_and(|host| host.draws_yield()))
}

/// Makes a host the current one; dropping the guard restores the one before.
pub(crate) struct HostGuard(Option<Arc<dyn Host>>);

impl HostGuard {
    #[cfg(tokio_unstable)]
    pub(crate) fn enter(host: Arc<dyn Host>) -> HostGuard {
        IS_HOSTED.set(true);
        HostGuard(CURRENT.replace(Some(host)))
    }
}

impl Drop for HostGuard {
    fn drop(&mut self) {
        IS_HOSTED.set(self.0.is_some());
        CURRENT.set(self.0.take());
    }
}
