//! The limits of a run that belong to no scenario.

use crate::epoch::Epoch;
use crate::log_filter::LogFilter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use stormglass_rt::{Leaks, Schedule};

/// The limits of a run: the section `run` of its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RunSettings {
    /// Where the run ends if the scenario does not: waits that are not over are censored here. Range: 1 ms
    /// to 365 days. Default: 120 s.
    #[serde(with = "HumanDuration")]
    pub horizon: Duration,
    /// How often tasks may be polled. A task that only yields lets no time pass, so the horizon never ends it.
    /// Range: 1000 to 10^12. Default: 20 million.
    pub turns: u64,
    /// The date at which the run begins, for `SystemTime` and the times of files: `seed`, which lets each seed
    /// draw one in 2022, or an RFC 3339 date. Range: 1970 to 2500. Default: `seed`.
    pub epoch: Epoch,
    /// How far apart the ticks of a process's tokio runtime are. Its timers complete at the first tick after
    /// they are due. Range: 1 ms to 1 s. Default: 1 ms, the resolution of tokio's timers.
    #[serde(with = "HumanDuration")]
    pub tick: Duration,
    /// The order of the ready tasks of a process with a tokio runtime: `fifo`, as tokio's current-thread
    /// runtime, or `random`, drawn from the seed, as several threads could have it. Default: `fifo`.
    pub schedule: Schedule,
    /// What becomes of calls of std or libc that leave the simulation (a file of the real disk, a socket, a sleep
    /// of the thread, a thread, a process): `refuse` ends the run with a verdict that names call and place,
    /// `count` lets them through and `check` names them, `allow` lets them through. Default: `refuse`.
    pub leaks: Leaks,
    /// Which events and spans of `tracing` become log lines, in the form of `RUST_LOG`, such as
    /// `info,my_service=debug`. They change nothing else: the run has the same events and the same trace hash.
    /// Default: `off`.
    pub log: LogFilter,
}

/// The largest number of polls: more than a day of real time.
const TURNS_MAX: u64 = 1_000_000_000_000;

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            horizon: Duration::from_secs(120),
            turns: 20_000_000,
            tick: Duration::from_millis(1),
            schedule: Schedule::Fifo,
            epoch: Epoch::Seed,
            leaks: Leaks::Refuse,
            log: LogFilter::default(),
        }
    }
}

impl RunSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// Returns the field's name and its range.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(Duration::from_millis(1)..=YEAR).contains(&self.horizon) {
            let problem = format!("is {}, the range is 1ms to 365days", HumanDuration(self.horizon));
            return Err(("horizon", problem));
        }
        if !(1_000..=TURNS_MAX).contains(&self.turns) {
            return Err(("turns", format!("is {}, the range is 1000 to {TURNS_MAX}", self.turns)));
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(1)).contains(&self.tick) {
            return Err(("tick", "the range is 1ms to 1s".into()));
        }
        Ok(())
    }
}
