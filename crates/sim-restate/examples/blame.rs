//! What `blame` names for planted bugs, whose causes are known: the table of `docs/blame.md`. Exits with 1 if
//! it names the causal event of too few.
//!
//! The causal event is found without chance and without `blame`: the servers have the bug until some time
//! only (`raft.canary-until`), and a bisection over the events of the run finds the last one after which
//! they still need it for the run to fail, in whatever way. There the bug acts for the last time that counts.

use serde_json::Value;
use sim_raft::Canary;
use sim_restate::{MetadataChaos, app};
use std::process::ExitCode;
use std::time::Duration;
use stormglass_core::{Keep, Seed, SimTime, Trace, Verdict};
use stormglass_report::timeline::{self, Filter};
use stormglass_sim::{Run, Settings};

/// So many seeds are tried until one fails.
const SEEDS: u64 = 1_000;

/// If most of so many seeds fail, the bug fails in any environment sooner or later. Then what is asked is why it
/// failed as early as it did in the seed of these that fails first.
const COMPARED: u64 = 40;

/// The causal event is named if at most so many lines of the timeline are between.
const WITHIN: usize = 3;

/// As many of the eight have to be named.
const NAMED_LEAST: usize = 6;

fn main() -> ExitCode {
    println!(
        "| bug | seed | failure | the bug decides at | the nearest jump that `blame` names | from | to | its rank | lines between | runs |"
    );
    println!("| --- | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut named = 0;
    for canary in Canary::ALL {
        let name = toml::Value::try_from(canary).expect("a canary has a name");
        let name = name.as_str().expect("a name is a text").to_string();
        if wanted.is_empty() || wanted.contains(&name) {
            named += usize::from(row(&name));
        }
    }
    println!("\n{named} of {} are named within {WITHIN} lines", Canary::ALL.len());
    ExitCode::from(u8::from(wanted.is_empty() && named < NAMED_LEAST))
}

/// Returns a run with a bug that servers have until a time, or always if that is 0.
fn run_of(canary: &str, seed: u64, until: &str) -> Run<'static> {
    let sets = [("raft.canary", canary), ("raft.canary-until", until)];
    let settings = Settings::resolve(&MetadataChaos, None, "quiet", &sets).expect("a canary that is known");
    Run::new(&MetadataChaos, settings, Seed(seed))
}

/// Returns the seed whose failure is explained: the first that fails, or of a bug that fails in most runs the
/// one of the compared seeds that fails at the earliest time. `None` if none fails.
fn failing(canary: &str) -> Option<u64> {
    let fails = |seed: &u64| !run_of(canary, *seed, "0s").play(Keep::Nothing).outcome.verdict.is_passed();
    let failed: Vec<u64> = (0..COMPARED).filter(fails).collect();
    if failed.len() as u64 > COMPARED / 2 {
        return failed.into_iter().min_by_key(|&seed| failed_at(canary, seed));
    }
    failed.first().copied().or_else(|| (COMPARED..SEEDS).find(fails))
}

/// Returns when the property was violated, or else when the run ended.
fn failed_at(canary: &str, seed: u64) -> SimTime {
    let played = run_of(canary, seed, "0s").play(Keep::Nothing);
    played.violated.unwrap_or(played.outcome.ended)
}

/// Prints the row of a bug, and returns whether its cause is named.
fn row(canary: &str) -> bool {
    let Some(seed) = failing(canary) else {
        println!("| `{canary}` | – | none in {SEEDS} seeds | | | | | | | |");
        return false;
    };
    let played = run_of(canary, seed, "0s").play(Keep::Events);
    let failure = what(&played.outcome.verdict);
    // Whatever a run fails with that has the bug in its first part: without the bug it passes.
    let decides = decisive(&played.trace, |until| {
        let until = format!("{}ns", until.as_nanos());
        !run_of(canary, seed, &until).play(Keep::Nothing).outcome.verdict.is_passed()
    });
    let at = Duration::from_nanos(played.trace.events[decides].at_nanos).as_secs_f64();
    let story = timeline::fold::folded(timeline::lines(&played.trace, &Filter::default()));
    let story: Vec<usize> = story.iter().map(|line| line.index + 1).collect();
    let (seed, set) = (seed.to_string(), format!("raft.canary={canary}"));
    let command = ["stormglass", "--json", "blame", "raft-metadata-chaos", "--profile", "quiet"];
    let words = command.into_iter().chain(["--seed", &seed, "--set", &set]);
    let (_, results, messages) = app().run_captured(words);
    assert!(!results.is_empty(), "{messages}");
    let blame: Value = serde_json::from_str(&results).expect("a line of JSON");
    let runs = &blame["runs"];
    let of_bug = format!("| `{canary}` | {seed} | {failure} | {at:.3} s");
    let number = |jump: &Value| {
        let place = jump["event"].as_u64().or(jump["after_event"].as_u64());
        place.expect("a draw comes after an event") as usize
    };
    let between = |jump: &Value| {
        let (low, high) = (number(jump).min(decides + 1), number(jump).max(decides + 1));
        story.iter().filter(|&&number| low < number && number < high).count()
    };
    let jumps = jumps(&blame);
    let nearest = jumps.iter().enumerate().min_by_key(|(rank, jump)| (between(jump), *rank));
    let Some((rank, jump)) = nearest else {
        let everywhere = blame["start"]["failed"] == blame["start"]["runs"];
        let why = if everywhere { "nothing: it fails whatever the draws are" } else { "no single event" };
        println!("{of_bug} | {why} | | | | | {runs} |");
        return false;
    };
    let percent = |rate: &Value| {
        let count = |key: &str| rate[key].as_u64().expect("a count") as f64;
        format!("{:.0} %", count("failed") * 100.0 / count("runs"))
    };
    let (from, to) = (percent(&jump["before"]), percent(&jump["after"]));
    let name = jump["what"].as_str().expect("a text");
    let (lines, rank, count) = (between(jump), rank + 1, jumps.len());
    println!("{of_bug} | {name} | {from} | {to} | {rank} of {count} | {lines} | {runs} |");
    lines <= WITHIN
}

/// Returns the jumps of an answer, the largest first.
fn jumps(blame: &Value) -> Vec<&Value> {
    let measured = blame["measured"].as_array().expect("a list");
    let mut jumps: Vec<&Value> = measured.iter().filter(|jump| jump["rank"].is_u64()).collect();
    jumps.sort_by_key(|jump| jump["rank"].as_u64());
    jumps
}

/// Returns the index of the last event that comes while the bug is still needed: with the bug until that
/// event the run passes, with the bug until the next one it fails.
fn decisive(trace: &Trace, fails: impl Fn(SimTime) -> bool) -> usize {
    let until = |index: usize| SimTime::from_nanos(trace.events[index].at_nanos);
    let (mut low, mut high) = (0, trace.events.len() - 1);
    while high - low > 1 {
        let middle = low.midpoint(high);
        *(if fails(until(middle)) { &mut high } else { &mut low }) = middle;
    }
    low
}

/// Returns in which way a run failed.
fn what(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".into(),
        Verdict::Violated { property, .. } => property.clone(),
        Verdict::TimedOut { wait, .. } => format!("waiting for {wait}"),
        Verdict::TooFew(too_few) => too_few.to_string(),
        Verdict::Stalled { .. } => "stalled".into(),
        Verdict::Panicked { .. } => "panicked".into(),
    }
}
