//! An unbounded channel with one receiver whose values carry their cause. A sender that wants a
//! bound waits for [`Sender::wait_for_capacity`] first.
//!
//! The cause of a receiver is the later of two events: its own last one and the one that the value
//! carries. So the time that a request spends in a busy server's queue is attributed to the work
//! that the server was doing.

use crate::coop;
use crate::hosting;
use crate::mutex::lock;
use crate::wakers::Wakers;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use stormglass_core::{EventId, Recorder};

/// Creates a channel of this run.
///
/// ```
/// use stormglass_core::{Keep, Recorder};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let recorder = Recorder::new(Keep::Nothing);
///     let (sender, mut receiver) = stormglass_rt::channel(&recorder);
///     sender.send(7);
///     drop(sender);
///     assert_eq!(receiver.recv().await, Some(7));
///     assert_eq!(receiver.recv().await, None);
/// });
/// ```
pub fn channel<T>(recorder: &Recorder) -> (Sender<T>, Receiver<T>) {
    let state =
        State { queue: VecDeque::new(), waker: None, waiting: Wakers::default(), senders: 1, closed: false };
    let shared = Arc::new(Mutex::new(state));
    let sender = Sender { shared: shared.clone(), recorder: recorder.clone() };
    (sender, Receiver { shared, recorder: recorder.clone() })
}

struct State<T> {
    queue: VecDeque<(T, EventId)>,
    waker: Option<Waker>,
    /// Senders that wait for capacity.
    waiting: Wakers,
    senders: usize,
    closed: bool,
}

/// The sending half; clones send into the same channel.
pub struct Sender<T> {
    shared: Arc<Mutex<State<T>>>,
    recorder: Recorder,
}

impl<T> Sender<T> {
    /// Sends a value, with the cause of the current scope. Without a receiver the value is lost.
    pub fn send(&self, value: T) {
        self.send_from(value, self.recorder.scope().last());
    }

    /// Sends a value with a cause of its own, such as the arrival of a message.
    pub fn send_from(&self, value: T, cause: EventId) {
        let mut state = lock(&self.shared);
        // Without a receiver the value stays in the queue until the channel is dropped: its
        // destructor may not run in a timer's callback.
        state.queue.push_back((value, cause));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until fewer than `capacity` values are in the channel, or the receiver is dropped.
    ///
    /// ```
    /// use stormglass_core::{Keep, Recorder};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let recorder = Recorder::new(Keep::Nothing);
    ///     let (sender, mut receiver) = stormglass_rt::channel(&recorder);
    ///     sender.send(1);
    ///     let second = stormglass_rt::spawn(&recorder, "second", async move {
    ///         sender.wait_for_capacity(1).await;
    ///         sender.send(2);
    ///     });
    ///     assert_eq!(receiver.recv().await, Some(1));
    ///     assert_eq!(receiver.recv().await, Some(2));
    ///     second.await.unwrap();
    /// });
    /// ```
    pub async fn wait_for_capacity(&self, capacity: usize) {
        poll_fn(|context| {
            let coop = ready!(coop::poll_proceed(context));
            let mut state = lock(&self.shared);
            if state.closed || state.queue.len() < capacity {
                coop.made_progress();
                return Poll::Ready(());
            }
            state.waiting.add(&hosting::waker(context));
            Poll::Pending
        })
        .await;
    }

    /// Whether the receiver was dropped.
    pub fn is_closed(&self) -> bool {
        lock(&self.shared).closed
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        lock(&self.shared).senders += 1;
        Sender { shared: self.shared.clone(), recorder: self.recorder.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.senders -= 1;
        let waker = if state.senders == 0 { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The receiving half.
pub struct Receiver<T> {
    shared: Arc<Mutex<State<T>>>,
    recorder: Recorder,
}

impl<T> Receiver<T> {
    /// Receives the next value, or `None` once the channel is empty and every sender was dropped.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Receiver::recv`], for hand-written selections.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv_with_cause(context).map(|received| {
            received.map(|(value, cause)| {
                self.recorder.join(cause);
                value
            })
        })
    }

    /// As [`Receiver::poll_recv`], and returns the value's cause instead of adding it to the
    /// current scope: for a receiver that sorts values into queues and calls [`Recorder::join`]
    /// when it takes one.
    pub fn poll_recv_with_cause(&mut self, context: &mut Context<'_>) -> Poll<Option<(T, EventId)>> {
        let coop = ready!(coop::poll_proceed(context));
        let mut state = lock(&self.shared);
        if let Some(received) = state.queue.pop_front() {
            coop.made_progress();
            state.waiting.wake_all();
            return Poll::Ready(Some(received));
        }
        if state.senders == 0 {
            coop.made_progress();
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(&hosting::waker(context)),
            none => *none = Some(hosting::waker(context).into_owned()),
        }
        Poll::Pending
    }

    /// Receives the next value if there is one now.
    pub fn try_recv(&mut self) -> Option<T> {
        coop::count_try();
        let mut state = lock(&self.shared);
        let (value, cause) = state.queue.pop_front()?;
        state.waiting.wake_all();
        drop(state);
        self.recorder.join(cause);
        Some(value)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.closed = true;
        // An unread value may hold the sender of a reply for which another task waits.
        let unread = std::mem::take(&mut state.queue);
        state.waiting.wake_all();
        drop(state);
        drop(unread);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("queued", &lock(&self.shared).queue.len()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("queued", &lock(&self.shared).queue.len()).finish()
    }
}
