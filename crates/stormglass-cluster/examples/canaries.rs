//! Servers that are wrong on purpose, and how many seeds of `raft-metadata-chaos` it takes until a checker says so: the table of
//! `docs/canaries.md`. Exits with 1 if one is not found.

use std::process::ExitCode;
use stormglass_cluster::MetadataChaos;
use stormglass_core::{Keep, Seed, Verdict};
use stormglass_raft::Canary;
use stormglass_sim::{Run, Settings};

/// So many seeds are tried.
const SEEDS: u64 = 500;

fn main() -> ExitCode {
    println!("| bug | found by | seeds until then |\n| --- | --- | --- |");
    let mut missed = 0;
    for canary in Canary::ALL {
        let name = toml::Value::try_from(canary).expect("a name").as_str().expect("a name").to_string();
        let settings = Settings::resolve(&MetadataChaos, None, "quiet", &[("raft.canary", &name)]);
        let settings = settings.expect("a canary that is known");
        let found = (0..SEEDS).find_map(|seed| {
            let played = Run::new(&MetadataChaos, settings.clone(), Seed(seed)).play(Keep::Nothing);
            let by = match played.outcome.verdict {
                Verdict::Passed => return None,
                Verdict::Violated { property, .. } => property,
                Verdict::TimedOut { wait, .. } => format!("waiting for {wait}"),
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
    ExitCode::from(u8::from(missed > 0))
}
