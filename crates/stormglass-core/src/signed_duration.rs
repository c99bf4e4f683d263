//! Durations with a sign, as text with a unit.

use crate::human_duration::human;
use crate::time::{YEAR, nanos};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::Duration;

/// A duration with a sign, as the offset of a clock: `"250ms"`, `"-1h 30m"`. Range: 292 years each
/// way; a longer one is cut off there.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::SignedDuration;
///
/// let behind: SignedDuration = "-250ms".parse().unwrap();
/// assert_eq!(behind, SignedDuration::before(Duration::from_millis(250)));
/// assert_eq!(behind.as_nanos(), -250_000_000);
/// assert_eq!(behind.to_string(), "-250ms");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedDuration(i64);

impl SignedDuration {
    /// Zero.
    pub const ZERO: SignedDuration = SignedDuration(0);

    /// Returns a duration into the future.
    pub fn after(duration: Duration) -> SignedDuration {
        SignedDuration(i64::try_from(nanos(duration)).unwrap_or(i64::MAX))
    }

    /// Returns a duration into the past.
    pub fn before(duration: Duration) -> SignedDuration {
        SignedDuration(-SignedDuration::after(duration).0)
    }

    /// Returns nanoseconds, below 0 for the past.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Returns the length without the sign.
    pub const fn magnitude(self) -> Duration {
        Duration::from_nanos(self.0.unsigned_abs())
    }

    /// Returns whether the length is more than a year.
    pub(crate) fn is_over_a_year(self) -> bool {
        self.magnitude() > YEAR
    }
}

impl std::str::FromStr for SignedDuration {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<SignedDuration, humantime::DurationError> {
        match (text.strip_prefix('-'), text.strip_prefix('+')) {
            (Some(rest), _) => humantime::parse_duration(rest).map(SignedDuration::before),
            (_, rest) => humantime::parse_duration(rest.unwrap_or(text)).map(SignedDuration::after),
        }
    }
}

impl fmt::Display for SignedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", human(self.magnitude()))
    }
}

impl Serialize for SignedDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct SignedVisitor;

impl de::Visitor<'_> for SignedVisitor {
    type Value = SignedDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit and an optional sign, such as \"150ms\" or \"-5s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SignedDuration, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl schemars::JsonSchema for SignedDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "signed-duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["150ms", "-5s"] })
    }
}

impl<'de> Deserialize<'de> for SignedDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
        deserializer.deserialize_str(SignedVisitor)
    }
}
