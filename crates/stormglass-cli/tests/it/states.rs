//! `replay --at`: the state at a time.

use crate::compacts::{app, seeds};
use expect_test::expect;
use stormglass_cli::Exit;

fn run(words: &[&str]) -> (Exit, String, String) {
    app().run_captured(["stormglass"].iter().chain(words).copied())
}

/// Ten records of 8 bytes are durable, one is dirty: the database compacts before it syncs the eleventh.
#[test]
fn the_state_at_a_time_shows_nodes_waits_and_what_the_scenario_adds() {
    let (failed, _) = seeds();
    let (exit, text, messages) = run(&["replay", "compacts", "--seed", &failed, "--at", "1500ms"]);
    assert_eq!((exit, messages.as_str()), (Exit::Failed, ""));
    expect![[r#"
        compacts with seed 67 at 1.500s

        node-1: up
          status       database open
          disk         22 operations, 4096 B used, 8 B dirty
          listens      5432
          descriptors  2 open

        waiting for writes on node-1: for 1.500 s, the deadline is 1.000 s, which has passed

        writes: 10

        trace of the whole run 7ab93cd1abe4622f
    "#]]
    .assert_eq(&text);
}

#[test]
fn the_state_at_a_time_as_json_has_the_hash_of_the_whole_run() {
    let (failed, _) = seeds();
    let (_, json, _) = run(&["--json", "replay", "compacts", "--seed", &failed, "--at", "1.5s"]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&line["type"], &line["scenario"]["writes"]), (&"state".into(), &10.into()));
    assert_eq!(line["nodes"][0]["disk"]["dirty_bytes"], 8);
    assert_eq!(line["waits"][0]["name"], "writes");
    let hash = |words: &[&str]| {
        let text = run(words).1;
        // A failure ends with the commands that show it again.
        let line = text.lines().rfind(|line| line.contains("trace ")).unwrap();
        line.rsplit(' ').next().unwrap().to_string()
    };
    let whole = hash(&["replay", "compacts", "--seed", &failed]);
    assert_eq!(hash(&["replay", "compacts", "--seed", &failed, "--at", "1.5s"]), whole);
}

#[test]
fn a_time_after_the_end_and_an_unknown_node_are_refused() {
    let (exit, _, messages) = run(&["replay", "compacts", "--seed", "0", "--at", "1h"]);
    assert_eq!(exit, Exit::Usage);
    assert!(messages.contains("give an earlier time"), "{messages}");
    let (exit, _, messages) = run(&["replay", "compacts", "--seed", "0", "--at", "1ms", "--node", "node-9"]);
    assert_eq!(exit, Exit::Usage);
    expect![[r#"
        error: --node node-9: there is no such node at 0.001s; there are node-1
    "#]]
    .assert_eq(&messages);
}
