//! Importance splitting: estimates the probability that a wait is longer than a length that is
//! rarely reached.
//!
//! The length is divided into levels. A run whose wait lasts as long as a level is continued from
//! that moment in several branches with other random draws; those that reach the next level are
//! continued again. The share of runs that reach a level from the one before is large enough to be
//! counted, and the product of the shares is the probability. (Kahn and Harris, 1951; with a fixed
//! number of runs at each level the product is unbiased: Garvels, The splitting method in rare
//! event simulation, 2000.)
//!
//! A [`Branch`] is the run up to the moment at which its wait reached a level, with other draws
//! from there on.

use crate::pool::in_order;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;
use stormglass_core::{Branch, Length, Outcome, Seed, SimTime, Stream};

/// The question: how likely is a wait longer than `beyond`?
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The deadline parameter of the waits; the longest of a run counts.
    pub parameter: String,
    /// The length whose probability of being exceeded is estimated.
    pub beyond: Duration,
    /// The number of runs at each level. Range: 20 and up.
    pub effort: u64,
    /// The number of independent repetitions, whose spread gives the confidence interval. Range: 2
    /// and up.
    pub repeats: u32,
    /// The first seed.
    pub seed: u64,
}

/// A run: a seed and its branches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Path {
    /// The seed.
    pub seed: u64,
    /// The branches, in order of time.
    pub branches: Vec<Branch>,
}

/// The estimate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimated probability that a run's longest wait exceeds the length.
    pub chance: f64,
    /// The lower end of the confidence interval, from the spread of the repetitions (Student's t).
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The confidence level of the interval.
    pub confidence: f64,
    /// The levels, with the share of runs that reach each from the one before, over all
    /// repetitions.
    pub levels: Vec<Level>,
    /// The number of runs played, including the pilot that finds the levels.
    pub runs: u64,
    /// The number of independent runs (brute force) that would give an interval of the same width.
    pub one_by_one: f64,
    /// A run whose wait exceeds the length.
    pub example: Option<Path>,
}

/// A length at which runs are split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Level {
    /// The length of the wait at this level, in seconds.
    pub lasted_s: f64,
    /// The share of runs that reach it from the level before.
    pub share: f64,
}

/// The share of the pilot's runs that reaches the next level.
const SHARE: f64 = 0.2;
/// The confidence level of intervals.
const CONFIDENCE: f64 = 0.95;
/// Levels are at least 1/24 of the whole length apart.
const NEAREST: u32 = 24;

/// Estimates the probability from runs that `play` plays, on many threads. A pilot finds the
/// levels; its runs do not count for the estimate.
///
/// # Panics
///
/// If the question's `effort` or `repeats` are out of range.
pub fn split(question: &Question, jobs: NonZeroUsize, play: impl Fn(&Path) -> Outcome + Sync) -> Estimate {
    assert!(question.effort >= 20 && question.repeats >= 2, "{question:?} is out of range");
    let mut splitting = Splitting { question, jobs, play: &play, runs: 0 };
    let levels = splitting.find_levels();
    let mut repeats: Vec<Repeat> =
        (0..question.repeats).map(|number| Repeat::new(question, u64::from(number) + 1)).collect();
    let mut shares = Vec::new();
    let mut example = None;
    for (place, &level) in levels.iter().enumerate() {
        // The runs of all repetitions at once, so that no worker thread is idle between them.
        let paths: Vec<Path> =
            repeats.iter_mut().flat_map(|repeat| repeat.paths(question.effort, place)).collect();
        let outcomes = splitting.play_all(paths);
        let all = outcomes.len();
        let mut reached = 0;
        let mut outcomes = outcomes.into_iter();
        for repeat in &mut repeats {
            let here = if repeat.chance > 0.0 { question.effort as usize } else { 0 };
            repeat.keep_survivors(outcomes.by_ref().take(here), question, level);
            reached += repeat.survivors.len();
        }
        shares.push(Level { lasted_s: level.as_secs_f64(), share: reached as f64 / all.max(1) as f64 });
        if place + 1 == levels.len() {
            example =
                repeats.iter().find_map(|repeat| repeat.survivors.first()).map(|(path, _)| path.clone());
        }
    }
    let chances: Vec<f64> = repeats.iter().map(|repeat| repeat.chance).collect();
    let count = chances.len() as f64;
    let mean = chances.iter().sum::<f64>() / count;
    let variance = chances.iter().map(|chance| (chance - mean).powi(2)).sum::<f64>() / (count - 1.0) / count;
    let student = StudentsT::new(0.0, 1.0, count - 1.0).expect("two repeats at least");
    let width = student.inverse_cdf(f64::midpoint(1.0, CONFIDENCE)) * variance.sqrt();
    Estimate {
        chance: mean,
        low: (mean - width).max(0.0),
        high: (mean + width).min(1.0),
        confidence: CONFIDENCE,
        levels: shares,
        runs: splitting.runs,
        one_by_one: if variance > 0.0 { mean * (1.0 - mean) / variance } else { 0.0 },
        example,
    }
}

