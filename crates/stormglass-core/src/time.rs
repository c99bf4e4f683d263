//! Simulated time.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// The longest run.
pub const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A moment of a run: nanoseconds since it began. Range: 0 to 584 years.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::SimTime;
///
/// let t = SimTime::ZERO + Duration::from_millis(1_250);
/// assert_eq!(t.to_string(), "1.250s");
/// assert_eq!(t - SimTime::from_nanos(250_000_000), Duration::from_secs(1));
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct SimTime(u64);

impl SimTime {
    /// The start of the run.
    pub const ZERO: SimTime = SimTime(0);

    /// The latest time, which no run reaches.
    pub const MAX: SimTime = SimTime(u64::MAX);

    /// Creates a time from nanoseconds since the start.
    pub const fn from_nanos(nanos: u64) -> SimTime {
        SimTime(nanos)
    }

    /// Returns nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns seconds since the start, for text and plots.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Returns the time since `earlier`, or zero if that is later.
    #[inline]
    pub fn saturating_since(self, earlier: SimTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for SimTime {
    #[inline]
    fn from(since_start: Duration) -> SimTime {
        SimTime(nanos(since_start))
    }
}

impl Add<Duration> for SimTime {
    type Output = SimTime;
    #[inline]
    fn add(self, duration: Duration) -> SimTime {
        SimTime(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for SimTime {
    #[inline]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for SimTime {
    type Output = Duration;
    /// # Panics
    ///
    /// When `earlier` is later.
    #[inline]
    fn sub(self, earlier: SimTime) -> Duration {
        Duration::from_nanos(self.0.checked_sub(earlier.0).expect("the subtracted time is not later"))
    }
}

impl fmt::Display for SimTime {
    /// Writes seconds with three decimals; with `{:#}` six.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if f.alternate() { 6 } else { 3 };
        f.pad(&format!("{:.digits$}s", self.as_secs_f64()))
    }
}

/// Returns a duration in nanoseconds, saturating after 584 years.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
