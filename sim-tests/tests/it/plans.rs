//! Fault plans on a user's own scenario, which uses nothing else of Stormglass.

use crate::console::{app_with, file, folder, refused};
use expect_test::{Expect, expect};
use madsim::net::Endpoint;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stormglass_cli::{App, Exit};
use stormglass_sim::{Scenario, World, scenario};

const SERVER: &str = "server";

/// A server that counts in memory, on madsim's own network, and a client that increments the count.
/// The bug: acknowledged increments are only in memory.
struct Counter;

#[scenario(about = "a counter that forgets")]
impl Scenario for Counter {
    fn nodes(&self, (): &()) -> Vec<String> {
        [SERVER, "client", "bystander"].map(String::from).to_vec()
    }

    async fn play(&self, world: World) {
        world.node_on("bystander", "bystander").run("idle", std::future::pending::<()>);
        world.node_on(SERVER, SERVER).run("serve", serve);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (told, watched) = (acknowledged.clone(), world.clone());
        let client = world.node_on("client", "client");
        client.run("add", move || add(told.clone(), watched.clone()));
        stormglass_rt::sleep(Duration::from_secs(20)).await;
        world.note(&format!("{} adds", acknowledged.load(Ordering::Relaxed)));
    }
}

async fn serve() {
    let (endpoint, mut count) = (Endpoint::bind("0.0.0.0:1").await.unwrap(), 0u64);
    let mut buffer = [0; 8];
    while let Ok((_, from)) = endpoint.recv_from(1, &mut buffer).await {
        count += 1;
        endpoint.send_to(from, 2, &count.to_le_bytes()).await.unwrap();
    }
}

async fn add(acknowledged: Arc<AtomicU64>, world: World) {
    let endpoint = Endpoint::bind("0.0.0.0:0").await.unwrap();
    let mut buffer = [0; 8];
    loop {
        drop(endpoint.send_to(format!("{SERVER}:1"), 1, b"add").await);
        let answer = endpoint.recv_from(2, &mut buffer);
        if stormglass_rt::timeout(Duration::from_millis(200), answer).await.is_some() {
            let (before, now) = (acknowledged.load(Ordering::Relaxed), u64::from_le_bytes(buffer));
            if now <= before {
                world
                    .violated("acknowledged adds stay", format!("{before} were, then the server says {now}"));
            }
            acknowledged.store(now, Ordering::Relaxed);
        }
        stormglass_rt::sleep(Duration::from_millis(50)).await;
    }
}

fn counter(arguments: &[&str]) -> (Exit, String, String) {
    let (exit, out, err) = app_with(&App::default().with_scenario(Counter), arguments);
    let folder = folder();
    (exit, out.replace(folder.to_str().unwrap(), "TMP"), err)
}

const STORM: &str =
    "[generate]\ncount = 8\nuntil = '18s'\nlasts = { uniform = { min = '100ms', max = '2s' } }\n";

