//! Which log lines of a run are kept.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use tracing_core::{Level, LevelFilter};
use tracing_subscriber::filter::Targets;

/// Which events and spans of `tracing` become log lines of a run, in the form of `RUST_LOG`: a level, or
/// `TARGET=LEVEL`, or several of them with commas between. Default: `off`.
///
/// ```
/// use stormglass_sim::LogFilter;
///
/// let filter: LogFilter = "info,my_service::store=debug".parse().unwrap();
/// assert_eq!(filter.to_string(), "info,my_service::store=debug");
/// assert!(!filter.is_off());
/// assert!(LogFilter::default().is_off());
/// assert!("info,my_service=loud".parse::<LogFilter>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

const OFF: &str = "off";
const FORM: &str = "a level (off, error, warn, info, debug, trace), TARGET=LEVEL, or several with commas \
                    between, as in RUST_LOG";

impl LogFilter {
    /// Whether nothing is kept.
    pub fn is_off(&self) -> bool {
        self.most() == LevelFilter::OFF
    }

    /// Returns the least severe level that is kept of any target.
    pub(crate) fn most(&self) -> LevelFilter {
        let of_targets = self.targets.iter().map(|(_, level)| level);
        of_targets.chain(self.targets.default_level()).max().unwrap_or(LevelFilter::OFF)
    }

    /// Whether lines of this target and level are kept.
    pub(crate) fn keeps(&self, target: &str, level: &Level) -> bool {
        self.targets.would_enable(target, level)
    }
}

impl Default for LogFilter {
    fn default() -> LogFilter {
        LogFilter { text: OFF.into(), targets: Targets::new() }
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<LogFilter, String> {
        let text = text.trim();
        if text.is_empty() || text == OFF {
            return Ok(LogFilter::default());
        }
        let targets: Targets =
            text.parse().map_err(|error| format!("`{text}` is no filter ({error}): expected {FORM}"))?;
        // madsim belongs to the simulation, not to the code under test. Its spans name tasks by numbers.
        let names_madsim = targets.iter().any(|(target, _)| target.starts_with("madsim"));
        let targets = if names_madsim { targets } else { targets.with_target("madsim", LevelFilter::OFF) };
        Ok(LogFilter { text: text.into(), targets })
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for LogFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for LogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogFilter, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for LogFilter {
    fn schema_name() -> Cow<'static, str> {
        "log-filter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["off", "info", "info,my_service::store=debug"] })
    }
}
