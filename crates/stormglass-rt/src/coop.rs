//! The cooperative budget of tasks, as `tokio::task::coop`, and the time that system calls take.
//!
//! A task that loops over operations which are ready would never let another task run, and no time
//! would pass. So a poll of a task has a budget of [`BUDGET`] operations. Each operation of
//! `stormglass_net`, `stormglass_fs` and of this crate that completes without waiting uses up one.
//! After the last one, the next operation is not polled: the task yields. Calls named `try_*` use
//! up none.
//!
//! **System calls take time**: a task that has used up its budget waits until [`BUDGET`] times the
//! cost of a system call have passed ([`SystemCallCost`]); with a cost of zero it is woken at once,
//! as with tokio. So the calls of one poll are charged together. A poll of fewer than [`BUDGET`]
//! calls is not charged: its calls are part of the work that is charged by other means, such as the
//! CPU time of a request. If the task is polled earlier, its operations still wait.
//!
//! A loop of operations that lets no time pass counts as turns of the run, so it ends with the
//! run's limit of turns: [`BUDGET`] turns for each budget that is used up without a cost, and one
//! for each `try_*` call where one poll makes more than a thousand.

use crate::clock::Clock;
use crate::hosting;
use crate::mount::mounted;
use crate::run::spend_turns;
use madsim::net::NetSim;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use stormglass_core::SimTime;

/// How many operations that are ready a poll of a task may complete (tokio 1.54.1,
/// `task/coop/mod.rs`, `Budget::initial`).
pub const BUDGET: u32 = 128;

/// The time that a system call takes on a node. Mount it ([`crate::mount()`]) to set it; without
/// it, [`SystemCallCost::default`] applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCallCost(pub Duration);

impl Default for SystemCallCost {
    /// Returns 1 µs. Measured with Linux 6.18 on a virtual machine with an AMD EPYC: `write` of
    /// one byte to a file in the page cache 0.9 µs, `recv` of a small datagram 1.1 µs, `stat` 1.3
    /// µs. (`send` over loopback takes 4.7 µs, as it delivers the packet.)
    fn default() -> SystemCallCost {
        SystemCallCost(Duration::from_micros(1))
    }
}

/// The budget of the current poll.
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// How many operations are left; `None` without a limit.
    left: Option<u32>,
    /// Whether the poll is that of a task that sets its budget itself ([`enter_poll`]).
    is_set: bool,
    /// Else the time of the poll that the budget is for: madsim's clock advances after each poll,
    /// so what happens at one time is one poll.
    at: SimTime,
}

const FULL: Option<u32> = Some(BUDGET);

thread_local! {
    static CURRENT: Cell<Budget> =
        const { Cell::new(Budget { left: FULL, is_set: false, at: SimTime::ZERO }) };
    /// The madsim runtime that the budget is for.
    static RUNTIME: RefCell<Weak<NetSim>> = const { RefCell::new(Weak::new()) };
    /// The tasks that wait for system calls to be over, and until when. A waker that is kept is not
    /// that of another task.
    static DEBTS: RefCell<Vec<(SimTime, Waker)>> = const { RefCell::new(Vec::new()) };
    /// Whether there is one: cheaper to read.
    static HAS_DEBTS: Cell<bool> = const { Cell::new(false) };
    /// How often the current poll has yielded, and its time.
    static YIELDS: Cell<(u32, SimTime)> = const { Cell::new((0, SimTime::ZERO)) };
    /// The `try_*` calls since the last look at the clock, and what it showed.
    static TRIES: Cell<(u32, SimTime)> = const { Cell::new((0, SimTime::ZERO)) };
}

/// The guard of a poll, of a part of it, or of a change of its budget: dropping it restores the
/// budget before.
pub(crate) struct BudgetGuard(Budget);

