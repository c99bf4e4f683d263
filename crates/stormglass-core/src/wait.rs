//! Waits: something that somebody waits for with a deadline.

use crate::event::EventId;
use crate::latency::human_duration;
use crate::time::SimTime;
use serde::Serialize;
use std::time::Duration;

/// One wait of a run.
///
/// The deadline of an *observer* ends nothing while the run goes on: the wait is followed to its true end or to
/// the run's horizon, so one run answers every deadline at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wait {
    /// What is waited for: `admin`.
    pub name: String,
    /// On which node.
    pub node: String,
    /// When the wait began.
    pub began: SimTime,
    /// How long the observer allows.
    #[serde(with = "human_duration")]
    pub deadline: Duration,
    /// How long it took.
    pub length: Length,
    /// The event that ended the wait: where an explanation starts. [`EventId::START`] if nothing did.
    #[serde(skip)]
    pub end: EventId,
}

impl Wait {
    /// Whether the observer would have given up.
    pub fn exceeded(&self) -> bool {
        match self.length {
            Length::Observed(length) => length > self.deadline,
            Length::Censored(length) => length >= self.deadline,
        }
    }
}

/// How long a wait took, as far as the run tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// It ended after so long.
    Observed(#[serde(with = "human_duration")] Duration),
    /// The run ended first: it takes longer than this.
    Censored(#[serde(with = "human_duration")] Duration),
}

impl Length {
    /// The length, or the lower bound of it.
    pub fn duration(self) -> Duration {
        match self {
            Length::Observed(duration) | Length::Censored(duration) => duration,
        }
    }
}
