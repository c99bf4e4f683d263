//! Checks whether a history of operations on one object is linearizable.
//!
//! The algorithm of Wing and Gong (1993) with Lowe's cache of configurations that were tried
//! (2017): operations are put in a linear order, each between its invocation and its response,
//! with backtracking where none fits. A pending operation (no response observed) may have taken
//! effect at any time after its invocation, or never. Objects are checked separately:
//! linearizability is local (Herlihy and Wing, 1990).
//!
//! `todc-utils` 0.1.1 has the same algorithm without pending operations; the tester of
//! `stateright` 0.31 has pending operations and no cache, so a dozen of them take too long in
//! practice.

use crate::time::SimTime;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// The sequential specification of an object.
pub trait Object {
    /// The state of the object.
    type State: Clone + Ord;
    /// An operation with its observed result.
    type Operation: Debug;

    /// Returns the state after the operation, or `None` if the operation has another result in
    /// this state than the observed one. A pending operation (`completed` is false) has no
    /// observed result and is never rejected for it.
    fn apply(&self, state: &Self::State, operation: &Self::Operation, completed: bool)
    -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug)]
pub struct Call<O> {
    /// When it was invoked.
    pub began: SimTime,
    /// When its response arrived; `None` for a pending operation.
    pub ended: Option<SimTime>,
    /// The operation with its observed result.
    pub operation: O,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearizable {
    /// The history is linearizable.
    Yes,
    /// The history is not linearizable.
    No,
    /// The search stopped at its limit, this many steps.
    Unknown(u64),
}

/// Checks whether a history is linearizable, in at most `steps_max` steps of the search.
///
/// ```
/// use stormglass_core::SimTime;
/// use stormglass_core::linearizability::{Call, Linearizable, Object, check};
///
/// /// A number with reads and writes.
/// struct Register;
/// #[derive(Debug)]
/// enum Op { Write(u32), Read(u32) }
///
/// impl Object for Register {
///     type State = u32;
///     type Operation = Op;
///     fn apply(&self, state: &u32, operation: &Op, completed: bool) -> Option<u32> {
///         match operation {
///             Op::Write(value) => Some(*value),
///             Op::Read(value) => (!completed || value == state).then_some(*state),
///         }
///     }
/// }
///
/// let at = SimTime::from_nanos;
/// let call = |began, ended, operation| Call { began: at(began), ended: Some(at(ended)), operation };
/// let overlapping = [call(0, 9, Op::Write(7)), call(1, 2, Op::Read(0)), call(3, 4, Op::Read(7))];
/// assert_eq!(check(&Register, 0, &overlapping, 1_000), Linearizable::Yes);
/// let stale = [call(0, 1, Op::Write(7)), call(2, 3, Op::Read(0))];
/// assert_eq!(check(&Register, 0, &stale, 1_000), Linearizable::No);
/// ```
pub fn check<T: Object>(
    object: &T,
    first: T::State,
    history: &[Call<T::Operation>],
    steps_max: u64,
) -> Linearizable {
    check_until(SimTime::MAX, object, first, history, steps_max)
}

/// Returns the call whose response no order explains: up to the response before it, the history is
/// linearizable, and with it, it is not. `None` if the whole history is linearizable, or if a search
/// stopped at its limit of `steps_max` steps.
///
/// A part of a linearizable history up to a time, in which later responses are not observed yet, is
/// linearizable too, so a binary search finds the call.
///
/// ```
/// use stormglass_core::SimTime;
/// use stormglass_core::linearizability::{Call, Object, first_unexplained};
///
/// /// A number that is only ever read; it is 0.
/// struct Zero;
/// impl Object for Zero {
///     type State = u32;
///     type Operation = u32;
///     fn apply(&self, state: &u32, read: &u32, completed: bool) -> Option<u32> {
///         (!completed || read == state).then_some(*state)
///     }
/// }
///
/// let at = SimTime::from_nanos;
/// let read = |began, value| Call { began: at(began), ended: Some(at(began + 1)), operation: value };
/// let history = [read(0, 0), read(4, 8), read(2, 7), read(6, 0)];
/// assert_eq!(first_unexplained(&Zero, 0, &history, 1_000), Some(2), "the read of 7 ended first");
/// ```
pub fn first_unexplained<T: Object>(
    object: &T,
    first: T::State,
    history: &[Call<T::Operation>],
    steps_max: u64,
) -> Option<usize> {
    let mut responses: Vec<(SimTime, usize)> =
        history.iter().enumerate().filter_map(|(call, Call { ended, .. })| Some(((*ended)?, call))).collect();
    responses.sort_unstable();
    let mut is_known = true;
    let found = responses.partition_point(|&(until, _)| {
        let checked = check_until(until, object, first.clone(), history, steps_max);
        is_known &= !matches!(checked, Linearizable::Unknown(_));
        checked == Linearizable::Yes
    });
    responses.get(found).map(|&(_, call)| call).filter(|_| is_known)
}

/// As [`check`], for the part of the history up to a time: later invocations have not happened, and
/// later responses were not observed.
fn check_until<T: Object>(
    until: SimTime,
    object: &T,
    first: T::State,
    history: &[Call<T::Operation>],
    steps_max: u64,
) -> Linearizable {
    let mut search = Search { object, history, until, tried: BTreeSet::new(), steps: 0, steps_max };
    match search.run(first) {
        Some(true) => Linearizable::Yes,
        Some(false) => Linearizable::No,
        None => Linearizable::Unknown(steps_max),
    }
}

struct Search<'a, T: Object> {
    object: &'a T,
    history: &'a [Call<T::Operation>],
    until: SimTime,
    tried: BTreeSet<(Done, T::State)>,
    steps: u64,
    steps_max: u64,
}

