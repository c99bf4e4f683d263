//! Rows survive whatever ends a sweep, shards make the whole, and the table says what the runs said.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_core::identity::Build;
use stormglass_core::trace::TraceHash;
use stormglass_core::{EventId, Length, Outcome, Seed, SimTime, Verdict, Wait};
use stormglass_sweep::plan::Resolved;
use stormglass_sweep::results::{Journal, table};
use stormglass_sweep::stats::stopping::{Stop, Target};
use stormglass_sweep::{Keep, Manifest, Plan, Row, Shard, Space, Tally, merge, sweep};

const SPACE: &str = "
scenario = 'fake'
seeds = '10..210'
[[parameter]]
key = 'slow'
values = [1, 2, 4]
[[parameter]]
key = 'admin.deadline'
values = ['1s', '3s']
";

/// Two lines, each of nine values.
const SEARCH: &str = "
seeds = '10..810'
sampling = { boundary = 'slow' }
case = [{ name = 'one', scenario = 'fake' }, { name = 'two', scenario = 'fake' }]
[[parameter]]
key = 'slow'
range = { from = 1, to = 9, steps = 9 }
[[parameter]]
key = 'admin.deadline'
values = ['3s']
";

fn manifest(shard: Shard, stop: Option<Stop>) -> Manifest {
    manifest_of(SPACE, shard, stop)
}

fn searching(shard: Shard) -> Manifest {
    let mut manifest = manifest_of(SEARCH, shard, Some(Stop { first: 20 }));
    manifest.plan.search("slow");
    manifest
}

fn manifest_of(space: &str, shard: Shard, stop: Option<Stop>) -> Manifest {
    let cells = Space::parse("fake.toml", space).unwrap().cells().unwrap();
    let plan = Plan::of(cells, |cell| {
        let deadline = humantime::parse_duration(&cell.point["admin.deadline"]).unwrap();
        let deadlines = vec![("admin.deadline".to_string(), deadline)];
        Ok::<_, ()>(Resolved { behaviour: cell.point["slow"].clone(), deadlines })
    });
    let build = Build { commit: "c".into(), lock_hash: "l".into(), rustc: "r".into() };
    let target = Target { flake: 0.2, confidence: 0.9, margin: None };
    Manifest { schema: 1, sweep: "fake".into(), build, plan: plan.unwrap(), target, stop, shard, rows: None }
}

/// Waits of one exponential length each; some never end, some break a property, some have no waits.
fn play(manifest: &Manifest, history: usize, seed: u64) -> Outcome {
    let sets = &manifest.plan.histories[history].sets;
    let slow: f64 = sets.iter().find(|(key, _)| key == "slow").unwrap().1.parse().unwrap();
    let mut stream = Seed(seed).stream("fake");
    let length = Duration::from_secs_f64(-stream.share().ln() * slow / 2.0);
    let ended = SimTime::from(length + Duration::from_secs(1));
    let length = if seed.is_multiple_of(37) { Length::Censored(length) } else { Length::Observed(length) };
    let parameter = (!seed.is_multiple_of(5)).then(|| "admin.deadline".into());
    let wait = |node: &str| Wait {
        name: "admin".into(),
        node: node.into(),
        began: SimTime::ZERO,
        deadline: Duration::from_secs(1),
        parameter: parameter.clone(),
        length,
        end: EventId::START,
    };
    let waits: Vec<Wait> =
        if seed.is_multiple_of(11) { vec![] } else { vec![wait("node-1"), wait("node-2")] };
    let verdict = if seed.is_multiple_of(23) {
        Verdict::Violated { property: "order".into(), evidence: "\"quoted\"".into() }
    } else {
        Verdict::of_waits(&waits, ended)
    };
    let counters = BTreeMap::from([("fsync".to_string(), seed)]);
    Outcome { verdict, waits, counters, events: 7 + seed, trace_hash: TraceHash(u64::MAX - seed), ended }
}

