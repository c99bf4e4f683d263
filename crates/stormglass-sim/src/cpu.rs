//! CPUs: work takes a core in slices, and waits for one when there are more takers than cores.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass_core::queue::Servers;
use stormglass_core::{Kind, Latency, Recorder, Seed, Stream, Symbol};
use stormglass_rt as rt;

/// How much CPU a machine has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CpuProfile {
    /// Cores that the nodes of one machine share. Range: 1 to 1024. Default: 2.
    pub cores: u16,
    /// Work takes so many times as long as stated: a slow or throttled machine. Range: above 0. Default: 1.
    pub slowdown: f64,
    /// The standard deviation of the logarithm of a piece of work's time. Range: 0 to 2. Default: 0.
    pub spread: f64,
}

impl Default for CpuProfile {
    fn default() -> CpuProfile {
        CpuProfile { cores: 2, slowdown: 1.0, spread: 0.0 }
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
        Cpu { cores, profile, stream, recorder: recorder.clone() }
    }

    /// Does work that takes `work` on an idle core of slowdown 1.
    pub async fn compute(&self, what: Symbol, work: Duration) {
        let median = work.mul_f64(self.profile.slowdown);
        let spread = Latency::LogNormal { median, sigma: self.profile.spread, max: median * 20 };
        let began = rt::now();
        let mut left = spread.at(self.stream.lock().unwrap_or_else(PoisonError::into_inner).draw());
        while !left.is_zero() {
            let slice = left.min(SLICE);
            let done = self.cores.lock().unwrap_or_else(PoisonError::into_inner).take(rt::now(), slice);
            rt::sleep_until(done).await;
            left -= slice;
        }
        self.recorder.record(rt::now(), Kind::Compute, what, rt::now() - began, 0);
    }
}
