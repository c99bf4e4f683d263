//! What tests take from their process: variables, and the directory of the build. No run reads it.

use humantime::parse_duration;
use std::path::PathBuf;
use std::time::Duration;

/// How long a failed test searches for a smaller case, unless `STORMGLASS_SHRINK` says otherwise.
const SHRINK_TIME: Duration = Duration::from_secs(10);

/// Returns a variable of the environment, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "it says what a test does, and is no input of a run")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the directory `target` in which this program was built: the one that cargo has tagged, or
/// else the one of the working directory.
pub fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let tagged = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").exists());
    tagged.map_or_else(|| "target".into(), PathBuf::from)
}

/// Returns how long to search for a smaller case, from the text of `STORMGLASS_SHRINK`. Default: 10 s.
///
/// ```
/// use std::time::Duration;
/// use stormglass_sim::environment::shrink_time;
///
/// assert_eq!(shrink_time(None), Ok(Duration::from_secs(10)));
/// assert_eq!(shrink_time(Some("1m 30s")), Ok(Duration::from_secs(90)));
/// assert!(shrink_time(Some("10")).is_err());
/// ```
///
/// # Errors
///
/// If it is no duration, with the name of the variable.
pub fn shrink_time(text: Option<&str>) -> Result<Duration, String> {
    text.map_or(Ok(SHRINK_TIME), |text| {
        parse_duration(text).map_err(|error| {
            format!("STORMGLASS_SHRINK: `{text}`: {error}; expected a duration, for example 30s, or 0s")
        })
    })
}

/// Returns the directory that the text of `STORMGLASS_ARTIFACTS` names: `1`, `true` and `yes` stand for
/// `stormglass` in the directory `target` of the build.
pub fn artifacts_directory(text: &str, target: PathBuf) -> PathBuf {
    match text {
        "1" | "true" | "yes" => target.join("stormglass"),
        directory => directory.into(),
    }
}