struct Splitting<'a, P> {
    question: &'a Question,
    jobs: NonZeroUsize,
    play: &'a P,
    runs: u64,
}

impl<P: Fn(&Path) -> Outcome + Sync> Splitting<'_, P> {
    fn play_all(&mut self, paths: Vec<Path>) -> Vec<(Path, Outcome)> {
        let mut outcomes = Vec::with_capacity(paths.len());
        in_order(
            0..paths.len() as u64,
            self.jobs,
            |place| (self.play)(&paths[place as usize]),
            |_, outcome| {
                outcomes.push(outcome);
                ControlFlow::Continue(())
            },
        );
        self.runs += outcomes.len() as u64;
        paths.into_iter().zip(outcomes).collect()
    }

    /// Finds the levels with a pilot: a fifth of the runs that reach one level reach the next. The
    /// last level is the length of the question.
    fn find_levels(&mut self) -> Vec<Duration> {
        let (question, mut pilot) = (self.question, Repeat::new(self.question, 0));
        let mut levels: Vec<Duration> = Vec::new();
        loop {
            let paths = pilot.paths(question.effort, levels.len());
            let outcomes = self.play_all(paths);
            let mut lengths: Vec<Duration> = outcomes
                .iter()
                .filter_map(|(_, outcome)| longest(outcome, &question.parameter))
                .map(Length::duration)
                .collect();
            lengths.sort_unstable();
            let rank = (question.effort as f64 * (1.0 - SHARE)) as usize;
            // Runs without such a wait rank below all runs that have one.
            let without = question.effort as usize - lengths.len();
            let fifth =
                rank.checked_sub(without).and_then(|rank| lengths.get(rank).copied()).unwrap_or_default();
            // A level close to the one before it costs as many runs as any other.
            let next = levels.last().map_or(fifth, |last| fifth.max(*last + question.beyond / NEAREST));
            if next.is_zero() || next >= question.beyond {
                break;
            }
            pilot.keep_survivors(outcomes.into_iter(), question, next);
            if pilot.survivors.is_empty() {
                break;
            }
            levels.push(next);
        }
        levels.push(question.beyond);
        levels
    }
}

/// One of several independent repetitions.
struct Repeat {
    number: u64,
    stream: Stream,
    seed: u64,
    survivors: Vec<(Path, SimTime)>,
    chance: f64,
}

impl Repeat {
    fn new(question: &Question, number: u64) -> Repeat {
        Repeat {
            number,
            stream: Seed(question.seed).stream(("splitting", number)),
            // After the largest seed follows 0.
            seed: question.seed.wrapping_add(number * question.effort),
            survivors: Vec::new(),
            chance: 1.0,
        }
    }

    /// Returns the runs of a level: at the first level new seeds, then branches of the runs that
    /// reached the level before, the same number of each or one more.
    fn paths(&mut self, effort: u64, level: usize) -> Vec<Path> {
        if level == 0 {
            return (0..effort)
                .map(|number| Path { seed: self.seed.wrapping_add(number), branches: Vec::new() })
                .collect();
        }
        if self.survivors.is_empty() {
            return Vec::new();
        }
        // Shuffled, so that which runs get one branch more does not depend on their outcome.
        self.stream.shuffle(&mut self.survivors);
        let survivors = self.survivors.iter().cycle().take(effort as usize);
        let mut paths = Vec::new();
        for ((path, at), number) in survivors.zip(0..) {
            let seed = Seed(1 + (self.number * u64::from(NEAREST + 1) + level as u64) * effort + number);
            let mut path = path.clone();
            path.branches.push(Branch { at: *at, seed });
            paths.push(path);
        }
        paths
    }

    /// Keeps the runs that reached the level, and when they did.
    fn keep_survivors(
        &mut self,
        outcomes: impl Iterator<Item = (Path, Outcome)>,
        question: &Question,
        level: Duration,
    ) {
        let mut all = 0u64;
        self.survivors.clear();
        for (path, outcome) in outcomes {
            all += 1;
            if let Some(at) = reached(&outcome, &question.parameter, level) {
                self.survivors.push((path, at));
            }
        }
        self.chance *= self.survivors.len() as f64 / all.max(1) as f64;
    }
}