/// Without a plan all seeds pass, with one some fail, and the smallest failing plan has only the
/// fault that causes the failure.
#[test]
fn random_plan_is_shrunk_to_the_fault_that_matters() {
    let (exit, ..) = counter(&["run", "counter", "--profile", "quiet", "--seeds", "0..20"]);
    assert_eq!(exit, Exit::Held);

    let storm = file("storm.toml", STORM);
    let (exit, out, _) =
        counter(&["run", "counter", "--profile", "quiet", "--plan", &storm, "--seeds", "0..20"]);
    assert_eq!(exit, Exit::Failed, "{out}");
    let seed = out.lines().find_map(|line| line.strip_prefix("first failure: seed ")?.split(',').next());
    let seed = seed.unwrap();
    assert!(
        out.contains(&format!("replay counter --profile quiet --plan TMP/storm.toml --seed {seed}")),
        "{out}"
    );

    let small = folder().join("small.toml").to_str().unwrap().to_string();
    let run = ["counter", "--profile", "quiet", "--plan", &storm, "--seed", seed];
    let (exit, out, err) = counter(&[&["shrink"], &run[..], &["--out", &small]].concat());
    assert_eq!((exit, err.as_str()), (Exit::Failed, ""));
    expect![[r#"
        counter: the smallest plan that still fails, of 8 faults, after trying 18 plans

          5s: power loss of server (everything), for 1ms

        seed 1: violated acknowledged adds stay: 73 were, then the server says 1
        wrote the plan to TMP/small.toml: replay it with --plan TMP/small.toml

          cargo run -- replay counter --profile quiet --plan TMP/small.toml --seed 1
          cargo run -- explain counter --profile quiet --plan TMP/small.toml --seed 1
          cargo run -- replay counter --profile quiet --plan TMP/small.toml --seed 1 --html run.html
    "#]]
    .assert_eq(&out);
    let plan = std::fs::read_to_string(&small).unwrap();
    assert!(plan.matches("[[fault]]").count() == 1 && plan.contains("node = \"server\""), "{plan}");

    let run = ["counter", "--profile", "quiet", "--plan", &small, "--seed", seed];
    let (exit, out, _) = counter(&[&["replay"], &run[..]].concat());
    assert_eq!(exit, Exit::Failed);
    assert!(out.contains(" of server") || out.contains("kill server"), "{out}");
    assert_eq!(counter(&[&["check"], &run[..5], &["--seeds", "0..20"]].concat()).0, Exit::Held);
}

#[test]
fn saved_run_contains_its_plan() {
    let plan = file("kill.toml", "[[fault]]\nkind = 'kill'\nnode = 'server'\nat = '3s'\nlasts = '1s'\n");
    let saved = folder().join("counter-run.toml").to_str().unwrap().to_string();
    let (exit, ..) = counter(&["run", "counter", "--profile", "quiet", "--plan", &plan, "--save", &saved]);
    assert_eq!(exit, Exit::Failed);
    std::fs::remove_file(&plan).unwrap();
    let (exit, out, _) = counter(&["replay", &saved]);
    assert_eq!(exit, Exit::Failed);
    assert!(out.contains("kill server") && out.contains("start server"), "{out}");
}

/// A sweep can vary the generator of a plan; after a change of the plan file its results cannot be
/// resumed.
#[test]
fn sweep_varies_the_plan_generator() {
    let storm = file("sweep-storm.toml", STORM);
    let space = format!(
        "scenario = 'counter'\nprofile = 'quiet'\nplan = '{storm}'\nseeds = '0..40'\n\
         [[parameter]]\nkey = 'plan.generate.count'\nvalues = [0, 2, 8]\n"
    );
    let (space, results) =
        (file("storms.toml", &space), folder().join("storms").to_str().unwrap().to_string());
    let _ = std::fs::remove_dir_all(&results);
    let (exit, out, err) = counter(&["sweep", &space, "--out", &results]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    let failed = |count: &str| -> u32 {
        let row = out.lines().find(|line| line.contains(&format!("plan.generate.count={count} "))).unwrap();
        let of = row.split_whitespace().position(|word| word == "40").unwrap();
        row.split_whitespace().nth(of + 1).unwrap().parse().unwrap()
    };
    assert_eq!(failed("0"), 0, "{out}");
    assert!(failed("8") > failed("2") && failed("2") > 0, "{out}");
    assert!(
        out.contains(
            "explain counter --profile quiet --plan TMP/sweep-storm.toml --set plan.generate.count="
        ),
        "{out}"
    );

    file("sweep-storm.toml", &STORM.replace("18s", "9s"));
    let (exit, _, err) = counter(&["sweep", &space, "--out", &results, "--resume"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("whose file has changed since"), "{err}");
}

#[track_caller]
fn assert_rejected(text: &str, expected: Expect) {
    let plan = file("wrong.toml", text);
    refused(&["run", "cold-start", "--plan", &plan], expected);
}

#[test]
fn invalid_plans_are_rejected() {
    refused(
        &["run", "cold-start", "--plan", "nowhere.toml"],
        expect!["error: nowhere.toml: cannot be read: No such file or directory (os error 2)"],
    );
    assert_rejected(
        "[[fault]]\nkind = 'kill'\nat = '1s'\nnodes = 'x'",
        expect!["error: TMP/wrong.toml: `plan.fault[0]`: unknown field `nodes`, expected `node`"],
    );
    assert_rejected(
        "[generate]\ncount = -1",
        expect![
            "error: TMP/wrong.toml: `plan.generate.count`: invalid value: integer `-1`, expected a whole number from 0 to 4294967295"
        ],
    );
    assert_rejected(
        "kind = 'kill'",
        expect!["error: TMP/wrong.toml: unknown parameter `plan.kind`; did you mean `plan.generate.down`?"],
    );
    refused(
        &["shrink", "cold-start", "--profile", "quiet"],
        expect![
            "error: the run passes, so there is no failure to shrink: find a seed that fails with `run --seeds A..B`"
        ],
    );
    refused(
        &["shrink", "incident-2973", "--seed", "1"],
        expect![
            "error: incident-2973 is an exhibit with its own seed and model: leave out --seed and --model"
        ],
    );
}
