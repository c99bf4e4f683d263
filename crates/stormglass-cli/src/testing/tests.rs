//! What a test says when it fails and when it passes.

use super::Test;
use stormglass_sim::{RunDefaults, Scenario, World, scenario};

/// A service that answers before its write is durable, and a client that asks before and after the
/// faults.
struct Stores;

#[scenario(about = "a write stays")]
impl Scenario for Stores {
    fn run_defaults(&self) -> RunDefaults {
        const FAULTS: &str = "[{ kind = 'kill', node = 'store', at = '1s', lasts = '1s' }, \
            { kind = 'pause', node = 'store', at = '3s', lasts = '1s' }, \
            { kind = 'power-loss', node = 'store', at = '5s', lasts = '1s' }]";
        RunDefaults { profile: "quiet", plan: None, sets: &[("plan.fault", FAULTS)] }
    }

    async fn play(&self, world: World) {
        let store = world.node("store");
        store.run("serve", std::future::pending::<()>);
        store.disk().write("log", b"x").await.expect("nothing is wrong yet");
        stormglass_rt::sleep(std::time::Duration::from_secs(10)).await;
        world.check("the write stays", store.disk().read("log").await.is_ok_and(|log| log == b"x"));
    }
}

/// Every seed passes; those from 3 on are lucky.
struct Lucky;

#[scenario(about = "luck")]
impl Scenario for Lucky {
    async fn play(&self, world: World) {
        world.sometimes("luck", world.seed().0 >= 3);
    }
}

/// A service that logs, and whose answer never comes.
struct Logs;

#[scenario(about = "a service that logs")]
impl Scenario for Logs {
    async fn play(&self, world: World) {
        let service = world.node("service");
        service.run("serve", || async {
            for number in 0..20 {
                tracing::info!(number, "asks");
                tracing::debug!("is not shown");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        });
        world.node("other").run("main", || async { tracing::warn!("of another node") });
        let second = std::time::Duration::from_secs(1);
        world.wait("answer", "service", second, stormglass_rt::sleep(3 * second)).await;
    }
}

#[test]
fn the_message_has_the_last_log_lines_of_the_node() {
    let text = Test::of(Logs, "logs").seeds(0..1).play().expect_err("the wait is too long");
    let (_, log) = text.split_once("\nThe last lines of its log:\n\n").expect("the log is shown");
    let lines: Vec<&str> = log.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 10, "{text}");
    let of = |line: &str| line.trim_start().to_string();
    // 19 pauses of 100 ms that end with the next tick of 1 ms.
    assert!(of(lines[9]).starts_with("1.918s"), "{text}");
    assert!(
        lines[9].contains("service") && lines[9].contains(" INFO ") && lines[9].ends_with("asks number=19")
    );
    assert!(lines[0].ends_with("asks number=10"), "{text}");
    // A scenario without log lines has no such part.
    assert!(!stores(|_| {}).contains("lines of its log"));
}

#[test]
fn a_pasted_line_with_quotes_runs_in_a_test() {
    let mut test = Test::of(Lucky, "lucky").seeds(3..4);
    test.environment.command = Some("run --seed 5 --set 'run.horizon=9s' --log 'info,a=debug'".into());
    test.run();
}

#[test]
fn options_may_precede_the_command() {
    let mut test = Test::of(Lucky, "lucky").seeds(3..4);
    test.environment.command = Some("-q --json run --seed 5".into());
    test.run();
}

fn stores(set: impl FnOnce(&mut super::Environment)) -> String {
    let mut test = Test::of(Stores, "storms::the_write_stays").seeds(0..4);
    set(&mut test.environment);
    test.play().expect_err("the write is lost")
}

#[test]
fn the_message_has_verdict_place_events_smallest_plan_and_commands() {
    let text = stores(|_| {});
    let mut rest = &*text;
    for part in [
        "stores: 4 of 4 runs failed (seeds 0..4)\n\n      4 violated the write stays, first with seed 0\n",
        "\nseed 0: violated the write stays: at crates/stormglass-cli/src/testing/tests.rs:",
        "\nThat was at 10.",
        "\nThe last events of the run:\n",
        "power loss of store",
        "\nthe smallest plan that still fails, of 3 faults, after trying ",
        "power loss of store",
        "\nThis run again:\n\n  STORMGLASS='replay --seed 0' cargo test storms::the_write_stays -- --exact --nocapture\n",
        "  STORMGLASS='explain --seed 0' cargo test storms::the_write_stays -- --exact --nocapture\n",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("no `{part}` in the rest of:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn the_search_for_a_smaller_plan_ends_in_time() {
    assert!(!stores(|it| it.shrink = Some("0s".into())).contains("smallest plan"));
    let text = stores(|it| it.shrink = Some("1ns".into()));
    let expected =
        "\nthe smallest plan that still fails, as found within 1ns, of 3 faults, after trying 1 plans:\n";
    assert!(text.contains(expected), "{text}");
    let text = stores(|it| it.shrink = Some("long".into()));
    assert!(text.starts_with("STORMGLASS_SHRINK: `long`: "), "{text}");
}

#[test]
fn artifacts_are_written_when_they_are_asked_for() {
    let target = std::env::temp_dir().join(format!("stormglass-{}", std::process::id()));
    let text = stores(|it| (it.artifacts, it.target) = (Some("1".into()), target.clone()));
    let folder = target.join("stormglass/storms/the_write_stays");
    assert!(text.contains(&format!("are in {}", folder.display())), "{text}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    assert!(read("run.toml").contains("scenario = \"stores\""));
    assert_eq!(read("plan.toml").matches("[[fault]]").count(), 1);
    assert!(read("explain.txt").starts_with("violated the write stays"));
    assert!(read("replay.txt").contains("stores with seed 0: violated the write stays"));
    std::fs::remove_dir_all(target).expect("it was written");
}

#[test]
fn success_says_what_it_is_worth_and_which_seeds_were_played() {
    let passed = Test::of(Lucky, "lucky").seeds(0..100).play();
    let expected = "lucky: 100 runs, no failure: the failure rate is below 3.0 % (95 % confidence) (seeds 0..100)\n\
        sometimes luck: in 97 of 100 runs";
    assert_eq!(passed.as_deref(), Ok(expected));
}

#[test]
fn a_property_that_held_in_no_run_fails_the_test() {
    let failed = Test::of(Lucky, "lucky").seeds(0..3).play();
    let expected = "lucky: 3 runs passed (seeds 0..3), and did not show what they have to:\n\n\
        never luck: it has to hold in at least one of 3 runs\n";
    assert_eq!(failed, Err(expected.into()));
}

#[test]
fn seeds_of_the_date_are_the_default() {
    let mut test = Test::of(Lucky, "lucky");
    test.environment.date = 20_261_128;
    let passed = test.play().expect("seeds of the date are large");
    assert!(passed.contains("(seeds 20261128000000..20261128000100)"), "{passed}");
}
