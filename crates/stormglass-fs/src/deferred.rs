//! The deferred latency of blocking calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Symbol};
use stormglass_rt as rt;

/// The latency of blocking operations for which the task has not slept yet. Clones share it; each task has its own.
#[derive(Clone, Debug)]
pub struct DeferredLatency {
    pending: Arc<Mutex<Duration>>,
    recorder: Recorder,
    subject: Symbol,
}

impl DeferredLatency {
    pub(crate) fn recorded(recorder: &Recorder) -> DeferredLatency {
        let recorder = recorder.clone();
        DeferredLatency { pending: Arc::default(), subject: recorder.symbol("blocking operations"), recorder }
    }

    /// Sleeps for the pending latency, as one blocking call, and resets it to zero.
    pub async fn sleep(&self) {
        let pending = std::mem::take(&mut *self.lock());
        if !pending.is_zero() {
            rt::worker::offload(rt::Clock::current().sleep(pending)).await;
            self.recorder.record(rt::now(), Kind::Settle, self.subject, pending, 0);
        }
    }

    /// Returns the pending latency.
    pub fn pending(&self) -> Duration {
        *self.lock()
    }

    /// Adds latency that the engine spends without the disk: the sleep of a busy handler, such as `xSleep` of SQLite's VFS.
    pub fn add(&self, latency: Duration) {
        *self.lock() += latency;
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
