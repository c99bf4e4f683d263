//! In which order runs are played, and when a history has been played enough.

use crate::plan::Plan;
use crate::shard::Shard;
use crate::stats::stopping::{Stop, Target, decided};
use crate::tally::Tally;

/// A run to play: the history's place, and the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// How manyth seed of its history it is.
    pub index: u64,
    /// The history's place.
    pub history: usize,
    /// The seed.
    pub seed: u64,
}

/// Rounds of runs, each in the order of seeds and then of histories, so that all of a sweep's rows are in that order.
///
/// What a round has follows from the rows of those before it, of the same history alone: so a sweep that goes on after an interruption, and one that is cut
/// into shards, plays what one piece would have.
#[derive(Clone, Debug)]
pub struct Schedule {
    stop: Option<Stop>,
    target: Target,
    shard: Shard,
    round: usize,
}

impl Schedule {
    /// The first round is next.
    pub fn new(stop: Option<Stop>, target: Target, shard: Shard) -> Schedule {
        Schedule { stop, target, shard, round: 0 }
    }

    /// How often one looks at a history with so many seeds.
    pub fn looks(stop: Option<Stop>, most: u64) -> usize {
        stop.map_or(1, |stop| stop.looks(most).len())
    }

    /// The next round, if there is one. The tally has the rows of those before.
    pub fn next(&mut self, plan: &Plan, tally: &Tally) -> Option<Vec<Job>> {
        let round = self.round;
        self.round += 1;
        let mut jobs = Vec::new();
        let mut longest = 0;
        for (history, planned) in plan.histories.iter().enumerate() {
            let most = planned.runs();
            let looks = self.stop.map_or_else(|| vec![most], |stop| stop.looks(most));
            longest = longest.max(looks.len());
            let Some(&until) = looks.get(round) else { continue };
            let from = round.checked_sub(1).map_or(0, |before| looks[before]);
            // With rounds a shard has whole histories, since what is played next hangs on all of a history.
            if self.stop.is_some()
                && (!self.shard.has(history as u64) || self.is_decided(plan, tally, history, looks.len()))
            {
                continue;
            }
            jobs.extend((from..until).map(|index| Job { index, history, seed: planned.seeds.start + index }));
        }
        if round >= longest {
            return None;
        }
        jobs.sort_unstable();
        if self.stop.is_none() {
            let places = jobs.into_iter().zip(0..);
            jobs = places.filter(|(_, place)| self.shard.has(*place)).map(|(job, _)| job).collect();
        }
        Some(jobs)
    }

    fn is_decided(&self, plan: &Plan, tally: &Tally, history: usize, looks: usize) -> bool {
        plan.cells_of(history).all(|(cell, _)| {
            let cell = &tally.cells[cell];
            cell.runs() > 0 && decided(cell.failures(), cell.runs(), self.target, looks).is_some()
        })
    }
}
