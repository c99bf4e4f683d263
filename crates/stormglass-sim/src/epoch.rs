//! The date at which a run begins.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use toml::Value;
use toml::value::{Date, Datetime, Offset};

/// The date at which a run begins: what `SystemTime::now` and the times of files show at its start.
///
/// ```
/// use stormglass_sim::Epoch;
///
/// let epoch: Epoch = "2024-02-29T12:00:00+02:00".parse().unwrap();
/// assert_eq!(epoch.to_string(), "2024-02-29T10:00:00Z");
/// assert_eq!(epoch, "2024-02-29T10:00:00Z".parse().unwrap());
/// assert_eq!("seed".parse(), Ok(Epoch::Seed));
/// assert!("2024-02-29T12:00:00".parse::<Epoch>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Epoch {
    /// A date between 19 December 2021 and 18 December 2022 that the seed draws.
    #[default]
    Seed,
    /// The time since 1970-01-01T00:00:00Z.
    Date(Duration),
}

const FORM: &str = "`seed`, or a date with its offset such as 2024-05-01T12:00:00Z, from 1970 to 2500";
/// The first second of 2500.
const END: i64 = days_since_1970(2500, 1, 1) * DAY;
const DAY: i64 = 24 * 60 * 60;

impl Epoch {
    #[expect(clippy::disallowed_types, reason = "the date that the simulated clock shows")]
    pub(crate) fn date(self) -> Option<std::time::SystemTime> {
        match self {
            Epoch::Seed => None,
            Epoch::Date(since) => Some(std::time::SystemTime::UNIX_EPOCH + since),
        }
    }

    fn of(datetime: &Datetime) -> Option<Epoch> {
        let Date { year, month, day } = datetime.date?;
        let mut seconds = days_since_1970(year.into(), month.into(), day.into()) * DAY;
        let mut nanos = 0;
        match (datetime.time, datetime.offset) {
            // A date alone is its midnight in UTC.
            (None, None) => {}
            (Some(time), Some(offset)) => {
                let minutes = match offset {
                    Offset::Z => 0,
                    Offset::Custom { minutes } => i64::from(minutes),
                };
                let second = i64::from(time.second);
                seconds += i64::from(time.hour) * 3_600 + (i64::from(time.minute) - minutes) * 60 + second;
                nanos = time.nanosecond;
            }
            _ => return None,
        }
        let since = Duration::new(u64::try_from(seconds).ok()?, nanos);
        (seconds < END).then_some(Epoch::Date(since))
    }
}

/// Returns the number of days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant,
/// "chrono-compatible low-level date algorithms").
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that a leap day is the last day of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468
}

impl FromStr for Epoch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Epoch, &'static str> {
        if text == "seed" {
            return Ok(Epoch::Seed);
        }
        text.parse::<Datetime>().ok().as_ref().and_then(Epoch::of).ok_or(FORM)
    }
}

/// Writes `seed`, or the date in UTC as RFC 3339 does.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Epoch::Date(since) = self else { return f.write_str("seed") };
        let (seconds, nanos) = (since.as_secs() as i64, since.subsec_nanos());
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // The inverse of `days_since_1970`, by search: a year has 365 or 366 days.
        let year = (1970 + days / 366..).find(|year| days_since_1970(year + 1, 1, 1) > days).unwrap_or(1970);
        let month = (1..=12).rev().find(|&month| days_since_1970(year, month, 1) <= days).unwrap_or(1);
        let day = days - days_since_1970(year, month, 1) + 1;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos > 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Epoch, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let epoch = match &value {
            Value::String(text) => text.parse().ok(),
            Value::Datetime(datetime) => Epoch::of(datetime),
            _ => None,
        };
        epoch.ok_or_else(|| de::Error::custom(format!("{value} is no epoch: expected {FORM}")))
    }
}

impl JsonSchema for Epoch {
    fn schema_name() -> Cow<'static, str> {
        "epoch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["seed", "2024-05-01T12:00:00Z"] })
    }
}
