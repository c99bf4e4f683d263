//! Waits with a deadline, and their lengths.

use crate::event::EventId;
use crate::latency::HumanDuration;
use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// One wait of a run: a condition, how long it took to hold, and how long the observer allows.
///
/// The deadline of an *observer* ends nothing while the run goes on: the wait is recorded to its
/// end or to the horizon of the run, so one run gives the verdict for every deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// The name of what is waited for, such as `admin`.
    pub name: String,
    /// The node on which it is waited for.
    pub node: String,
    /// When the wait began.
    pub began: SimTime,
    /// How long the observer waits at most.
    #[serde(with = "HumanDuration")]
    pub deadline: Duration,
    /// The key of the parameter that sets the deadline, if one does: another value changes the
    /// verdict of the run, not its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<Cow<'static, str>>,
    /// How long the wait took.
    pub length: Length,
    /// The event that ended the wait: where an explanation starts. [`EventId::START`] if nothing
    /// did.
    #[serde(skip, default = "no_event")]
    pub end: EventId,
}

fn no_event() -> EventId {
    EventId::START
}

impl Wait {
    /// Whether the wait exceeds its deadline.
    pub fn exceeded(&self) -> bool {
        self.length.exceeds(self.deadline)
    }
}

/// The deadline of an observer, and the parameter that sets it, if one does.
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
    /// How long the observer waits at most.
    pub deadline: Duration,
    /// The key of the parameter that sets the deadline.
    pub parameter: Option<&'static str>,
}

impl Limit {
    /// Creates a limit from a parameter, whose only use must be the deadline of waits.
    pub fn of(parameter: &'static str, deadline: Duration) -> Limit {
        Limit { deadline, parameter: Some(parameter) }
    }
}

impl From<Duration> for Limit {
    fn from(deadline: Duration) -> Limit {
        Limit { deadline, parameter: None }
    }
}

/// The length of a wait, possibly right-censored by the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// The wait ended after this time.
    Observed(#[serde(with = "HumanDuration")] Duration),
    /// The run ended first: the wait takes longer than this.
    Censored(#[serde(with = "HumanDuration")] Duration),
}

impl Length {
    /// Whether the length exceeds this deadline.
    pub fn exceeds(self, deadline: Duration) -> bool {
        match self {
            Length::Observed(length) => length > deadline,
            Length::Censored(length) => length >= deadline,
        }
    }

    /// Returns the length, or its lower bound if it is censored.
    pub fn duration(self) -> Duration {
        match self {
            Length::Observed(duration) | Length::Censored(duration) => duration,
        }
    }
}
