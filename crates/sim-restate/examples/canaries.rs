//! Planted bugs, and how many seeds it takes until a check finds each: the tables of
//! `docs/canaries.md`. Exits with 1 if one is not found.

use sim_raft::Canary;
use sim_restate::{ClusterChaos, MetadataChaos, canary};
use std::process::ExitCode;
use stormglass_core::{Keep, Seed, Verdict};
use stormglass_sim::{AnyScenario, Run, Settings};

/// So many seeds are tried.
const SEEDS: u64 = 1_000;

fn main() -> ExitCode {
    let name = |canary: Result<toml::Value, _>| {
        let canary: Result<toml::Value, toml::ser::Error> = canary;
        canary.expect("a name").as_str().expect("a name").to_string()
    };
    let raft = Canary::ALL.map(|canary| name(toml::Value::try_from(canary)));
    let cluster = canary::Canary::ALL.map(|canary| name(toml::Value::try_from(canary)));
    println!("`raft-metadata-chaos`:\n");
    let mut missed = table(&MetadataChaos, "raft.canary", &raft, &[]);
    println!("\n`cluster-chaos`:\n");
    let trimming = [
        ("cluster-chaos.repository", "true"),
        ("partition.snapshot-records", "50"),
        ("partition.trim-delay", "0s"),
    ];
    missed += table(&ClusterChaos, "cluster.canary", &cluster, &trimming);
    ExitCode::from(u8::from(missed > 0))
}

/// Prints a table of bugs, and gives how many were not found.
fn table(scenario: &dyn AnyScenario, key: &str, canaries: &[String], sets: &[(&str, &str)]) -> usize {
    println!("| bug | found by | seeds until then |\n| --- | --- | --- |");
    let mut missed = 0;
    for name in canaries {
        let mut sets = sets.to_vec();
        sets.push((key, name));
        let settings = Settings::resolve(scenario, None, "quiet", &sets).expect("a canary that is known");
        let found = (0..SEEDS).find_map(|seed| {
            let played = Run::new(scenario, settings.clone(), Seed(seed)).play(Keep::Nothing);
            let by = match played.outcome.verdict {
                Verdict::Passed => return None,
                Verdict::Violated { property, .. } => property,
                Verdict::TimedOut { wait, .. } => format!("waiting for {wait}"),
                Verdict::TooFew(too_few) => too_few.to_string(),
                Verdict::Stalled { reason } => format!("stalled: {reason}"),
                Verdict::Panicked { message, .. } => format!("panic: {message}"),
            };
            Some((seed + 1, by))
        });
        match found {
            Some((seeds, by)) => println!("| `{name}` | {by} | {seeds} |"),
            None => {
                println!("| `{name}` | **nothing** | more than {SEEDS} |");
                missed += 1;
            }
        }
    }
    missed
}
