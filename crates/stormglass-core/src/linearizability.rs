//! Whether a history of operations on one object could have happened one after the other.
//!
//! The algorithm of Wing and Gong (1993) with Lowe's memory of what was tried (2017): operations are put in order, each between its
//! beginning and its end, and where none fits the search goes back. An operation whose end nobody has seen may have taken effect at any
//! time after its beginning, or never. Objects are checked apart: linearizability is local (Herlihy and Wing, 1990).
//!
//! `todc-utils` 0.1.1 knows the same algorithm and no open ends; the tester of `stateright` 0.31 knows open ends and remembers nothing, so that a
//! dozen of them take longer than anybody waits.

use crate::time::SimTime;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// What an object is and what its operations do.
pub trait Object {
    /// What it holds.
    type State: Clone + Ord;
    /// What is done, with what was seen to come of it.
    type Operation: Debug;

    /// The state after the operation, or `None` if it could not have given in this state what it gave. One whose end nobody has seen gives
    /// whatever the state makes of it.
    fn apply(&self, state: &Self::State, operation: &Self::Operation, seen: bool) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug)]
pub struct Call<O> {
    /// When it began.
    pub began: SimTime,
    /// When it ended, if anybody has seen that.
    pub ended: Option<SimTime>,
    /// What was done, and what came of it.
    pub operation: O,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearizable {
    /// There is an order.
    Yes,
    /// There is none.
    No,
    /// The search was given up after so many steps.
    Unknown(u64),
}

/// Looks for an order of a history, in at most so many steps.
///
/// ```
/// use stormglass_core::SimTime;
/// use stormglass_core::linearizability::{Call, Linearizable, Object, check};
///
/// /// A number that is written and read.
/// struct Register;
/// #[derive(Debug)]
/// enum Op { Write(u32), Read(u32) }
///
/// impl Object for Register {
///     type State = u32;
///     type Operation = Op;
///     fn apply(&self, state: &u32, operation: &Op, seen: bool) -> Option<u32> {
///         match operation {
///             Op::Write(value) => Some(*value),
///             Op::Read(value) => (!seen || value == state).then_some(*state),
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
    let mut search = Search { object, history, tried: BTreeSet::new(), steps: 0, steps_max };
    match search.run(first) {
        Some(true) => Linearizable::Yes,
        Some(false) => Linearizable::No,
        None => Linearizable::Unknown(steps_max),
    }
}

struct Search<'a, T: Object> {
    object: &'a T,
    history: &'a [Call<T::Operation>],
    tried: BTreeSet<(Done, T::State)>,
    steps: u64,
    steps_max: u64,
}

/// Which calls are in order already.
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
    /// Whether there is an order from this state on, without recursion: histories are long. `None` when the steps are used up.
    fn run(&mut self, first: T::State) -> Option<bool> {
        let mut order: Vec<usize> = (0..self.history.len()).collect();
        order.sort_by_key(|&call| self.history[call].began);
        // A level of the search: the state, what is done, where among `order` all is done before, the next call to try.
        let mut levels = vec![(first, Done::none(self.history.len()), 0usize, 0usize)];
        while let Some((state, done, start, next)) = levels.last_mut() {
            while *start < order.len() && done.has(order[*start]) {
                *start += 1;
            }
            let left = &order[*start..];
            let open = |call: &usize| !done.has(*call);
            if left.iter().filter(|call| open(call)).all(|&call| self.history[call].ended.is_none()) {
                return Some(true);
            }
            // Whatever has ended before another has begun comes first.
            let first_end =
                left.iter().filter(|call| open(call)).filter_map(|&call| self.history[call].ended).min();
            let mut tried = None;
            for (place, &call) in left.iter().enumerate().skip(*next) {
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
                let Call { ended, operation, .. } = &self.history[call];
                let after = self.object.apply(state, operation, ended.is_some());
                // One whose end nobody has seen, and that changes nothing, need not have happened.
                let after = after.filter(|after| ended.is_some() || after != state);
                if let Some(after) = after {
                    let then = done.with(call);
                    if self.tried.insert((then.clone(), after.clone())) {
                        tried = Some((place, after, then));
                        break;
                    }
                }
            }
            match tried {
                Some((place, after, then)) => {
                    *next = place + 1;
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

    /// A number that is set if it is what somebody takes it for.
    struct Cell;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Read(u32),
        Swap { from: u32, to: u32, worked: bool },
    }

    impl Object for Cell {
        type State = u32;
        type Operation = Op;

        fn apply(&self, state: &u32, operation: &Op, seen: bool) -> Option<u32> {
            match *operation {
                Op::Read(value) => (!seen || value == *state).then_some(*state),
                Op::Swap { from, to, worked } => {
                    let works = from == *state;
                    (!seen || works == worked).then_some(if works { to } else { *state })
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
    fn two_swaps_from_one_value_do_not_both_work() {
        let both = [call(0, 10, swap(0, 1)), call(0, 10, swap(0, 2))];
        assert_eq!(verdict(&both), Linearizable::No);
        let one = [call(0, 10, swap(0, 1)), call(0, 10, Op::Swap { from: 0, to: 2, worked: false })];
        assert_eq!(verdict(&one), Linearizable::Yes);
    }

    /// It may have taken effect late, early, or never; not before it began.
    #[test]
    fn an_open_end_takes_effect_once_or_never() {
        let open = call(5, None, swap(0, 1));
        let read = |at, value| call(at, at + 1, Op::Read(value));
        assert_eq!(verdict(&[open.clone(), read(100, 0)]), Linearizable::Yes);
        assert_eq!(verdict(&[open.clone(), read(100, 0), read(200, 1)]), Linearizable::Yes);
        assert_eq!(verdict(&[open.clone(), read(100, 1), read(200, 0)]), Linearizable::No);
        assert_eq!(verdict(&[read(1, 1), open]), Linearizable::No);
    }

    /// Twenty writes whose end nobody has seen, and a history that none of them explains.
    #[test]
    fn many_open_ends_are_decided() {
        let mut history: Vec<_> =
            (0..20).map(|number| call(number, None, swap(0, 100 + number as u32))).collect();
        history.push(call(50, 60, Op::Read(7)));
        assert_eq!(verdict(&history), Linearizable::No);
        let given_up = check(&Cell, 0, &history, 5);
        assert_eq!(given_up, Linearizable::Unknown(5));
    }

    /// Long histories need no deep stack.
    #[test]
    fn ten_thousand_operations_in_a_row() {
        let history: Vec<_> = (0..10_000)
            .map(|number| call(2 * u64::from(number), 2 * u64::from(number) + 1, swap(number, number + 1)))
            .collect();
        assert_eq!(verdict(&history), Linearizable::Yes);
    }
}
