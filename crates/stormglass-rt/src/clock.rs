//! The run's time.
//!
//! madsim's `sleep` has a floor of 1 ms, but a `Sleep` that is reset before its first poll ends where it
//! should. Disk and loopback latencies need microseconds, so every sleep of ours is made here, that way.

pub use madsim::time::Sleep;
use madsim::time::{Instant, TimeHandle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use stormglass_core::{Kind, Latency, Recorder, SimTime, Stream, Symbol};

/// The time since the run began.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn now() -> SimTime {
    Clock::current().now()
}

/// The clock of the run at work, for whoever asks more than once: finding it costs more than asking it.
#[derive(Clone)]
pub struct Clock(TimeHandle);

impl Clock {
    /// The clock of the run at work.
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn current() -> Clock {
        Clock(TimeHandle::current())
    }

    /// As [`now`].
    pub fn now(&self) -> SimTime {
        self.0.elapsed().into()
    }

    /// As [`wake_at`].
    pub fn wake_at(&self, at: SimTime, waker: &Waker) {
        let mut sleep = exact(&self.0, instant(&self.0, at));
        if Pin::new(&mut sleep).poll(&mut Context::from_waker(waker)).is_ready() {
            waker.wake_by_ref();
        }
    }

    /// As [`sleep`].
    pub fn sleep(&self, duration: Duration) -> Sleep {
        exact(&self.0, self.0.now_instant() + duration)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// The clock of the day at a moment of the run, which madsim draws from the seed: what `SystemTime::now` gave then.
///
/// # Panics
///
/// Outside a madsim runtime.
#[expect(clippy::disallowed_types, reason = "not the ambient one: the run's own")]
pub fn time_of_day(at: SimTime) -> std::time::SystemTime {
    let clock = TimeHandle::current();
    let now = SimTime::from(clock.elapsed());
    clock.now_time() - now.saturating_since(at) + at.saturating_since(now)
}

/// Whether there is a run at work on this thread. A destructor may run after it.
pub fn running() -> bool {
    TimeHandle::try_current().is_some()
}

/// Waits for exactly `duration` (madsim adds 50 ns), zero included. Records nothing.
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
    Clock::current().sleep(duration)
}

/// Waits until the moment `at`; ready at once if that is past. Records nothing.
pub fn sleep_until(at: SimTime) -> Sleep {
    let clock = TimeHandle::current();
    let deadline = instant(&clock, at);
    exact(&clock, deadline)
}

/// Waits for `duration` on purpose and records it as a [`Kind::Sleep`] of this `reason`: a back-off, a poll gap.
pub async fn pause(recorder: &Recorder, reason: Symbol, duration: Duration) {
    sleep(duration).await;
    recorder.record(now(), Kind::Sleep, reason, duration, 0);
}

/// Records that something of the node at work is in another state, as a [`Kind::Status`]. It takes no time, and nothing waits for it.
pub fn status(recorder: &Recorder, what: &str, state: &str) {
    let subject = recorder.symbol(&format!("{what}: {state}"));
    recorder.record_in(recorder.scope(), now(), Kind::Status, subject, Duration::ZERO, 0);
}

/// The future's output, or `None` if `limit` passes first. A future that is ready in time wins a tie.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut alarm = Alarm::new(now() + limit);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => alarm.poll(context).map(|()| None),
    })
    .await
}

/// A moment to wait for inside a selection. Polled again and again, it sets one timer; a `Sleep` of madsim's
/// sets one with each poll.
///
/// It wakes the task that polled it first, so it must stay with that task.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    at: SimTime,
    armed: bool,
}

impl Alarm {
    /// An alarm at this moment.
    pub fn new(at: SimTime) -> Alarm {
        Alarm { at, armed: false }
    }

    /// Ready from the moment on.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if now() >= self.at {
            return Poll::Ready(());
        }
        if !self.armed {
            self.armed = true;
            wake_at(self.at, context.waker());
        }
        Poll::Pending
    }
}

/// A periodic timer. Someone who was busy for five periods gets the ticks that were due as [`Missed`] says.
#[derive(Clone, Debug)]
pub struct Ticker {
    recorder: Recorder,
    subject: Symbol,
    period: Duration,
    /// When the next tick is due.
    due: SimTime,
    next: Alarm,
    missed: Missed,
    late: Option<Box<Late>>,
}

/// How late ticks are.
#[derive(Clone, Debug)]
struct Late {
    by: Latency,
    chance: Stream,
}

/// What becomes of ticks that were due while nobody looked, as tokio's `MissedTickBehavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// All of them come at once.
    #[default]
    Burst,
    /// One comes late, the next ones at their old times.
    Skip,
    /// One comes late, the next ones a period after it each.
    Delay,
}

impl Ticker {
    /// Ticks now and then after each `period`. A tick is recorded as a [`Kind::Tick`] of this subject.
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
        Ticker::first_due(now() + period, recorder, subject, period)
    }

    fn first_due(due: SimTime, recorder: &Recorder, subject: Symbol, period: Duration) -> Ticker {
        assert!(!period.is_zero(), "a period of no time would tick for ever");
        let (recorder, next) = (recorder.clone(), Alarm::new(due));
        Ticker { recorder, subject, period, due, next, missed: Missed::Burst, late: None }
    }

    /// What becomes of missed ticks. Default: [`Missed::Burst`].
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Ticker {
        self.missed = missed;
        self
    }

    /// Each tick comes late by so much, drawn by chance, as those of a real runtime do. The one after it is due as if it had been in time.
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
    ///     ticker = ticker.late(late, Seed(1).stream("tick"));
    ///     for tick in 1..=10 {
    ///         poll_fn(|context| ticker.poll_tick(context)).await;
    ///         let late = stormglass_rt::now().as_nanos() - tick * 100_000_000;
    ///         assert!((1_000..1_001_000).contains(&late), "{late} ns");
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn late(mut self, by: Latency, chance: Stream) -> Ticker {
        self.late = Some(Box::new(Late { by, chance }));
        self.set(self.due);
        self
    }

    fn set(&mut self, due: SimTime) {
        let late = |Late { by, chance }: &mut Late| by.at(chance.draw());
        self.due = due;
        self.next = Alarm::new(due + self.late.as_deref_mut().map_or(Duration::ZERO, late));
    }

    /// Ready when a tick is due.
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.next.poll(context));
        let now = now();
        self.set(match self.missed {
            Missed::Burst => self.due + self.period,
            Missed::Delay => now + self.period,
            Missed::Skip => {
                let periods = (now - self.due).as_nanos() / self.period.as_nanos() + 1;
                self.due + Duration::from_nanos((self.period.as_nanos() * periods) as u64)
            }
        });
        self.recorder.record(now, Kind::Tick, self.subject, self.period, 0);
        Poll::Ready(())
    }
}

/// Wakes `waker` at the moment `at`, without a task: a message costs one timer this way.
///
/// **Invariant:** the waker runs under madsim's timer lock and before the clock shows the new time, so it
/// must neither read the clock nor set a timer. Waking a task and putting a value into a
/// [`mod@crate::channel`] are fine.
pub fn wake_at(at: SimTime, waker: &Waker) {
    Clock::current().wake_at(at, waker);
}

fn instant(clock: &TimeHandle, at: SimTime) -> Instant {
    let now = SimTime::from(clock.elapsed());
    clock.now_instant() + at.saturating_since(now)
}

/// The one place that asks madsim for a sleep, and takes its floor off.
fn exact(clock: &TimeHandle, deadline: Instant) -> Sleep {
    let mut sleep = clock.sleep_until(deadline);
    Pin::new(&mut sleep).reset(deadline);
    sleep
}
