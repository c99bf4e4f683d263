//! Measures the overhead of a sweep of a million rows that take no time to play: seconds and peak
//! memory, as one process and as eight merged shards.
//!
//!     cargo run --release --package stormglass-sweep --example million_rows

#![expect(clippy::unwrap_used, reason = "an example that fails may say so")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_core::identity::Build;
use stormglass_core::trace::TraceHash;
use stormglass_core::{EventId, Length, Outcome, Seed, SimTime, Verdict, Wait};
use stormglass_sweep::plan::Resolved;
use stormglass_sweep::stats::stopping::Target;
use stormglass_sweep::{Manifest, Plan, RowStorage, Shard, Space, merge, pool, sweep};

const SPACE: &str = "
scenario = 'none'
seeds = '0..250000'
[[parameter]]
key = 'x'
values = [1, 2, 3, 4]
[[parameter]]
key = 'admin.deadline'
range = { from = '2s', to = '60s', steps = 12, scale = 'log' }
";

/// Returns an outcome with as many waits and counters as a run of the trim-gap test.
fn play(seed: u64) -> Outcome {
    let mut stream = Seed(seed).stream("waits");
    let mut wait = |number: u64| Wait {
        name: format!("wait {number}"),
        node: "node-1".into(),
        began: SimTime::ZERO,
        deadline: Duration::from_secs(10),
        parameter: Some(if number < 4 { "admin.deadline".into() } else { format!("limit-{number}").into() }),
        length: Length::Observed(Duration::from_secs_f64(-stream.uniform().ln())),
        end: EventId::START,
    };
    let waits: Vec<Wait> = (0..12).map(&mut wait).collect();
    let ended = SimTime::from(Duration::from_secs(20));
    let verdict = Verdict::of_waits(&waits, ended);
    let counters = (0..20).map(|number| (format!("kind {number}"), seed % 1_000)).collect::<BTreeMap<_, _>>();
    Outcome {
        verdict,
        waits,
        counters,
        events: 4_000,
        trace_hash: TraceHash(seed),
        ended,
        sometimes: BTreeMap::new(),
        too_few: None,
    }
}

fn manifest(shard: Shard) -> Manifest {
    let plan = Plan::of(Space::parse("million.toml", SPACE).unwrap().cells().unwrap(), |cell| {
        let deadline = humantime::parse_duration(&cell.point["admin.deadline"]).unwrap();
        let deadlines = vec![("admin.deadline".to_string(), deadline)];
        Ok::<_, ()>(Resolved { behaviour: cell.point["x"].clone(), deadlines })
    });
    let build = Build { commit: "c".into(), lock_hash: "l".into(), rustc: "r".into() };
    let (schema, sweep, target) = (Manifest::SCHEMA, "million".to_string(), Target::default());
    Manifest { schema, sweep, build, plan: plan.unwrap(), target, stop: None, shard, rows: None }
}

fn run(shard: Shard, folder: &Path) {
    let jobs = pool::default_jobs();
    sweep(
        &manifest(shard),
        RowStorage::In(folder),
        jobs,
        |_, seed| play(seed),
        |_, _, _| ControlFlow::Continue(()),
    )
    .unwrap();
}

/// Returns the peak memory of this process in MiB, on Linux.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).map_or(0, |kib: u64| kib / 1_024)
}

#[expect(clippy::disallowed_methods, reason = "the example measures real time")]
fn timed(what: &str, work: impl FnOnce()) {
    let began = std::time::Instant::now();
    work();
    println!("{what}: {:.1} s, peak memory so far {} MiB", began.elapsed().as_secs_f64(), peak());
}

fn main() {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("target/million-rows"), PathBuf::from);
    let _ = std::fs::remove_dir_all(&folder);
    let parts: Vec<PathBuf> = (0..8).map(|index| folder.join(format!("part-{index}"))).collect();
    timed("eight shards, one after the other", || {
        parts.iter().zip(0..).for_each(|(part, index)| run(Shard { index, count: 8 }, part));
    });
    timed("merging them", || {
        merge(&parts, &folder.join("merged")).unwrap();
    });
    timed("a million rows in one sweep", || run(Shard::WHOLE, &folder.join("whole")));
    let bytes = |name: &str| std::fs::read(folder.join(name).join("runs.parquet")).unwrap();
    println!(
        "equal: {}; {} MB as Parquet",
        bytes("merged") == bytes("whole"),
        bytes("whole").len() / 1_000_000
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
