//! Strategies of workloads.

use ::proptest::collection::vec;
use ::proptest::strategy::Strategy;
use std::ops::Range;
use std::time::Duration;
use stormglass_core::workload::{Step, Workload};

/// Returns a strategy for workloads of this number of clients, with a number of steps in the range
/// `count` and pauses of up to `pause_longest` before each. They shrink to fewer steps, shorter
/// pauses, and the first client.
///
/// # Panics
///
/// Panics if there are no clients.
pub fn workloads<S: Strategy>(
    operations: S,
    clients: u32,
    count: Range<usize>,
    pause_longest: Duration,
) -> impl Strategy<Value = Workload<S::Value>> {
    assert!(clients > 0, "a workload has one client or more");
    let step = (0..clients, 0..=pause_longest.as_millis() as u64, operations).prop_map(
        |(client, pause, operation)| Step { client, pause: Duration::from_millis(pause), operation },
    );
    vec(step, count).prop_map(|steps| Workload { steps })
}
