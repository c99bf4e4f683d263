//! What a property takes from its environment.

use std::path::PathBuf;
use std::time::Duration;

/// How long a smaller case is searched for, unless `STORMGLASS_SHRINK` says otherwise.
const SHRINK_TIME: Duration = Duration::from_secs(10);

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
        let shrink_time = variable("STORMGLASS_SHRINK").map(|text| seconds(&text)).transpose()?;
        let artifacts = variable("STORMGLASS_ARTIFACTS")
            .filter(|directory| !["1", "true", "yes"].contains(&directory.as_str()));
        let factor = number("STORMGLASS_NIGHTLY", 100_000)?;
        Ok(Environment {
            cases: number("PROPTEST_CASES", 100_000_000)?,
            factor: factor.unwrap_or(1),
            is_fixed: factor.is_none() && variable("PROPTEST_RNG_SEED").is_none(),
            replay: variable("STORMGLASS_REPLAY").map(PathBuf::from),
            shrink_time: shrink_time.unwrap_or(SHRINK_TIME),
            artifacts: artifacts.map_or_else(|| target_directory().join("stormglass"), PathBuf::from),
        })
    }
}

/// Reads whole seconds or minutes, such as `10s` or `2m`.
fn seconds(text: &str) -> Result<Duration, String> {
    let (number, factor) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 60),
        _ => ("", 1),
    };
    let number: Option<u32> = number.parse().ok();
    let wrong = || format!("STORMGLASS_SHRINK: `{text}` is not a time such as 30s, 2m or 0s");
    number.map(|number| Duration::from_secs(u64::from(number) * factor)).ok_or_else(wrong)
}

/// Returns the directory `target` in which this program was built: the one that cargo has tagged, or
/// else the one of the working directory.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let tagged = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").exists());
    tagged.map_or_else(|| "target".into(), PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "it says what a test does, and is no input of a run")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
            ("STORMGLASS_SHRINK", "10", "STORMGLASS_SHRINK: `10` is not a time such as 30s, 2m or 0s"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(problem.into()));
        }
    }
}
