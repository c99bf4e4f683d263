//! What `blame` names for planted bugs, whose causes are known: the table of `docs/blame.md`. Exits with 1 if
//! it names the causal event of too few.
//!
//! The causal event is found without chance and without `blame`: the servers have the bug until some time
//! only (`raft.canary-until`), and a bisection over the events of the run finds the last one after which
//! they still need it for the run to fail. There the bug acts for the last time that counts.

use serde_json::Value;
use sim_raft::Canary;
use sim_restate::{MetadataChaos, app};
use std::process::ExitCode;
use std::time::Duration;
use stormglass_core::{Keep, Seed, SimTime, Trace, Verdict};
use stormglass_sim::{Run, Settings};

/// So many seeds are tried until one fails.
const SEEDS: u64 = 1_000;

/// The causal event is named if at most so many lines of the timeline are between.
const WITHIN: usize = 3;

/// As many of the eight have to be named.
const NAMED_LEAST: usize = 6;

fn main() -> ExitCode {
    println!(
        "| bug | seed | failure | the bug decides at | `blame` names | from | to | lines between | runs |"
    );
    println!("| --- | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: |");
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

/// Prints the row of a bug, and returns whether its cause is named.
fn row(canary: &str) -> bool {
    let settings = |until: &str| {
        let sets = [("raft.canary", canary), ("raft.canary-until", until)];
        Settings::resolve(&MetadataChaos, None, "quiet", &sets).expect("a canary that is known")
    };
    let run = |seed, until: &str| Run::new(&MetadataChaos, settings(until), Seed(seed));
    let found = (0..SEEDS).find_map(|seed| {
        let outcome = run(seed, "0s").play(Keep::Nothing).outcome;
        (!outcome.verdict.is_passed()).then_some((seed, what(&outcome.verdict)))
    });
    let Some((seed, failure)) = found else {
        println!("| `{canary}` | – | none in {SEEDS} seeds | | | | | | |");
        return false;
    };
    let trace = run(seed, "0s").play(Keep::Events).trace;
    let decides = decisive(&trace, |until| {
        let until = format!("{}ns", until.as_nanos());
        what(&run(seed, &until).play(Keep::Nothing).outcome.verdict) == failure
    });
    let at = trace.events[decides].at_nanos;
    let seed = seed.to_string();
    let chosen = ["raft-metadata-chaos", "--profile", "quiet", "--seed", &seed, "--set"];
    let set = format!("raft.canary={canary}");
    let command = |name: &str| {
        let words = ["stormglass", "--json", name].into_iter().chain(chosen).chain([set.as_str()]);
        let (_, results, messages) = app().run_captured(words);
        assert!(!results.is_empty(), "{messages}");
        let lines = results.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
        lines.collect::<Vec<Value>>()
    };
    let story: Vec<usize> = command("replay")
        .iter()
        .filter(|line| line["type"] == "event")
        .map(|line| line["number"].as_u64().expect("an event has a number") as usize)
        .collect();
    let blame = command("blame").remove(0);
    let runs = &blame["runs"];
    let seconds = Duration::from_nanos(at).as_secs_f64();
    let Some(jump) = largest(&blame) else {
        println!("| `{canary}` | {seed} | {failure} | {seconds:.3} s | no single event | | | | {runs} |");
        return false;
    };
    let event = jump["event"].as_u64().map(|number| number as usize);
    let between = event.map(|number| {
        let (low, high) = (number.min(decides + 1), number.max(decides + 1));
        story.iter().filter(|&&number| low < number && number < high).count()
    });
    let percent = |rate: &Value| {
        let count = |key: &str| rate[key].as_u64().expect("a count") as f64;
        format!("{:.0} %", count("failed") * 100.0 / count("runs"))
    };
    let (from, to) = (percent(&jump["before"]), percent(&jump["after"]));
    let name = jump["what"].as_str().expect("a text");
    let distance = between.map_or("–".into(), |between| between.to_string());
    println!(
        "| `{canary}` | {seed} | {failure} | {seconds:.3} s | {name} | {from} | {to} | {distance} | {runs} |"
    );
    between.is_some_and(|between| between <= WITHIN)
}

/// Returns the largest jump of an answer.
fn largest(blame: &Value) -> Option<&Value> {
    let first = blame["jumps"].as_array()?.first()?;
    blame["measured"].as_array()?.iter().find(|measured| measured["event"] == *first)
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
