//! Messages that a hold has queued.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_core::SimTime;

/// A message that a [`crate::Hold`] has queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The sending host.
    pub from: String,
    /// The receiving host.
    pub to: String,
    /// The service's port.
    pub port: u16,
    /// The size in bytes; 0 if the message has none.
    pub bytes: u64,
    /// When the message was queued. Of a stream: when it became the first undelivered message.
    pub since: SimTime,
}

/// The messages that one hold has queued, in the order in which they were queued.
#[derive(Clone, Default)]
pub(crate) struct MessageQueue(Arc<Mutex<Vec<Entry>>>);

struct Entry {
    message: QueuedMessage,
    release: Box<dyn FnOnce() + Send>,
}

impl MessageQueue {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message. `release` sends it on.
    pub(crate) fn push(&self, message: QueuedMessage, release: impl FnOnce() + Send + 'static) {
        self.lock().push(Entry { message, release: Box::new(release) });
    }

    pub(crate) fn list(&self) -> Vec<QueuedMessage> {
        self.lock().iter().map(|entry| entry.message.clone()).collect()
    }

    /// Releases the message at this index; returns whether there is one.
    pub(crate) fn release(&self, index: usize) -> bool {
        let mut entries = self.lock();
        if index >= entries.len() {
            return false;
        }
        let entry = entries.remove(index);
        drop(entries);
        (entry.release)();
        true
    }
}

impl fmt::Debug for MessageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|entry| &entry.message)).finish()
    }
}