/// A folder for this test alone, without what an earlier run has left.
fn folder(test: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn jobs() -> NonZeroUsize {
    NonZeroUsize::new(3).unwrap()
}

/// Plays up to so many rows.
fn run(manifest: &Manifest, keep: Keep<'_>, most: usize) -> Tally {
    let mut seen = 0;
    let count = |_: &Row, _: &Tally, known: bool| {
        seen += usize::from(!known);
        if seen == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    sweep(manifest, keep, jobs(), |history, seed| play(manifest, history, seed), count).unwrap()
}

fn refused(manifest: &Manifest, keep: Keep<'_>) -> String {
    let play = |history, seed| play(manifest, history, seed);
    sweep(manifest, keep, jobs(), play, |_, _, _| ControlFlow::Continue(())).unwrap_err().to_string()
}

fn bytes(folder: &Path) -> Vec<u8> {
    fs::read(table::path(folder)).unwrap()
}

#[test]
fn the_table_says_what_the_runs_said() {
    let (manifest, folder) = (manifest(Shard::WHOLE, None), folder("table", "whole"));
    let tally = run(&manifest, Keep::In(&folder), usize::MAX);
    let mut again = Tally::new(&manifest.plan);
    let mut rows = 0;
    for row in table::Reader::open(&folder).unwrap() {
        let row = row.unwrap();
        assert_eq!(row.outcome, play(&manifest, row.history, row.seed));
        again.add(&manifest.plan, &row);
        rows += 1;
    }
    // Two deadlines, and one run for both.
    assert_eq!((rows, manifest.plan.cells.len()), (600, 6));
    assert_eq!(again, tally);
    assert_eq!(
        run(&manifest, Keep::Resume(&folder), usize::MAX),
        tally,
        "a finished sweep is read, not played"
    );
}

/// Ended after any number of rows, and with a half of a line in the journal, it goes on to the same table.
#[test]
fn what_is_interrupted_goes_on_to_the_same_table() {
    let (all, stopping) = (manifest(Shard::WHOLE, None), manifest(Shard::WHOLE, Some(Stop { first: 20 })));
    for manifest in [all, stopping, searching(Shard::WHOLE)] {
        let whole = folder("interruptions", "whole");
        let tally = run(&manifest, Keep::In(&whole), usize::MAX);
        let folder = folder("interruptions", "interrupted");
        let mut stream = Seed(5).stream("interruptions");
        for _ in 0..20 {
            run(&manifest, Keep::Resume(&folder), 1 + stream.below(12) as usize);
            let journal = folder.join("rows.jsonl");
            let mut torn = fs::read(&journal).unwrap();
            let line = torn.iter().take_while(|byte| **byte != b'\n').count() as u64;
            torn.extend_from_within(..stream.below(line) as usize);
            fs::write(&journal, torn).unwrap();
        }
        assert_eq!(run(&manifest, Keep::Resume(&folder), usize::MAX), tally);
        assert!(bytes(&folder) == bytes(&whole), "{:?}", manifest.stop);
        assert!(!folder.join("rows.jsonl").exists());
    }
}

#[test]
fn shards_make_the_whole() {
    let all: fn(Shard) -> Manifest = |shard| manifest(shard, None);
    for manifest in [all, |shard| manifest(shard, Some(Stop { first: 20 })), searching] {
        let whole = folder("shards", "whole");
        run(&manifest(Shard::WHOLE), Keep::In(&whole), usize::MAX);
        let part = |index: u64| {
            let part = folder("shards", &format!("part-{index}"));
            run(&manifest(Shard { index, count: 4 }), Keep::In(&part), usize::MAX);
            part
        };
        let parts: Vec<PathBuf> = (0..4).map(part).collect();
        let merged = folder("shards", "merged");
        let told = merge(&parts[..3], &merged).unwrap_err().to_string();
        assert!(told.contains("the shards 3/4 are missing"), "{told}");
        let told = merge(&[parts[0].clone(), parts[0].clone()], &merged).unwrap_err().to_string();
        assert!(told.contains("leave one out"), "{told}");
        merge(&parts, &merged).unwrap();
        assert!(bytes(&merged) == bytes(&whole));
        assert_eq!(fs::read(Manifest::path(&merged)).unwrap(), fs::read(Manifest::path(&whole)).unwrap());
    }
}

/// A rule that ends cells early plays fewer runs, and no fewer than it looks at first.
#[test]
fn decided_cells_end_early() {
    let tally = run(&manifest(Shard::WHOLE, Some(Stop { first: 20 })), Keep::Counts, usize::MAX);
    let runs: Vec<u64> = tally.cells.iter().map(|cell| cell.runs()).collect();
    assert!(runs.iter().any(|&runs| runs < 200) && runs.iter().all(|&runs| runs >= 20), "{runs:?}");
}

/// The same lines in both cases: the boundary is between the same values, and most of the nine are never played.
#[test]
fn a_search_plays_what_it_needs() {
    let manifest = searching(Shard::WHOLE);
    let tally = run(&manifest, Keep::Counts, usize::MAX);
    let played: Vec<bool> = tally.cells.iter().map(|cell| cell.runs() > 0).collect();
    assert_eq!(played[..9], played[9..]);
    assert!((3..7).contains(&played[..9].iter().filter(|played| **played).count()), "{played:?}");
}

#[test]
fn other_results_are_refused() {
    let folder = folder("refused", "results");
    let same = manifest(Shard::WHOLE, None);
    run(&same, Keep::In(&folder), 5);
    assert!(refused(&same, Keep::In(&folder)).contains("go on with --resume, or choose another folder"));
    let mut other = same.clone();
    other.build.commit = "d".into();
    assert!(refused(&other, Keep::Resume(&folder)).contains("another build (commit: c then, d now)"));
    let mut other = same.clone();
    other.plan.cells[2].deadlines[0].1 = Duration::from_secs(9);
    let told = refused(&other, Keep::Resume(&folder));
    assert!(told.contains("sweep file that has changed since (first at the cell fake, "), "{told}");
    let told = refused(&manifest(Shard { index: 0, count: 2 }, None), Keep::Resume(&folder));
    assert!(told.contains("another number of shards"), "{told}");
    fs::write(folder.join("rows.jsonl"), "{}\n").unwrap();
    assert!(refused(&same, Keep::Resume(&folder)).contains("line 1 is no row"));
}

#[test]
fn two_sweeps_do_not_write_one_folder() {
    let (same, folder) = (manifest(Shard::WHOLE, None), folder("locked", "results"));
    run(&same, Keep::In(&folder), 5);
    let journal = Journal::open(&folder).unwrap();
    assert!(refused(&same, Keep::Resume(&folder)).contains("is being written by another process"));
    drop(journal);
    run(&same, Keep::Resume(&folder), 5);
}

/// A folder that cannot be made, and a disk that is full, are told with the file.
#[test]
fn a_disk_that_says_no_is_told() {
    let same = manifest(Shard::WHOLE, None);
    assert!(
        refused(&same, Keep::In(Path::new("/dev/null/results")))
            .contains("/dev/null/results: cannot be made")
    );
    let folder = folder("full", "results");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.join("rows.jsonl")).unwrap();
    let told = refused(&same, Keep::In(&folder));
    assert!(told.contains("rows.jsonl"), "{told}");
}
