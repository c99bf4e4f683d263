//! The checker of linearizability, against histories that are linearizable by construction, against
//! every order of small histories, and against published ones.

use crate::properties::{record, record_planted};
use proptest::prelude::*;
use stormglass::proptest::histories;
use stormglass_core::SimTime;
use stormglass_core::linearizability::{Call, Linearizable, Object, check};

const PROPERTY: &str = "the checker of linearizability: agrees with brute force on small histories";

/// A register. `IGNORES_READS` is a planted defect: every read is right.
struct Register<const IGNORES_READS: bool>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Write(u32),
    Read(u32),
}

impl<const IGNORES_READS: bool> Object for Register<IGNORES_READS> {
    type State = u32;
    type Operation = Op;

    fn apply(&self, state: &u32, operation: &Op, completed: bool) -> Option<u32> {
        match *operation {
            Op::Write(value) => Some(value),
            Op::Read(value) => (IGNORES_READS || !completed || value == *state).then_some(*state),
        }
    }
}

/// Whether some order of the calls explains the history: tries all of them, with and without each
/// pending call.
fn has_order(state: u32, open: &[&Call<Op>]) -> bool {
    if open.iter().all(|call| call.ended.is_none()) {
        return true;
    }
    open.iter().enumerate().any(|(index, call)| {
        let rest: Vec<_> = open.iter().enumerate().filter(|it| it.0 != index).map(|it| *it.1).collect();
        let is_first = rest.iter().all(|other| other.ended.is_none_or(|ended| ended >= call.began));
        let after = Register::<false>.apply(&state, &call.operation, call.ended.is_some());
        is_first && after.is_some_and(|after| has_order(after, &rest))
            || call.ended.is_none() && has_order(state, &rest)
    })
}

/// Histories that are linearizable by construction, of which some reads are then replaced.
fn drawn() -> impl Strategy<Value = Vec<Call<Op>>> {
    let made = histories((any::<bool>(), 1..4u32), 1..7, 0, |state, (writes, value)| {
        if *writes {
            *state = *value;
            return Op::Write(*value);
        }
        Op::Read(*state)
    });
    (made, proptest::option::weighted(0.8, (0..7usize, 0..4u32))).prop_map(|(mut calls, wrong)| {
        let reads = calls.iter_mut().filter_map(|call| match &mut call.operation {
            Op::Read(value) => Some(value),
            Op::Write(_) => None,
        });
        let mut reads: Vec<_> = reads.collect();
        if let Some((index, value)) = wrong
            && !reads.is_empty()
        {
            let len = reads.len();
            *reads[index % len] = value;
        }
        calls
    })
}

fn is_as_all_orders<const DEFECT: bool>(calls: &[Call<Op>]) -> Result<bool, String> {
    let expected = has_order(0, &calls.iter().collect::<Vec<_>>());
    let found = check(&Register::<DEFECT>, 0, calls, 100_000);
    let is_right = found == if expected { Linearizable::Yes } else { Linearizable::No };
    is_right.then_some(!expected).ok_or_else(|| format!("a wrong answer: {found:?}"))
}

/// The interesting histories are not linearizable.
#[test]
fn the_checker_agrees_with_all_orders_of_small_histories() {
    let tally = stormglass::property!()
        .cases(2_000)
        .at_least(0.15)
        .check(drawn(), |calls| is_as_all_orders::<false>(calls));
    record(PROPERTY, &tally);
}

#[test]
fn a_checker_that_accepts_every_read_is_found() {
    let found = stormglass::property!().cases(100).find(drawn(), |calls| is_as_all_orders::<true>(calls));
    record_planted("the checker", "accepts every read", &found, 100);
    assert!(found.value.len() <= 3, "{:?}", found.value);
}

/// The histories of Porcupine's test of a register (porcupine_test.go, `TestRegisterModel`).
#[test]
fn published_histories_of_a_register_have_the_published_answers() {
    let at = SimTime::from_nanos;
    let call = |began, ended, operation| Call { began: at(began), ended: Some(at(ended)), operation };
    let right = [call(0, 100, Op::Write(100)), call(25, 75, Op::Read(100)), call(30, 60, Op::Read(0))];
    assert_eq!(check(&Register::<false>, 0, &right, 1_000), Linearizable::Yes);
    let wrong = [call(0, 100, Op::Write(200)), call(10, 30, Op::Read(200)), call(40, 90, Op::Read(0))];
    assert_eq!(check(&Register::<false>, 0, &wrong, 1_000), Linearizable::No);

    // Those of `TestZeroDuration`: reads that take no time.
    let instant = |at, value| call(at, at, Op::Read(value));
    let right = [call(0, 100, Op::Write(100)), call(25, 75, Op::Read(100)), instant(30, 0), instant(30, 0)];
    assert_eq!(check(&Register::<false>, 0, &right, 1_000), Linearizable::Yes);
    let read = call(40, 90, Op::Read(0));
    let wrong = [call(0, 100, Op::Write(200)), instant(10, 200), instant(10, 200), read];
    assert_eq!(check(&Register::<false>, 0, &wrong, 1_000), Linearizable::No);
}