impl Drop for BudgetGuard {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Gives a poll of a task its budget.
#[inline]
pub(crate) fn enter_poll() -> BudgetGuard {
    BudgetGuard(CURRENT.replace(Budget { left: FULL, is_set: true, at: SimTime::ZERO }))
}

/// Gives the task that is polled next within this poll a whole budget: a hosted one.
#[cfg(tokio_unstable)]
pub(crate) fn refill() {
    CURRENT.set(Budget { left: FULL, is_set: true, at: SimTime::ZERO });
}

/// Returns the budget of the current poll.
#[inline]
fn current() -> Budget {
    let budget = CURRENT.get();
    if budget.is_set { budget } else { of_this_time(budget) }
}

/// Returns the budget of a poll that does not set it, after the last such poll had this one.
fn of_this_time(budget: Budget) -> Budget {
    let Some(clock) = Clock::try_current() else { return Budget { left: None, ..budget } };
    let (now, is_new) = (clock.now(), is_new_runtime());
    if now == budget.at && !is_new { budget } else { Budget { left: FULL, is_set: false, at: now } }
}

/// Whether the madsim runtime is another one than at the last call: their times have no order.
fn is_new_runtime() -> bool {
    RUNTIME.with_borrow_mut(|runtime| {
        let is_new = runtime.strong_count() == 0;
        if is_new {
            *runtime = Arc::downgrade(&NetSim::current());
        }
        is_new
    })
}

/// Whether the task of this waker still waits for system calls to be over.
#[inline]
fn is_in_debt(context: &Context<'_>) -> bool {
    HAS_DEBTS.get() && is_among_debtors(context)
}

fn is_among_debtors(context: &Context<'_>) -> bool {
    let (now, own) = (Clock::current().now(), hosting::waker(context));
    let (is_over, is_in_debt) = DEBTS.with_borrow_mut(|debts| {
        let is_over: Vec<_> = debts.extract_if(.., |(until, _)| *until <= now).collect();
        HAS_DEBTS.set(!debts.is_empty());
        (is_over, debts.iter().any(|(_, waker)| waker.will_wake(&own)))
    });
    drop(is_over);
    is_in_debt
}

/// Forgets the tasks that wait for system calls to be over. For the end of a run.
pub fn forget_waiting_tasks() {
    HAS_DEBTS.set(false);
    drop(DEBTS.take());
}

/// Returns whether the current poll may complete another operation.
///
/// ```
/// use stormglass_rt::coop;
///
/// madsim::runtime::Runtime::new().block_on(async {
///     for _ in 0..coop::BUDGET {
///         assert!(coop::has_budget_remaining());
///         coop::consume_budget().await;
///     }
///     assert!(!coop::has_budget_remaining());
/// });
/// ```
pub fn has_budget_remaining() -> bool {
    current().left != Some(0)
}

/// Uses up one operation of the budget; yields if none is left.
pub async fn consume_budget() {
    poll_fn(|context| poll_proceed(context).map(|restore| restore.made_progress())).await;
}

/// Takes one operation from the budget of the current poll. If none is left, arranges that the task
/// is woken, and returns [`Poll::Pending`].
///
/// An operation that turns out not to be ready drops the guard, which gives the budget back; one
/// that is ready calls [`RestoreOnPending::made_progress`] first.
///
/// ```
/// use std::collections::VecDeque;
/// use std::task::{Context, Poll, ready};
/// use stormglass_rt::coop;
///
/// fn poll_pop(queue: &mut VecDeque<u32>, context: &mut Context<'_>) -> Poll<u32> {
///     let coop = ready!(coop::poll_proceed(context));
///     match queue.pop_front() {
///         Some(value) => {
///             coop.made_progress();
///             Poll::Ready(value)
///         }
///         None => Poll::Pending, // and keep the waker
///     }
/// }
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let mut queue: VecDeque<u32> = (0..1_000).collect();
///     let began = stormglass_rt::now();
///     for _ in 0..1_000 {
///         std::future::poll_fn(|context| poll_pop(&mut queue, context)).await;
///     }
///     // 1000 = 7 * 128 + 104: seven budgets of 128 µs.
///     assert_eq!((stormglass_rt::now() - began).as_micros(), 7 * 128);
/// });
/// ```
///
/// # Panics
///
/// With [`stormglass_core::TurnsSpent`] as payload if the loop uses up the turns of the run.
#[inline]
pub fn poll_proceed(context: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let budget = current();
    match budget.left {
        Some(_) if is_in_debt(context) => {
            count_yield(Clock::current().now(), false);
            Poll::Pending
        }
        None => Poll::Ready(RestoreOnPending { before: Cell::new(None), marker: PhantomData }),
        Some(0) => {
            yield_now(budget, context);
            Poll::Pending
        }
        Some(left) => {
            CURRENT.set(Budget { left: Some(left - 1), ..budget });
            Poll::Ready(RestoreOnPending { before: Cell::new(Some(budget)), marker: PhantomData })
        }
    }
}

/// Arranges that a task without budget is woken when its system calls are over.
#[cold]
fn yield_now(budget: Budget, context: &Context<'_>) {
    CURRENT.set(budget);
    let (clock, SystemCallCost(cost)) = (Clock::current(), mounted().unwrap_or_default());
    let now = clock.now();
    count_yield(now, cost.is_zero());
    if cost.is_zero() {
        context.waker().wake_by_ref();
    } else {
        let until = now + cost * BUDGET;
        HAS_DEBTS.set(true);
        DEBTS.with_borrow_mut(|debts| debts.push((until, context.waker().clone())));
        clock.wake_at(until, &hosting::waker(context));
    }
}

/// Counts an operation that is not polled as a turn of the run, or as many if time does not pass.
fn count_yield(now: SimTime, is_free: bool) {
    /// A poll that yields more often than that spins: it polls one operation again and again
    /// without returning. Each branch of a large `join_all` yields once.
    const SPINS: u32 = 100_000;
    let (yields, at) = YIELDS.get();
    let yields = if at == now { yields.saturating_add(1) } else { 1 };
    YIELDS.set((yields, now));
    let lets_no_time_pass = yields > SPINS || (yields == 1 && is_free);
    spend_turns(if lets_no_time_pass { u64::from(BUDGET) } else { 1 });
}

/// What [`poll_proceed`] returns: gives the operation back to the budget when it is dropped, unless
/// the operation made progress.
#[derive(Debug)]
#[must_use]
pub struct RestoreOnPending {
    before: Cell<Option<Budget>>,
    /// The budget is that of a thread.
    marker: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// Uses the operation up: it is complete.
    #[inline]
    pub fn made_progress(&self) {
        self.before.set(None);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before.get() {
            CURRENT.set(before);
        }
    }
}

/// Polls an operation within the budget: it uses up one if it is ready.
pub fn poll_within_budget<T>(
    context: &mut Context<'_>,
    operation: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let coop = ready!(poll_proceed(context));
    let output = ready!(operation(context));
    coop.made_progress();
    Poll::Ready(output)
}

/// As [`poll_within_budget`]; without a context, the operation is one that does not wait
/// ([`count_try`]).
///
/// # Panics
///
/// As [`count_try`].
pub fn poll_or_try<T>(
    context: Option<&mut Context<'_>>,
    operation: impl FnOnce(Option<&mut Context<'_>>) -> Poll<T>,
) -> Poll<T> {
    match context {
        Some(context) => poll_within_budget(context, |context| operation(Some(context))),
        None => {
            count_try();
            operation(None)
        }
    }
}

/// Counts a call that does not wait (`try_*`): it uses up no budget, but a loop of them in one poll
/// uses up the turns of the run.
///
/// # Panics
///
/// With [`stormglass_core::TurnsSpent`] as payload if the loop uses up the turns of the run.
#[inline]
pub fn count_try() {
    const BATCH: u32 = 1_024;
    let (count, at) = TRIES.get();
    if count + 1 < BATCH {
        return TRIES.set((count + 1, at));
    }
    let now = Clock::try_current().map_or(SimTime::ZERO, |clock| clock.now());
    TRIES.set((0, now));
    if now == at {
        spend_turns(u64::from(BATCH));
    }
}

/// Runs a future without a budget, as `tokio::task::unconstrained`.
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future: Box::pin(future) }
}

/// A future that runs without a budget; see [`unconstrained`].
#[derive(Debug)]
pub struct Unconstrained<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _guard = without_budget();
        self.future.as_mut().poll(context)
    }
}

/// Removes the limit of the budget until the guard is dropped.
pub(crate) fn without_budget() -> BudgetGuard {
    BudgetGuard(CURRENT.replace(Budget { left: None, is_set: true, at: SimTime::ZERO }))
}

/// Makes a future one operation of the budget, as `tokio::task::coop::cooperative`.
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future: Box::pin(future) }
}

/// A future that is one operation of the budget; see [`cooperative`].
#[derive(Debug)]
pub struct Coop<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        poll_within_budget(context, |context| self.future.as_mut().poll(context))
    }
}
