//! A property: something that holds for each value that a strategy draws.

use super::environment::Environment;
use super::regressions;
use ::proptest::strategy::Strategy;
use ::proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner,
};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::PathBuf;
use stormglass_core::rate::upper_bound_without_failures;

/// Creates the [`Property`](crate::proptest::Property) of the test that contains this call: it has
/// the test's name, and its regressions are kept beside the test's source file.
#[macro_export]
macro_rules! property {
    () => {{
        fn here() {}
        let test = ::core::any::type_name_of_val(&here);
        $crate::proptest::Property::new(env!("CARGO_PKG_NAME"), test, file!())
    }};
}

/// A property of a test. [`property!`](crate::property!) creates one.
#[derive(Clone, Debug)]
pub struct Property {
    pub(super) package: String,
    pub(super) test: String,
    source: &'static str,
    cases: u32,
    share_least: f64,
    pub(super) environment: Environment,
}

/// How many cases a property had, all of which held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The name of the test.
    pub test: String,
    /// The number of cases, with the regressions that were played first.
    pub cases: u32,
    /// The number of cases that reached the interesting part.
    pub reached: u32,
    /// The number of kept regressions.
    pub regressions: usize,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<V> {
    /// The number of cases until the first failure, with the failing one.
    pub cases: u32,
    /// The number of cases before it that reached the interesting part.
    pub reached: u32,
    /// The smallest value found that fails.
    pub value: V,
    /// Why it fails.
    pub message: String,
}

impl Tally {
    /// Returns the share of cases that reached the interesting part. Range: 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.reached) / f64::from(self.cases.max(1))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { test, cases, reached, regressions } = self;
        write!(f, "{test}: {cases} cases")?;
        if *regressions > 0 {
            write!(f, " ({regressions} of them kept regressions)")?;
        }
        let percent = self.share() * 100.0;
        let bound = upper_bound_without_failures(u64::from(*cases)) * 100.0;
        write!(
            f,
            ", {reached} ({percent:.0} %) reached the interesting part; no failure: \
             the failure rate is below {bound:.2} % (95 % confidence)"
        )
    }
}

/// How a test's cases are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Draw {
    /// With kept regressions first; a failure is kept.
    Kept,
    /// Always the same cases, without regressions. A failing one is shrunk in so many steps.
    Fixed { steps: u32 },
}

impl Property {
    /// Creates a property of the test with this path in its crate, such as `it::storms::lines_stay`,
    /// in this source file. It has 100 cases.
    ///
    /// # Panics
    ///
    /// Panics with the variable and the remedy if a variable of the environment is wrong.
    pub fn new(package: &str, test: &str, source: &'static str) -> Property {
        let environment = Environment::of_process().unwrap_or_else(|error| panic!("{error}"));
        let path = test.trim_end_matches("::here").replace("::{{closure}}", "");
        let test = path.split_once("::").map_or(path.as_str(), |(_, path)| path);
        Property {
            package: package.into(),
            test: test.into(),
            source,
            cases: 100,
            share_least: 0.0,
            environment,
        }
    }

    /// Sets the number of cases. `PROPTEST_CASES` replaces it, `STORMGLASS_NIGHTLY` multiplies it.
    #[must_use]
    pub fn cases(mut self, cases: u32) -> Property {
        self.cases = cases;
        self
    }

    /// Sets the share of cases that has to reach the interesting part, from 0 to 1. A run with fewer
    /// cases than the property's own does not check it.
    #[must_use]
    pub fn at_least(mut self, share: f64) -> Property {
        self.share_least = share;
        self
    }

