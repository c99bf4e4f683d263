//! The largest seed, 2^64 - 1, is a seed like any other for every command.

use crate::console::{app_with, file, folder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stormglass_cli::{App, Exit};
use stormglass_sim::{Scenario, World, scenario};

const LAST: &str = "18446744073709551615";

/// A service that must not start twice, which a kill violates.
struct StartsOnce;

#[scenario(about = "a service that starts once")]
impl Scenario for StartsOnce {
    async fn play(&self, world: World) {
        let starts = Arc::new(AtomicU32::new(0));
        let counted = starts.clone();
        world.node("server").run("serve", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>()
        });
        let sleep = stormglass_rt::sleep(Duration::from_secs(10));
        world.wait("service", "server", Duration::from_secs(20), sleep).await;
        let starts = starts.load(Ordering::Relaxed);
        if starts > 1 {
            world.violated("starts once", format!("{starts} starts"));
        }
    }
}

fn command(arguments: &[&str]) -> (Exit, String, String) {
    app_with(&App::default().with_scenario(StartsOnce), arguments)
}

fn plan(name: &str) -> String {
    let kill = |at: u32| format!("[[fault]]\nkind = 'kill'\nnode = 'server'\nat = '{at}s'\nlasts = '1s'\n");
    file(name, &[kill(2), kill(5)].concat())
}

#[test]
fn run_replay_check_and_shrink_play_it() {
    let plan = plan("last-seed-plan.toml");
    let with_plan = ["starts-once", "--profile", "quiet", "--plan", &plan, "--seed", LAST];
    let (exit, out, _) = command(&["run", "starts-once", "--profile", "quiet", "--seed", LAST]);
    assert_eq!(exit, Exit::Held);
    assert!(out.starts_with(&format!("seed {LAST}: passed")), "{out}");
    let (exit, out, _) = command(&[&["replay"], &with_plan[..]].concat());
    assert!(exit == Exit::Failed && out.contains("start server"), "{out}");
    let (exit, out, _) = command(&[&["explain"], &with_plan[..]].concat());
    assert_eq!(exit, Exit::Failed, "{out}");
    let (exit, out, _) = command(&[&["shrink"], &with_plan[..]].concat());
    assert_eq!(exit, Exit::Failed);
    assert!(out.contains(&format!("seed {LAST}: violated starts once: 2 starts")), "{out}");
    let (exit, out, _) =
        command(&["check", "starts-once", "--profile", "quiet", "--seeds", &format!("{LAST}..={LAST}")]);
    assert_eq!(exit, Exit::Held);
    assert!(out.starts_with("starts-once: 1 seeds, each played twice, no divergence"), "{out}");
}

#[test]
fn saved_run_keeps_it() {
    let (plan, saved) = (plan("last-seed-saved-plan.toml"), folder().join("last-seed.toml"));
    let saved = saved.to_str().unwrap();
    let line = ["run", "starts-once", "--profile", "quiet", "--plan", &plan, "--seed", LAST, "--save", saved];
    assert_eq!(command(&line).0, Exit::Failed);
    let (exit, out, _) = command(&["replay", saved]);
    assert!(exit == Exit::Failed && out.contains("start server"), "{out}");
}

/// From 18446744073709551610 to 18446744073709551615 there are 6 seeds.
#[test]
fn ranges_end_with_it() {
    for (seeds, count) in [
        ("18446744073709551610..", 6),
        ("18446744073709551610..=18446744073709551615", 6),
        ("18446744073709551610..18446744073709551615", 5),
    ] {
        let (exit, out, _) = command(&["run", "starts-once", "--profile", "quiet", "--seeds", seeds]);
        assert_eq!(exit, Exit::Held);
        assert!(out.starts_with(&format!("starts-once: {count} runs, {count} passed")), "{out}");
    }
}

#[test]
fn sweep_and_its_results_have_it() {
    let space = "scenario = 'starts-once'\nprofile = 'quiet'\nseeds = '18446744073709551610..'\n";
    let (space, results) = (file("last-seed-sweep.toml", space), folder().join("last-seed-results"));
    let _ = std::fs::remove_dir_all(&results);
    let (exit, out, err) = command(&["sweep", &space, "--out", results.to_str().unwrap()]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    assert!(out.contains("6 runs, "), "{out}");
    let (exit, reported, _) = command(&["report", results.to_str().unwrap()]);
    assert_eq!((exit, reported), (Exit::Held, out));
}

#[test]
fn sweep_of_too_many_runs_is_refused() {
    let space = file("all-seeds.toml", "scenario = 'starts-once'\nprofile = 'quiet'\nseeds = '0..'\n");
    let (exit, _, err) = command(&["sweep", &space]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("more than 1000000000 runs together; give fewer `seeds`"), "{err}");
}
