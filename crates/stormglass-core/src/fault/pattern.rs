//! Patterns of names and paths.

use super::InvalidRule;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A pattern of shell wildcards for the names of hosts, disks and files: `node-[12]`, `**/*.log`.
///
/// It is compiled on construction. A pattern with invalid syntax matches nothing, and
/// [`super::Rule::validate`] returns the error.
///
/// ```
/// use stormglass_core::fault::Pattern;
///
/// assert!(Pattern::new("node-[12]").matches("node-2"));
/// assert!(!Pattern::new("node-[12").matches("node-2"));
/// ```
#[derive(Clone)]
pub struct Pattern {
    text: String,
    /// The text of the syntax error if there is one.
    compiled: Result<glob::Pattern, String>,
}

impl Pattern {
    /// Returns the pattern with this text.
    pub fn new(text: impl Into<String>) -> Pattern {
        let text = text.into();
        Pattern { compiled: glob::Pattern::new(&text).map_err(|error| error.to_string()), text }
    }

    /// Returns whether a name or path matches.
    pub fn matches(&self, name: &str) -> bool {
        self.compiled.as_ref().is_ok_and(|pattern| pattern.matches(name))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Checks the syntax.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let problem = |error| format!("{:?} is no pattern: {error}", self.text);
        self.compiled.as_ref().map(drop).map_err(problem)
    }

    /// Checks the syntax. The error names the field.
    pub(super) fn validate(&self, field: &'static str) -> Result<(), InvalidRule> {
        self.check().map_err(|problem| InvalidRule { field, problem })
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Pattern {
        Pattern::new(text)
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Pattern {
        Pattern::new(text)
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["node-1", "node-[12]", "*"] })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        String::deserialize(deserializer).map(Pattern::new)
    }
}