    /// Checks each value that the strategy draws. `holds` returns whether the value has reached the
    /// interesting part, such as a fault that had an effect, or why the property does not hold.
    ///
    /// # Panics
    ///
    /// Panics if the property does not hold, with the smallest value found; if too few cases reached
    /// the interesting part; and if the file of regressions is damaged, with the file and the line.
    pub fn check<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<bool, String>,
    ) -> Tally {
        self.check_with(strategy, holds, |found| format!("The smallest value:\n\n{:#?}\n", found.value))
    }

    /// Searches for a value with which a planted defect shows, among [`Property::cases`] values that
    /// are the same in each run, whatever the environment. Nothing is kept.
    ///
    /// # Panics
    ///
    /// Panics if no case fails.
    pub fn find<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<bool, String>,
    ) -> Found<S::Value> {
        self.find_with(strategy, holds, 10_000)
    }

    /// As [`Property::find`], for cases that take long: the value is the first one that fails, and is
    /// not shrunk.
    ///
    /// # Panics
    ///
    /// Panics if no case fails.
    pub fn find_shallow<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<bool, String>,
    ) -> Found<S::Value> {
        self.find_with(strategy, holds, 0)
    }

    /// As [`Property::find`], and shrinks in at most this number of steps.
    pub(super) fn find_with<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<bool, String>,
        steps: u32,
    ) -> Found<S::Value> {
        match self.search(strategy, holds, Draw::Fixed { steps }) {
            Ok(tally) => panic!("{}: the defect shows in none of {} cases", self.test, tally.cases),
            Err(found) => *found,
        }
    }

    /// As [`Property::check`]; `describe` returns the paragraphs on a failing case.
    pub(super) fn check_with<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<bool, String>,
        describe: impl FnOnce(&Found<S::Value>) -> String,
    ) -> Tally {
        match self.search(strategy, holds, Draw::Kept) {
            Ok(tally) => {
                println!("{tally}");
                let (share, least) = (tally.share(), self.share_least);
                assert!(
                    tally.cases < self.cases || share >= least,
                    "{}: {} of {} cases reached the interesting part, {:.0} % have to",
                    self.test,
                    tally.reached,
                    tally.cases,
                    least * 100.0
                );
                tally
            }
            Err(found) => panic!(
                "{}: case {} fails: {}\n\n{}\nThe case is kept in {} and is played first from now on:\n\n  {}\n",
                self.test,
                found.cases,
                found.message,
                describe(&found),
                self.regressions().display(),
                self.command()
            ),
        }
    }

    /// Returns the command that runs the test.
    pub(super) fn command(&self) -> String {
        format!("cargo test -p {} {} -- --exact --nocapture", self.package, self.test)
    }

    fn regressions(&self) -> PathBuf {
        regressions::file_of(self.source, &self.test)
    }

    fn search<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<bool, String>,
        draw: Draw,
    ) -> Result<Tally, Box<Found<S::Value>>> {
        let (mut runner, regressions) = self.runner(draw);
        let (cases, reached, has_failed) = (Cell::new(0), Cell::new(0), Cell::new(false));
        let wrong_input = RefCell::new(None);
        let outcome = runner.run(&strategy, |value| {
            if wrong_input.borrow().is_some() {
                return Ok(());
            }
            let is_shrinking = has_failed.replace(true);
            if !is_shrinking {
                cases.set(cases.get() + 1);
            }
            match holds(&value) {
                Ok(has_reached) => {
                    has_failed.set(is_shrinking);
                    if !is_shrinking {
                        reached.set(reached.get() + u32::from(has_reached));
                    }
                    Ok(())
                }
                Err(message) => match message.strip_prefix(WRONG_INPUT) {
                    // Not shrunk and not kept: the strategy is wrong, not the property.
                    Some(problem) => {
                        has_failed.set(is_shrinking);
                        *wrong_input.borrow_mut() = Some(problem.to_string());
                        Ok(())
                    }
                    None => Err(TestCaseError::fail(message)),
                },
            }
        });
        if let Some(problem) = wrong_input.into_inner() {
            panic!("{}: case {}: the strategy yields a wrong case: {problem}", self.test, cases.get());
        }
        let (cases, reached) = (cases.get(), reached.get());
        match outcome {
            Ok(()) => Ok(Tally { test: self.test.clone(), cases, reached, regressions }),
            Err(TestError::Fail(reason, value)) => {
                Err(Box::new(Found { cases, reached, value, message: reason.message().into() }))
            }
            Err(TestError::Abort(reason)) => {
                panic!("{}: the strategy yields no values: {reason}", self.test)
            }
        }
    }

    /// Returns proptest's runner, and the number of kept regressions.
    fn runner(&self, draw: Draw) -> (TestRunner, usize) {
        let Environment { cases, factor, is_fixed, shrink_time, .. } = self.environment;
        let mut config = Config { failure_persistence: None, ..Config::default() };
        config.max_shrink_time = shrink_time.as_millis() as u32;
        config.max_shrink_iters = if shrink_time.is_zero() { 0 } else { 10_000 };
        config.cases = self.cases;
        if let Draw::Fixed { steps } = draw {
            (config.max_shrink_time, config.max_shrink_iters) = (0, steps);
        }
        if is_fixed || draw != Draw::Kept {
            config.rng_seed = RngSeed::Fixed(seed_of(&self.test));
        }
        let mut regressions = 0;
        if draw == Draw::Kept {
            config.cases = cases.unwrap_or(self.cases).saturating_mul(factor);
            let file = self.regressions();
            regressions = regressions::check(&file).unwrap_or_else(|error| panic!("{}: {error}", self.test));
            // proptest takes a name that lives as long as the program.
            let file: &'static str = String::leak(file.to_string_lossy().into_owned());
            config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(file)));
        }
        (TestRunner::new(config), regressions)
    }
}

