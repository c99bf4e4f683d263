//! What a property takes from its environment.

use std::path::PathBuf;
use std::time::Duration;
use stormglass_sim::environment::{artifacts_directory, shrink_time, target_directory, variable};

/// What a property takes from its environment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Environment {
    /// `PROPTEST_CASES`.
    pub(super) cases: Option<u32>,
    /// `STORMGLASS_NIGHTLY`; 1 without it.
    pub(super) factor: u32,
    /// Whether each run draws the same cases.
    pub(super) is_fixed: bool,
    /// `STORMGLASS_REPLAY`.
    pub(super) replay: Option<PathBuf>,
    /// `STORMGLASS_SHRINK`.
    pub(super) shrink_time: Duration,
    /// `STORMGLASS_ARTIFACTS`.
    pub(super) artifacts: PathBuf,
}

impl Environment {
    /// Returns the environment of this process.
    ///
    /// # Errors
    ///
    /// Returns which variable is wrong, and what would be right.
    pub(super) fn of_process() -> Result<Environment, String> {
        Environment::read(variable)
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Environment, String> {
        let number = |name: &str, most: u32| {
            let Some(text) = variable(name) else { return Ok(None) };
            match text.parse() {
                Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
                _ => Err(format!("{name}: `{text}` is not a number from 1 to {most}")),
            }
        };
        let artifacts = variable("STORMGLASS_ARTIFACTS").unwrap_or_else(|| "1".into());
        let factor = number("STORMGLASS_NIGHTLY", 100_000)?;
        Ok(Environment {
            cases: number("PROPTEST_CASES", 100_000_000)?,
            factor: factor.unwrap_or(1),
            is_fixed: factor.is_none() && variable("PROPTEST_RNG_SEED").is_none(),
            replay: variable("STORMGLASS_REPLAY").map(PathBuf::from),
            shrink_time: shrink_time(variable("STORMGLASS_SHRINK").as_deref())?,
            artifacts: artifacts_directory(&artifacts, target_directory()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string())
        })
    }

    #[test]
    fn variables_set_cases_factor_and_shrink_time() {
        let default = read(&[]).unwrap();
        assert_eq!((default.cases, default.factor, default.is_fixed), (None, 1, true));
        let nightly = read(&[("STORMGLASS_NIGHTLY", "100"), ("PROPTEST_CASES", "5")]).unwrap();
        assert_eq!((nightly.cases, nightly.factor, nightly.is_fixed), (Some(5), 100, false));
        assert!(!read(&[("PROPTEST_RNG_SEED", "7")]).unwrap().is_fixed);
        let minutes = read(&[("STORMGLASS_SHRINK", "2m")]).unwrap();
        assert_eq!(minutes.shrink_time, Duration::from_secs(120));
    }

    #[test]
    fn wrong_variables_are_refused_with_a_remedy() {
        for (name, value, problem) in [
            ("PROPTEST_CASES", "0", "PROPTEST_CASES: `0` is not a number from 1 to 100000000"),
            ("STORMGLASS_NIGHTLY", "many", "STORMGLASS_NIGHTLY: `many` is not a number from 1 to 100000"),
            ("STORMGLASS_SHRINK", "10", "STORMGLASS_SHRINK: `10`: time unit needed"),
        ] {
            let said = read(&[(name, value)]).unwrap_err();
            assert!(said.starts_with(problem), "{said}");
        }
    }
}
