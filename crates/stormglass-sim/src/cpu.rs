//! CPUs: work takes a core in slices, and waits for one when there are more takers than cores.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;
use stormglass_core::queue::Servers;
use stormglass_core::{Kind, Latency, Recorder, Seed, Stream, Symbol};
use stormglass_rt as rt;

/// How much CPU a machine has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CpuProfile {
    /// Cores that the nodes of one machine share. Range: 1 to 1024. Default: 2.
    pub cores: u16,
    /// Work takes so many times as long as stated: a slow or throttled machine. Range: above 0. Default: 1.
    pub slowdown: f64,
    /// The standard deviation of the logarithm of a piece of work's time. Range: 0 to 2. Default: 0.
    pub spread: f64,
    /// How many threads of strangers want to run on the machine, on average: its load without the cluster. Each slice of work waits for its share of
    /// theirs, as many as there are just then (Poisson). Range: 0 to 1024. Default: 0.
    pub background: f64,
    /// How long a thread is up that hears of something: it handles that. While another one is up, a blocked one does not make its process deaf
    /// (`stormglass_rt::worker`). Default: 0.5 ms, a quarter of the quickest real call that was refused (1.9 ms: a connection, a request and its answer wake four).
    #[serde(with = "HumanDuration")]
    pub handling: Duration,
}

impl Default for CpuProfile {
    fn default() -> CpuProfile {
        CpuProfile {
            cores: 2,
            slowdown: 1.0,
            spread: 0.0,
            background: 0.0,
            handling: Duration::from_micros(500),
        }
    }
}

impl CpuProfile {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// The field's name and its range.
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
        Ok(())
    }
}

/// After so long on a core, work gives way to whoever waits: the base slice of Linux's EEVDF scheduler.
const SLICE: Duration = Duration::from_millis(3);

/// The CPUs of a machine, as one node sees them. Clones share the cores.
#[derive(Clone, Debug)]
pub struct Cpu {
    cores: Arc<Mutex<Servers>>,
    profile: CpuProfile,
    stream: Arc<Mutex<Stream>>,
    /// How many strangers there are each time: a stream of its own, so that other work's times stay what they are.
    strangers: Arc<Mutex<Stream>>,
    recorder: Recorder,
}

impl Cpu {
    /// A node's access to a machine's cores; its spread comes from the seed's stream `("cpu", node)`.
    pub fn new(
        cores: Arc<Mutex<Servers>>,
        profile: CpuProfile,
        seed: Seed,
        node: &str,
        recorder: &Recorder,
    ) -> Cpu {
        let stream = Arc::new(Mutex::new(seed.stream(("cpu", node))));
        let strangers = Arc::new(Mutex::new(seed.stream(("cpu", node, "strangers"))));
        Cpu { cores, profile, stream, strangers, recorder: recorder.clone() }
    }

    /// The same cores for work of another kind, whose spread comes from a stream of its own, `("cpu", node, kind)`: it can be left out, and the times of all other work
    /// stay what they are.
    #[must_use]
    pub fn apart(&self, seed: Seed, node: &str, kind: &str) -> Cpu {
        let stream = Arc::new(Mutex::new(seed.stream(("cpu", node, kind))));
        let strangers = Arc::new(Mutex::new(seed.stream(("cpu", node, kind, "strangers"))));
        Cpu { stream, strangers, ..self.clone() }
    }

    /// How long a thread is up that hears of something.
    pub(crate) fn handling(&self) -> Duration {
        self.profile.handling
    }

    /// Does work that takes `work` on an idle core of slowdown 1.
    pub async fn compute(&self, what: Symbol, work: Duration) {
        let median = work.mul_f64(self.profile.slowdown);
        let spread = Latency::LogNormal { median, sigma: self.profile.spread, max: median * 20 };
        let _away = rt::worker::enter_blocking_pool();
        let began = rt::now();
        let mut left = spread.at(self.stream.lock().unwrap_or_else(PoisonError::into_inner).draw());
        while !left.is_zero() {
            let slice = left.min(SLICE);
            let turns = self.strangers_turns();
            if !turns.is_zero() {
                rt::sleep(turns).await;
            }
            let done = self.cores.lock().unwrap_or_else(PoisonError::into_inner).enqueue(rt::now(), slice);
            rt::sleep_until(done).await;
            left -= slice;
        }
        self.recorder.record(rt::now(), Kind::Compute, what, rt::now() - began, 0);
    }

    /// How long the strangers that are runnable now keep a core from this work: each core runs its share of them before it.
    fn strangers_turns(&self) -> Duration {
        let CpuProfile { cores, background, .. } = self.profile;
        if background == 0.0 {
            return Duration::ZERO;
        }
        let mut stream = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        // So many arrivals of a Poisson process, one a second on average, fit into so many seconds.
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

    /// How long 100 pieces of 3 ms take on one of two cores with so many strangers about.
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

    /// With 4 strangers on 2 cores each slice waits for 2 of theirs on average: three times as long in all.
    #[test]
    fn strangers_take_their_turns() {
        let (alone, crowded) = (hundred_slices(0.0), hundred_slices(4.0));
        assert_eq!(alone.as_millis(), 300);
        // 200 turns expected; the sum of 100 Poisson numbers of mean 4 has a standard deviation of 20, which are 30 ms.
        assert!(crowded.as_millis().abs_diff(900) < 120, "{crowded:?}");
    }
}
