//! How often waits are longer than something that hardly ever happens.
//!
//! Importance splitting: runs are stopped, in thought, as soon as their wait has lasted so long, and those that came so far go on in several futures each; from these again
//! those that came to the next level. The shares that come from one level to the next are large enough to be counted, and their product is the chance of all. (Kahn and
//! Harris, 1951; with a fixed number of runs at each level the product is unbiased: Garvels, The splitting method in rare event simulation, 2000.)
//!
//! A future is a [`Branch`]: the run up to the moment at which its wait had lasted that long, and other draws from there on.

use crate::pool::in_order;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;
use stormglass_core::{Branch, Length, Outcome, Seed, SimTime, Stream};

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The parameter that is the deadline of the waits that are meant; the longest of a run counts.
    pub parameter: String,
    /// How long they shall hardly ever take.
    pub beyond: Duration,
    /// How many runs are played at each level. Range: 20 and up.
    pub effort: u64,
    /// How often all of it is done anew, which says how sure the answer is. Range: 2 and up.
    pub repeats: u32,
    /// The first seed.
    pub seed: u64,
}

/// A run: a seed, and the branches that were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Path {
    /// The seed.
    pub seed: u64,
    /// The branches.
    pub branches: Vec<Branch>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rare {
    /// How likely it is that a run's wait is longer.
    pub chance: f64,
    /// The lower end of the interval, from the spread of the repeats (Student's t).
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How sure that interval is.
    pub confidence: f64,
    /// The lengths at which runs are split, and the share that comes to each from the one before, in all repeats together.
    pub levels: Vec<Level>,
    /// How many runs were played, those that found the levels included.
    pub runs: u64,
    /// How many runs, one by one, would leave an interval as wide.
    pub one_by_one: f64,
    /// A run that is that long.
    pub example: Option<Path>,
}

/// A length at which runs are split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Level {
    /// How long the wait has lasted, in seconds.
    pub lasted_s: f64,
    /// The share of runs that come there.
    pub share: f64,
}

/// Of a pilot's runs this share comes to the next level.
const SHARE: f64 = 0.2;
/// How sure intervals are.
const CONFIDENCE: f64 = 0.95;
/// Levels are at least this part of the whole length apart.
const NEAREST: u32 = 24;

/// Answers a question with runs that `play` plays, on many threads. The levels are found by a pilot, whose runs do not count for the answer.
///
/// # Panics
///
/// When the question's effort or repeats are out of range.
pub fn split(question: &Question, jobs: NonZeroUsize, play: impl Fn(&Path) -> Outcome + Sync) -> Rare {
    assert!(question.effort >= 20 && question.repeats >= 2, "{question:?} is out of range");
    let mut splitting = Splitting { question, jobs, play: &play, runs: 0 };
    let levels = splitting.find_levels();
    let mut repeats: Vec<Repeat> =
        (0..question.repeats).map(|number| Repeat::new(question, u64::from(number) + 1)).collect();
    let mut shares = Vec::new();
    let mut example = None;
    for (place, &level) in levels.iter().enumerate() {
        // The runs of all repeats at once, so that no worker waits for one of them.
        let paths: Vec<Path> =
            repeats.iter_mut().flat_map(|repeat| repeat.paths(question.effort, place)).collect();
        let outcomes = splitting.play_all(paths);
        let all = outcomes.len();
        let mut came = 0;
        let mut outcomes = outcomes.into_iter();
        for repeat in &mut repeats {
            let here = if repeat.chance > 0.0 { question.effort as usize } else { 0 };
            repeat.came(outcomes.by_ref().take(here), question, level);
            came += repeat.survivors.len();
        }
        shares.push(Level { lasted_s: level.as_secs_f64(), share: came as f64 / all.max(1) as f64 });
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
    Rare {
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

    /// Lengths that a fifth each of those runs exceed that exceed the one before; the last is the one that is asked for.
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
            // Runs without such a wait are shorter than all that have one.
            let without = question.effort as usize - lengths.len();
            let fifth =
                rank.checked_sub(without).and_then(|rank| lengths.get(rank).copied()).unwrap_or_default();
            // A level that is hardly further than the one before it costs as much as any other.
            let next = levels.last().map_or(fifth, |last| fifth.max(*last + question.beyond / NEAREST));
            if next.is_zero() || next >= question.beyond {
                break;
            }
            pilot.came(outcomes.into_iter(), question, next);
            if pilot.survivors.is_empty() {
                break;
            }
            levels.push(next);
        }
        levels.push(question.beyond);
        levels
    }
}

