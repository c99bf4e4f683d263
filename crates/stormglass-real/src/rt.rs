//! Time and tasks by the names that the simulation has: tokio's.

use std::future::Future;
use std::time::Duration;
pub use tokio::signal;
pub use tokio::spawn;
pub use tokio::task::{AbortHandle, Id, JoinError, JoinHandle, JoinSet, yield_now};
pub use tokio::time::{sleep, sleep_until};

/// Waits for a future, as long as `limit`. Returns `None` if it takes longer.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
