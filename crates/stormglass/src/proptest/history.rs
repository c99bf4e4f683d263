//! Histories that are linearizable by construction, for tests of checkers and of specifications.

use ::proptest::collection::vec;
use ::proptest::prelude::*;
use std::ops::Range;
use stormglass_core::SimTime;
use stormglass_core::linearizability::Call;

/// The distance between the moments at which two successive operations take effect, in nanoseconds.
const DISTANCE: u64 = 100;

/// The largest number of other operations that an operation overlaps on either side.
const OVERLAP_MAX: u64 = 4;

/// Returns a strategy for histories of a number of operations in the range `count`: each takes
/// effect at one moment between its invocation and its response, one after the other, and overlaps
/// up to four others on each side. `apply` applies an input to the state and returns the operation
/// with its result. About one of eight operations is pending.
///
/// ```
/// use proptest::prelude::*;
/// use stormglass::core::linearizability::{Linearizable, Object, check};
/// use stormglass::proptest::histories;
///
/// /// A counter whose additions return the sum.
/// struct Counter;
/// impl Object for Counter {
///     type State = u32;
///     type Operation = (u32, u32);
///     fn apply(&self, state: &u32, &(add, sum): &(u32, u32), completed: bool) -> Option<u32> {
///         (!completed || state + add == sum).then_some(state + add)
///     }
/// }
///
/// let histories = histories(1..9u32, 0..12, 0, |sum, add| {
///     *sum += add;
///     (*add, *sum)
/// });
/// proptest!(|(history in histories)| {
///     prop_assert_eq!(check(&Counter, 0, &history, 100_000), Linearizable::Yes);
/// });
/// ```
pub fn histories<S: Strategy, T: Clone, O: std::fmt::Debug>(
    inputs: S,
    count: Range<usize>,
    first: T,
    apply: impl Fn(&mut T, &S::Value) -> O,
) -> impl Strategy<Value = Vec<Call<O>>> {
    let span = || 0..OVERLAP_MAX * DISTANCE;
    vec((inputs, span(), span(), 0..8u8), count).prop_map(move |all| {
        let mut state = first.clone();
        let call = |(index, (input, before, after, pending)): (usize, &(S::Value, u64, u64, u8))| {
            let at = (OVERLAP_MAX + 1 + index as u64) * DISTANCE;
            let operation = apply(&mut state, input);
            Call {
                began: SimTime::from_nanos(at - before),
                ended: (*pending < 7).then(|| SimTime::from_nanos(at + 1 + after)),
                operation,
            }
        };
        all.iter().enumerate().map(call).collect()
    })
}
