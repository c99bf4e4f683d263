//! Crash points: a crash at each of them finds where a process is not crash-safe, and a process that is has none.

use std::future::pending;
use std::io;
use std::time::Duration;
use stormglass_core::fault::Loss;
use stormglass_core::{Keep, Kind, Seed, SimTime};
use stormglass_fs::blocking::{BlockingDisk, DeferredLatency};
use stormglass_fs::{Disk, FileExt, mount};
use stormglass_rt as rt;
use stormglass_sim::crash::{Crash, CrashPoint, Side, crash_points};
use stormglass_sim::{Played, Run, Scenario, Settings, World, scenario};

const DOWN: Duration = Duration::from_millis(100);

/// A process that replaces its state: a file of ten bytes with the same digit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replaces {
    /// It writes a new file, syncs it, renames it, and syncs the directory.
    Safely,
    /// It does not sync the new file.
    Unsynced,
    /// It writes the state in place, and syncs it.
    InPlace,
}

/// A state is acknowledged when it is durable, and what was acknowledged stays.
#[scenario]
impl Scenario for Replaces {
    async fn play(&self, world: World) {
        let replaces = *self;
        let at = world.clone();
        world.node("db").run("save", move || save(at.clone(), replaces));
        rt::sleep(Duration::from_secs(1)).await;
        world.check("the state was found", read(world.node("db").disk()).await == Some(b'3'));
    }
}

async fn save(world: World, replaces: Replaces) {
    let disk = mount::current().expect("a node has a disk");
    let Ok(()) = save_all(&world, &disk, replaces).await else {
        world.violated("the disk works", "it does not");
        return;
    };
    pending().await
}

async fn save_all(world: &World, disk: &Disk, replaces: Replaces) -> io::Result<()> {
    let exists = disk.metadata("/state").await.is_ok();
    let found = read(disk).await;
    world.check("the state is whole", found.is_some() || !exists);
    for digit in found.unwrap_or(b'0') + 1..=b'3' {
        match replaces {
            Replaces::InPlace => {
                let file = disk.create("/state").await?;
                file.write_all_at(&[digit; 10], 0).await?;
                file.sync_all().await?;
            }
            Replaces::Safely | Replaces::Unsynced => {
                let file = disk.create("/new").await?;
                file.write_all_at(&[digit; 10], 0).await?;
                if replaces == Replaces::Safely {
                    file.sync_all().await?;
                }
                disk.rename("/new", "/state").await?;
            }
        }
        disk.open("/").await?.sync_all().await?;
    }
    Ok(())
}

/// Returns the state, if it is whole.
async fn read(disk: &Disk) -> Option<u8> {
    let found = disk.read("/state").await.ok()?;
    (found.len() == 10 && found.iter().all(|byte| *byte == found[0])).then(|| found[0])
}

fn run_of(scenario: &Replaces, seed: u64) -> Run<'_> {
    let settings = Settings::resolve(scenario, None, "quiet", &[]).unwrap();
    Run::new(scenario, settings, Seed(seed))
}

/// Returns the run without a crash, and its crash points.
fn points(run: &Run<'_>) -> (Played, Vec<CrashPoint>) {
    let played = run.play(Keep::Events);
    assert!(played.outcome.verdict.is_passed(), "{}", played.outcome.verdict);
    let points = crash_points(&played, |node| node == "db");
    (played, points)
}

/// Returns the operations next to the crash points at which one of the crashes fails.
fn failures(replaces: Replaces, crashes: &[Crash]) -> Vec<(Side, Kind)> {
    let mut failures = Vec::new();
    for seed in 0..5 {
        let run = run_of(&replaces, seed);
        let (played, points) = points(&run);
        for point in &points {
            let fails = |crash: &Crash| {
                !run.clone().crashing(point, *crash, DOWN).play(Keep::Nothing).outcome.verdict.is_passed()
            };
            if crashes.iter().any(fails) {
                failures.push((point.side, played.trace.event(point.event).unwrap().kind));
            }
        }
    }
    failures.sort();
    failures.dedup();
    failures
}

#[test]
fn a_process_that_syncs_in_time_survives_every_crash() {
    assert_eq!(failures(Replaces::Safely, &Crash::ALL), []);
}