/// The beginning of the message of a case that the strategy should not have yielded.
pub(super) const WRONG_INPUT: &str = "wrong input: ";

/// Returns proptest's seed for a test: FNV-1a of its name.
fn seed_of(test: &str) -> u64 {
    test.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn a_property_has_the_name_of_its_test() {
        let property = crate::property!();
        assert_eq!(property.test, "proptest::property::tests::a_property_has_the_name_of_its_test");
        assert_eq!(
            property.command(),
            "cargo test -p stormglass proptest::property::tests::a_property_has_the_name_of_its_test \
             -- --exact --nocapture"
        );
        let within_closure = || crate::property!().test;
        assert_eq!(within_closure(), property.test);
    }

    #[test]
    fn cases_and_those_that_reach_the_interesting_part_are_counted() {
        let tally = crate::property!().cases(50).check(0..10u32, |&value| Ok(value < 5));
        assert_eq!(tally.cases, 50);
        // Binomial with 50 cases and 1/2: 25, standard deviation 3.5.
        assert!((10..=40).contains(&tally.reached), "{tally}");
        let bound = "no failure: the failure rate is below 5.82 % (95 % confidence)";
        assert!(tally.to_string().contains(bound), "{tally}");
    }

    #[test]
    fn too_few_interesting_cases_are_a_failure() {
        let check = || crate::property!().cases(20).at_least(0.9).check(0..10u32, |&value| Ok(value < 5));
        let message = *catch_unwind(check).unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains(" of 20 cases reached the interesting part, 90 % have to"), "{message}");
    }

    /// Of 1,000 values 500 fail, so the first one is soon found; it shrinks to 500.
    #[test]
    fn a_defect_is_found_and_shrunk_and_always_after_as_many_cases() {
        let find = || {
            let too_large = |&value: &u32| match value {
                0..500 => Ok(true),
                _ => Err(format!("{value} is too large")),
            };
            crate::property!().cases(100).find(0..1_000u32, too_large)
        };
        let found = find();
        assert_eq!((found.value, found.message.as_str()), (500, "500 is too large"));
        assert!((1..20).contains(&found.cases) && found.reached == found.cases - 1, "{found:?}");
        assert_eq!(find(), found);
    }

    /// The file is written, the next run plays its seed first, and a damaged file is refused.
    #[test]
    fn a_failing_case_is_kept_and_played_first() {
        let mut property = crate::property!().cases(1_000);
        let source = std::env::temp_dir().join(format!("stormglass-{}-kept.rs", std::process::id()));
        std::fs::write(&source, "").unwrap();
        property.source = String::leak(source.to_string_lossy().into_owned());
        let file = property.regressions();
        let is_small = |&value: &u32| if value < 990 { Ok(true) } else { Err("too large".to_string()) };
        let check = || property.check(0..1_000u32, is_small);
        let message = |run: &dyn Fn() -> Tally| {
            let run = std::panic::AssertUnwindSafe(run);
            *catch_unwind(run).unwrap_err().downcast::<String>().unwrap()
        };
        let first = message(&check);
        assert!(
            first.contains("The smallest value:\n\n990\n") && !first.contains(": case 1 fails"),
            "{first}"
        );
        assert!(std::fs::read_to_string(&file).unwrap().contains("# shrinks to 990"));
        let second = message(&check);
        assert!(second.contains(": case 1 fails: too large"), "{second}");
        let mended = property.clone().cases(10).check(0..1_000u32, |_| Ok(true));
        assert!(mended.regressions >= 1 && mended.to_string().contains("kept regressions"), "{mended}");
        std::fs::write(&file, "cc 12\n").unwrap();
        let damaged = message(&check);
        assert!(damaged.contains(".regressions:1: `cc 12` is not a seed of proptest"), "{damaged}");
        std::fs::remove_file(file).unwrap();
        std::fs::remove_file(source).unwrap();
    }
}
