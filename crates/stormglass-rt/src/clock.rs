//! Simulated time: clock, sleeps, timers. madsim's `sleep` has a floor of 1 ms, which disk and
//! loopback latencies do not have, so every sleep of Stormglass is created here.

use crate::hosting;
use crate::node_clock::{after, between};
use crate::timers;
use madsim::time::TimeHandle;
use pin_project_lite::pin_project;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use stormglass_core::{Kind, Latency, Recorder, SimTime, Stream, Symbol};

/// Returns the time since the run began.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn now() -> SimTime {
    Clock::current().now()
}

/// The clock of the current run. Keep it to read the time repeatedly: looking up the clock costs
/// more than reading it.
#[derive(Clone)]
pub struct Clock(TimeHandle);

impl Clock {
    /// Returns the clock of the current run.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn current() -> Clock {
        Clock(TimeHandle::current())
    }

    /// Returns the clock of the current run, if this thread is inside a madsim runtime.
    pub fn try_current() -> Option<Clock> {
        TimeHandle::try_current().map(Clock)
    }

    /// As [`now`].
    pub fn now(&self) -> SimTime {
        self.0.elapsed().into()
    }

    /// As [`wake_at`].
    pub fn wake_at(&self, at: SimTime, waker: &Waker) {
        if self.now() >= at {
            waker.wake_by_ref();
        } else {
            timers::wake_at(&self.0, at, waker);
        }
    }

    /// Waits for exactly `duration` of simulated time, as a device does. Differs from [`sleep`] on a
    /// node whose clock drifts.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { clock: self.clone(), at: self.now() + duration }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Whether this thread is inside a run. A destructor may run after the end of its run.
pub fn is_in_run() -> bool {
    TimeHandle::try_current().is_some()
}

/// A wait for a time; [`sleep`] and [`sleep_until`] make it.
pub struct Sleep {
    clock: Clock,
    at: SimTime,
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.at {
            return Poll::Ready(());
        }
        timers::wake_at(&self.clock.0, self.at, &hosting::waker(context));
        Poll::Pending
    }
}

/// Waits for exactly `duration` (madsim adds 50 ns), zero included, at the rate of the current
/// node's clock ([`crate::NodeClock::drift`]). Records nothing.
///
/// ```
/// use std::time::Duration;
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let before = stormglass_rt::now();
///     stormglass_rt::sleep(Duration::from_micros(10)).await;
///     let slept = stormglass_rt::now() - before;
///     assert!(Duration::from_micros(10) <= slept && slept < Duration::from_micros(11));
/// });
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    let clock = Clock::current();
    let now = clock.now();
    clock.sleep(after(now, duration) - now)
}

/// Waits until the time `at` of the run, whatever the node's clock shows; ready at once if that is
/// past. Records nothing.
pub fn sleep_until(at: SimTime) -> Sleep {
    Sleep { clock: Clock::current(), at }
}

/// Waits for `duration` deliberately and records it as a [`Kind::Sleep`] of this `reason`: a
/// back-off, a polling interval.
pub async fn pause(recorder: &Recorder, reason: Symbol, duration: Duration) {
    sleep(duration).await;
    recorder.record(now(), Kind::Sleep, reason, duration, 0);
}

/// Records a change of a component's state on the current node, as a [`Kind::Status`]. It takes no
/// time and is no cause of later events.
pub fn record_status(recorder: &Recorder, component: &str, state: &str) {
    let subject = recorder.symbol(&format!("{component}: {state}"));
    recorder.record_in(recorder.scope(), now(), Kind::Status, subject, Duration::ZERO, 0);
}

/// Returns the output of `future`, or `None` if `limit` passes first, at the rate of the current
/// node's clock. If both are ready at the same time, the output.
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    Timeout { future, limit, alarm: None }
}

pin_project! {
    /// A future with a limit of time, from its first poll on; see [`timeout`].
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        limit: Duration,
        alarm: Option<Alarm>,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let this = self.project();
        let alarm = this.alarm.get_or_insert_with(|| Alarm::new(after(now(), *this.limit)));
        match this.future.poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => alarm.poll(context).map(|()| None),
        }
    }
}

/// A deadline to wait for inside a selection. However often it is polled, it sets one timer;
/// madsim's `Sleep` sets one with each poll.
///
/// It wakes the task that polled it first, so it must stay with that task.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    at: SimTime,
    armed: bool,
}

impl Alarm {
    /// Creates an alarm at this time.
    pub fn new(at: SimTime) -> Alarm {
        Alarm { at, armed: false }
    }

    /// Polls the alarm: ready from its time on.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if now() >= self.at {
            return Poll::Ready(());
        }
        if !self.armed {
            self.armed = true;
            wake_at(self.at, &hosting::waker(context));
        }
        Poll::Pending
    }
}

