//! Which random draws tipped a run over: the chance of failing as a function of how much of the run's
//! random environment is kept.
//!
//! A run that failed took `draws` draws. With its first `k` draws kept, and the values of another random
//! environment after them, it fails or passes: no draw kept is a run of that environment, all kept is the
//! run itself, which fails. Environments are independent of each other and identically distributed, so the
//! share of them in which the run fails, with `k` draws kept, estimates the chance of failing from that
//! moment on, with an exact interval (Clopper and Pearson, Biometrika 26, 1934).
//!
//! **The search.** Within one environment the outcome is a function of `k` without noise. If it passes with
//! none kept, a bisection finds two neighbours, of which one passes and the other fails: they differ in the
//! value of one draw, which tips the run over in this environment. This is Zeller's isolation of a
//! difference that induces a failure (Zeller and Hildebrandt, IEEE Transactions on Software Engineering 28,
//! 2002; `dd` over an ordered difference), with the draws as the difference. It takes ⌈log₂ draws⌉ runs, and
//! no decision in it can be wrong by chance, as those of a bisection of an estimated chance can be (Karp and
//! Kleinberg, Noisy binary search and its applications, 2007). Many environments, each with a bisection,
//! give the distribution of the draw that tips: its distribution function is the chance of failing, if the
//! outcome of no environment changes more than once. Where it does, the bisection finds one of its changes.
//!
//! **The measurement.** So what the search says is only a hypothesis. The chance directly before and after
//! a candidate is measured in environments that the search has not seen, the same ones on both sides, which
//! makes pairs: McNemar's exact test says whether the chance rises there.

