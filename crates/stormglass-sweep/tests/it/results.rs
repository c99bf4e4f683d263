//! Storage of results: rows survive interruptions, merged shards equal the whole, and the table
//! contains the outcomes.

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
use stormglass_sweep::{Manifest, Plan, Row, RowStorage, Shard, Space, Tally, merge, sweep};

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

/// A search along two lines of nine values each.
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

/// Plays a run with two exponential waits; some waits never end, some runs violate a property, some
/// have no waits.
fn play(manifest: &Manifest, history: usize, seed: u64) -> Outcome {
    let sets = &manifest.plan.histories[history].sets;
    let slow: f64 = sets.iter().find(|(key, _)| key == "slow").unwrap().1.parse().unwrap();
    let mut stream = Seed(seed).stream("fake");
    let length = Duration::from_secs_f64(-stream.uniform().ln() * slow / 2.0);
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
    Outcome {
        verdict,
        waits,
        counters,
        events: 7 + seed,
        trace_hash: TraceHash(u64::MAX - seed),
        ended,
        sometimes: BTreeMap::new(),
        too_few: None,
    }
}

/// Returns an empty folder for this test.
fn folder(test: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn jobs() -> NonZeroUsize {
    NonZeroUsize::new(3).unwrap()
}

/// Plays at most `most` new rows.
fn run(manifest: &Manifest, keep: RowStorage<'_>, most: usize) -> Tally {
    let mut seen = 0;
    let count = |_: &Row, _: &Tally, known: bool| {
        seen += usize::from(!known);
        if seen == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    sweep(manifest, keep, jobs(), |history, seed| play(manifest, history, seed), count).unwrap()
}

fn error_of(manifest: &Manifest, keep: RowStorage<'_>) -> String {
    let play = |history, seed| play(manifest, history, seed);
    sweep(manifest, keep, jobs(), play, |_, _, _| ControlFlow::Continue(())).unwrap_err().to_string()
}

fn bytes(folder: &Path) -> Vec<u8> {
    fs::read(table::path(folder)).unwrap()
}

#[test]
fn table_contains_the_outcomes() {
    let (manifest, folder) = (manifest(Shard::WHOLE, None), folder("table", "whole"));
    let tally = run(&manifest, RowStorage::In(&folder), usize::MAX);
    let mut again = Tally::new(&manifest.plan);
    let mut rows = 0;
    for row in table::Reader::open(&folder).unwrap() {
        let row = row.unwrap();
        assert_eq!(row.outcome, play(&manifest, row.history, row.seed));
        again.add(&manifest.plan, &row);
        rows += 1;
    }
    // Cells with two deadlines share one run.
    assert_eq!((rows, manifest.plan.cells.len()), (600, 6));
    assert_eq!(again, tally);
    assert_eq!(
        run(&manifest, RowStorage::Resume(&folder), usize::MAX),
        tally,
        "a finished sweep is read, not played"
    );
}

/// A sweep that is interrupted repeatedly, with an incomplete line in the journal, resumes to the
/// same table.
#[test]
fn interrupted_sweep_resumes_to_the_same_table() {
    let (all, stopping) = (manifest(Shard::WHOLE, None), manifest(Shard::WHOLE, Some(Stop { first: 20 })));
    for manifest in [all, stopping, searching(Shard::WHOLE)] {
        let whole = folder("interruptions", "whole");
        let tally = run(&manifest, RowStorage::In(&whole), usize::MAX);
        let folder = folder("interruptions", "interrupted");
        let mut stream = Seed(5).stream("interruptions");
        for _ in 0..20 {
            run(&manifest, RowStorage::Resume(&folder), 1 + stream.below(12) as usize);
            let journal = folder.join("rows.jsonl");
            let mut torn = fs::read(&journal).unwrap();
            let line = torn.iter().take_while(|byte| **byte != b'\n').count() as u64;
            torn.extend_from_within(..stream.below(line) as usize);
            fs::write(&journal, torn).unwrap();
        }
        assert_eq!(run(&manifest, RowStorage::Resume(&folder), usize::MAX), tally);
        assert!(bytes(&folder) == bytes(&whole), "{:?}", manifest.stop);
        assert!(!folder.join("rows.jsonl").exists());
    }
}

#[test]
fn merged_shards_equal_the_whole_sweep() {
    let all: fn(Shard) -> Manifest = |shard| manifest(shard, None);
    for manifest in [all, |shard| manifest(shard, Some(Stop { first: 20 })), searching] {
        let whole = folder("shards", "whole");
        run(&manifest(Shard::WHOLE), RowStorage::In(&whole), usize::MAX);
        let part = |index: u64| {
            let part = folder("shards", &format!("part-{index}"));
            run(&manifest(Shard { index, count: 4 }), RowStorage::In(&part), usize::MAX);
            part
        };
        let parts: Vec<PathBuf> = (0..4).map(part).collect();
        let merged = folder("shards", "merged");
        let error = merge(&parts[..3], &merged).unwrap_err().to_string();
        assert!(error.contains("the shards 3/4 are missing"), "{error}");
        let error = merge(&[parts[0].clone(), parts[0].clone()], &merged).unwrap_err().to_string();
        assert!(error.contains("leave one out"), "{error}");
        merge(&parts, &merged).unwrap();
        assert!(bytes(&merged) == bytes(&whole));
        assert_eq!(fs::read(Manifest::path(&merged)).unwrap(), fs::read(Manifest::path(&whole)).unwrap());
    }
}

/// A stopping rule ends cells early, but not before the first look.
#[test]
fn decided_cells_end_early() {
    let tally = run(&manifest(Shard::WHOLE, Some(Stop { first: 20 })), RowStorage::Counts, usize::MAX);
    let runs: Vec<u64> = tally.cells.iter().map(|cell| cell.runs()).collect();
    assert!(runs.iter().any(|&runs| runs < 200) && runs.iter().all(|&runs| runs >= 20), "{runs:?}");
}

/// Both cases have the same boundary, and most of the nine values are never played.
#[test]
fn boundary_search_plays_few_cells() {
    let manifest = searching(Shard::WHOLE);
    let tally = run(&manifest, RowStorage::Counts, usize::MAX);
    let played: Vec<bool> = tally.cells.iter().map(|cell| cell.runs() > 0).collect();
    assert_eq!(played[..9], played[9..]);
    assert!((3..7).contains(&played[..9].iter().filter(|played| **played).count()), "{played:?}");
}

#[test]
fn results_of_other_sweeps_are_rejected() {
    let folder = folder("refused", "results");
    let same = manifest(Shard::WHOLE, None);
    run(&same, RowStorage::In(&folder), 5);
    assert!(
        error_of(&same, RowStorage::In(&folder)).contains("continue with --resume, or choose another folder")
    );
    let mut other = same.clone();
    other.build.commit = "d".into();
    assert!(error_of(&other, RowStorage::Resume(&folder)).contains("another build (commit: c then, d now)"));
    let mut other = same.clone();
    other.plan.cells[2].deadlines[0].1 = Duration::from_secs(9);
    let error = error_of(&other, RowStorage::Resume(&folder));
    assert!(error.contains("sweep file that has changed since (first at the cell fake, "), "{error}");
    let error = error_of(&manifest(Shard { index: 0, count: 2 }, None), RowStorage::Resume(&folder));
    assert!(error.contains("another number of shards"), "{error}");
    fs::write(folder.join("rows.jsonl"), "{}\n").unwrap();
    assert!(error_of(&same, RowStorage::Resume(&folder)).contains("line 1 is not a row"));
}

#[test]
fn results_folder_has_only_one_writer() {
    let (same, folder) = (manifest(Shard::WHOLE, None), folder("locked", "results"));
    run(&same, RowStorage::In(&folder), 5);
    let journal = Journal::open(&folder).unwrap();
    assert!(error_of(&same, RowStorage::Resume(&folder)).contains("another process is writing it"));
    drop(journal);
    run(&same, RowStorage::Resume(&folder), 5);
}

/// A folder that cannot be created and a full disk are errors with the path.
#[test]
fn io_errors_name_the_path() {
    let same = manifest(Shard::WHOLE, None);
    assert!(
        error_of(&same, RowStorage::In(Path::new("/dev/null/results")))
            .contains("/dev/null/results: cannot be created")
    );
    let folder = folder("full", "results");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.join("rows.jsonl")).unwrap();
    let error = error_of(&same, RowStorage::In(&folder));
    assert!(error.contains("rows.jsonl"), "{error}");
}
