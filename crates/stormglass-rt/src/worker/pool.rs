//! The worker threads of a process: which task runs, whether a worker polls the drivers, and the
//! LIFO slot of each worker.

use super::wakeup::{Wakeup, deliver, is_delivering};
use crate::{is_in_run, mounted, now};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Scope, SimTime, Symbol};

/// The worker threads of one incarnation of a process. Mount them on its node ([`crate::mount()`])
/// before its first task is spawned. Clones share them.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    recorder: Recorder,
    subject: Symbol,
    /// How long a worker stays awake for a task that the drivers notified.
    handling: Duration,
    /// Whether no worker polls the I/O and time drivers, because the only one that is awake is
    /// blocked.
    event_loop_blocked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The task that blocks the only worker that is awake, and since when.
    blocked_by: Option<(SimTime, Arc<TaskWorker>)>,
    /// The wake-ups by the drivers that are delayed meanwhile.
    delayed: Vec<Waker>,
    /// The number of the task that the drivers notified last, and when.
    last_notified: Option<(u64, SimTime)>,
    /// When the drivers notified another task before it.
    other_notified: Option<SimTime>,
    /// How many tasks have been numbered.
    tasks: u64,
}

impl State {
    /// Notes that the drivers notified a task.
    fn note_notified(&mut self, task: u64, now: SimTime) {
        match self.last_notified.replace((task, now)) {
            Some((before, at)) if before != task => self.other_notified = Some(at),
            _ => {}
        }
    }
}

