//! What it costs to look at runs, in host time: to keep the events of a run instead of hashing them only, and
//! `tracing` while a run is not logged.
//!
//! Each figure is the least of many rounds, in which the cases take turns: other processes only add.

use sim_restate::{ClusterChaos, ColdStart};
use std::hint::black_box;
use std::time::{Duration, Instant};
use stormglass_core::{Keep, Seed};
use stormglass_sim::{AnyScenario, LogFilter, Run, Settings};

const ROUNDS: usize = 40;

/// So many events of `tracing` are measured together.
const CALLS: u32 = 1_000_000;

fn main() {
    println!("| scenario | runs | events | kept / hashed only | log lines (`trace`) | `tracing` off |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let slow = [("disk.sync.delay", "200ms")];
    row(&ColdStart, 10, "ci-disk", &slow);
    row(&ClusterChaos, 2, "quiet", &[]);
}

fn row(scenario: &dyn AnyScenario, runs: u64, profile: &str, sets: &[(&str, &str)]) {
    let settings = Settings::resolve(scenario, None, profile, sets).expect("shipped settings are valid");
    let run = |seed| Run::new(scenario, settings.clone(), Seed(seed));
    let play = |keep| (0..runs).for_each(|seed| drop(black_box(run(seed).play(keep))));
    let [mut hashed, mut kept, mut off] = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        hashed = hashed.min(time(|| play(Keep::Nothing)));
        kept = kept.min(time(|| play(Keep::Events)));
        off = off.min(time(|| (0..CALLS).for_each(|number| tracing::trace!(number, "disabled"))));
    }
    let everything: LogFilter = "trace".parse().expect("a level is a filter");
    let logged = |seed| run(seed).with_log(everything.clone()).play(Keep::Events);
    let (mut events, mut lines) = (0, 0);
    for seed in 0..runs {
        let trace = logged(seed).trace;
        (events, lines) = (events + trace.count, lines + trace.log.len());
    }
    let ratio = kept.as_secs_f64() / hashed.as_secs_f64();
    // Each line is an event or a span that is asked for and not recorded.
    let share = off.as_secs_f64() / f64::from(CALLS) * lines as f64 / hashed.as_secs_f64();
    println!("| {} | {runs} | {events} | {ratio:.3} | {lines} | {:.4} % |", scenario.name(), share * 100.0);
}

#[expect(clippy::disallowed_methods, reason = "it measures the host, outside of runs")]
fn time(closure: impl FnOnce()) -> Duration {
    let began = Instant::now();
    closure();
    began.elapsed()
}
