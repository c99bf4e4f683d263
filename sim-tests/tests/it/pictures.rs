//! Pictures of runs: the page (`--html`) and the trace for Perfetto (`--perfetto`).

use crate::console::{folder, refused, stormglass};
use expect_test::expect;
use serde_json::Value;
use std::collections::BTreeSet;
use stormglass_cli::Exit;

/// Returns the data of a page.
fn data_of(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"id="document">"#).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Plays a command with `--html` and returns the page, and what the command reports.
fn page_of(name: &str, command: &[&str]) -> (String, String) {
    let file = folder().join(format!("picture-{name}"));
    let file = file.to_str().unwrap();
    let (_, _, reported) = stormglass(&[command, &["--html", file]].concat());
    (std::fs::read_to_string(file).unwrap(), reported)
}

#[test]
fn every_command_that_plays_a_run_writes_its_page() {
    let short = ["--set", "admin.deadline=1ms"];
    for command in ["run", "replay", "explain", "shrink"] {
        let arguments = [&[command, "cold-start", "--seed", "3"], &short[..]].concat();
        let (page, reported) = page_of(&format!("{command}.html"), &arguments);
        assert!(page.contains("<h1>Timed out: admin on node-"), "{command}");
        assert!(reported.starts_with("wrote the page of seed 3 to "), "{command}: {reported}");
    }
}

#[test]
fn of_many_runs_the_first_that_failed_is_shown() {
    let run =
        ["run", "cold-start", "--seeds", "0..20", "--profile", "ci-disk", "--set", "admin.deadline=900ms"];
    let (page, reported) = page_of("many.html", &run);
    let (_, printed, _) = stormglass(&run);
    let first = printed.split_once("first failure: seed ").unwrap().1.split(',').next().unwrap();
    assert!(page.contains(&format!("cold-start, seed {first}<")), "{first}");
    assert!(reported.contains(&format!("the page of seed {first} ")), "{reported}");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_is_played() {
    for command in ["run", "replay", "explain", "shrink"] {
        // A scenario that does not exist would be the next error.
        refused(
            &[command, "cold-stark", "--html", "/no/such/folder/run.html"],
            expect![
                "error: /no/such/folder/run.html: cannot be written: there is no folder /no/such/folder: create it first"
            ],
        );
    }
    refused(
        &["replay", "cold-start", "--perfetto", "/"],
        expect!["error: /: cannot be written: it is a folder: name a file in it"],
    );
}

/// The three moments of the incident: start, node id at 7.33 s, deadline at 10.0 s; and the disk.
#[test]
fn the_page_of_the_incident_has_its_moments_and_its_cause() {
    let (page, _) = page_of("incident.html", &["replay", "incident-2973"]);
    let data = data_of(&page);
    let moments = data["headline"]["moments"].as_array().unwrap();
    let shown: Vec<String> = moments
        .iter()
        .map(|moment| {
            let at = moment["at"].as_u64().unwrap() / 1_000_000;
            format!("{at} ms {}: {}", moment["title"].as_str().unwrap(), moment["detail"].as_str().unwrap())
        })
        .collect();
    expect![[r#"
        0 ms wait begins: for admin on node-1, at most 10.000 s
        4261 ms longest fsync: 3.070 s on node-1; half of all take at most 6 ms
        7331 ms node id: node-1 reaches it after “mark as provisioned”, which took 3.336 s
        10000 ms deadline: node-1 is executing “open local loglet database”, for 2.587 s now
        11509 ms wait ends: its condition is met, 1.510 s too late"#]]
    .assert_eq(&shown.join("\n"));
    let wait = &data["waits"][data["chosen"].as_u64().unwrap() as usize];
    let parts = wait["explained"]["parts"].as_array().unwrap();
    let syncs: u64 = parts.iter().map(|part| part["by_category"][0].as_u64().unwrap()).sum();
    let share = syncs as f64 / wait["length"].as_f64().unwrap();
    assert!((0.94..0.96).contains(&share), "fsync takes {share} of the wait");
}

#[test]
fn the_page_of_explain_begins_with_the_wait_of_its_node() {
    let (page, _) = page_of("node-2.html", &["explain", "incident-2973", "--node", "node-2"]);
    assert!(page.contains("<h1>Timed out: admin on node-2 took 15.511 s, 5.511 s longer than"));
    let data = data_of(&page);
    assert_eq!(data["waits"][data["chosen"].as_u64().unwrap() as usize]["node"], "node-2");
}

#[test]
fn the_page_of_a_storm_has_faults_states_of_processes_and_terms() {
    let command = ["replay", "cluster-chaos", "--plan", "storm", "--seed", "1"];
    let (page, _) = page_of("storm.html", &command);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    let data = data_of(&page);
    let of = |list: &str, key: &str| -> BTreeSet<String> {
        data[list].as_array().unwrap().iter().map(|entry| entry[key].to_string()).collect()
    };
    assert!(of("faults", "text").len() > 5, "{:?}", of("faults", "text"));
    assert!(!of("faults", "lanes").contains("[]"), "every fault is on a lane");
    let states = of("lives", "state");
    assert!(states.contains("\"down\"") && states.contains("\"cut-off\""), "{states:?}");
    assert!(of("roles", "term").len() > 2, "{:?}", of("roles", "term"));
}

#[test]
fn flows_of_the_perfetto_trace_pair_up() {
    let file = folder().join("picture-trace.json");
    let file = file.to_str().unwrap();
    let (exit, ..) = stormglass(&["replay", "cold-start", "--seed", "1", "--perfetto", file]);
    assert_eq!(exit, Exit::Held);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let entries = trace["traceEvents"].as_array().unwrap();
    let ids = |ph: &str| -> Vec<u64> {
        entries.iter().filter(|entry| entry["ph"] == ph).map(|entry| entry["id"].as_u64().unwrap()).collect()
    };
    let (starts, ends) = (ids("s"), ids("f"));
    assert!(starts.len() > 50, "{} flows", starts.len());
    assert_eq!(starts, ends);
    let threads: BTreeSet<&str> = entries
        .iter()
        .filter(|entry| entry["name"] == "thread_name")
        .filter_map(|entry| entry["args"]["name"].as_str())
        .collect();
    assert!(threads.contains("main") && threads.contains("metadata server"), "{threads:?}");
    assert!(entries.iter().any(|entry| entry["ph"] == "C" && entry["args"]["operations"] == 2));
}

#[test]
fn a_failure_ends_with_the_command_for_its_page() {
    let (exit, printed, _) = stormglass(&["run", "cold-start", "--seed", "3", "--set", "admin.deadline=1ms"]);
    assert_eq!(exit, Exit::Failed);
    let lines: Vec<&str> = printed.lines().rev().take(3).collect();
    assert!(
        lines[0].ends_with(
            "replay cold-start --profile ci-disk --set admin.deadline=1ms --seed 3 --html run.html"
        )
    );
    assert!(lines[1].contains(" explain cold-start "), "{printed}");
    assert_eq!(lines[2].to_string() + " --html run.html", lines[0]);
}

#[test]
fn a_timeline_folds_what_repeats() {
    let lines = |more: &[&str]| {
        let (_, printed, _) = stormglass(&[&["replay", "incident-2973"], more].concat());
        printed
            .lines()
            .filter(|line| line.contains("  refuse runner -> node-1"))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let (folded, each) = (lines(&[]), lines(&["--unfold"]));
    assert_eq!((folded.len(), each.len()), (1, 46), "{folded:?}");
    assert!(folded[0].contains("46 ×, every 0.250 s until"), "{folded:?}");
    let of_node = lines(&["--unfold", "--node", "node-1"]);
    assert!(of_node.is_empty(), "the harness is refused, not node-1: {of_node:?}");
    let syncs =
        stormglass(&["replay", "incident-2973", "--kind", "fsync", "--node", "node-2", "--from", "1s"]).1;
    let shown = syncs.lines().filter(|line| line.contains("node-2")).count();
    assert_eq!(syncs.lines().filter(|line| line.contains("  fsync /data")).count(), shown - 1, "{syncs}");
}
