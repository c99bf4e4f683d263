//! `crash`: a node crashes before and after each of its operations.

use crate::again::words;
use crate::console::{command, folder};
use expect_test::expect;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stormglass_cli::{App, Exit};
use stormglass_sim::fs::{FileExt, mount};
use stormglass_sim::{Parameters, RunDefaults, Scenario, World, scenario};

/// A log that acknowledges records.
struct Appends;

#[derive(Clone, Parameters)]
#[parameters(crate = "stormglass_sim")]
struct AppendSettings {
    /// Whether a record is acknowledged before it is synced.
    #[parameter(default = true)]
    early: bool,
}

#[scenario(about = "a log of three records, each acknowledged")]
impl Scenario for Appends {
    fn run_defaults(&self) -> RunDefaults {
        RunDefaults { profile: "quiet", ..RunDefaults::default() }
    }

    async fn play(&self, world: World, settings: AppendSettings) {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (at, known) = (world.clone(), acknowledged.clone());
        world.node("log").run("append", move || append(at.clone(), known.clone(), settings.early));
        stormglass_rt::sleep(Duration::from_secs(3)).await;
        world.check("three records are acknowledged", acknowledged.load(Ordering::Relaxed) == 3);
    }
}

async fn append(world: World, acknowledged: Arc<AtomicU64>, early: bool) {
    let disk = mount::current().expect("a node has a disk");
    let found = match disk.metadata("/log").await {
        Ok(found) => found.len() / 8,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => panic!("{error}"),
    };
    let known = acknowledged.load(Ordering::Relaxed);
    if found < known {
        world.violated("acknowledged records stay", format!("{found} of {known} are there"));
    }
    let mut options = stormglass_sim::fs::OpenOptions::new();
    let file = disk.open_with(options.write(true).create(true), "/log").await.unwrap();
    disk.open("/").await.unwrap().sync_all().await.unwrap();
    file.sync_all().await.unwrap();
    acknowledged.fetch_max(found, Ordering::Relaxed);
    for number in found..3 {
        file.write_all_at(&number.to_le_bytes(), 8 * number).await.unwrap();
        if early {
            acknowledged.fetch_max(number + 1, Ordering::Relaxed);
        }
        file.sync_all().await.unwrap();
        acknowledged.fetch_max(number + 1, Ordering::Relaxed);
    }
    std::future::pending().await
}

fn app() -> App {
    App::new().with_scenario(Appends)
}

