//! Plays runs on worker threads and hands the results over in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Returns the default number of worker threads: one per core.
pub fn default_jobs() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Calls `work` for every number of the range on `jobs` threads, and `done` with each result on the
/// calling thread, in the order of the numbers. `done` can stop early; work in progress is then
/// finished and its results are dropped. A range without an end goes up to 2^64 - 1.
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
    numbers: impl RangeBounds<u64>,
    jobs: NonZeroUsize,
    work: impl Fn(u64) -> T + Sync,
    mut done: impl FnMut(u64, T) -> ControlFlow<()>,
) {
    let Some((first, last)) = bounds(&numbers) else { return };
    // The number after the last one may not exist, so work is counted from 0.
    let (next, index_last) = (AtomicU64::new(0), last - first);
    // The bound keeps fast workers from running far ahead of one slow run.
    let (sender, results) = mpsc::sync_channel(4 * jobs.get());
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index > index_last || sender.send((index, work(first + index))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        while let Ok((index, result)) = results.recv() {
            early.insert(index, result);
            while let Some(result) = early.remove(&expected) {
                if done(first + expected, result).is_break() {
                    // A worker stops when it cannot send its next result.
                    drop(results);
                    return;
                }
                expected += 1;
            }
        }
    });
}

/// Returns the first and the last number of a range, or `None` if it is empty.
fn bounds(numbers: &impl RangeBounds<u64>) -> Option<(u64, u64)> {
    let first = match numbers.start_bound() {
        Bound::Included(&first) => first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let last = match numbers.end_bound() {
        Bound::Included(&last) => last,
        Bound::Excluded(end) => end.checked_sub(1)?,
        Bound::Unbounded => u64::MAX,
    };
    (first <= last).then_some((first, last))
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

    #[test]
    fn ranges_end_with_the_largest_number() {
        fn played(numbers: impl RangeBounds<u64>) -> Vec<u64> {
            let mut seen = Vec::new();
            in_order(
                numbers,
                jobs(3),
                |number| number,
                |number, result| {
                    assert_eq!(number, result);
                    seen.push(number);
                    // A range that wraps around would go on from 0.
                    if seen.len() < 9 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                },
            );
            seen
        }
        assert_eq!(played(u64::MAX..=u64::MAX), [u64::MAX]);
        assert_eq!(played(u64::MAX - 2..), [u64::MAX - 2, u64::MAX - 1, u64::MAX]);
        assert_eq!(played(u64::MAX - 2..u64::MAX), [u64::MAX - 2, u64::MAX - 1]);
        assert_eq!((played(..2), played(4..4), played(..0)), (vec![0, 1], vec![], vec![]));
    }
}