/// A periodic timer, at the rate of the current node's clock. [`MissedTickBehavior`] says what happens to ticks that were due while the
/// task was busy.
#[derive(Clone, Debug)]
pub struct Ticker {
    recorder: Recorder,
    subject: Symbol,
    period: Duration,
    /// When the next tick is due.
    due: SimTime,
    next: Alarm,
    missed: MissedTickBehavior,
    delay: Option<Box<TickDelay>>,
}

/// The delay of ticks: its distribution and the stream of its draws.
#[derive(Clone, Debug)]
struct TickDelay {
    latency: Latency,
    stream: Stream,
}

/// What happens to ticks that were due while the task was busy, as tokio's `MissedTickBehavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissedTickBehavior {
    /// All missed ticks fire at once.
    #[default]
    Burst,
    /// One missed tick fires late; the next ones at their old times.
    Skip,
    /// One missed tick fires late; the next ones a period after it each.
    Delay,
}

impl Ticker {
    /// Creates a timer that fires now and then once each `period`. A tick is recorded as a
    /// [`Kind::Tick`] of this subject.
    ///
    /// # Panics
    ///
    /// When the period is zero.
    pub fn new(recorder: &Recorder, subject: Symbol, period: Duration) -> Ticker {
        Ticker::first_due(now(), recorder, subject, period)
    }

    /// As [`Ticker::new`], with the first tick a period from now.
    ///
    /// # Panics
    ///
    /// When the period is zero.
    pub fn after(recorder: &Recorder, subject: Symbol, period: Duration) -> Ticker {
        Ticker::first_due(after(now(), period), recorder, subject, period)
    }

    fn first_due(due: SimTime, recorder: &Recorder, subject: Symbol, period: Duration) -> Ticker {
        assert!(!period.is_zero(), "a ticker needs a period above 0");
        let (recorder, next) = (recorder.clone(), Alarm::new(due));
        Ticker { recorder, subject, period, due, next, missed: MissedTickBehavior::Burst, delay: None }
    }

    /// Sets what happens to missed ticks. Default: [`MissedTickBehavior::Burst`].
    #[must_use]
    pub fn missed_tick_behavior(mut self, missed: MissedTickBehavior) -> Ticker {
        self.missed = missed;
        self
    }

    /// Delays each tick by a draw of `latency`, as a real runtime fires its timers late. The delay
    /// does not shift the ticks after it.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::time::Duration;
    /// use stormglass_core::{Keep, Latency, Recorder, Seed};
    /// use stormglass_rt::Ticker;
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let recorder = Recorder::new(Keep::Nothing);
    ///     let late = Latency::Uniform { min: Duration::ZERO, max: Duration::from_millis(1) };
    ///     let mut ticker = Ticker::after(&recorder, recorder.symbol("tick"), Duration::from_millis(100));
    ///     ticker = ticker.delayed_by(late, Seed(1).stream("tick"));
    ///     for tick in 1..=10 {
    ///         poll_fn(|context| ticker.poll_tick(context)).await;
    ///         let late = stormglass_rt::now().as_nanos() - tick * 100_000_000;
    ///         assert!((1_000..1_001_000).contains(&late), "{late} ns");
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn delayed_by(mut self, latency: Latency, stream: Stream) -> Ticker {
        self.delay = Some(Box::new(TickDelay { latency, stream }));
        self.set(self.due);
        self
    }

    fn set(&mut self, due: SimTime) {
        let delay = |TickDelay { latency, stream }: &mut TickDelay| latency.at(stream.draw());
        self.due = due;
        self.next = Alarm::new(due + self.delay.as_deref_mut().map_or(Duration::ZERO, delay));
    }

    /// Polls the timer: ready when a tick is due.
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.next.poll(context));
        let now = now();
        self.set(match self.missed {
            MissedTickBehavior::Burst => after(self.due, self.period),
            MissedTickBehavior::Delay => after(now, self.period),
            MissedTickBehavior::Skip => {
                let periods = between(self.due, now).as_nanos() / self.period.as_nanos() + 1;
                after(self.due, Duration::from_nanos((self.period.as_nanos() * periods) as u64))
            }
        });
        self.recorder.record(now, Kind::Tick, self.subject, self.period, 0);
        Poll::Ready(())
    }
}

/// Wakes `waker` at the time `at`, without a task: delivering a message costs one timer this way.
///
/// **Invariant:** the waker runs under madsim's timer lock and before the clock shows the new
/// time, so it must neither read the clock nor set a timer. Waking a task and putting a value into
/// a [`mod@crate::channel`] are fine.
pub fn wake_at(at: SimTime, waker: &Waker) {
    Clock::current().wake_at(at, waker);
}
