//! Defaults of a project: the file `stormglass.toml` in the working directory.
//!
//! ```toml
//! [defaults]
//! run = ["--profile", "ci-disk", "--jobs", "4"]
//! sweep = ["--jobs", "4"]
//! ```
//!
//! The words stand after the command's name. An option that the command line has too is left out of the
//! defaults, except `--set`, of which the command line's come later and win. What a run prints to be replayed
//! names everything, so it does not depend on this file.

use crate::error::CliError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// The file's name.
const FILE: &str = "stormglass.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Config {
    /// Options by command.
    #[serde(default)]
    defaults: BTreeMap<String, Vec<String>>,
}

/// Returns this process's arguments with the defaults of the working directory.
///
/// # Errors
///
/// Returns an error if the file exists and cannot be read.
pub(crate) fn of_process() -> Result<Vec<OsString>, CliError> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let file = Path::new(FILE);
    match std::fs::read_to_string(file) {
        Ok(text) => {
            with_defaults(arguments, &text).map_err(|problem| CliError::Config { file: file.into(), problem })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(arguments),
        Err(error) => {
            Err(CliError::Config { file: file.into(), problem: format!("cannot be read: {error}") })
        }
    }
}

/// Inserts the defaults of the command after its name.
fn with_defaults(arguments: Vec<OsString>, text: &str) -> Result<Vec<OsString>, String> {
    let config: Config =
        toml::from_str(text).map_err(|error| format!("is not valid: {}", error.to_string().trim_end()))?;
    // The command is the first word that is no option: the options before it have no values.
    let is_option = |word: &OsString| word.to_string_lossy().starts_with('-');
    let Some(place) = arguments.iter().skip(1).position(|word| !is_option(word)).map(|place| place + 1)
    else {
        return Ok(arguments);
    };
    let Some(defaults) = config.defaults.get(&*arguments[place].to_string_lossy()) else {
        return Ok(arguments);
    };
    let is_given =
        |option: &str| arguments.iter().any(|word| word.to_string_lossy().split('=').next() == Some(option));
    let mut is_kept = true;
    let mut inserted = Vec::new();
    for word in defaults {
        if let Some(option) = word.starts_with('-').then(|| word.split('=').next().unwrap_or(word)) {
            is_kept = option == "--set" || !is_given(option);
        }
        if is_kept {
            inserted.push(OsString::from(word));
        }
    }
    let mut all = arguments;
    all.splice(place + 1..place + 1, inserted);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(line: &str, text: &str) -> Result<String, String> {
        let arguments = line.split(' ').map(OsString::from).collect();
        let words = with_defaults(arguments, text)?;
        Ok(words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    const FILE: &str = r#"
        [defaults]
        run = ["--profile", "quiet", "--set", "cluster.nodes=5", "--jobs=4"]
    "#;

    #[test]
    fn defaults_stand_before_the_options_of_the_command_line() {
        assert_eq!(
            resolved("stormglass --json run cold-start --set cluster.nodes=3", FILE).as_deref(),
            Ok(
                "stormglass --json run --profile quiet --set cluster.nodes=5 --jobs=4 cold-start --set cluster.nodes=3"
            )
        );
    }

    #[test]
    fn an_option_of_the_command_line_replaces_the_default() {
        assert_eq!(
            resolved("stormglass run cold-start --profile=ci-disk --jobs 2", FILE).as_deref(),
            Ok("stormglass run --set cluster.nodes=5 cold-start --profile=ci-disk --jobs 2")
        );
    }

    #[test]
    fn other_commands_have_no_defaults() {
        assert_eq!(resolved("stormglass list", FILE).as_deref(), Ok("stormglass list"));
        assert_eq!(resolved("stormglass --version", FILE).as_deref(), Ok("stormglass --version"));
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let error = resolved("stormglass run a", "[default]\nrun = []").unwrap_err();
        assert!(error.contains("unknown field `default`, expected `defaults`"), "{error}");
    }
}