/// Returns the longest wait with this deadline parameter.
fn longest(outcome: &Outcome, parameter: &str) -> Option<Length> {
    let waits = outcome.waits.iter().filter(|wait| wait.parameter.as_deref() == Some(parameter));
    waits.map(|wait| wait.length).max_by_key(|length| length.duration())
}

/// Returns the time at which the first of these waits reached the level, if one did.
fn reached(outcome: &Outcome, parameter: &str, level: Duration) -> Option<SimTime> {
    let waits = outcome.waits.iter().filter(|wait| wait.parameter.as_deref() == Some(parameter));
    waits.filter(|wait| wait.length.duration() > level).map(|wait| wait.began + level).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use stormglass_core::trace::TraceHash;
    use stormglass_core::{EventId, Verdict, Wait};

    /// A wait of steps of 1 s, each of which is the last with probability 1/2, so P(longer than k
    /// s) = 2⁻ᵏ. It begins after 1 s that does not count.
    fn play(path: &Path) -> Outcome {
        let (mut stream, mut branches) = (Seed(path.seed).stream("steps"), path.branches.iter().peekable());
        let began = SimTime::from(Duration::from_secs(1));
        let mut length = Duration::ZERO;
        loop {
            let now = began + length;
            while let Some(branch) = branches.next_if(|branch| branch.at <= now) {
                stream = Seed(path.seed).stream(("steps", branch.seed.0));
            }
            length += Duration::from_secs(1);
            if stream.chance(1, 2) {
                break;
            }
        }
        let ended = began + length;
        let waits = vec![Wait {
            name: "steps".into(),
            node: "node-1".into(),
            began,
            deadline: Duration::from_secs(60),
            parameter: Some("steps.deadline".into()),
            length: Length::Observed(length),
            end: EventId::START,
        }];
        let (verdict, counters) = (Verdict::of_waits(&waits, ended), BTreeMap::new());
        Outcome {
            verdict,
            waits,
            counters,
            events: 0,
            trace_hash: TraceHash::EMPTY,
            ended,
            sometimes: BTreeMap::new(),
            too_few: None,
        }
    }

    fn question(beyond: u64, seed: u64) -> Question {
        let (parameter, beyond) = ("steps.deadline".into(), Duration::from_secs(beyond));
        Question { parameter, beyond, effort: 100, repeats: 10, seed }
    }

    /// P(longer than 20 s) is 2⁻²⁰, about one in a million. Fewer than 15,000 runs estimate it
    /// within a factor of 5, and the interval covers the truth about as often as stated.
    #[test]
    fn probability_of_a_millionth_needs_only_thousands_of_runs() {
        let truth = 0.5f64.powi(20);
        let mut held = 0;
        for trial in 0..20 {
            let rare = split(&question(20, trial * 1_000_000), NonZeroUsize::MIN, play);
            held += u32::from((rare.low..=rare.high).contains(&truth));
            assert!(rare.runs < 15_000 && rare.one_by_one > 1e5, "{rare:?}");
            assert!((truth * 0.2..truth * 5.0).contains(&rare.chance), "{rare:?}");
        }
        assert!(held >= 16, "{held} of 20");
    }

    /// The mean of 60 estimates is within 3 % of the truth, 2⁻⁵.
    #[test]
    fn estimate_is_unbiased() {
        let truth = 0.5f64.powi(5);
        let answers =
            (0..60).map(|trial| split(&question(5, trial * 1_000_000), NonZeroUsize::MIN, play).chance);
        let mean = answers.sum::<f64>() / 60.0;
        assert!((mean / truth - 1.0).abs() < 0.03, "{mean} {truth}");
    }

    #[test]
    fn estimate_does_not_depend_on_the_number_of_threads() {
        let rare = split(&question(12, 7), NonZeroUsize::MIN, play);
        assert_eq!(rare, split(&question(12, 7), NonZeroUsize::new(3).unwrap(), play));
        let example = rare.example.unwrap();
        assert!(longest(&play(&example), "steps.deadline").unwrap().exceeds(Duration::from_secs(12)));
    }

    #[test]
    fn impossible_and_certain_events_are_estimated_too() {
        let never =
            split(&Question { parameter: "no.deadline".into(), ..question(5, 1) }, NonZeroUsize::MIN, play);
        assert_eq!((never.chance, never.example), (0.0, None));
        let common =
            split(&Question { beyond: Duration::from_millis(1), ..question(1, 1) }, NonZeroUsize::MIN, play);
        assert_eq!((common.chance, common.levels.len()), (1.0, 1));
    }
}
