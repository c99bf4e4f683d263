use super::*;
use crate::proptest::{Profile, cases, parameter, parameters, plans, profiles};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use stormglass_core::Limit;
use stormglass_sim::fs::FileExt;
use stormglass_sim::{Parameters, Scenario, World, scenario};

#[derive(Clone, Parameters)]
#[parameters(crate = "stormglass_sim")]
struct Own {
    /// How long the service may be without a write.
    #[parameter(default = "1s")]
    gap: Limit,
    /// The number of writes that the service acknowledges before it syncs them.
    #[parameter(default = 1u32)]
    unsynced: u32,
}

/// A service that acknowledges writes before it syncs them, if `unsynced` is above 1.
struct Service;

#[scenario(about = "acknowledged writes stay")]
impl Scenario for Service {
    fn nodes(&self, _: &Own) -> Vec<String> {
        vec!["node-1".into(), "node-2".into()]
    }

    async fn play(&self, world: World, own: Own) {
        let acknowledged = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (node, watched) = (world.node_on("node-1", "node-1"), world.clone());
        world.node_on("node-2", "node-2").run("idle", std::future::pending::<()>);
        let disk = node.disk().clone();
        node.run("main", move || {
            let (disk, world, acknowledged) = (disk.clone(), watched.clone(), acknowledged.clone());
            async move {
                let _ = &own.gap;
                let kept = disk.read("log").await.map_or(0, |bytes| bytes.len() as u64);
                let expected = acknowledged.load(std::sync::atomic::Ordering::Relaxed);
                if kept < expected {
                    world.violated("acknowledged stays", format!("{kept} of {expected} writes"));
                }
                acknowledged.store(kept, std::sync::atomic::Ordering::Relaxed);
                let options = *stormglass_fs::OpenOptions::new().append(true).create(true);
                let Ok(file) = disk.open_with(&options, "log").await else { return };
                let Ok(directory) = disk.open("/").await else { return };
                drop(directory.sync_all().await);
                for number in 1.. {
                    if file.write_all_at(b"x", 0).await.is_err() {
                        return;
                    }
                    if number % own.unsynced == 0 && file.sync_all().await.is_err() {
                        return;
                    }
                    acknowledged.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    stormglass_rt::sleep(Duration::from_millis(50)).await;
                }
            }
        });
        stormglass_rt::sleep(Duration::from_secs(5)).await;
    }
}

fn drawn(most: i64) -> impl Strategy<Value = Case> {
    let plans = plans(&["node-1", "node-2"], 0..8, Duration::from_secs(4), Duration::from_millis(500));
    let parameters = parameters([
        ("own.unsynced", parameter::integers(1..=most)),
        ("own.gap", parameter::durations(1_000..=5_000)),
    ]);
    cases(quiet(), parameters, plans)
}

fn quiet() -> impl Strategy<Value = Profile> {
    profiles(&["quiet"])
}

/// The interesting cases have a power loss of the service's node.
fn judge(case: &Case, played: &Played) -> Result<bool, String> {
    passes(played)?;
    Ok(case.plan.written.iter().any(|fault| fault.to_string().contains("power")))
}

fn message<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { panic!("it does not fail") };
    *panic.downcast::<String>().expect("a message")
}

/// Returns a property with files of its own, whose failures leave nothing in the sources.
fn property(name: &str) -> (Property, PathBuf) {
    let directory = std::env::temp_dir().join(format!("stormglass-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let source = directory.join("source.rs");
    std::fs::write(&source, "").unwrap();
    let source: &'static str = String::leak(source.to_string_lossy().into_owned());
    let mut property = Property::new("stormglass", &format!("it::{name}::here"), source);
    property.environment.artifacts = directory.clone();
    property.environment.shrink_time = Duration::from_secs(2);
    (property, directory)
}

#[test]
fn a_service_that_syncs_holds() {
    let (property, _) = property("holds");
    let tally = property.cases(30).at_least(0.2).check_runs(&Service, drawn(1), judge);
    assert_eq!(tally.cases, 30);
}

/// The smallest case is one power loss and a parameter; the files it leaves replay it, and the
/// options name them.
#[test]
fn a_failing_case_shrinks_to_a_fault_and_a_parameter_and_is_replayed() {
    let (property, directory) = property("shrinks");
    let property = property.cases(200);
    let text = message(|| property.check_runs(&Service, drawn(4), judge));
    let (plan, file) = (directory.join("shrinks/plan.toml"), directory.join("shrinks/case.toml"));
    let case = Case::read(&file).unwrap();
    assert_eq!(case.plan.written.len(), 1, "{text}");
    assert!(case.plan.written[0].to_string().contains("node-1"), "{text}");
    let set: Vec<&str> = case.assignments.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(set, ["own.unsynced"], "{text}");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let options = format!("--profile quiet --plan {} --set own.unsynced=", plan.display());
    assert!(lines.iter().any(|line| line.starts_with(&options) && line.contains(" --seed ")), "{text}");
    let replay = format!(
        "STORMGLASS_REPLAY={} cargo test -p stormglass shrinks -- --exact --nocapture",
        file.display()
    );
    assert!(lines.contains(&replay.as_str()), "{text}");
    assert!(directory.join("source.shrinks.regressions").exists());

    let mut again = property.clone();
    again.environment.replay = Some(file.clone());
    let replayed = message(|| again.check_runs(&Service, drawn(4), judge));
    assert!(replayed.contains("violated acknowledged stays: "), "{replayed}");
    // The plan file can be changed by hand: without the fault, the case passes.
    std::fs::write(&plan, "").unwrap();
    assert_eq!(again.check_runs(&Service, drawn(4), judge).cases, 1);
    std::fs::write(&plan, "[[fault]]\nkind = 'kill'\n").unwrap();
    let damaged = message(|| again.check_runs(&Service, drawn(4), judge));
    assert!(damaged.contains("plan.toml: `fault[0]`") && damaged.contains("missing field `at`"), "{damaged}");
    std::fs::write(&file, "seed = 'x'").unwrap();
    let damaged = message(|| again.check_runs(&Service, drawn(4), judge));
    assert!(damaged.contains("case.toml: is not a case file:"), "{damaged}");
    std::fs::remove_dir_all(directory).unwrap();
}

/// The strategy is wrong, not the service: nothing is shrunk or kept.
#[test]
fn a_strategy_of_invalid_cases_is_refused_with_the_field() {
    let (property, directory) = property("invalid");
    let invalid = |change: fn(Case) -> Case| {
        let cases = drawn(1).prop_map(change);
        message(|| property.clone().cases(20).check_runs(&Service, cases, judge))
    };
    let text = invalid(|mut case| {
        let node = "node-1".into();
        let pause = stormglass_plan::OneShot::Pause { node };
        case.plan.written = vec![stormglass_plan::Fault::new(Duration::ZERO, Duration::ZERO, pause)];
        case
    });
    let expected =
        "invalid: case 1: the strategy yields a wrong case: plan: `fault[0].lasts`: must be above 0s";
    assert!(text.starts_with(expected), "{text}");
    let text = invalid(|mut case| {
        case.assignments.push(("own.unsinced".into(), "1".into()));
        case
    });
    assert!(text.contains("parameters: ") && text.contains("did you mean `own.unsynced`?"), "{text}");
    let text = invalid(|mut case| {
        case.plan.generate.count = 1;
        case
    });
    assert!(text.contains("plan: `generate.count`: the seed would draw faults; list them"), "{text}");
    assert!(!directory.join("source.invalid.regressions").exists());
    std::fs::remove_dir_all(directory).unwrap();
}
