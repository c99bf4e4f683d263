//! The answers of a sweep, on runs with known distributions.

use std::collections::BTreeMap;
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{EventId, Length, Outcome, Seed, SimTime, Verdict, Wait};
use stormglass_sweep::answers::{comparison, deadlines, frontier, sensitivity};
use stormglass_sweep::plan::Resolved;
use stormglass_sweep::stats::stopping::Target;
use stormglass_sweep::{Plan, Row, Space, Tally};

const TARGET: Target = Target { flake: 0.05, confidence: 0.95, margin: None };

/// Plays the runs of all cells: one exponential wait each with this mean in seconds. A seed has the
/// same random environment in every cell (common random numbers).
fn counted(space: &str, mean: impl Fn(&BTreeMap<String, String>) -> f64) -> (Plan, Tally) {
    let space = Space::parse("s.toml", space).unwrap();
    let mut plan = Plan::of(space.cells().unwrap(), |cell| {
        let mut behaviour = cell.sets.clone();
        behaviour.retain(|(key, _)| key != "deadline");
        let given = cell.sets.iter().find(|(key, _)| key == "deadline").map(|(_, value)| value.as_str());
        let deadline = humantime::parse_duration(given.unwrap_or("10s")).unwrap();
        Ok::<_, ()>(Resolved {
            behaviour: format!("{behaviour:?}"),
            deadlines: vec![("deadline".into(), deadline)],
        })
    })
    .unwrap();
    plan.objective = space.objective;
    let mut tally = Tally::new(&plan);
    for history in 0..plan.histories.len() {
        let sets = plan.histories[history].sets.iter().cloned().collect();
        for seed in plan.histories[history].seeds.range() {
            let length = Duration::from_secs_f64(-Seed(seed).stream("weather").uniform().ln() * mean(&sets));
            let wait = Wait {
                name: "wait".into(),
                node: "node-1".into(),
                began: SimTime::ZERO,
                deadline: Duration::from_secs(10),
                parameter: Some("deadline".into()),
                length: Length::Observed(length),
                end: EventId::START,
            };
            let (waits, ended) = (vec![wait], SimTime::from(length));
            // One seed in fifty violates a property.
            let violated = Verdict::Violated { property: "order".into(), evidence: String::new() };
            let verdict = if seed.is_multiple_of(50) { violated } else { Verdict::of_waits(&waits, ended) };
            let outcome = Outcome {
                verdict,
                waits,
                counters: BTreeMap::new(),
                events: 1,
                trace_hash: TraceHash(1),
                ended,
                sometimes: BTreeMap::new(),
                too_few: None,
            };
            tally.add(&plan, &Row { history, seed, outcome });
        }
    }
    (plan, tally)
}

fn number(sets: &BTreeMap<String, String>, key: &str) -> f64 {
    sets.get(key).map_or(1.0, |value| value.parse().unwrap())
}

const GRID: &str = "
scenario = 's'
seeds = '0..2000'
objective = ['deadline']
[[parameter]]
key = 'slow'
values = [1, 2, 10]
[[parameter]]
key = 'idle'
values = [1, 2, 3]
[[parameter]]
key = 'deadline'
values = ['5s', '10s']
";

/// The mean of the waits is 1, 2 or 10 tenths of the deadline of 10 s; `idle` does nothing.
#[test]
fn sensitivity_distinguishes_effective_from_idle_parameters() {
    let (plan, tally) = counted(GRID, |sets| number(sets, "slow"));
    let found = sensitivity::sensitivities(&plan, &tally);
    let of = |parameter: &str| found.iter().find(|found| found.parameter == parameter).unwrap();
    assert_eq!((of("idle").effect, of("idle").seeds, of("idle").p), (0.0, (0, 0), 1.0));
    let slow = of("slow");
    let levels: Vec<&str> = slow.levels.iter().map(|(level, _)| level.as_str()).collect();
    assert_eq!(levels, ["1", "2", "10"], "numbers in their order");
    // The mean of P(longer than 5 s) and P(longer than 10 s): e^-5 and e^-10; e^-0.5 and e^-1.
    for (place, truth) in [(0, 0.0034), (2, 0.487)] {
        assert!((slow.levels[place].1 - truth).abs() < 0.02, "{:?}", slow.levels);
    }
    assert!(slow.p < 1e-6 && slow.seeds.1 == 0 && of("deadline").p < 1e-6, "{slow:?}");
}

