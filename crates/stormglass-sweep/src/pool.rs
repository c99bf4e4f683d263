//! Plays runs on worker threads and hands the results over in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Returns the default number of worker threads: one per core.
pub fn default_jobs() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Calls `work` for every number of the range on `jobs` threads, and `done` with each result on the
/// calling thread, in the order of the numbers. `done` can stop early; work in progress is then
/// finished and its results are dropped.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::ops::ControlFlow;
///
/// let mut squares = Vec::new();
/// let jobs = NonZeroUsize::new(4).unwrap();
/// stormglass_sweep::in_order(0..10, jobs, |n| n * n, |_, square| {
///     squares.push(square);
///     ControlFlow::Continue(())
/// });
/// assert_eq!(squares[9], 81);
/// ```
///
/// # Panics
///
/// If `work` panics.
pub fn in_order<T: Send>(
    numbers: Range<u64>,
    jobs: NonZeroUsize,
    work: impl Fn(u64) -> T + Sync,
    mut done: impl FnMut(u64, T) -> ControlFlow<()>,
) {
    let next = AtomicU64::new(numbers.start);
    let end = numbers.end;
    // The bound keeps fast workers from running far ahead of one slow run.
    let (sender, results) = mpsc::sync_channel(4 * jobs.get());
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end || sender.send((number, work(number))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = numbers.start;
        while let Ok((number, result)) = results.recv() {
            early.insert(number, result);
            while let Some(result) = early.remove(&expected) {
                if done(expected, result).is_break() {
                    // A worker stops when it cannot send its next result.
                    drop(results);
                    return;
                }
                expected += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn results_come_in_order_for_any_number_of_workers() {
        for count in [1, 2, 7] {
            let mut seen = Vec::new();
            // Early numbers take longest.
            let work =
                |number: u64| (0..(200 - number) * 500).fold(number, |a, b| std::hint::black_box(a ^ b) ^ b);
            in_order(100..200, jobs(count), work, |number, result| {
                seen.push((number, result));
                ControlFlow::Continue(())
            });
            assert!(seen.iter().map(|(number, _)| *number).eq(100..200), "{count} workers");
        }
    }

    #[test]
    fn the_receiver_can_stop_early() {
        let mut seen = 0;
        in_order(
            0..u64::MAX,
            jobs(3),
            |number| number,
            |number, _| {
                seen += 1;
                if number == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(seen, 10);
    }
}
