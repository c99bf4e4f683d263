//! CPUs: work occupies a core in slices, and waits in a queue if all cores are occupied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;
use stormglass_core::queue::Servers;
use stormglass_core::{Kind, Latency, Recorder, Seed, Stream, Symbol};
use stormglass_rt as rt;

/// The CPU capacity of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CpuProfile {
    /// The number of cores that the nodes of one machine share. Range: 1 to 1024. Default: 2.
    pub cores: u16,
    /// The factor by which work takes longer than stated: a slow or throttled machine. Range:
    /// above 0. Default: 1.
    pub slowdown: f64,
    /// The standard deviation of the logarithm of the time that a piece of work takes. Range: 0 to
    /// 2. Default: 0.
    pub spread: f64,
    /// The background load: how many threads of other processes are runnable on the machine, on
    /// average. Before each slice of work, a core runs its share of the slices of those that are
    /// runnable at that moment (a Poisson number). Range: 0 to 1024. Default: 0.
    pub background: f64,
    /// The time for which a worker thread stays awake to handle a wake-up. While another worker is
    /// awake, a blocked one does not block its process's event loop (`stormglass_rt::worker`).
    /// Default: 0.5 ms, a quarter of the quickest real call that was refused (1.9 ms: a
    /// connection, a request and its answer wake four).
    #[serde(with = "HumanDuration")]
    pub handling: Duration,
    /// The time that a system call takes, and an operation on a channel that is ready. A task pays it for
    /// [`rt::coop::BUDGET`] calls together: when it has made so many in one poll, it waits for so many times this.
    /// A poll with fewer is part of the work that is charged as computation. With 0 the task only yields. Range: 0
    /// to 1 s. Default: 1 µs ([`rt::coop::SystemCallCost`] has the source).
    #[serde(with = "HumanDuration")]
    pub system_call: Duration,
}

impl Default for CpuProfile {
    fn default() -> CpuProfile {
        CpuProfile {
            cores: 2,
            slowdown: 1.0,
            spread: 0.0,
            background: 0.0,
            handling: Duration::from_micros(500),
            system_call: rt::coop::SystemCallCost::default().0,
        }
    }
}

impl CpuProfile {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// Returns the field's name and its range.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(1..=1024).contains(&self.cores) {
            return Err(("cores", format!("is {}, the range is 1 to 1024", self.cores)));
        }
        if !(self.slowdown.is_finite() && self.slowdown > 0.0) {
            return Err(("slowdown", format!("is {}, it must be above 0", self.slowdown)));
        }
        if !(0.0..=2.0).contains(&self.spread) {
            return Err(("spread", format!("is {}, the range is 0 to 2", self.spread)));
        }
        if !(0.0..=1024.0).contains(&self.background) {
            return Err(("background", format!("is {}, the range is 0 to 1024", self.background)));
        }
        if self.system_call > Duration::from_secs(1) {
            return Err(("system-call", format!("is {:?}, the range is 0 to 1 s", self.system_call)));
        }
        Ok(())
    }
}

/// The time for which work occupies a core before the next work in the queue runs: the base slice
/// of Linux's EEVDF scheduler.
const SLICE: Duration = Duration::from_millis(3);

/// The CPUs of a machine, as one node sees them. Clones share the cores.
#[derive(Clone, Debug)]
pub struct Cpu {
    cores: Arc<Mutex<Servers>>,
    profile: CpuProfile,
    stream: Arc<Mutex<Stream>>,
    /// The background load at each slice: a separate stream, so that the times of other work do
    /// not depend on it.
    background: Arc<Mutex<Stream>>,
    recorder: Recorder,
}

impl Cpu {
    /// A node's access to a machine's cores; its spread comes from the seed's stream `("cpu",
    /// node)`.
    pub fn new(
        cores: Arc<Mutex<Servers>>,
        profile: CpuProfile,
        seed: Seed,
        node: &str,
        recorder: &Recorder,
    ) -> Cpu {
        let stream = Arc::new(Mutex::new(seed.stream(("cpu", node))));
        let background = Arc::new(Mutex::new(seed.stream(("cpu", node, "strangers"))));
        Cpu { cores, profile, stream, background, recorder: recorder.clone() }
    }

