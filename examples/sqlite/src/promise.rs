//! What SQLite documents for a power loss, on a disk whose syncs do what they say.
//!
//! After a crash of the application alone, each setting keeps each transaction ("the data will be
//! safe" also with OFF).

use crate::workload::{Journal, Synchronous};

/// What a power loss may do to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Whether the database may be damaged.
    pub may_damage: bool,
    /// How many acknowledged transactions may be lost.
    pub may_lose: u64,
    /// The document's words.
    pub words: &'static str,
    /// The document.
    pub source: &'static str,
}

const PRAGMA: &str = "https://sqlite.org/pragma.html#pragma_synchronous";

/// Returns what SQLite documents.
pub fn promise(journal: Journal, synchronous: Synchronous) -> Promise {
    let promise = |may_damage, may_lose, words| Promise { may_damage, may_lose, words, source: PRAGMA };
    match (synchronous, journal) {
        (Synchronous::Off, _) => promise(true, u64::MAX, "the database might become corrupted"),
        (Synchronous::Normal, Journal::Wal) => {
            promise(false, u64::MAX, "always consistent, but WAL mode does lose durability")
        }
        (Synchronous::Normal, Journal::Delete) => {
            promise(true, 1, "a very small (though non-zero) chance to corrupt")
        }
        // The sentence on corruption names only DELETE.
        (Synchronous::Normal, _) => promise(false, 1, "syncs at the most critical moments"),
        (Synchronous::Full, Journal::Delete) => promise(false, 1, "will not corrupt; EXTRA is more durable"),
        (Synchronous::Full, Journal::Wal) => {
            promise(false, 0, "transactions are durable across a power loss")
        }
        (Synchronous::Full, _) => promise(false, 0, "will not corrupt"),
        (Synchronous::Extra, _) => promise(false, 0, "like FULL, with additional durability"),
    }
}
