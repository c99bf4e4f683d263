//! A value of a parameter.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A parameter value: a number, a duration, or a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Level {
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// A duration.
    Time(Duration),
    /// Any other value, as written.
    Text(String),
}

impl Level {
    /// Converts a TOML value; a text that is a duration becomes one.
    pub fn of(value: &toml::Value) -> Level {
        match value {
            toml::Value::Integer(number) => Level::Whole(*number),
            toml::Value::Float(number) => Level::Number(*number),
            toml::Value::String(text) => {
                humantime::parse_duration(text).map_or_else(|_| Level::Text(text.clone()), Level::Time)
            }
            other => Level::Text(other.to_string()),
        }
    }

    /// Returns its size as a number, for a duration in seconds; `None` for a text.
    pub fn size(&self) -> Option<f64> {
        match self {
            Level::Whole(number) => Some(*number as f64),
            Level::Number(number) => Some(*number),
            Level::Time(duration) => Some(duration.as_secs_f64()),
            Level::Text(_) => None,
        }
    }

    /// Returns a value of the same kind with this size; durations are rounded to milliseconds.
    pub fn like(&self, size: f64) -> Level {
        match self {
            Level::Whole(_) => Level::Whole(size.round() as i64),
            Level::Number(_) => Level::Number(size),
            Level::Time(_) => Level::Time(Duration::from_millis((size * 1_000.0).round().max(0.0) as u64)),
            Level::Text(text) => Level::Text(text.clone()),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Whole(number) => number.fmt(f),
            Level::Number(number) => write!(f, "{number:?}"),
            Level::Time(duration) => {
                humantime::format_duration(*duration).to_string().replace(' ', "").fmt(f)
            }
            Level::Text(text) => text.fmt(f),
        }
    }
}

/// Parameters and the values they are set to.
pub type Assignments = BTreeMap<String, toml::Value>;

/// Returns a value as it is written in `--set KEY=VALUE`.
pub(super) fn text_of(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
