//! Which log lines and which trace events mark the phases of a start.

use crate::space::{SpaceError, from_toml};
use regex_lite::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A mapping file: which log lines and trace events are the phases of a start.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mapping {
    /// Finds the time in a line: the first group has to match an RFC 3339 timestamp.
    #[schemars(with = "String")]
    pub timestamp: Pattern,
    /// The moment at which a process starts.
    pub start: Mark,
    /// The phases of a start.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// A moment, in a log and in a trace.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mark {
    /// Matches the log line.
    #[schemars(with = "String")]
    pub line: Pattern,
    /// Matches the step or note in the trace.
    #[schemars(with = "String")]
    pub event: Pattern,
}

/// A named moment of a start.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Matches the log line.
    #[schemars(with = "String")]
    pub line: Pattern,
    /// Matches the step or note in the trace.
    #[schemars(with = "String")]
    pub event: Pattern,
}

/// A regular expression.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(pub(super) Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        Regex::new(&text)
            .map(Pattern)
            .map_err(|error| format!("{text:?} is not a regular expression: {error}"))
    }
}

/// One start of a process: the time from the process's start to each phase.
pub type Start = BTreeMap<String, Duration>;

impl Mapping {
    /// Reads a mapping file. `file` is named in errors.
    ///
    /// # Errors
    ///
    /// Returns an error that names the field and a valid value.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, SpaceError> {
        let mapping: Mapping = from_toml(file, text)?;
        if mapping.timestamp.0.captures_len() < 2 {
            let problem =
                "has no group; put parentheses around the time, for example '\"timestamp\":\"([^\"]+)\"'";
            return Err(SpaceError::new(file, "timestamp", problem));
        }
        Ok(mapping)
    }
}
