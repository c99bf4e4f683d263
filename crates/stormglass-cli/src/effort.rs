//! The real time that a command takes, for `--verbose`: it is no part of a run.

use humantime::format_duration;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many lines the lists of the most expensive parts have.
const SHOWN: usize = 5;

/// Measures where the real time of many runs goes.
pub(crate) struct Effort {
    began: Instant,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    /// The runs and the time of worker threads, by what was played.
    parts: BTreeMap<String, (u64, Duration)>,
    slowest: Option<(Duration, String)>,
}

impl Effort {
    /// Starts to measure.
    pub(crate) fn start() -> Effort {
        Effort { began: now(), spent: Mutex::default() }
    }

    /// Plays a run and adds its time to a part.
    pub(crate) fn measure<T>(&self, part: &str, seed: u64, play: impl FnOnce() -> T) -> T {
        let began = now();
        let played = play();
        let took = now() - began;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (runs, time) = spent.parts.entry(part.into()).or_default();
        *runs += 1;
        *time += took;
        if spent.slowest.as_ref().is_none_or(|(slowest, _)| took > *slowest) {
            let which = if part.is_empty() { format!("seed {seed}") } else { format!("{part}, seed {seed}") };
            spent.slowest = Some((took, which));
        }
        played
    }

    /// Returns the real time since the start.
    #[cfg(feature = "sweep")]
    pub(crate) fn elapsed(&self) -> Duration {
        now() - self.began
    }

    /// Says how long the runs took, which was the slowest, and which parts took most of the time.
    pub(crate) fn report(&self, jobs: NonZeroUsize, simulated: Duration) -> String {
        let elapsed = now() - self.began;
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let runs: u64 = spent.parts.values().map(|(runs, _)| runs).sum();
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let mut text = format!(
            "{runs} runs in {} with {jobs} worker threads: {:.1} runs/s; {:.0} s of simulated time, {:.0} times as fast as real time\n",
            rounded(elapsed),
            runs as f64 / seconds,
            simulated.as_secs_f64(),
            simulated.as_secs_f64() / seconds,
        );
        if let Some((took, which)) = &spent.slowest {
            let _ = writeln!(text, "slowest run: {} of real time, {which}", rounded(*took));
        }
        if spent.parts.len() > 1 {
            let mut parts: Vec<_> = spent.parts.iter().collect();
            parts.sort_by_key(|(_, (_, time))| std::cmp::Reverse(*time));
            let whole: Duration = parts.iter().map(|(_, (_, time))| *time).sum();
            let _ = writeln!(text, "where the time of the worker threads went:");
            for (part, (runs, time)) in parts.iter().take(SHOWN) {
                let share = time.as_secs_f64() * 100.0 / whole.as_secs_f64().max(1e-9);
                let _ = writeln!(text, "{share:>6.1} % {:>8}  {runs} runs of {part}", rounded(*time));
            }
        }
        text
    }
}

/// Returns a duration in milliseconds, or in seconds from 10 s on.
fn rounded(duration: Duration) -> String {
    let unit = if duration < Duration::from_secs(10) { 1_000_000 } else { 1_000_000_000 };
    let rounded = duration.as_nanos() / unit * unit;
    format_duration(Duration::from_nanos(u64::try_from(rounded).unwrap_or(u64::MAX))).to_string()
}

#[expect(clippy::disallowed_methods, reason = "the duration of a command is not part of a run")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_names_the_slowest_run_and_the_most_expensive_part() {
        let effort = Effort::start();
        for (part, seed, millis) in [("a", 0, 1), ("b", 0, 30), ("b", 1, 1), ("a", 1, 1)] {
            let until = now() + Duration::from_millis(millis);
            effort.measure(part, seed, || while now() < until {});
        }
        let text = effort.report(NonZeroUsize::new(2).unwrap(), Duration::from_secs(8));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("4 runs in ") && lines[0].contains(" 2 worker threads"), "{text}");
        assert!(lines[1].ends_with(" of real time, b, seed 0"), "{text}");
        assert!(lines[3].ends_with(" 2 runs of b") && lines[4].ends_with(" 2 runs of a"), "{text}");
    }
}
