//! What is known of each message, at its publisher, its server and its subscriber.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A record that the processes of a run write. It takes no simulated time.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Messages>>);

/// The messages of a run, by number.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// Those whose call of the client succeeded.
    pub acknowledged: BTreeSet<u64>,
    /// Those that the server received, in order.
    pub at_server: Vec<u64>,
    /// Those that the subscriber received, in order.
    pub received: Vec<u64>,
    /// How many calls of the client failed.
    pub errors: u64,
    /// How many calls of the client did not end within [`crate::client::PATIENCE`].
    pub hung: u64,
    /// The time of the longest call.
    pub longest: Duration,
}

impl Record {
    /// Changes the record.
    pub fn note(&self, change: impl FnOnce(&mut Messages)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns what is known.
    pub fn messages(&self) -> Messages {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Messages {
    /// Returns the acknowledged messages that the subscriber did not receive.
    pub fn lost(&self) -> Vec<u64> {
        let received: BTreeSet<u64> = self.received.iter().copied().collect();
        self.acknowledged.difference(&received).copied().collect()
    }

    /// Returns those of the lost messages that the server did not receive either.
    pub fn lost_before_server(&self) -> Vec<u64> {
        let mut lost = self.lost();
        lost.retain(|number| !self.at_server.contains(number));
        lost
    }

    /// Returns how many deliveries were of a message that the subscriber had already.
    pub fn duplicates(&self) -> u64 {
        let mut seen = BTreeSet::new();
        self.received.iter().filter(|&&number| !seen.insert(number)).count() as u64
    }

    /// Returns how many messages arrived for the first time after a later one.
    pub fn reordered(&self) -> u64 {
        let (mut seen, mut last, mut reordered) = (BTreeSet::new(), 0, 0);
        for &number in &self.received {
            reordered += u64::from(seen.insert(number) && number < last);
            last = last.max(number);
        }
        reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1 to 5 the server has all but 4; 2 arrives after 3, 3 twice, and 4 and 5 never.
    #[test]
    fn messages_are_counted() {
        let messages = Messages {
            acknowledged: (1..=5).collect(),
            at_server: vec![1, 3, 2, 3, 5],
            received: vec![1, 3, 2, 3],
            ..Messages::default()
        };
        assert_eq!(messages.lost(), [4, 5]);
        assert_eq!(messages.lost_before_server(), [4]);
        assert_eq!((messages.duplicates(), messages.reordered()), (1, 1));
    }
}
