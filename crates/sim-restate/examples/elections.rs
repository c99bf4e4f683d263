//! How long the metadata servers are without a leader, by election and heartbeat ticks and sync
//! delay: the table of `docs/elections.md`.

use sim_restate::MetadataFailover;
use std::time::Duration;
use stormglass_core::{Keep, Length, Seed};
use stormglass_sim::{Run, Settings};

const SEEDS: u64 = 100;

fn main() {
    println!(
        "| election ticks | heartbeat ticks | sync delay | another leader: median, p95 | a write: median, p95 | all killed: median, p95 |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for delay in ["0s", "200ms"] {
        for (ticks, heartbeat) in [("5", "2"), ("10", "1"), ("10", "2"), ("10", "4"), ("20", "2")] {
            let sets = [
                ("raft.election-ticks", ticks),
                ("raft.heartbeat-ticks", heartbeat),
                ("disk.sync.delay", delay),
                ("chaos.recovery-deadline", "60s"),
            ];
            let settings =
                Settings::resolve(&MetadataFailover, None, "quiet", &sets).expect("known parameters");
            let waits: Vec<_> = (0..SEEDS)
                .flat_map(|seed| {
                    let run = Run::new(&MetadataFailover, settings.clone(), Seed(seed));
                    run.play(Keep::Nothing).outcome.waits
                })
                .collect();
            let cell = |name: &str| {
                let of_name = waits.iter().filter(|wait| wait.name == name);
                let mut lengths: Vec<Duration> = of_name
                    .filter_map(|wait| match wait.length {
                        Length::Observed(length) => Some(length),
                        Length::Censored(_) => None,
                    })
                    .collect();
                lengths.sort_unstable();
                let at = |share: usize| {
                    lengths.get(lengths.len() * share / 100).map_or(f64::NAN, Duration::as_secs_f64)
                };
                format!("{:.2} s, {:.2} s", at(50), at(95))
            };
            let [leader, write, all] =
                ["another leader", "a write without it", "a leader after all were killed"].map(cell);
            println!("| {ticks} | {heartbeat} | {delay} | {leader} | {write} | {all} |");
        }
    }
}