/// From the rename, which a power loss can keep, to the directory's sync, which keeps the name without the data.
/// What was there before the rename of the last state is whole.
#[test]
fn a_file_that_is_renamed_before_it_is_synced_is_found_after_the_rename() {
    let failures = failures(Replaces::Unsynced, &Crash::ALL);
    assert!(failures.contains(&(Side::After, Kind::Rename)), "{failures:?}");
    assert!(failures.contains(&(Side::Before, Kind::Fsync)), "{failures:?}");
}

/// A kill can tear it too: the file is truncated, and not written yet.
#[test]
fn a_state_that_is_written_in_place_is_found_by_a_kill_before_the_write() {
    let failures = failures(Replaces::InPlace, &[Crash::Kill]);
    assert_eq!(failures, [(Side::Before, Kind::Write), (Side::After, Kind::Create)]);
}

#[test]
fn a_run_has_the_same_events_until_its_crash() {
    let run = run_of(&Replaces::Safely, 0);
    let (whole, points) = points(&run);
    assert!(points.len() > 20, "{points:?}");
    for (index, point) in points.iter().enumerate() {
        let crash = Crash::ALL[index % Crash::ALL.len()];
        let crashed = run.clone().crashing(point, crash, DOWN).play(Keep::Events);
        let before =
            whole.trace.events.partition_point(|event| SimTime::from_nanos(event.at_nanos) < point.at);
        assert_eq!(crashed.trace.events[..before], whole.trace.events[..before], "{point:?}");
        assert_ne!(crashed.outcome.trace_hash, whole.outcome.trace_hash, "{point:?}");
    }
}

/// 1 ns before it was too late: madsim's clock goes 50 ns beyond a timer that fires, and the operation was over.
#[test]
fn a_crash_is_exactly_before_or_after_its_operation() {
    let run = run_of(&Replaces::Safely, 1);
    let (whole, points) = points(&run);
    for point in &points {
        let event = whole.trace.event(point.event).unwrap();
        let crashed = run.clone().crashing(point, Crash::Kill, DOWN).play(Keep::Events);
        let has_it = crashed.trace.events.contains(event);
        assert_eq!(has_it, point.side == Side::After, "{point:?}");
    }
}

/// Ten operations of a handle for blocking calls, which take no time.
struct AtOnce;

#[scenario(about = "blocking calls")]
impl Scenario for AtOnce {
    async fn play(&self, world: World) {
        world.node("db").run("write", async || {
            let disk = mount::current().expect("a node has a disk");
            rt::sleep(DOWN).await;
            let deferred = DeferredLatency::new(&disk);
            let disk = BlockingDisk::new(&disk, &deferred);
            for number in 0..10 {
                disk.write(format!("/{number}"), b"one").unwrap();
            }
            deferred.sleep().await;
            pending::<()>().await
        });
        rt::sleep(Duration::from_secs(1)).await;
    }
}

#[test]
fn operations_of_one_instant_have_one_crash_point_before_and_one_after() {
    let settings = Settings::resolve(&AtOnce, None, "quiet", &[]).unwrap();
    let played = Run::new(&AtOnce, settings, Seed(0)).play(Keep::Events);
    assert_eq!(played.outcome.verdict.to_string(), "passed");
    let points = crash_points(&played, |_| true);
    let kinds = |point: &CrashPoint| (point.side, played.trace.event(point.event).unwrap().kind);
    let kinds: Vec<_> = points.iter().map(kinds).collect();
    assert_eq!(kinds, [(Side::Before, Kind::Create), (Side::After, Kind::Write)]);
    assert_eq!(crash_points(&played, |_| false), []);
}

/// The crash is one more fault of the run's plan.
#[test]
fn a_crash_is_added_to_the_faults_of_the_plan() {
    let point = CrashPoint {
        node: "db".into(),
        at: SimTime::from_nanos(7),
        event: stormglass_core::EventId::START,
        side: Side::After,
    };
    let run = run_of(&Replaces::Safely, 0);
    let once = run.crashing(&point, Crash::Kill, DOWN);
    let twice = once.clone().crashing(&point, Crash::PowerLoss(Loss::Torn), DOWN);
    assert_eq!((once.faults().len(), twice.faults().len()), (1, 2));
    assert_eq!(twice.faults()[1].to_string(), "7ns: power loss of db (torn), for 100ms");
}
