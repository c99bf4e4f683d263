//! What redb documents for a crash, on a disk whose syncs do what they say.

use crate::crash::{Left, Setting};
use crate::workload::{Commit, Durable};

/// "1. single byte writes are atomic 2. following an fsync operation writes are durable
/// 3. powersafe overwrite": the simulated disk keeps all three.
pub const ASSUMPTIONS: &str =
    "https://github.com/cberner/redb/blob/master/docs/design.md#assumptions-about-underlying-media";

const DURABILITY: &str = "https://docs.rs/redb/4.6.0/redb/enum.Durability.html";

/// A sentence of redb's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    pub words: &'static str,
    pub source: &'static str,
}

/// Returns what redb documents of a durability.
pub fn durability(durable: Durable) -> Words {
    let words = match durable {
        Durable::Each => "guaranteed to be persistent as soon as `commit` returns",
        Durable::EveryThird | Durable::Never => "not persisted unless followed by a commit with Immediate",
    };
    Words { words, source: DURABILITY }
}

/// Returns how many transactions have to be there after a crash.
pub fn has_to_be_there(setting: Setting, left: &Left) -> u64 {
    match left.known.is_closed {
        // "A pending non-durable commit is still made durable" (the source of `close`).
        true => left.known.acknowledged,
        false => setting.durable.last(left.known.acknowledged),
    }
}

/// Returns whether a crash left what redb documents: "All redb transactions are atomic", "redb will
/// automatically detect and recover from crashes, power loss", and what it says of durability.
///
/// Of a crash before the database was created it says nothing.
pub fn is_kept(setting: Setting, left: &Left) -> bool {
    match left.found {
        Ok(found) => found >= has_to_be_there(setting, left) && is_quick(setting, left),
        Err(_) => !left.known.is_created,
    }
}

/// Returns whether redb did without a full repair where it says so: "recovery after a crash is
/// almost instant" (`set_quick_repair`), after a durable commit with it.
fn is_quick(setting: Setting, left: &Left) -> bool {
    let is_promised =
        setting.commit == Commit::QuickRepair && setting.durable.last(left.known.acknowledged) > 0;
    !(is_promised && left.is_repaired)
}