    /// Returns access to the same cores for work of another kind, whose spread comes from the
    /// separate stream `("cpu", node, kind)`: leaving that work out does not change the times of
    /// all other work.
    #[must_use]
    pub fn apart(&self, seed: Seed, node: &str, kind: &str) -> Cpu {
        let stream = Arc::new(Mutex::new(seed.stream(("cpu", node, kind))));
        let background = Arc::new(Mutex::new(seed.stream(("cpu", node, kind, "strangers"))));
        Cpu { stream, background, ..self.clone() }
    }

    /// Returns how long a worker thread stays awake to handle a wake-up.
    pub(crate) fn handling(&self) -> Duration {
        self.profile.handling
    }

    /// Computes for `work`, which is the time on an idle core with slowdown 1.
    pub async fn compute(&self, what: Symbol, work: Duration) {
        let median = work.mul_f64(self.profile.slowdown);
        let spread = Latency::LogNormal { median, sigma: self.profile.spread, max: median * 20 };
        let _away = rt::worker::enter_blocking_pool();
        let began = rt::now();
        let mut left = spread.at(self.stream.lock().unwrap_or_else(PoisonError::into_inner).draw());
        while !left.is_zero() {
            let slice = left.min(SLICE);
            let others = self.background_time();
            if !others.is_zero() {
                rt::sleep(others).await;
            }
            let done = self.cores.lock().unwrap_or_else(PoisonError::into_inner).enqueue(rt::now(), slice);
            rt::sleep_until(done).await;
            left -= slice;
        }
        self.recorder.record(rt::now(), Kind::Compute, what, rt::now() - began, 0);
    }

    /// Returns how long other processes occupy a core before this work: each core runs its share
    /// of those that are runnable now.
    fn background_time(&self) -> Duration {
        let CpuProfile { cores, background, .. } = self.profile;
        if background == 0.0 {
            return Duration::ZERO;
        }
        let mut stream = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        // The number of arrivals of a Poisson process with one per second on average, within
        // `background` seconds.
        const GAP: Latency =
            Latency::Exponential { mean: Duration::from_secs(1), max: Duration::from_secs(3_600) };
        let (mut runnable, mut left) = (0u32, Duration::from_secs_f64(background));
        while let Some(rest) = left.checked_sub(GAP.at(stream.draw())) {
            (runnable, left) = (runnable + 1, rest);
        }
        SLICE.mul_f64(f64::from(runnable) / f64::from(cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Keep;

    /// Returns how long 100 pieces of 3 ms take on one of two cores under this background load.
    fn hundred_slices(background: f64) -> Duration {
        madsim::runtime::Runtime::new().block_on(async {
            let cores = Arc::new(Mutex::new(Servers::new(2)));
            let profile = CpuProfile { background, ..CpuProfile::default() };
            let recorder = Recorder::new(Keep::Nothing);
            let cpu = Cpu::new(cores, profile, Seed(1), "node", &recorder);
            let began = rt::now();
            for _ in 0..100 {
                cpu.compute(Symbol::NONE, SLICE).await;
            }
            rt::now() - began
        })
    }

    /// With a background load of 4 on 2 cores, each slice waits for 2 others on average, so all of
    /// it takes three times as long.
    #[test]
    fn background_load_delays_work() {
        let (idle, loaded) = (hundred_slices(0.0), hundred_slices(4.0));
        assert_eq!(idle.as_millis(), 300);
        // 200 slices of others are expected; the sum of 100 Poisson numbers of mean 4 has a
        // standard deviation of 20, which are 30 ms.
        assert!(loaded.as_millis().abs_diff(900) < 120, "{loaded:?}");
    }
}
