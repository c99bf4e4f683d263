//! A fault of a plan: what breaks, when, and for how long.
//!
//! The kinds of fault and their fields are in [`stormglass_core::fault`]. The effect of each kind
//! is documented where it is applied: `stormglass_fs::fault`, `stormglass_net::fault` and
//! `stormglass_sim::Node`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;
use stormglass_core::fault::{ClockFault, DiskFault, FaultKind, InvalidRule};
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use toml::{Table, Value};

/// A fault with its start time and its duration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// The start time, from the start of the run. Range: up to 365 days.
    #[serde(with = "HumanDuration")]
    pub at: Duration,
    /// The duration; `None` lasts to the end of the run. Range: up to 365 days; above 0 s, except
    /// for faults that end a process or a connection.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "human")]
    pub lasts: Option<Duration>,
    /// The kind of fault and its fields.
    #[serde(flatten)]
    pub kind: FaultKind,
}

fn human<S: Serializer>(lasts: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    HumanDuration::serialize(&lasts.unwrap_or_default(), serializer)
}

/// Reads a table first, because serde's `flatten` accepts unknown fields.
impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let mut duration = |name: &str| {
            let Some(value) = table.remove(name) else { return Ok(None) };
            let problem = |error: toml::de::Error| {
                D::Error::custom(format!("`{name}`: {}", error.message().trim_end()))
            };
            HumanDuration::deserialize(value).map(Some).map_err(problem)
        };
        let (at, lasts) = (duration("at")?, duration("lasts")?);
        let at = at.ok_or_else(|| D::Error::missing_field("at"))?;
        let kind = table.get("kind").and_then(Value::as_str).map(String::from);
        let kind = kind.ok_or_else(|| D::Error::missing_field("kind"))?;
        let kind = FaultKind::read(&kind, Value::Table(table));
        let kind = kind.map_err(|error| D::Error::custom(error.message().trim_end()))?;
        Ok(Fault { at, lasts, kind })
    }
}

impl Fault {
    /// Returns a fault of this kind that starts at `at` and lasts for `lasts`.
    pub fn new(at: Duration, lasts: Duration, kind: impl Into<FaultKind>) -> Fault {
        Fault { at, lasts: Some(lasts), kind: kind.into() }
    }

    /// Returns the time at which the fault ends, or `None` if it lasts to the end of the run.
    pub fn end(&self) -> Option<Duration> {
        self.lasts.map(|lasts| self.at.saturating_add(lasts))
    }

    /// Checks the times and the fields of the kind.
    ///
    /// # Errors
    ///
    /// Returns the field and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), InvalidRule> {
        let wrong = |field, problem: &str| Err(InvalidRule { field, problem: problem.into() });
        for (field, time) in [("at", Some(self.at)), ("lasts", self.lasts)] {
            if let Some(time) = time.filter(|time| *time > YEAR) {
                return wrong(field, &out_of_range(time));
            }
        }
        if !self.kind.is_instant() && self.lasts.is_some_and(|lasts| lasts.is_zero()) {
            return wrong("lasts", "must be above 0s; leave it out for the rest of the run");
        }
        self.kind.validate()?;
        match &self.kind {
            FaultKind::Disk(DiskFault::SlowDisk { factor, .. })
                if factor.is_infinite() && self.lasts.is_none() =>
            {
                wrong("lasts", "is missing: a stall of a disk has an end")
            }
            FaultKind::Clock(ClockFault::ClockJump { .. })
                if self.lasts.is_some_and(|lasts| !lasts.is_zero()) =>
            {
                wrong("lasts", "a clock that jumps stays set: leave it out, or use `clock-skew`")
            }
            _ => Ok(()),
        }
    }
}

/// Returns the error for a time above a year.
pub(crate) fn out_of_range(time: Duration) -> String {
    format!("is {}, the range is 0s to 365days", HumanDuration(time))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.at, self.kind)?;
        match self.lasts {
            Some(lasts) if lasts.is_zero() => Ok(()),
            Some(lasts) => write!(f, ", for {lasts:?}"),
            None => f.write_str(", to the end"),
        }
    }
}
