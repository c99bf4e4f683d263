//! The worker threads of a node's runtime, and what it costs to block one.
//!
//! An asynchronous runtime hears of the network and of the time on one of its own threads, while that has nothing else to do. What it hears of it handles there, and
//! gets no other thread up for a single task. So a task that blocks (with a synced write, say) takes along the thread that would have heard, and its
//! whole process stands still, until the task waits for something else or another thread gets up. One gets up
//!
//! - when the task wakes more than one: its own thread keeps the last one to itself, and others take the former ([`hand_over`]);
//! - when somebody of the process is done with work on a thread of its own ([`aside`]): an operation on a disk, a database's opening, work on a CPU;
//! - when there is something to hear of for more than one: each keeps a thread up for a while.
//!
//! [`block`] is a blocking call. It means something in the tasks of a node on which [`Workers`] are mounted; without them, and where nobody blocks, nothing is different.
//!
//! (Source: tokio 1.x, `runtime/scheduler/multi_thread/worker.rs`: a worker that the driver wakes is not searching, `should_notify_others` wants more than one
//! task before another worker is woken, and nobody can steal what is in a worker's LIFO slot; see also `Builder::disable_lifo_slot`.)
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
//!     let _mounted = rt::mount(rt::node(), worker::Workers::new(&recorder, Duration::ZERO));
//!     let ticks = rt::spawn(&recorder, "ticks", async {
//!         rt::sleep(MS(10)).await;
//!         rt::now()
//!     });
//!     rt::spawn(&recorder, "server", worker::block(rt::sleep(MS(200))));
//!     // What was due after 10 ms has heard of it after 200.
//!     assert!(ticks.await.unwrap().as_nanos() >= 200_000_000);
//! });
//! ```

use crate::{mounted, now, running};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Scope, SimTime, Symbol};

/// The worker threads of one life of a process: mount them on its node ([`crate::mount()`]) before its first task is spawned. Clones are the same.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    recorder: Recorder,
    subject: Symbol,
    handling: Duration,
    /// Whether nobody hears of the network and of the time.
    deaf: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose turn blocks the only thread that is up, and since when.
    deafened: Option<(SimTime, Arc<Seat>)>,
    /// Whom the network or a timer has woken meanwhile.
    waiting: Vec<Waker>,
    /// Who has heard of something last, and when.
    heard_last: Option<(u64, SimTime)>,
    /// When somebody before him did.
    heard_before: Option<SimTime>,
    seats: u64,
}

impl State {
    fn heard(&mut self, seat: u64, now: SimTime) {
        match self.heard_last.replace((seat, now)) {
            Some((before, at)) if before != seat => self.heard_before = Some(at),
            _ => {}
        }
    }
}

