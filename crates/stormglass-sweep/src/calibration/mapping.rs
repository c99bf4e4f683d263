//! Which log lines and which trace events mark the phases of a start.

use crate::space::{SpaceError, from_toml};
use regex_lite::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What lines of a log mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mapping {
    /// Where a line has its time: the first group, as RFC 3339 has it.
    pub timestamp: Pattern,
    /// With what a process begins.
    pub start: Mark,
    /// The moments of a start.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// A moment, in a log and in a trace.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mark {
    /// The line.
    pub line: Pattern,
    /// The step or note.
    pub event: Pattern,
}

/// A moment with a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// The line.
    pub line: Pattern,
    /// The step or note.
    pub event: Pattern,
}

/// A regular expression.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(pub(super) Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        Regex::new(&text).map(Pattern).map_err(|error| format!("{text:?} is no regular expression: {error}"))
    }
}

/// One start of a process: how long after its beginning it came to each phase.
pub type Start = BTreeMap<String, Duration>;

impl Mapping {
    /// Reads a mapping file. `file` is named in errors.
    ///
    /// # Errors
    ///
    /// Names the field and the remedy.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, SpaceError> {
        let mapping: Mapping = from_toml(file, text)?;
        if mapping.timestamp.0.captures_len() < 2 {
            let problem = "needs a group around the time: '\"timestamp\":\"([^\"]+)\"'";
            return Err(SpaceError::new(file, "timestamp", problem));
        }
        Ok(mapping)
    }
}
