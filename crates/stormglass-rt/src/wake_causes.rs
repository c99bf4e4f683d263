//! The cause of a task's wake-ups since its last poll.

use crate::mutex::lock;
use std::sync::Mutex;
use stormglass_core::{Recorder, WakeCause};

/// The latest cause of the wake-ups of a task since its last poll; none if there was no wake-up.
#[derive(Debug, Default)]
pub(crate) struct WakeCauses(Mutex<Option<WakeCause>>);

impl WakeCauses {
    /// Adds a wake-up by the current scope. Between polls there is none: the wake-up of a timer has
    /// no cause but time.
    #[inline]
    pub(crate) fn add(&self, recorder: &Recorder) {
        let new = recorder.wake_cause();
        let mut cause = lock(&self.0);
        *cause = Some(cause.unwrap_or_default().or(new));
    }

    /// Takes the cause, for the poll that begins.
    #[inline]
    pub(crate) fn take(&self) -> Option<WakeCause> {
        lock(&self.0).take()
    }

    /// Whether there was no wake-up.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_none()
    }
}