/// The set of calls that have a position in the order already.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Done(Vec<u64>);

impl Done {
    fn none(len: usize) -> Done {
        Done(vec![0; len.div_ceil(64)])
    }

    fn has(&self, call: usize) -> bool {
        self.0[call / 64] >> (call % 64) & 1 == 1
    }

    fn with(&self, call: usize) -> Done {
        let mut done = self.clone();
        done.0[call / 64] |= 1 << (call % 64);
        done
    }
}

impl<T: Object> Search<'_, T> {
    /// When the response of a call was observed.
    fn ended(&self, call: usize) -> Option<SimTime> {
        self.history[call].ended.filter(|ended| *ended <= self.until)
    }

    /// Whether there is a linear order from this state on; `None` when the steps are used up. No
    /// recursion, because histories are long.
    fn run(&mut self, first: T::State) -> Option<bool> {
        let mut order: Vec<usize> =
            (0..self.history.len()).filter(|&call| self.history[call].began <= self.until).collect();
        order.sort_by_key(|&call| self.history[call].began);
        // A level of the search: the state, the calls done, the index in `order` before which all
        // are done, the next index to try.
        let mut levels = vec![(first, Done::none(self.history.len()), 0usize, 0usize)];
        while let Some((state, done, start, next)) = levels.last_mut() {
            while *start < order.len() && done.has(order[*start]) {
                *start += 1;
            }
            let remaining = &order[*start..];
            let open = |call: &usize| !done.has(*call);
            if remaining.iter().filter(|call| open(call)).all(|&call| self.ended(call).is_none()) {
                return Some(true);
            }
            // A call that ended before another one began comes first.
            let first_end =
                remaining.iter().filter(|call| open(call)).filter_map(|&call| self.ended(call)).min();
            let mut tried = None;
            for (index, &call) in remaining.iter().enumerate().skip(*next) {
                if !open(&call) {
                    continue;
                }
                if first_end.is_some_and(|end| self.history[call].began > end) {
                    break;
                }
                self.steps += 1;
                if self.steps > self.steps_max {
                    return None;
                }
                let is_completed = self.ended(call).is_some();
                let after = self.object.apply(state, &self.history[call].operation, is_completed);
                // A pending call that changes nothing need not be in the order.
                let after = after.filter(|after| is_completed || after != state);
                if let Some(after) = after {
                    let then = done.with(call);
                    if self.tried.insert((then.clone(), after.clone())) {
                        tried = Some((index, after, then));
                        break;
                    }
                }
            }
            match tried {
                Some((index, after, then)) => {
                    *next = index + 1;
                    let start = *start;
                    levels.push((after, then, start, 0));
                }
                None => drop(levels.pop()),
            }
        }
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number with compare-and-swap.
    struct Cell;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Read(u32),
        Swap { from: u32, to: u32, worked: bool },
    }

    impl Object for Cell {
        type State = u32;
        type Operation = Op;

        fn apply(&self, state: &u32, operation: &Op, completed: bool) -> Option<u32> {
            match *operation {
                Op::Read(value) => (!completed || value == *state).then_some(*state),
                Op::Swap { from, to, worked } => {
                    let works = from == *state;
                    (!completed || works == worked).then_some(if works { to } else { *state })
                }
            }
        }
    }

    fn call(began: u64, ended: impl Into<Option<u64>>, operation: Op) -> Call<Op> {
        let ended = ended.into().map(SimTime::from_nanos);
        Call { began: SimTime::from_nanos(began), ended, operation }
    }

    fn swap(from: u32, to: u32) -> Op {
        Op::Swap { from, to, worked: true }
    }

    fn verdict(history: &[Call<Op>]) -> Linearizable {
        check(&Cell, 0, history, 100_000)
    }

    #[test]
    fn two_swaps_from_one_value_do_not_both_succeed() {
        let both = [call(0, 10, swap(0, 1)), call(0, 10, swap(0, 2))];
        assert_eq!(verdict(&both), Linearizable::No);
        let one = [call(0, 10, swap(0, 1)), call(0, 10, Op::Swap { from: 0, to: 2, worked: false })];
        assert_eq!(verdict(&one), Linearizable::Yes);
    }

    /// A pending operation may have taken effect late, early, or never; not before its invocation.
    #[test]
    fn a_pending_operation_takes_effect_once_or_never() {
        let open = call(5, None, swap(0, 1));
        let read = |at, value| call(at, at + 1, Op::Read(value));
        assert_eq!(verdict(&[open.clone(), read(100, 0)]), Linearizable::Yes);
        assert_eq!(verdict(&[open.clone(), read(100, 0), read(200, 1)]), Linearizable::Yes);
        assert_eq!(verdict(&[open.clone(), read(100, 1), read(200, 0)]), Linearizable::No);
        assert_eq!(verdict(&[read(1, 1), open]), Linearizable::No);
    }

    /// Twenty pending writes, and a read that none of them explains.
    #[test]
    fn many_pending_operations_are_decided() {
        let mut history: Vec<_> =
            (0..20).map(|number| call(number, None, swap(0, 100 + number as u32))).collect();
        history.push(call(50, 60, Op::Read(7)));
        assert_eq!(verdict(&history), Linearizable::No);
        let stopped = check(&Cell, 0, &history, 5);
        assert_eq!(stopped, Linearizable::Unknown(5));
    }

    /// The response that no order explains is found among later ones, and among pending calls.
    #[test]
    fn the_first_unexplained_response_is_found() {
        let read = |at, value| call(at, at + 5, Op::Read(value));
        let history = [
            call(0, 100, swap(0, 1)),
            call(1, None, swap(1, 2)),
            read(10, 1),
            read(20, 2),
            // Explained only by a write that ends after the read of 2.
            read(30, 1),
            read(40, 0),
        ];
        for len in 0..=4 {
            assert_eq!(first_unexplained(&Cell, 0, &history[..len], 1_000), None, "of {len}");
            assert_eq!(verdict(&history[..len]), Linearizable::Yes, "of {len}");
        }
        assert_eq!(first_unexplained(&Cell, 0, &history, 1_000), Some(4));
        assert_eq!(verdict(&history[..5]), Linearizable::No);
        let unknown = first_unexplained(&Cell, 0, &history, 2);
        assert_eq!(unknown, None, "the searches stopped at their limit");
    }

    /// Long histories need no deep stack.
    #[test]
    fn ten_thousand_sequential_operations_are_checked() {
        let history: Vec<_> = (0..10_000)
            .map(|number| call(2 * u64::from(number), 2 * u64::from(number) + 1, swap(number, number + 1)))
            .collect();
        assert_eq!(verdict(&history), Linearizable::Yes);
    }
}