impl Workers {
    /// Those of a life that begins. A thread that hears of something is up for as long as `handling`. Where somebody had to wait for a blocked one, a [`Kind::Block`] is recorded.
    pub fn new(recorder: &Recorder, handling: Duration) -> Workers {
        let (subject, deaf) = (recorder.symbol("all else in the process"), AtomicBool::new(false));
        let (recorder, state) = (recorder.clone(), Mutex::default());
        Workers(Arc::new(Shared { recorder, subject, handling, deaf, state }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task at work, if it is one of their process.
    fn at_work(&self) -> Option<Arc<Seat>> {
        let ours = |seat: &&Arc<Seat>| Arc::ptr_eq(&seat.workers.0, &self.0);
        AT_WORK.with_borrow(|seat| seat.as_ref().filter(ours).cloned())
    }

    fn are_deaf(&self) -> bool {
        self.0.deaf.load(Relaxed)
    }

    /// A thread hears what there is to hear. The turn that had left nobody to do so is not alone any more.
    fn hear(&self) {
        if !self.0.deaf.swap(false, Relaxed) {
            return;
        }
        let mut state = self.state();
        let (since, deafening) = state.deafened.take().expect("somebody does it");
        let waiting = std::mem::take(&mut state.waiting);
        deafening.accompanied.store(true, Relaxed);
        drop(state);
        if waiting.is_empty() || !running() {
            return;
        }
        let Shared { recorder, subject, .. } = &*self.0;
        let (now, scope) = (now(), deafening.scope.because(recorder.scope().last()));
        recorder.record_in(scope, now, Kind::Block, *subject, now - since, waiting.len() as u64);
        waiting.iter().for_each(pass_on);
    }

    /// A turn blocks its thread.
    fn block(&self, seat: &Arc<Seat>) {
        let (mut state, now) = (self.state(), now());
        if state.heard_before.is_some_and(|at| now <= at + self.0.handling) {
            seat.accompanied.store(true, Relaxed);
        }
        if !self.are_deaf() && !seat.accompanied.load(Relaxed) {
            state.deafened = Some((now, seat.clone()));
            self.0.deaf.store(true, Relaxed);
        }
    }
}

/// Runs this on the worker thread that the task has: a blocking call. Whom the task woke last waits meanwhile, and if no other thread is up,
/// nobody in the process hears of the network or of the time, until the task waits for something else or another thread gets up.
///
/// A branch of [`crate::join_all`] counts as a task of its own: the others go on.
pub async fn block<F: Future>(future: F) -> F::Output {
    let _blocked = seat_at_work().map(Blocked::new);
    future.await
}

/// Runs this on a thread of its own, as `spawn_blocking` does: it goes on while its process is deaf, and when it is done a worker thread gets up.
/// Operations on a disk and work on a CPU are that anyway, each one; this is for many in a row.
pub async fn aside<F: Future>(future: F) -> F::Output {
    let _away = away();
    future.await
}

/// [`block`] if it `blocks`, else [`aside`]: for a write whose thread is a matter of settings.
pub async fn block_or_aside<F: Future>(blocks: bool, future: F) -> F::Output {
    if blocks { block(future).await } else { aside(future).await }
}

/// As long as it is held, the task at work is busy on a thread and waits for neither network nor time: for futures that are written by hand.
/// None for a task without [`Workers`].
pub fn away() -> Option<Away> {
    seat_at_work().map(Away::new)
}

/// Has this done by another task of the process, which is woken for it: the one that sends an answer, say. At once for a task without [`Workers`].
pub fn hand_over(work: impl FnOnce() + Send + 'static) {
    hand(None, work);
}

/// As [`hand_over`], to a task that has a number: it is woken once for several works in a row.
pub fn hand_over_to(task: u64, work: impl FnOnce() + Send + 'static) {
    hand(Some(task), work);
}

fn hand(task: Option<u64>, work: impl FnOnce() + Send + 'static) {
    match seat_at_work() {
        Some(seat) => seat.wakes(Woken::Task(task, vec![Box::new(work)])),
        None => work(),
    }
}

/// A task that the one at work has spawned is woken too.
pub(crate) fn wakes_another() {
    if let Some(seat) = seat_at_work() {
        seat.wakes(Woken::Task(None, Vec::new()));
    }
}

/// See [`away`].
#[derive(Debug)]
pub struct Away(Arc<Seat>);

impl Away {
    fn new(seat: Arc<Seat>) -> Away {
        seat.away.fetch_add(1, Relaxed);
        Away(seat)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let Away(seat) = self;
        if seat.away.fetch_sub(1, Relaxed) == 1 {
            seat.workers.hear();
        }
    }
}

/// A blocking call.
struct Blocked(Arc<Seat>);

impl Blocked {
    fn new(seat: Arc<Seat>) -> Blocked {
        seat.away.fetch_add(1, Relaxed);
        seat.blocked.fetch_add(1, Relaxed);
        seat.workers.block(&seat);
        Blocked(seat)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let Blocked(seat) = self;
        seat.away.fetch_sub(1, Relaxed);
        seat.blocked.fetch_sub(1, Relaxed);
        // The thread is free when the turn is over, or at once where it is another's: the task is no more.
        if !seat.is_at_work() {
            match seat.keeps().take() {
                Some(Woken::Waker(waker)) => pass_on(&waker),
                gone => drop(gone),
            }
            seat.end_turn(None);
        }
    }
}

/// Whom a task has woken.
enum Woken {
    /// A task of ours.
    Waker(Waker),
    /// One that is there for its works alone; its number, if it has any.
    Task(Option<u64>, Vec<Box<dyn FnOnce() + Send>>),
}

impl Woken {
    /// Adds what the same one is woken for. Gives another one back.
    fn merge(&mut self, next: Woken) -> Option<Woken> {
        match (self, next) {
            (Woken::Waker(one), Woken::Waker(other)) if one.will_wake(&other) => None,
            (Woken::Task(Some(one), works), Woken::Task(Some(other), more)) if *one == other => {
                works.extend(more);
                None
            }
            (_, other) => Some(other),
        }
    }

    fn run(self) {
        match self {
            Woken::Waker(waker) => pass_on(&waker),
            Woken::Task(_, works) => works.into_iter().for_each(|work| work()),
        }
    }
}

impl fmt::Debug for Woken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Woken::Waker(waker) => f.debug_tuple("Waker").field(waker).finish(),
            Woken::Task(number, works) => f.debug_tuple("Task").field(number).field(&works.len()).finish(),
        }
    }
}

thread_local! {
    /// The seat of the task at work. A run has one thread.
    static AT_WORK: RefCell<Option<Arc<Seat>>> = const { RefCell::new(None) };
    /// Whom it has woken last.
    static WOKEN: RefCell<Option<Woken>> = const { RefCell::new(None) };
    /// Whether the waking under way is settled, and passes.
    static PASSES: Cell<bool> = const { Cell::new(false) };
}

