//! Waits: something that somebody waits for with a deadline.

use crate::event::EventId;
use crate::latency::HumanDuration;
use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// One wait of a run.
///
/// The deadline of an *observer* ends nothing while the run goes on: the wait is followed to its true end or to
/// the run's horizon, so one run answers every deadline at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// What is waited for: `admin`.
    pub name: String,
    /// On which node.
    pub node: String,
    /// When the wait began.
    pub began: SimTime,
    /// How long the observer allows.
    #[serde(with = "HumanDuration")]
    pub deadline: Duration,
    /// The parameter that says so, if one does: with another value of it the same run has another verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<Cow<'static, str>>,
    /// How long it took.
    pub length: Length,
    /// The event that ended the wait: where an explanation starts. [`EventId::START`] if nothing did.
    #[serde(skip, default = "no_event")]
    pub end: EventId,
}

fn no_event() -> EventId {
    EventId::START
}

impl Wait {
    /// Whether the observer would have given up.
    pub fn exceeded(&self) -> bool {
        self.length.exceeds(self.deadline)
    }
}

/// How long an observer waits: a duration, and the parameter that it comes from, if it is one.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::Limit;
///
/// let fixed: Limit = Duration::from_secs(5).into();
/// let settable = Limit::of("admin.deadline", Duration::from_secs(10));
/// assert_eq!((fixed.parameter, settable.parameter), (None, Some("admin.deadline")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How long.
    pub deadline: Duration,
    /// The parameter's key.
    pub parameter: Option<&'static str>,
}

impl Limit {
    /// The value of this parameter, which must be nothing but the deadline of waits.
    pub fn of(parameter: &'static str, deadline: Duration) -> Limit {
        Limit { deadline, parameter: Some(parameter) }
    }
}

impl From<Duration> for Limit {
    fn from(deadline: Duration) -> Limit {
        Limit { deadline, parameter: None }
    }
}

/// How long a wait took, as far as the run tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// It ended after so long.
    Observed(#[serde(with = "HumanDuration")] Duration),
    /// The run ended first: it takes longer than this.
    Censored(#[serde(with = "HumanDuration")] Duration),
}

impl Length {
    /// Whether an observer with this deadline would have given up.
    pub fn exceeds(self, deadline: Duration) -> bool {
        match self {
            Length::Observed(length) => length > deadline,
            Length::Censored(length) => length >= deadline,
        }
    }

    /// The length, or the lower bound of it.
    pub fn duration(self) -> Duration {
        match self {
            Length::Observed(duration) | Length::Censored(duration) => duration,
        }
    }
}
