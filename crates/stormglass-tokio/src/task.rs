//! tokio's tasks. A blocking closure runs within the simulation: it has no thread of its own.

#[doc(inline)]
pub use real::task::*;
pub use stormglass_rt::hosted::{JoinHandle, spawn, spawn_local};

/// Runs a blocking closure as a task of its own.
///
/// A run has one thread, so no other task runs meanwhile and no simulated time passes. A closure
/// that waits for another task (`blocking_recv`, a lock that a task holds) would wait for ever;
/// tokio panics where it can tell.
///
/// # Panics
///
/// Outside a hosted runtime, as tokio's.
#[track_caller]
pub fn spawn_blocking<F, R>(closure: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    spawn(async move { closure() })
}

/// Runs a blocking closure in the current task. As with [`spawn_blocking`], nothing else runs
/// meanwhile.
pub fn block_in_place<F, R>(closure: F) -> R
where
    F: FnOnce() -> R,
{
    closure()
}