fn seat_at_work() -> Option<Arc<Seat>> {
    AT_WORK.with_borrow(Option::clone)
}

fn pass_on(waker: &Waker) {
    let before = PASSES.replace(true);
    waker.wake_by_ref();
    PASSES.set(before);
}

/// A task's place among the workers of its process.
#[derive(Debug)]
pub(crate) struct Seat {
    workers: Workers,
    number: u64,
    /// The task's node and name.
    scope: Scope,
    /// Whether the network or a timer has woken it since its last turn.
    heard: AtomicBool,
    /// How many reasons there are why it waits for neither network nor time.
    away: AtomicU32,
    /// How many of them are blocking calls.
    blocked: AtomicU32,
    /// Whether a thread beside its own is up, in this turn.
    accompanied: AtomicBool,
    /// Whom it has woken last, while a blocking call keeps him.
    keeps: Mutex<Option<Woken>>,
}

impl Seat {
    /// That of a task on the node at work, if its workers are mounted.
    pub(crate) fn new(scope: Scope) -> Option<Arc<Seat>> {
        let workers = if running() { mounted::<Workers>()? } else { return None };
        let number = {
            let mut state = workers.state();
            state.seats += 1;
            state.seats
        };
        let (away, blocked) = (AtomicU32::new(0), AtomicU32::new(0));
        let (heard, accompanied, keeps) = (AtomicBool::new(false), AtomicBool::new(false), Mutex::default());
        Some(Arc::new(Seat { workers, number, scope, heard, away, blocked, accompanied, keeps }))
    }

    /// Begins a turn of the task, or goes on with one that a blocking call was part of.
    pub(crate) fn sit(self: &Arc<Seat>) -> Sitting {
        if self.heard.swap(false, Relaxed) {
            self.workers.state().heard(self.number, now());
        }
        let woken = if self.is_blocked() { self.keeps().take() } else { None };
        Sitting { seat: AT_WORK.replace(Some(self.clone())), woken: WOKEN.replace(woken) }
    }

    fn is_at_work(&self) -> bool {
        AT_WORK.with_borrow(|seat| seat.as_ref().is_some_and(|seat| std::ptr::eq(&**seat, self)))
    }

    /// Whether it is this turn that leaves nobody to hear.
    fn deafens(&self) -> bool {
        let this = |(_, seat): &(SimTime, Arc<Seat>)| seat.number == self.number;
        self.workers.are_deaf() && self.workers.state().deafened.as_ref().is_some_and(this)
    }

    fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed) > 0
    }

    fn keeps(&self) -> MutexGuard<'_, Option<Woken>> {
        self.keeps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the task: `waker` does it, `again` can do it later.
    pub(crate) fn wake(&self, waker: &Waker, again: impl FnOnce() -> Waker) {
        if !PASSES.get() && self.away.load(Relaxed) == 0 {
            if let Some(by) = self.workers.at_work() {
                return by.wakes(Woken::Waker(again()));
            }
            self.heard.store(true, Relaxed);
            if self.workers.are_deaf() {
                return self.workers.state().waiting.push(again());
            }
        }
        pass_on(waker);
    }

    /// The task, which is at work, wakes somebody: its own thread runs him after it, unless it wakes another one. Then another thread gets up for the former.
    fn wakes(&self, woken: Woken) {
        let before = WOKEN.with_borrow_mut(|last| match last {
            Some(before) => before.merge(woken).and_then(|woken| last.replace(woken)),
            none => none.replace(woken),
        });
        if let Some(before) = before {
            self.accompanied.store(true, Relaxed);
            self.workers.state().heard_before = Some(now());
            before.run();
        }
    }

    /// The thread is free: it runs whom the task has woken last, and hears.
    fn end_turn(&self, mut woken: Option<Woken>) {
        while let Some(last) = woken {
            last.run();
            woken = WOKEN.take();
        }
        if self.deafens() {
            self.workers.hear();
        }
        self.accompanied.store(false, Relaxed);
    }
}

/// A turn of a task that has a seat.
pub(crate) struct Sitting {
    /// Whose turn this one interrupts: that of the task whose branch it is.
    seat: Option<Arc<Seat>>,
    woken: Option<Woken>,
}

impl Drop for Sitting {
    fn drop(&mut self) {
        let woken = WOKEN.take();
        if let Some(seat) = seat_at_work().filter(|_| !std::thread::panicking()) {
            if seat.is_blocked() {
                *seat.keeps() = woken;
            } else {
                seat.end_turn(woken);
            }
        }
        AT_WORK.set(self.seat.take());
        WOKEN.set(self.woken.take());
    }
}