#[test]
fn crash_names_the_interval_in_which_a_crash_fails() {
    let (exit, text) = command(&app(), &["crash", "appends"]);
    assert_eq!(exit, Exit::Failed);
    let text = text.lines().filter(|line| !line.contains("--seed 0")).collect::<Vec<_>>().join("\n");
    expect![[r#"
        appends: 18 crash points on log (1 seed), 5 crashes at each: 90 runs, 18 failed

         crash                    runs  failed
         kill                       18       0
         power loss (everything)    18       6
         power loss (suffix)        18       0
         power loss (subset)        18       6
         power loss (torn)          18       6

             18 violated acknowledged records stay

        A crash fails in these intervals:
          seed 0, log: from after `write /log` at 0.000470s to before `fsync /log` at 0.001025s, 2 crash points: power loss (everything, subset, torn)
          seed 0, log: from after `write /log` at 0.001035s to before `fsync /log` at 0.001374s, 2 crash points: power loss (everything, subset, torn)
          seed 0, log: from after `write /log` at 0.001384s to before `fsync /log` at 0.001958s, 2 crash points: power loss (everything, subset, torn)

        first failure: seed 0, power loss (everything) of log after `write /log` at 0.000470s: violated acknowledged records stay: 0 of 1 are there"#]].assert_eq(&text);
}

#[test]
fn a_log_that_syncs_first_survives_every_crash() {
    let (exit, text) =
        command(&app(), &["crash", "appends", "--set", "append.early=false", "--seeds", "0..4"]);
    assert_eq!(exit, Exit::Held);
    expect![[r#"
        appends: 72 crash points on log (4 seeds), 5 crashes at each: 360 runs, 0 failed

         crash                    runs  failed
         kill                       72       0
         power loss (everything)    72       0
         power loss (suffix)        72       0
         power loss (subset)        72       0
         power loss (torn)          72       0
    "#]]
    .assert_eq(&text);
}

/// The printed options play the run that failed.
#[test]
fn the_first_failure_is_replayed_by_its_line() {
    let (_, text) = command(&app(), &["crash", "appends", "--kind", "torn,everything", "--down", "2500us"]);
    let line = text.lines().find(|line| line.contains(" replay ")).expect("a line that replays it");
    let words = words(line);
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let (exit, replayed) = command(&app(), &arguments);
    assert_eq!(exit, Exit::Failed, "{arguments:?}: {replayed}");
    assert!(replayed.contains("✗ violated acknowledged records stay"), "{replayed}");
}

/// The order and the text do not depend on the threads.
#[test]
fn crash_prints_the_same_on_any_number_of_threads() {
    let of = |jobs| command(&app(), &["crash", "appends", "--json", "--jobs", jobs, "--seeds", "0..3"]);
    let (exit, lines) = of("1");
    assert_eq!((exit, &lines), (Exit::Failed, &of("3").1));
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, crashes) = lines.split_last().unwrap();
    let failed = crashes.iter().filter(|line| line["verdict"]["kind"] == "violated").count();
    assert_eq!(summary["runs"], crashes.len());
    assert_eq!(summary["failed"], failed);
    assert_eq!(summary["points"], crashes.len() / 5);
    assert_eq!(crashes[1]["kind"], "everything");
}

#[test]
fn points_limits_the_crash_points_and_says_so() {
    let (_, text) = command(&app(), &["crash", "appends", "--points", "4", "--kind", "kill"]);
    let head: Vec<&str> = text.lines().take(2).collect();
    expect![[r#"
        appends: 4 crash points on log (1 seed), 1 crash at each: 4 runs, 0 failed
        14 more crash points were left out: --points"#]]
    .assert_eq(&head.join("\n"));
}

#[test]
fn crash_refuses_what_it_cannot_do_and_says_why() {
    let refused = |more: &[&str]| {
        let words: Vec<&str> = ["crash", "appends"].iter().chain(more).copied().collect();
        let (exit, text) = command(&app(), &words);
        assert_eq!(exit, Exit::Usage, "{text}");
        text.lines().next().unwrap_or_default().to_string()
    };
    let plan = folder().join("crash-plan.toml");
    std::fs::write(&plan, "[[fault]]\nkind = 'kill'\nnode = 'log'\nat = '1ms'\n").unwrap();
    let texts = [
        refused(&["--node", "lo[g"]),
        refused(&["--node", "db-*"]),
        refused(&["--kind", "melt"]),
        refused(&["--points", "0"]),
        refused(&["--plan", plan.to_str().unwrap(), "--seeds", "7..9"]),
    ];
    expect![[r#"
        error: invalid value 'lo[g' for '--node <PATTERN>': "lo[g" is no pattern: Pattern syntax error near position 2: invalid range pattern
        error: no node that matches --node db-* changes its disk or sends a message
        error: invalid value 'melt' for '--kind <KIND>'
        error: invalid value '0' for '--points <POINTS>': number would be zero for non-zero type
        error: seed 7 fails without a crash, so its crashes say nothing: violated three records are acknowledged: at crates/stormglass-cli/tests/it/crashes.rs:36:15. Leave it out with --seeds, or leave out its faults with --plan none"#]].assert_eq(&texts.join("\n"));
}

#[test]
fn the_page_of_the_first_failure_is_written() {
    let page = folder().join("crash.html");
    let sarif = folder().join("crash.sarif");
    let (page_name, sarif_name) = (page.to_str().unwrap(), sarif.to_str().unwrap());
    let (exit, _) = command(&app(), &["crash", "appends", "--html", page_name, "--sarif", sarif_name]);
    assert_eq!(exit, Exit::Failed);
    assert!(std::fs::read_to_string(&page).unwrap().contains("power loss"));
    let sarif: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&sarif).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "violated");
}
