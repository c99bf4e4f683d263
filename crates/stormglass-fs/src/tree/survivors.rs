//! What a power loss leaves: the interface through which it is drawn.

use super::contents::Write;

/// What survives of the changes that were never synced; see `Tree::power_loss`.
pub(crate) trait Survivors {
    /// Returns how many of the oldest `count` journal transactions survive.
    fn names(&mut self, count: usize) -> usize;
    /// Returns which of a file's unsynced writes survive, whole or in parts, in order.
    fn writes(&mut self, pending: Vec<Write>) -> Vec<Write>;
}
