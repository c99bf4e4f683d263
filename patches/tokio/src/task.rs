//! tokio's tasks. A blocking closure is a task: a simulated run has no threads.

pub use real::task::*;

/// Runs a blocking closure as a task of its own. Nothing else runs meanwhile.
///
/// # Panics
///
/// Outside a runtime, as tokio's.
#[track_caller]
pub fn spawn_blocking<F, R>(closure: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    spawn(async move { closure() })
}
