//! Opening a database makes the calls of the real one, and recovers what was written.

use sim_rocksdb::{Batch, Engine, EngineError};
use std::path::Path;
use std::time::Duration;
use stormglass_core::{Keep, Kind, Latency, Recorder, Seed, Trace};
use stormglass_fs::{Disk, DiskProfile};

const FAMILIES: [&str; 2] = ["data", "metadata"];

async fn write(engine: &mut Engine, family: usize, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(family, key, value);
    engine.write_synced(batch).await.unwrap();
}

/// Returns the calls of a trace in the form of the recordings: without opens and stats, with
/// digits as N.
fn calls(trace: &Trace) -> Vec<(String, String)> {
    let events =
        trace.events.iter().filter(|event| !matches!(event.kind, Kind::Open | Kind::Create | Kind::Stat));
    events
        .map(|event| {
            let path = Path::new(trace.text(event.subject));
            let file = match path.file_name().unwrap().to_str().unwrap() {
                "db" => ".".to_string(),
                name => {
                    let mut name: String =
                        name.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect();
                    name = name.replace("NN", "N");
                    name
                }
            };
            (event.kind.to_string(), file)
        })
        .collect()
}

fn recorded(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split_once('\t').unwrap()).map(|(op, file)| (op.into(), file.into())).collect()
}

/// Opens a database after `before` has run on its disk, and returns the calls of that opening.
fn calls_of_opening(before: impl AsyncFnOnce(&Disk)) -> Vec<(String, String)> {
    let recorder = Recorder::new(Keep::Events);
    let disk = Disk::recorded("disk", DiskProfile::instant(), Seed(1), &recorder);
    let mut skip = 0;
    madsim::runtime::Runtime::new().block_on(async {
        before(&disk).await;
        skip = recorder.count() as usize;
        Engine::open(&disk, "db", &FAMILIES).await.unwrap();
    });
    let mut trace = recorder.finish();
    trace.events.drain(..skip);
    calls(&trace)
}

#[test]
fn a_cold_open_makes_the_recorded_calls() {
    let calls = calls_of_opening(async |_| {});
    assert_eq!(calls, recorded(include_str!("recorded/open-cold.tsv")));
}

#[test]
fn a_warm_open_makes_the_recorded_calls() {
    // Killed with data of both column families in its WAL. Reading MANIFEST and WAL back is not in
    // the recording.
    let calls = calls_of_opening(async |disk| {
        let mut engine = Engine::open(disk, "db", &FAMILIES).await.unwrap();
        write(&mut engine, 0, b"a", &[1; 3_000]).await;
        write(&mut engine, 1, b"b", &[2; 2_000]).await;
    });
    let read_back = ["CURRENT", "MANIFEST-N", "N.log"].map(|file| ("read".to_string(), file.to_string()));
    let calls: Vec<_> = calls.into_iter().filter(|call| !read_back.contains(call)).collect();
    assert_eq!(calls, recorded(include_str!("recorded/open-warm.tsv")));
}

/// 12 syncs × 200 ms: "RocksDB took 3 to 5 seconds to open" is its sync count.
#[test]
fn the_time_of_an_open_is_its_sync_count() {
    let mut profile = DiskProfile::instant();
    profile.sync.latency = Latency::from_millis(200);
    let disk = Disk::new("disk", profile, Seed(1));
    madsim::runtime::Runtime::new().block_on(async {
        let mut began = stormglass_rt::now();
        let mut lap = || {
            let lap = stormglass_rt::now() - began;
            began = stormglass_rt::now();
            Duration::from_millis(lap.as_millis() as u64)
        };
        let mut engine = Engine::open(&disk, "db", &FAMILIES).await.unwrap();
        assert_eq!(lap(), Duration::from_millis(12 * 200), "a new database");
        write(&mut engine, 0, b"a", b"1").await;
        assert_eq!(lap(), Duration::from_millis(2 * 200), "the first write syncs the directory too");
        write(&mut engine, 0, b"b", b"2").await;
        assert_eq!(lap(), Duration::from_millis(200), "every later one only the WAL");
        drop(engine);
        Engine::open(&disk, "db", &FAMILIES).await.unwrap();
        assert_eq!(lap(), Duration::from_millis((5 + 1) * 200), "one column family had data in the WAL");
        let mut engine = Engine::open(&disk, "db", &FAMILIES).await.unwrap();
        assert_eq!(lap(), Duration::from_millis(5 * 200), "and now none has");
        write(&mut engine, 0, b"c", b"3").await;
        write(&mut engine, 1, b"d", b"4").await;
        lap();
        engine.flush_all().await.unwrap();
        assert_eq!(lap(), Duration::from_millis((2 + 2) * 200), "two SST files, directory, MANIFEST");
        engine.flush_all().await.unwrap();
        assert_eq!(lap(), Duration::ZERO, "there is nothing left to flush");
        drop(engine);
        Engine::open(&disk, "db", &FAMILIES).await.unwrap();
        assert_eq!(lap(), Duration::from_millis(5 * 200), "flushed data is not in the WAL");
    });
}

#[test]
fn written_data_survives_many_restarts() {
    madsim::runtime::Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        for incarnation in 0..5u8 {
            let mut engine = Engine::open(&disk, "db", &FAMILIES).await.unwrap();
            let keys: Vec<u8> = engine.range(0, ..).map(|(key, _)| key[0]).collect();
            assert_eq!(keys, (0..incarnation).collect::<Vec<_>>());
            assert_eq!(
                engine.get(1, b"incarnation"),
                incarnation.checked_sub(1).as_ref().map(std::slice::from_ref)
            );
            write(&mut engine, 0, &[incarnation], b"x").await;
            write(&mut engine, 1, b"incarnation", &[incarnation]).await;
            let mut batch = Batch::new();
            batch.put(0, b"zz", b"gone");
            batch.delete(0, b"zz");
            engine.write_synced(batch).await.unwrap();
        }
        // Old WALs, MANIFEST files and SST files are removed; one MANIFEST, one WAL and two SST
        // files are in use.
        let names = disk.read_dir("db").await.unwrap().names();
        let count = |start: &str, end: &str| {
            names.iter().filter(|name| name.starts_with(start) && name.ends_with(end)).count()
        };
        assert_eq!((count("MANIFEST-", ""), count("", ".log"), count("", ".sst")), (1, 1, 2), "{names:?}");
    });
}

#[test]
fn missing_column_families_and_files_fail_the_open() {
    madsim::runtime::Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        Engine::open(&disk, "db", &FAMILIES).await.unwrap();
        let error = Engine::open(&disk, "db", &["data"]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"corrupt database: it has the families {"data", "metadata"}, not ["data"]"#
        );
        disk.write("db/CURRENT", b"MANIFEST-99\n").await.unwrap();
        let error = Engine::open(&disk, "db", &FAMILIES).await.unwrap_err();
        assert!(matches!(error, EngineError::Io(error) if error.kind() == std::io::ErrorKind::NotFound));
    });
}