impl Workers {
    /// Creates the worker threads of a new incarnation. A worker stays awake for `handling` after
    /// the drivers notified its task. Where wake-ups were delayed by a blocking call, a
    /// [`Kind::Block`] is recorded.
    pub fn new(recorder: &Recorder, handling: Duration) -> Workers {
        let (subject, event_loop_blocked) =
            (recorder.symbol("all else in the process"), AtomicBool::new(false));
        let (recorder, state) = (recorder.clone(), Mutex::default());
        Workers(Arc::new(Shared { recorder, subject, handling, event_loop_blocked, state }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current task, if it is one of this process.
    fn current_task(&self) -> Option<Arc<TaskWorker>> {
        let is_own = |task: &&Arc<TaskWorker>| Arc::ptr_eq(&task.workers.0, &self.0);
        CURRENT.with_borrow(|task| task.as_ref().filter(is_own).cloned())
    }

    fn is_event_loop_blocked(&self) -> bool {
        self.0.event_loop_blocked.load(Relaxed)
    }

    /// Polls the drivers on a worker: delivers the delayed wake-ups. The task that had blocked the
    /// event loop is no longer the only one whose worker is awake.
    fn poll_drivers(&self) {
        if !self.0.event_loop_blocked.swap(false, Relaxed) {
            return;
        }
        let mut state = self.state();
        let (since, blocker) = state.blocked_by.take().expect("a task blocks the event loop");
        let delayed = std::mem::take(&mut state.delayed);
        blocker.other_worker_awake.store(true, Relaxed);
        drop(state);
        if delayed.is_empty() || !is_in_run() {
            return;
        }
        let Shared { recorder, subject, .. } = &*self.0;
        let (now, scope) = (now(), blocker.scope.with_cause(recorder.scope().last()));
        recorder.record_in(scope, now, Kind::Block, *subject, now - since, delayed.len() as u64);
        delayed.iter().for_each(deliver);
    }

    /// Begins a blocking call of a task.
    fn begin_blocking(&self, task: &Arc<TaskWorker>) {
        let (mut state, now) = (self.state(), now());
        if state.other_notified.is_some_and(|at| now <= at + self.0.handling) {
            task.other_worker_awake.store(true, Relaxed);
        }
        if !self.is_event_loop_blocked() && !task.other_worker_awake.load(Relaxed) {
            state.blocked_by = Some((now, task.clone()));
            self.0.event_loop_blocked.store(true, Relaxed);
        }
    }
}

thread_local! {
    /// The current task. A run has one thread.
    static CURRENT: RefCell<Option<Arc<TaskWorker>>> = const { RefCell::new(None) };
    /// The LIFO slot of its worker: the task that it has woken last.
    static LIFO_SLOT: RefCell<Option<Wakeup>> = const { RefCell::new(None) };
}

/// Returns the current task, if its process has worker threads.
pub(super) fn current_task() -> Option<Arc<TaskWorker>> {
    CURRENT.with_borrow(Option::clone)
}

/// A task and the worker thread that it occupies while it is polled.
#[derive(Debug)]
pub(crate) struct TaskWorker {
    workers: Workers,
    number: u64,
    /// The task's node and name.
    scope: Scope,
    /// Whether a driver has woken it since its last poll.
    notified: AtomicBool,
    /// How many of its operations run on a thread. While there is one, the task waits for neither
    /// the network nor a timer.
    busy: AtomicU32,
    /// How many of these are blocking calls on the worker.
    blocking: AtomicU32,
    /// Whether another worker is awake during this poll.
    other_worker_awake: AtomicBool,
    /// The LIFO slot of its worker, kept while a blocking call is in progress.
    kept_lifo_slot: Mutex<Option<Wakeup>>,
}

impl TaskWorker {
    /// Creates that of a task on the current node, if the node has [`Workers`] mounted.
    pub(crate) fn new(scope: Scope) -> Option<Arc<TaskWorker>> {
        let workers = if is_in_run() { mounted::<Workers>()? } else { return None };
        let number = {
            let mut state = workers.state();
            state.tasks += 1;
            state.tasks
        };
        let (busy, blocking) = (AtomicU32::new(0), AtomicU32::new(0));
        let (notified, other_worker_awake) = (AtomicBool::new(false), AtomicBool::new(false));
        let kept_lifo_slot = Mutex::default();
        Some(Arc::new(TaskWorker {
            workers,
            number,
            scope,
            notified,
            busy,
            blocking,
            other_worker_awake,
            kept_lifo_slot,
        }))
    }

    /// Begins a poll of the task, or continues one that a blocking call was part of.
    pub(crate) fn enter(self: &Arc<TaskWorker>) -> WorkerGuard {
        if self.notified.swap(false, Relaxed) {
            self.workers.state().note_notified(self.number, now());
        }
        let lifo_slot = if self.is_blocking() { self.kept_lifo_slot().take() } else { None };
        WorkerGuard { outer: CURRENT.replace(Some(self.clone())), outer_slot: LIFO_SLOT.replace(lifo_slot) }
    }

    fn is_current(&self) -> bool {
        CURRENT.with_borrow(|task| task.as_ref().is_some_and(|task| std::ptr::eq(&**task, self)))
    }

    /// Whether this task blocks the event loop.
    fn blocks_event_loop(&self) -> bool {
        let is_this = |(_, task): &(SimTime, Arc<TaskWorker>)| task.number == self.number;
        self.workers.is_event_loop_blocked() && self.workers.state().blocked_by.as_ref().is_some_and(is_this)
    }

    fn is_blocking(&self) -> bool {
        self.blocking.load(Relaxed) > 0
    }

    fn kept_lifo_slot(&self) -> MutexGuard<'_, Option<Wakeup>> {
        self.kept_lifo_slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the task with `waker`, or queues or delays what `again` returns to wake it later.
    pub(crate) fn wake(&self, waker: &Waker, again: impl FnOnce() -> Waker) {
        if !is_delivering() && self.busy.load(Relaxed) == 0 {
            if let Some(by) = self.workers.current_task() {
                return by.put_in_lifo_slot(Wakeup::Waker(again()));
            }
            self.notified.store(true, Relaxed);
            if self.workers.is_event_loop_blocked() {
                return self.workers.state().delayed.push(again());
            }
        }
        deliver(waker);
    }

    /// Puts a wake-up by this task, the current one, into the LIFO slot of its worker. If the slot
    /// held another task, another worker wakes up and runs that one.
    pub(super) fn put_in_lifo_slot(&self, wakeup: Wakeup) {
        let before = LIFO_SLOT.with_borrow_mut(|slot| match slot {
            Some(before) => before.merge(wakeup).and_then(|wakeup| slot.replace(wakeup)),
            none => none.replace(wakeup),
        });
        if let Some(before) = before {
            self.other_worker_awake.store(true, Relaxed);
            self.workers.state().other_notified = Some(now());
            before.deliver();
        }
    }

    /// Begins an operation on a thread other than the worker.
    pub(super) fn begin_offloaded(&self) {
        self.busy.fetch_add(1, Relaxed);
    }

    /// Ends an operation on another thread. After the last one a worker wakes up.
    pub(super) fn end_offloaded(&self) {
        if self.busy.fetch_sub(1, Relaxed) == 1 {
            self.workers.poll_drivers();
        }
    }

    /// Begins a blocking call on the worker.
    pub(super) fn begin_blocking(self: &Arc<TaskWorker>) {
        self.busy.fetch_add(1, Relaxed);
        self.blocking.fetch_add(1, Relaxed);
        self.workers.begin_blocking(self);
    }

    /// Ends a blocking call on the worker.
    pub(super) fn end_blocking(&self) {
        self.busy.fetch_sub(1, Relaxed);
        self.blocking.fetch_sub(1, Relaxed);
        // The worker is free at the end of the poll, or at once if the task was dropped while
        // another one runs.
        if !self.is_current() {
            match self.kept_lifo_slot().take() {
                Some(Wakeup::Waker(waker)) => deliver(&waker),
                dropped => drop(dropped),
            }
            self.end_poll(None);
        }
    }

    /// Frees the worker: it runs the task in its LIFO slot, then polls the drivers.
    fn end_poll(&self, mut lifo_slot: Option<Wakeup>) {
        while let Some(last) = lifo_slot {
            last.deliver();
            lifo_slot = LIFO_SLOT.take();
        }
        if self.blocks_event_loop() {
            self.workers.poll_drivers();
        }
        self.other_worker_awake.store(false, Relaxed);
    }
}

/// The guard of a poll of a task that occupies a worker thread; dropping it ends the poll.
pub(crate) struct WorkerGuard {
    /// The task whose poll this one interrupts: the one that polls this branch.
    outer: Option<Arc<TaskWorker>>,
    outer_slot: Option<Wakeup>,
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        let lifo_slot = LIFO_SLOT.take();
        // Also while a panic unwinds: the other tasks of the process go on if it is caught.
        if let Some(task) = current_task() {
            if task.is_blocking() {
                *task.kept_lifo_slot() = lifo_slot;
            } else {
                task.end_poll(lifo_slot);
            }
        }
        CURRENT.set(self.outer.take());
        LIFO_SLOT.set(self.outer_slot.take());
    }
}
