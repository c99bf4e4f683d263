//! What a test takes from its environment: variables, the arguments of its program, and the date.

use humantime::format_rfc3339;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use stormglass_sim::environment::{artifacts_directory, shrink_time, target_directory, variable};
use stormglass_sweep::{Seeds, pool};

/// How many seeds of the date are played if nothing names a number.
pub(super) const FRESH: u64 = 100;

/// What a test takes from its environment.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    /// `STORMGLASS`.
    pub(super) command: Option<String>,
    /// `STORMGLASS_SEEDS`.
    pub(super) seeds: Option<String>,
    /// `STORMGLASS_ARTIFACTS`.
    pub(super) artifacts: Option<String>,
    /// `STORMGLASS_SHRINK`.
    pub(super) shrink: Option<String>,
    /// How many tests may run at the same time, if something says so.
    pub(super) test_threads: Option<String>,
    /// The UTC date as a number: 20261128.
    pub(super) date: u64,
    /// The directory `target` of the build.
    pub(super) target: PathBuf,
}

impl Environment {
    /// Returns the environment of this process.
    #[expect(clippy::disallowed_types, reason = "the date chooses seeds, which are printed")]
    pub(super) fn of_process() -> Environment {
        let arguments: Vec<String> = std::env::args().collect();
        let threads = || variable("RUST_TEST_THREADS").or_else(|| variable("NEXTEST_TEST_THREADS"));
        Environment {
            command: variable("STORMGLASS"),
            seeds: variable("STORMGLASS_SEEDS"),
            artifacts: variable("STORMGLASS_ARTIFACTS"),
            shrink: variable("STORMGLASS_SHRINK"),
            test_threads: test_threads(&arguments).or_else(threads),
            date: digits_of_date(&format_rfc3339(std::time::SystemTime::now()).to_string()),
            target: target_directory(),
        }
    }

    /// Returns the seeds of a test: those of `STORMGLASS_SEEDS`, or its own, or seeds of the date.
    pub(super) fn seeds(&self, own: Option<Seeds>) -> Result<Seeds, String> {
        let number = own.map_or(FRESH, Seeds::count);
        let Some(text) = self.seeds.as_deref() else { return Ok(own.unwrap_or_else(|| self.fresh(number))) };
        match (text, text.strip_prefix("fresh:")) {
            ("fresh", _) => Ok(self.fresh(number)),
            (_, Some(number)) => {
                let count = number.parse().ok().filter(|count| (1..1_000_000).contains(count));
                let wrong = || format!("STORMGLASS_SEEDS: `{number}` is no number of seeds (1 to 999999)");
                count.map(|count| self.fresh(count)).ok_or_else(wrong)
            }
            _ => text.parse().map(Seeds::one).or_else(|_| text.parse()).map_err(|error| {
                format!(
                    "STORMGLASS_SEEDS: {error}; or one seed; or `fresh` or `fresh:1000` for seeds of the date"
                )
            }),
        }
    }

    /// Returns seeds that no other day has: the date is followed by six digits.
    fn fresh(&self, count: u64) -> Seeds {
        let first = self.date * 1_000_000;
        (first..first + count).try_into().expect("a test plays one seed or more")
    }

    /// Returns the number of threads for runs: one per core, and no more than the tests have.
    pub(super) fn jobs(&self) -> NonZeroUsize {
        let given = self.test_threads.as_ref().and_then(|text| text.parse().ok());
        given.map_or_else(pool::default_jobs, |given: NonZeroUsize| given.min(pool::default_jobs()))
    }

    /// Returns how long to search for a smaller plan.
    pub(super) fn shrink_time(&self) -> Result<Duration, String> {
        shrink_time(self.shrink.as_deref())
    }

    /// Returns the directory for the artifacts of this test, if they are asked for.
    pub(super) fn artifacts(&self, test: &str) -> Option<PathBuf> {
        let parent = artifacts_directory(self.artifacts.as_deref()?, self.target.clone());
        Some(parent.join(test.replace("::", "/")))
    }
}

/// Returns the number after `--test-threads`.
fn test_threads(arguments: &[String]) -> Option<String> {
    let option = "--test-threads";
    arguments.iter().enumerate().find_map(|(index, word)| match word.strip_prefix(option)? {
        "" => arguments.get(index + 1).cloned(),
        rest => rest.strip_prefix('=').map(String::from),
    })
}

/// Returns the number 20261128 for `2026-11-28T10:00:00Z`.
fn digits_of_date(text: &str) -> u64 {
    let digits: String = text.chars().take_while(|&c| c != 'T').filter(char::is_ascii_digit).collect();
    digits.parse().expect("a date is a number of eight digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            command: None,
            seeds: None,
            artifacts: None,
            shrink: None,
            test_threads: None,
            date: digits_of_date("2026-11-28T10:00:00.000000000Z"),
            target: "/build".into(),
        }
    }

    fn with_seeds(text: &str, own: Option<Seeds>) -> String {
        let seeds = Environment { seeds: Some(text.into()), ..environment() }.seeds(own);
        seeds.map_or_else(|error| error, |seeds| seeds.to_string())
    }

    #[test]
    fn seeds_are_those_of_the_variable_or_the_attribute_or_the_date() {
        let own = Some(Seeds::up_to(50));
        assert_eq!(environment().seeds(own), Ok(Seeds::up_to(50)));
        assert_eq!(
            environment().seeds(None).map(|it| it.to_string()),
            Ok("20261128000000..20261128000100".into())
        );
        assert_eq!(with_seeds("7", own), "7..8");
        assert_eq!(with_seeds("5..9", own), "5..9");
        assert_eq!(with_seeds("fresh", own), "20261128000000..20261128000050");
        assert_eq!(with_seeds("fresh:7", own), "20261128000000..20261128000007");
        assert!(with_seeds("fresh:0", own).contains("`0` is no number of seeds (1 to 999999)"));
        assert!(with_seeds("x", own).starts_with("STORMGLASS_SEEDS: expected A..B"));
    }

    #[test]
    fn runs_use_no_more_threads_than_the_tests_have() {
        let threads = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            let environment = Environment { test_threads: test_threads(&arguments), ..environment() };
            environment.jobs().get()
        };
        let cores = pool::default_jobs().get();
        assert_eq!(threads(&["it", "--nocapture"]), cores);
        assert_eq!(threads(&["it", "--test-threads=1"]), 1);
        assert_eq!(threads(&["it", "--test-threads", "1", "--exact"]), 1);
        assert_eq!(threads(&["it", "--test-threads=4096"]), cores);
    }

    #[test]
    fn artifacts_are_in_the_target_directory_or_in_the_one_that_is_named() {
        let path = |value: &str| {
            Environment { artifacts: Some(value.into()), ..environment() }.artifacts("storms::lines_stay")
        };
        assert_eq!(environment().artifacts("lines_stay"), None);
        assert_eq!(path("1"), Some("/build/stormglass/storms/lines_stay".into()));
        assert_eq!(path("out"), Some("out/storms/lines_stay".into()));
    }
}