#[test]
fn interactions_count_each_pair_of_values() {
    let (plan, tally) = counted(GRID, |sets| number(sets, "slow"));
    let maps = sensitivity::interactions(&plan, &tally);
    let map =
        maps.iter().find(|map| (map.down.as_str(), map.across.as_str()) == ("deadline", "slow")).unwrap();
    assert_eq!((map.rows.len(), map.columns.len()), (2, 3));
    assert!(map.squares.iter().flatten().all(|square| square.runs == 3 * 2_000));
    let (short, long) = (&map.squares[0][2], &map.squares[1][2]);
    // e^-0.5 and e^-1.
    assert!(
        (short.failed as f64 / 6_000.0 - 0.607).abs() < 0.03
            && (long.failed as f64 / 6_000.0 - 0.368).abs() < 0.03
    );
    let cell = &plan.cells[short.failing.unwrap()].cell;
    assert_eq!((cell.point["deadline"].as_str(), cell.point["slow"].as_str()), ("5s", "10"));
}

/// Of exponential waits with means of 1 s and 2 s the first has the shorter deadline for every
/// failure rate: at least -ln(rate) seconds.
#[test]
fn frontier_has_the_cells_with_the_shortest_deadlines() {
    let (plan, tally) = counted(GRID, |sets| number(sets, "slow"));
    let frontier = frontier::frontier(&plan, &tally, TARGET);
    assert!(frontier.len() >= 5, "{frontier:?}");
    for best in &frontier {
        assert!(best.cell.contains("slow=1"), "{best:?}");
        assert!(best.deadline_s > -best.flake.ln() && best.deadline_s < -best.flake.ln() * 1.6, "{best:?}");
    }
    assert!(frontier.is_sorted_by(|a, b| a.flake > b.flake && a.deadline_s < b.deadline_s));
}

/// With an objective, other failures do not count: here one seed in fifty.
#[test]
fn objective_counts_only_its_waits() {
    let space = "scenario = 's'\nseeds = '0..2000'\n[[parameter]]\nkey = 'deadline'\nvalues = ['60s']\n";
    let (_, all) = counted(space, |_| 1.0);
    assert_eq!((all.cells[0].failures(), all.cells[0].first), (40, Some(0)));
    let (plan, tally) = counted(&format!("objective = ['deadline']\n{space}"), |_| 1.0);
    assert_eq!((tally.cells[0].failures(), tally.cells[0].runs()), (0, 2_000));
    let needed = deadlines::required_deadlines(&plan, &tally, TARGET);
    // -ln(0.05) = 3.0, and a little more for the confidence.
    assert!(needed.len() == 1 && (3.0..3.6).contains(&needed[0].smallest_s.unwrap()), "{needed:?}");
}

/// Waits are a quarter longer in every run: the median difference shows it, and pairing needs fewer
/// runs than independent seeds would.
#[test]
fn variants_are_compared_seed_by_seed() {
    let space = "
        scenario = 's'
        seeds = '0..2000'
        objective = ['deadline']
        set = { deadline = '3s' }
        variant = [{ name = 'now' }, { name = 'slower', set = { slow = 1.25 } }, { name = 'later', set = { deadline = '4s' } }]
    ";
    let (plan, tally) = counted(space, |sets| number(sets, "slow"));
    let compared = comparison::compared(&plan, &tally, TARGET);
    assert!(compared[0].is_none());
    let (slower, later) = (compared[1].as_ref().unwrap(), compared[2].as_ref().unwrap());
    assert!(slower.no_longer_fail == 0 && slower.fail_now > 50 && slower.p < 1e-6, "{slower:?}");
    assert!(
        later.fail_now == 0 && later.no_longer_fail > 30 && later.p < 1e-6 && later.wait.is_none(),
        "{later:?}"
    );
    // The median of a quarter of an exponential wait: ln 2 / 4.
    let shift = slower.wait.as_ref().unwrap();
    assert!(
        (shift.median_s - 0.173).abs() < 0.02
            && shift.low_s < shift.median_s
            && shift.median_s < shift.high_s,
        "{shift:?}"
    );
    // Rates of 5 % and 9 %: 0.0475 + 0.0825 against 0.041 - 0.041².
    assert!((2.0..5.0).contains(&slower.unpaired), "{slower:?}");
}
