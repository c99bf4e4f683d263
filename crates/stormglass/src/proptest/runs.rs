//! Properties of a scenario's runs: failures shrink to a plan file and a line that replays them.

use super::case::{Case, quote};
use super::property::{Found, Property, Tally, WRONG_INPUT};
use ::proptest::strategy::Strategy;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use stormglass_core::{Keep, Verdict};
use stormglass_plan::{Plan, shrink};
use stormglass_sim::{AnyScenario, Played};

/// Returns an error with the verdict unless the run has passed.
///
/// # Errors
///
/// Returns the verdict.
pub fn passes(played: &Played) -> Result<(), String> {
    match &played.outcome.verdict {
        Verdict::Passed => Ok(()),
        verdict => Err(verdict.to_string()),
    }
}

impl Property {
    /// Plays a run of the scenario for each case that the strategy draws. `judge` returns whether the
    /// run reached the interesting part, or why the property does not hold; [`passes`] is the verdict
    /// of the scenario itself.
    ///
    /// If `STORMGLASS_REPLAY` names a case file, it plays that case alone.
    ///
    /// # Panics
    ///
    /// As [`Property::check`]. The message names the plan file, the options and the line that replay
    /// the case. Panics without shrinking if a plan or a parameter of the strategy is invalid, with
    /// the field, and if the case file is damaged.
    pub fn check_runs(
        &self,
        scenario: &dyn AnyScenario,
        cases: impl Strategy<Value = Case>,
        judge: impl Fn(&Case, &Played) -> Result<bool, String>,
    ) -> Tally {
        stormglass_sim::silence_panics();
        let play = |case: &Case| play(scenario, case, &judge);
        if let Some(file) = &self.environment.replay {
            return self.replay(file, play);
        }
        self.check_with(cases, play, |found| {
            let play = |case: &Case| play(case).err();
            let (case, tried) = smaller_plan(found, play, self.environment.shrink_time);
            self.describe(&case, tried)
        })
    }

    /// Searches for a run with which a planted defect shows, as [`Property::find`] does, and does not
    /// shrink it.
    ///
    /// # Panics
    ///
    /// Panics if no case fails.
    pub fn find_in_runs(
        &self,
        scenario: &dyn AnyScenario,
        cases: impl Strategy<Value = Case>,
        judge: impl Fn(&Case, &Played) -> Result<bool, String>,
    ) -> Found<Case> {
        stormglass_sim::silence_panics();
        self.find_shallow(cases, |case| play(scenario, case, &judge))
    }

    fn replay(&self, file: &Path, play: impl Fn(&Case) -> Result<bool, String>) -> Tally {
        let case = Case::read(file).unwrap_or_else(|error| panic!("STORMGLASS_REPLAY: {error}"));
        let place = format!("{}: {case:?}", file.display());
        match play(&case) {
            Ok(reached) => {
                println!("{place}: the property holds");
                Tally { test: self.test.clone(), cases: 1, reached: reached.into(), regressions: 0 }
            }
            Err(message) => panic!("{place}: {}", message.trim_start_matches(WRONG_INPUT)),
        }
    }

    /// Returns the paragraphs on the smallest case: its faults and files, and how to replay it.
    fn describe(&self, case: &Case, tried: u64) -> String {
        let mut text = format!("The smallest case, after trying {tried} plans:\n\n");
        if case.plan.written.is_empty() {
            text += "  no faults: the run fails without any\n";
        }
        for fault in &case.plan.written {
            let _ = writeln!(text, "  {fault}");
        }
        let directory = self.environment.artifacts.join(self.test.replace("::", "/"));
        match case.write(&directory) {
            Ok((plan, file)) => {
                let _ = write!(text, "\nIts plan is in {}, its options are:\n\n", plan.display());
                let _ = write!(text, "  {}\n\nThis case again:\n\n", case.options(&plan));
                let file = quote(&file.to_string_lossy());
                let _ = writeln!(text, "  STORMGLASS_REPLAY={file} {}", self.command());
            }
            Err(error) => {
                let _ = writeln!(text, "\n{error}");
            }
        }
        text
    }
}

fn play(
    scenario: &dyn AnyScenario,
    case: &Case,
    judge: &impl Fn(&Case, &Played) -> Result<bool, String>,
) -> Result<bool, String> {
    let run = case.run(scenario).map_err(|error| format!("{WRONG_INPUT}{error}"))?;
    judge(case, &run.play(Keep::Nothing))
}

/// Returns the case with the smallest plan found with which it still fails in the same way, and the
/// number of plans tried.
#[expect(clippy::disallowed_methods, reason = "it limits a search, and is no input of a run")]
fn smaller_plan(
    found: &Found<Case>,
    fails: impl Fn(&Case) -> Option<String>,
    limit: Duration,
) -> (Case, u64) {
    let case = &found.value;
    let with = |faults: &[_]| Case { plan: Plan::of(faults.to_vec()), ..case.clone() };
    if limit.is_zero() || case.plan.written.is_empty() {
        return (case.clone(), 0);
    }
    let (kind, began, mut is_first) = (kind(&found.message), Instant::now(), true);
    let shrunk = shrink(&case.plan.written, |faults| {
        // The first plan is that of the case, which fails.
        if std::mem::take(&mut is_first) {
            return true;
        }
        began.elapsed() < limit && fails(&with(faults)).is_some_and(|message| self::kind(&message) == kind)
    });
    (with(&shrunk.faults), shrunk.tried)
}

/// Returns in which way a case fails: its message up to the first colon or number.
fn kind(message: &str) -> &str {
    message.split(|c: char| c == ':' || c.is_ascii_digit()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
