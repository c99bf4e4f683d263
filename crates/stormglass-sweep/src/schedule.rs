//! In which order runs are played, and when a history has been played enough.

use crate::plan::Plan;
use crate::shard::Shard;
use crate::stats::stopping::{Side, Stop, Target};
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

    /// The next round, if there is one. The tally has the rows of those before; without a rule for stopping nothing is asked of it.
    pub fn next<'a>(&mut self, plan: &'a Plan, tally: &Tally) -> Option<Round<'a>> {
        let first = self.round == 0;
        self.round += 1;
        let Some(stop) = self.stop else {
            let whole = |history: usize| Chunk { history, from: 0, until: plan.histories[history].runs() };
            let chunks: Vec<Chunk> = (0..plan.histories.len()).map(whole).collect();
            return first.then(|| Round::new(plan, chunks, self.shard));
        };
        // A shard has whole histories here, since what is played next hangs on all of a history.
        let groups = plan.groups();
        let mut wanted = self.wanted(plan, tally);
        wanted.retain(|&history| self.shard.has(groups[history]));
        let chunks: Vec<Chunk> =
            wanted.into_iter().map(|history| next_look(plan, tally, history, stop)).collect();
        (!chunks.is_empty()).then(|| Round::new(plan, chunks, Shard::WHOLE))
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
        match tally.side(plan, place, self.target, self.stop) {
            Some(side) => Known::Side(side),
            None if tally.cells[place].runs() == plan.cells[place].cell.runs() => Known::Spent,
            None => Known::Nothing,
        }
    }
}

/// A history's runs until the next look at it.
fn next_look(plan: &Plan, tally: &Tally, history: usize, stop: Stop) -> Chunk {
    let from = tally.histories[history].seeds.len() as u64;
    let most = plan.histories[history].runs();
    let until = stop.looks(most).into_iter().find(|look| *look > from).unwrap_or(most);
    Chunk { history, from, until }
}

/// Some of a history's seeds, by how manyth they are.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    history: usize,
    from: u64,
    until: u64,
}

/// The runs of a round, or a shard's part of it: one after the other, so that there may be any number of them.
#[derive(Clone, Debug)]
pub struct Round<'a> {
    plan: &'a Plan,
    chunks: Vec<Chunk>,
    index: u64,
    place: usize,
    skip: u64,
    left: u64,
}

impl<'a> Round<'a> {
    fn new(plan: &'a Plan, chunks: Vec<Chunk>, shard: Shard) -> Round<'a> {
        // How many runs have a smaller index than this.
        let before = |index: u64| -> u64 {
            chunks.iter().map(|chunk| index.clamp(chunk.from, chunk.until) - chunk.from).sum()
        };
        let end = chunks.iter().map(|chunk| chunk.until).max().unwrap_or_default();
        let part = shard.part(before(end));
        let (mut index, mut beyond) = (0, end);
        while beyond - index > 1 {
            let middle = u64::midpoint(index, beyond);
            if before(middle) <= part.start { index = middle } else { beyond = middle }
        }
        let (skip, left) = (part.start - before(index), part.end - part.start);
        Round { plan, chunks, index, place: 0, skip, left }
    }
}

impl Iterator for Round<'_> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        while self.left > 0 {
            let Some(&Chunk { history, from, until }) = self.chunks.get(self.place) else {
                (self.index, self.place) = (self.index + 1, 0);
                continue;
            };
            self.place += 1;
            if !(from..until).contains(&self.index) {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            let index = self.index;
            return Some(Job { index, history, seed: self.plan.histories[history].seeds.start + index });
        }
        None
    }
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
