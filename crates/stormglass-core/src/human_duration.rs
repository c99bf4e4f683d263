//! Durations as text with a unit, the form of TOML and JSON.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A duration as text with its unit (`"150ms"`, `"1m 30s"`): `#[serde(with = "HumanDuration")]` on
/// a [`Duration`].
///
/// ```
/// use serde::Deserialize;
/// use std::time::Duration;
/// use stormglass_core::latency::HumanDuration;
///
/// #[derive(Deserialize)]
/// struct Limits {
///     #[serde(with = "HumanDuration")]
///     deadline: Duration,
/// }
///
/// let limits: Limits = toml::from_str("deadline = '1m 30s'")?;
/// assert_eq!(limits.deadline, Duration::from_secs(90));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// Serializes a duration as `150ms`.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&human(*duration))
    }

    /// Deserializes a duration such as `150ms`.
    ///
    /// # Errors
    ///
    /// If the value is no duration with its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(DurationVisitor).map(|duration| duration.0)
    }
}

/// Writes the duration with its unit: `1m 30s`.
impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        human(self.0).fmt(f)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HumanDuration::serialize(&self.0, serializer)
    }
}

pub(crate) struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"150ms\" or \"5s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        humantime::parse_duration(text)
            .map(HumanDuration)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HumanDuration, D::Error> {
        HumanDuration::deserialize(deserializer).map(HumanDuration)
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["150ms", "1m 30s"] })
    }
}

/// Formats a duration with its unit: `1m 30s`.
pub(crate) fn human(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}