/// One of several answers that are independent of each other.
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
            seed: question.seed + number * question.effort,
            survivors: Vec::new(),
            chance: 1.0,
        }
    }

    /// The runs of a level: with seeds of their own at first, then futures of those that came to the level before, of each as many or one more.
    fn paths(&mut self, effort: u64, level: usize) -> Vec<Path> {
        if level == 0 {
            return (0..effort)
                .map(|number| Path { seed: self.seed + number, branches: Vec::new() })
                .collect();
        }
        if self.survivors.is_empty() {
            return Vec::new();
        }
        // Whose one more it is must not hang on who they are.
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

    /// Keeps those that came to the level, and when they did.
    fn came(
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

/// The longest wait.
fn longest(outcome: &Outcome, parameter: &str) -> Option<Length> {
    let waits = outcome.waits.iter().filter(|wait| wait.parameter.as_deref() == Some(parameter));
    waits.map(|wait| wait.length).max_by_key(|length| length.duration())
}

/// When the first of these waits had lasted so long, if one did.
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

    /// A wait of steps, each of them over with a chance of a half after 1 s: P(longer than k s) = 2⁻ᵏ⁻¹... with a pause before that never counts.
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
        Outcome { verdict, waits, counters, events: 0, trace_hash: TraceHash::EMPTY, ended }
    }

    fn question(beyond: u64, seed: u64) -> Question {
        let (parameter, beyond) = ("steps.deadline".into(), Duration::from_secs(beyond));
        Question { parameter, beyond, effort: 100, repeats: 10, seed }
    }

    /// P(longer than 20 s) is 2⁻²⁰, a millionth; some thousands of runs find that within a half of itself, and the interval holds the truth as often as it says.
    #[test]
    fn a_millionth_is_found_with_thousands_of_runs() {
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

    /// On the average over many answers nothing is left of the spread: 2⁻⁵.
    #[test]
    fn the_answer_is_unbiased() {
        let truth = 0.5f64.powi(5);
        let answers =
            (0..60).map(|trial| split(&question(5, trial * 1_000_000), NonZeroUsize::MIN, play).chance);
        let mean = answers.sum::<f64>() / 60.0;
        assert!((mean / truth - 1.0).abs() < 0.03, "{mean} {truth}");
    }

    #[test]
    fn any_number_of_workers_gives_the_same_answer_and_an_example() {
        let rare = split(&question(12, 7), NonZeroUsize::MIN, play);
        assert_eq!(rare, split(&question(12, 7), NonZeroUsize::new(3).unwrap(), play));
        let example = rare.example.unwrap();
        assert!(longest(&play(&example), "steps.deadline").unwrap().exceeds(Duration::from_secs(12)));
    }

    #[test]
    fn what_never_happens_and_what_is_common_are_told_too() {
        let never =
            split(&Question { parameter: "no.deadline".into(), ..question(5, 1) }, NonZeroUsize::MIN, play);
        assert_eq!((never.chance, never.example), (0.0, None));
        let common =
            split(&Question { beyond: Duration::from_millis(1), ..question(1, 1) }, NonZeroUsize::MIN, play);
        assert_eq!((common.chance, common.levels.len()), (1.0, 1));
    }
}
