//! What a power loss leaves: the interface through which it is drawn.

use super::contents::Write;

/// What survives of the changes that were never synced; see `Tree::power_loss`.
pub(crate) trait Survivors {
    /// Returns how many of the oldest `count` journal transactions survive.
    fn names(&mut self, count: usize) -> usize;
    /// Returns a file's unsynced writes, whole or in parts, in order, and which of them survive.
    fn writes(&mut self, pending: Vec<Write>) -> Vec<(Write, bool)>;
}