use crate::pool::in_order;
use crate::stats::binomial::clopper_pearson;
use crate::stats::pairs::mcnemar;
use serde::Serialize;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// The confidence level of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// A counted share of runs that fail, with its Clopper-Pearson interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// The number of runs that failed.
    pub failed: u64,
    /// The number of runs.
    pub runs: u64,
    /// The lower end of the interval, at [`CONFIDENCE`].
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Rate {
    /// Returns the rate of `failed` in `runs`.
    ///
    /// # Panics
    ///
    /// As [`clopper_pearson`].
    pub fn of(failed: u64, runs: u64) -> Rate {
        let interval = clopper_pearson(failed, runs, CONFIDENCE);
        Rate { failed, runs, low: *interval.start(), high: *interval.end() }
    }

    /// Returns the estimated chance.
    pub fn chance(&self) -> f64 {
        self.failed as f64 / self.runs as f64
    }
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Search {
    /// The number of draws of the run.
    pub draws: u64,
    /// The runs of other environments from the start: none of the run's draws kept.
    pub start: Rate,
    /// How many environments each draw tipped over, by the number of the draw from 0. With it kept the run
    /// fails, with the environment's own value it passes.
    pub tipped: BTreeMap<u64, u64>,
    /// The number of runs played.
    pub runs: u64,
}

impl Search {
    /// Returns the chance of failing with the first `kept` draws kept, if no environment's outcome changes
    /// more than once.
    pub fn chance_after(&self, kept: u64) -> Rate {
        let tipped: u64 = self.tipped.range(..kept).map(|(_, count)| count).sum();
        Rate::of(self.start.failed + tipped, self.start.runs)
    }
}

/// The numbers of the first environments of a search and of a measurement, so that a measurement sees none
/// of the search.
const SEARCHED: u64 = 1;
const MEASURED: u64 = 1 << 32;

/// Returns the chance of failing from the start, in `environments` environments (1 and up), which are those
/// that a search begins with.
///
/// # Panics
///
/// If `environments` is 0.
pub fn start(environments: u64, jobs: NonZeroUsize, fails: impl Fn(u64, u64) -> bool + Sync) -> Rate {
    let mut failed = 0;
    in_order(
        SEARCHED..SEARCHED + environments,
        jobs,
        |environment| fails(0, environment),
        |_, fails| {
            failed += u64::from(fails);
            ControlFlow::Continue(())
        },
    );
    Rate::of(failed, environments)
}

/// Searches with at most about `budget` runs (the last environment's bisection is completed).
/// `fails(kept, environment)` plays the run with its first `kept` draws and the environment's after them, on
/// any of `jobs` threads. The result does not depend on `jobs`.
///
/// # Panics
///
/// If `budget` is 0.
pub fn search(
    draws: u64,
    budget: u64,
    jobs: NonZeroUsize,
    fails: impl Fn(u64, u64) -> bool + Sync,
) -> Search {
    assert!(budget > 0, "a search needs a run");
    let (mut runs, mut tipped) = (0, BTreeMap::new());
    let (mut failed, mut environments) = (0, 0);
    let bisect = |environment| {
        let mut runs = 1;
        if draws == 0 || fails(0, environment) {
            return (runs, None);
        }
        // It passes with `low` kept and fails with `high` kept.
        let (mut low, mut high) = (0, draws);
        while high - low > 1 {
            let middle = u64::midpoint(low, high);
            runs += 1;
            *(if fails(middle, environment) { &mut high } else { &mut low }) = middle;
        }
        (runs, Some(low))
    };
    in_order(SEARCHED.., jobs, bisect, |_, (played, tipping)| {
        (runs, environments) = (runs + played, environments + 1);
        match tipping {
            None => failed += 1,
            Some(draw) => *tipped.entry(draw).or_insert(0) += 1,
        }
        if runs < budget { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    Search { draws, start: Rate::of(failed, environments), tipped, runs }
}

/// The chance of failing directly before and after some draws, as measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Jump {
    /// With the draws before them kept.
    pub before: Rate,
    /// With them kept too.
    pub after: Rate,
    /// The p-value of McNemar's exact test that the chance is the same.
    pub p_value: f64,
}

/// Measures a jump between `kept.0` and `kept.1` draws kept, in `environments` environments (1 and up),
/// which are two runs each. With all of the `draws` kept, the run is the one that failed.
///
/// # Panics
///
/// If `environments` is 0.
pub fn measure(
    draws: u64,
    kept: (u64, u64),
    environments: u64,
    jobs: NonZeroUsize,
    fails: impl Fn(u64, u64) -> bool + Sync,
) -> Jump {
    let pair = |environment| [kept.0, kept.1].map(|kept| kept >= draws || fails(kept, environment));
    let (mut before, mut after, mut only_before, mut only_after) = (0, 0, 0, 0);
    in_order(MEASURED..MEASURED + environments, jobs, pair, |_, [first, second]| {
        before += u64::from(first);
        after += u64::from(second);
        only_before += u64::from(first && !second);
        only_after += u64::from(second && !first);
        ControlFlow::Continue(())
    });
    let (before, after) = (Rate::of(before, environments), Rate::of(after, environments));
    Jump { before, after, p_value: mcnemar(only_before, only_after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Seed;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    /// Draw `draw` of an environment is bad with a chance of `percent`.
    fn is_bad(environment: u64, draw: u64, percent: u64) -> bool {
        Seed(environment).stream(("bad", draw)).chance(percent, 100)
    }

    /// A run of 1,000 draws fails if draw 700 is bad, which is so in 5 of 100 environments and in the run.
    fn one_bad_draw(kept: u64, environment: u64) -> bool {
        kept > 700 || is_bad(environment, 700, 5)
    }

    /// One environment costs 1 + 10 runs (2¹⁰ > 1,000), and every one that passes names draw 700.
    #[test]
    fn a_single_cause_is_found_in_every_environment() {
        let found = search(1_000, 600, ONE, one_bad_draw);
        assert_eq!(found.tipped.keys().copied().collect::<Vec<_>>(), [700]);
        assert_eq!(found.tipped[&700] + found.start.failed, found.start.runs);
        assert!((600..611).contains(&found.runs), "{found:?}");
        assert!(found.start.low <= 0.05 && 0.05 <= found.start.high, "{found:?}");
        assert_eq!(found.chance_after(701).failed, found.start.runs);
        assert_eq!(found.chance_after(700), found.start);
        let jump = measure(1_000, (700, 701), 100, ONE, one_bad_draw);
        assert_eq!((jump.after.failed, jump.after.runs), (100, 100));
        assert!(jump.before.low <= 0.05 && 0.05 <= jump.before.high && jump.p_value < 1e-6, "{jump:?}");
    }

    /// The run fails if two of its draws 10, 20, 30 are bad, each with a chance of 1/2. With none kept that
    /// is 1/2, with one kept 3/4, with two kept 1: the jumps are 1/4 each, and draw 30 tips nothing.
    #[test]
    fn shares_of_several_causes_are_those_of_the_arithmetic() {
        let fails = |kept: u64, environment: u64| {
            [10, 20, 30].iter().filter(|&&draw| kept > draw || is_bad(environment, draw, 50)).count() >= 2
        };
        let found = search(64, 20_000, ONE, fails);
        for (kept, chance) in [(0, 0.5), (11, 0.75), (21, 1.0)] {
            let rate = found.chance_after(kept);
            assert!((rate.chance() - chance).abs() < 0.03, "{kept}: {rate:?}");
        }
        assert_eq!(found.tipped.keys().copied().collect::<Vec<_>>(), [10, 20]);
    }

    /// Each of 500 draws adds its part: the largest part of the environments that one draw tips is small.
    #[test]
    fn a_gradual_rise_names_no_draw() {
        let fails = |kept: u64, environment: u64| {
            let sum: u64 = (0..500)
                .map(|draw| if draw < kept { 52 } else { Seed(environment).stream(draw).below(100) })
                .sum();
            sum >= 500 * 51
        };
        let found = search(500, 1_000, ONE, fails);
        let most = found.tipped.values().max().unwrap();
        assert!((*most as f64) < 0.1 * found.start.runs as f64, "{found:?}");
    }

    #[test]
    fn a_run_that_fails_in_every_environment_is_not_searched() {
        let found = search(1_000, 50, ONE, |_, _| true);
        assert_eq!((found.start.failed, found.start.runs, found.runs), (50, 50, 50));
        assert!(found.tipped.is_empty());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let three = NonZeroUsize::new(3).unwrap();
        assert_eq!(search(1_000, 500, ONE, one_bad_draw), search(1_000, 500, three, one_bad_draw));
        assert_eq!(
            measure(1_000, (3, 900), 50, ONE, one_bad_draw),
            measure(1_000, (3, 900), 50, three, one_bad_draw)
        );
    }
}
