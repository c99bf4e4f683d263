//! In which order runs are played, and when a history has been played enough.

use crate::plan::Plan;
use crate::shard::Shard;
use crate::stats::stopping::{Side, Stop, Target, decided};
use crate::tally::Tally;
use std::collections::BTreeSet;

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

/// Rounds of runs, each in the order of seeds and then of histories.
///
/// Without a rule for stopping there is one round with everything. With one, a round has what each history needs until the next look at it; where a boundary is searched,
/// of those histories alone whose side the search needs to know. Either follows from the rows of earlier rounds and nothing else: so a sweep that goes on after an
/// interruption, and one that is cut into shards, plays what one piece would have.
#[derive(Clone, Debug)]
pub struct Schedule {
    stop: Option<Stop>,
    target: Target,
    shard: Shard,
    round: u64,
}

/// What is known of a cell.
enum Known {
    /// On which side of the target it is.
    Side(Side),
    /// All its seeds are played, and that does not tell.
    Spent,
    /// Not enough yet.
    Nothing,
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

    /// The next round, if there is one. The tally has the rows of those before; without a rule for stopping nothing is asked of it.
    pub fn next<'a>(&mut self, plan: &'a Plan, tally: &Tally) -> Option<impl Iterator<Item = Job> + 'a> {
        let (shard, first) = (self.shard, self.round == 0);
        self.round += 1;
        let chunks: Vec<(usize, u64, u64)> = match self.stop {
            None if !first => Vec::new(),
            None => (0..plan.histories.len()).map(|place| (place, 0, plan.histories[place].runs())).collect(),
            Some(stop) => {
                let groups = plan.groups();
                let mine = |history: &usize| shard.has(groups[*history]);
                self.wanted(plan, tally)
                    .into_iter()
                    .filter(mine)
                    .map(|history| next_look(plan, tally, history, stop))
                    .collect()
            }
        };
        let from = chunks.iter().map(|(_, from, _)| *from).min()?;
        let until = chunks.iter().map(|(_, _, until)| *until).max()?;
        let of_index = move |index: u64| {
            let there =
                chunks.clone().into_iter().filter(move |(_, from, until)| (*from..*until).contains(&index));
            there.map(move |(history, ..)| Job {
                index,
                history,
                seed: plan.histories[history].seeds.start + index,
            })
        };
        let jobs = (from..until).flat_map(of_index).zip(0..);
        // With rounds a shard has whole histories, since what is played next hangs on all of a history.
        let by_run = self.stop.is_none();
        Some(jobs.filter(move |(_, place)| !by_run || shard.has(*place)).map(|(job, _)| job))
    }

    /// The histories that are not played enough.
    fn wanted(&self, plan: &Plan, tally: &Tally) -> BTreeSet<usize> {
        let open = |cell: &usize| matches!(self.known(plan, tally, *cell), Known::Nothing);
        let cells: Vec<usize> = match &plan.lines {
            None => (0..plan.cells.len()).filter(open).collect(),
            Some(lines) => lines.iter().flat_map(|line| self.searched(plan, tally, line)).collect(),
        };
        cells.into_iter().map(|cell| plan.cells[cell].history).collect()
    }

    /// What the search for the boundary along a line needs to know next: first its ends, then the middle between the nearest cells on either side.
    fn searched(&self, plan: &Plan, tally: &Tally, line: &[usize]) -> Vec<usize> {
        let (Some(&first), Some(&last)) = (line.first(), line.last()) else { return Vec::new() };
        let ends = [first, last];
        let open: Vec<usize> = ends
            .into_iter()
            .filter(|&cell| matches!(self.known(plan, tally, cell), Known::Nothing))
            .collect();
        if !open.is_empty() {
            return open;
        }
        let side = |cell: usize| match self.known(plan, tally, cell) {
            Known::Side(side @ (Side::Below | Side::Above)) => Some(side),
            Known::Side(Side::Near) | Known::Spent | Known::Nothing => None,
        };
        let (Some(low), Some(high)) = (side(first), side(last)) else { return Vec::new() };
        if low == high {
            return Vec::new();
        }
        let (mut below, mut above) = (0, line.len() - 1);
        while above - below > 1 {
            let middle = usize::midpoint(below, above);
            match self.known(plan, tally, line[middle]) {
                Known::Nothing => return vec![line[middle]],
                // As near to the boundary as the margin asks, or as the seeds can tell.
                Known::Side(Side::Near) | Known::Spent => return Vec::new(),
                Known::Side(side) if side == low => below = middle,
                Known::Side(_) => above = middle,
            }
        }
        Vec::new()
    }

    fn known(&self, plan: &Plan, tally: &Tally, place: usize) -> Known {
        let (cell, most) = (&tally.cells[place], plan.cells[place].cell.runs());
        if cell.runs() == 0 {
            return Known::Nothing;
        }
        match decided(cell.failures(), cell.runs(), self.target, Schedule::looks(self.stop, most)) {
            Some(side) => Known::Side(side),
            None if cell.runs() == most => Known::Spent,
            None => Known::Nothing,
        }
    }
}

