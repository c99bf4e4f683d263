//! The order in which runs are played, and when a history has enough of them.

use crate::plan::Plan;
use crate::shard::Shard;
use crate::stats::stopping::{Side, Stop, Target};
use crate::tally::Tally;
use std::collections::BTreeSet;

/// A run to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// The index of the seed within its history.
    pub index: u64,
    /// The index of the history.
    pub history: usize,
    /// The seed.
    pub seed: u64,
}

/// Rounds of runs, each sorted by seed and then by history.
///
/// Without a stopping rule there is one round with all runs. With one, a round has the runs that
/// each history needs until its next interim analysis (look); in a search for a boundary, only of
/// the histories whose side the search has to know. Rounds follow only from the rows of earlier
/// rounds, so a sweep that is resumed after an interruption, or split into shards, plays the same
/// runs as an uninterrupted one.
#[derive(Clone, Debug)]
pub struct Schedule {
    stop: Option<Stop>,
    target: Target,
    shard: Shard,
    round: u64,
}

/// The state of a cell in the sequential test.
enum Known {
    /// Its side of the target is known.
    Side(Side),
    /// All its seeds are played, and its side is still unknown.
    Spent,
    /// It needs more runs.
    Nothing,
}

impl Schedule {
    /// Creates a schedule that starts with the first round.
    pub fn new(stop: Option<Stop>, target: Target, shard: Shard) -> Schedule {
        Schedule { stop, target, shard, round: 0 }
    }

    /// Returns the next round, if there is one. `tally` has to contain the rows of all earlier
    /// rounds; without a stopping rule it is not used.
    pub fn next<'a>(&mut self, plan: &'a Plan, tally: &Tally) -> Option<Round<'a>> {
        let first = self.round == 0;
        self.round += 1;
        let Some(stop) = self.stop else {
            let whole = |history: usize| Chunk { history, from: 0, until: plan.histories[history].runs() };
            let chunks: Vec<Chunk> = (0..plan.histories.len()).map(whole).collect();
            return first.then(|| Round::new(plan, chunks, self.shard));
        };
        // Here a shard has whole histories, since the next round depends on all rows of a history.
        let groups = plan.groups();
        let mut wanted = self.wanted(plan, tally);
        wanted.retain(|&history| self.shard.has(groups[history]));
        let chunks: Vec<Chunk> =
            wanted.into_iter().map(|history| next_look(plan, tally, history, stop)).collect();
        (!chunks.is_empty()).then(|| Round::new(plan, chunks, Shard::WHOLE))
    }

    /// Returns the histories that need more runs.
    fn wanted(&self, plan: &Plan, tally: &Tally) -> BTreeSet<usize> {
        let open = |cell: &usize| matches!(self.known(plan, tally, *cell), Known::Nothing);
        let cells: Vec<usize> = match &plan.lines {
            None => (0..plan.cells.len()).filter(open).collect(),
            Some(lines) => lines.iter().flat_map(|line| self.searched(plan, tally, line)).collect(),
        };
        cells.into_iter().map(|cell| plan.cells[cell].history).collect()
    }

    /// Returns the cells that the search along a line needs next: first its ends, then by bisection
    /// the middle between the nearest cells on either side.
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
                // As near to the boundary as the margin requires, or as the seeds can resolve.
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

/// Returns a history's runs until its next look.
fn next_look(plan: &Plan, tally: &Tally, history: usize, stop: Stop) -> Chunk {
    let from = tally.histories[history].seeds.len() as u64;
    let most = plan.histories[history].runs();
    let until = stop.looks(most).into_iter().find(|look| *look > from).unwrap_or(most);
    Chunk { history, from, until }
}

/// A range of a history's seeds, by index.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    history: usize,
    from: u64,
    until: u64,
}

/// The runs of a round, or a shard's part of it, as an iterator that needs no memory per run.
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
        // The number of runs with a smaller seed index.
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
            return Some(Job { index, history, seed: self.plan.histories[history].seeds.first() + index });
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

    /// Plays a search with a given failure rate (per mille) for each level; returns the number of
    /// runs of each level.
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
                // Failures are spread evenly over the seeds.
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
                    sometimes: BTreeMap::new(),
                    too_few: None,
                };
                tally.add(&plan, &Row { history: job.history, seed: job.seed, outcome });
            }
        }
        tally.cells.iter().map(crate::tally::CellTally::runs).collect()
    }

    /// 10 % of the runs fail below level 20, none from there on: five bisections find that among 33
    /// levels.
    #[test]
    fn boundary_is_found_by_bisection() {
        let runs = search(3_200, |level| if level < 20 { 100 } else { 0 }, Shard::WHOLE);
        let played: Vec<usize> = (0..33).filter(|&level| runs[level] > 0).collect();
        assert_eq!(played, [0, 16, 18, 19, 20, 24, 32]);
        assert!(runs.iter().all(|&runs| runs <= 800), "each cell ends when its side is known: {runs:?}");
    }

    #[test]
    fn line_without_boundary_plays_only_its_ends() {
        let runs = search(3_200, |_| 200, Shard::WHOLE);
        assert_eq!(runs.iter().filter(|&&runs| runs > 0).count(), 2);
    }

    /// At level 16 the rate equals the target: no number of seeds decides it, so it is the
    /// boundary.
    #[test]
    fn undecided_cell_ends_the_search() {
        let runs =
            search(1_600, |level| if level < 16 { 100 } else { 10 * u64::from(level == 16) }, Shard::WHOLE);
        assert_eq!((0..33).filter(|&level| runs[level] > 0).collect::<Vec<_>>(), [0, 16, 32]);
        assert_eq!(runs[16], 1_600);
    }

    #[test]
    fn each_line_belongs_to_one_shard() {
        let of = |index| search(800, |level| if level < 20 { 100 } else { 0 }, Shard { index, count: 2 });
        assert_eq!(of(0), search(800, |level| if level < 20 { 100 } else { 0 }, Shard::WHOLE));
        assert!(of(1).iter().all(|&runs| runs == 0));
    }
}