/// A history's runs until the next look at it.
fn next_look(plan: &Plan, tally: &Tally, history: usize, stop: Stop) -> (usize, u64, u64) {
    let played = tally.histories[history].seeds.len() as u64;
    let most = plan.histories[history].runs();
    let until = stop.looks(most).into_iter().find(|look| *look > played).unwrap_or(most);
    (history, played, until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Resolved;
    use crate::results::Row;
    use crate::space::Space;
    use std::collections::BTreeMap;
    use stormglass_core::{Outcome, SimTime, TraceHash, Verdict};

    /// Plays a search with a flake rate that falls along the axis; gives the runs of each level.
    fn search(seeds: u64, rate: impl Fn(usize) -> u64, shard: Shard) -> Vec<u64> {
        let text = format!(
            "scenario = 's'\nseeds = '0..{seeds}'\nsampling = {{ boundary = 'x' }}\n[[parameter]]\nkey = 'x'\nrange = {{ from = 0, to = 32, steps = 33 }}\n"
        );
        let space = Space::parse("s.toml", &text).unwrap();
        let resolved = |cell: &crate::Cell| {
            Ok::<_, ()>(Resolved { behaviour: cell.point["x"].clone(), deadlines: Vec::new() })
        };
        let mut plan = Plan::of(space.cells().unwrap(), resolved).unwrap();
        plan.search("x");
        let mut tally = Tally::new(&plan);
        let mut schedule = Schedule::new(Some(Stop::default()), space.target, shard);
        while let Some(round) = schedule.next(&plan, &tally) {
            let jobs: Vec<Job> = round.collect();
            assert!(jobs.is_sorted(), "seeds first, then histories");
            for job in jobs {
                // Failures lie evenly among the seeds.
                let failed = job.seed * 617 % 1_000 < rate(job.history);
                let evidence = String::new();
                let violated = Verdict::Violated { property: "p".into(), evidence };
                let outcome = Outcome {
                    verdict: if failed { violated } else { Verdict::Passed },
                    waits: Vec::new(),
                    counters: BTreeMap::new(),
                    events: 0,
                    trace_hash: TraceHash::EMPTY,
                    ended: SimTime::ZERO,
                };
                tally.add(&plan, &Row { history: job.history, seed: job.seed, outcome });
            }
        }
        tally.cells.iter().map(crate::tally::CellTally::runs).collect()
    }

    /// 10 % of the runs fail below 20, none from there on: five halvings find that among 33 levels.
    #[test]
    fn a_boundary_is_found_by_halving() {
        let runs = search(3_200, |level| if level < 20 { 100 } else { 0 }, Shard::WHOLE);
        let played: Vec<usize> = (0..33).filter(|&level| runs[level] > 0).collect();
        assert_eq!(played, [0, 16, 18, 19, 20, 24, 32]);
        assert!(runs.iter().all(|&runs| runs <= 800), "each ends when it is decided: {runs:?}");
    }

    #[test]
    fn without_a_boundary_only_the_ends_are_played() {
        let runs = search(3_200, |_| 200, Shard::WHOLE);
        assert_eq!(runs.iter().filter(|&&runs| runs > 0).count(), 2);
    }

    /// At 16 the rate is the target itself: that is not decided by any number of seeds, and is the boundary.
    #[test]
    fn what_cannot_be_decided_is_the_boundary() {
        let runs =
            search(1_600, |level| if level < 16 { 100 } else { 10 * u64::from(level == 16) }, Shard::WHOLE);
        assert_eq!((0..33).filter(|&level| runs[level] > 0).collect::<Vec<_>>(), [0, 16, 32]);
        assert_eq!(runs[16], 1_600);
    }

    #[test]
    fn a_line_belongs_to_one_shard() {
        let of = |index| search(800, |level| if level < 20 { 100 } else { 0 }, Shard { index, count: 2 });
        assert_eq!(of(0), search(800, |level| if level < 20 { 100 } else { 0 }, Shard::WHOLE));
        assert!(of(1).iter().all(|&runs| runs == 0));
    }
}
