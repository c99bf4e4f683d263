//! The command line: its output, and its errors for invalid input.

use crate::console::{folder, refused, stormglass};
use crate::readme::WRITING;
use expect_test::expect;
use std::sync::PoisonError;
use stormglass_cli::Exit;

const SLOW: [&str; 2] = ["--set", "disk.sync.delay=200ms"];

#[test]
fn invalid_input_is_rejected_with_a_remedy() {
    refused(
        &["run", "cold-stark"],
        expect!["error: SCENARIO: unknown scenario `cold-stark`; did you mean `cold-start`?"],
    );
    refused(
        &["run", "cold-start", "--model", "restate-1.8"],
        expect!["error: --model restate-1.8: unknown model `restate-1.8`; did you mean `restate-1.7`?"],
    );
    refused(
        &["run", "cold-start", "--profile", "slow"],
        expect!["error: --profile slow: unknown profile `slow` (known: quiet, ci-disk, ci-2025-03)"],
    );
    refused(
        &["run", "cold-start", "--set", "disk.synk.delay=1s"],
        expect![
            "error: --set disk.synk.delay=1s: unknown parameter `disk.synk.delay`; did you mean `disk.sync.delay`?"
        ],
    );
    refused(
        &["run", "cold-start", "--set", "disk.sync.delay"],
        expect![[r#"
        error: invalid value 'disk.sync.delay' for '--set <KEY=VALUE>': expected KEY=VALUE, for example disk.sync.delay=200ms

        For more information, try '--help'."#]],
    );
    refused(
        &["run", "cold-start", "--set", "disk.sync.delay=200"],
        expect![[
            r#"error: --set disk.sync.delay=200: `disk.sync.delay`: invalid type: integer `200`, expected a duration with its unit, such as "150ms" or "5s""#
        ]],
    );
    refused(
        &["run", "cold-start", "--set", "raft.election-ticks=2"],
        expect![
            "error: --set raft.election-ticks=2: `raft.election-ticks`: must exceed raft.heartbeat-ticks, which is 2"
        ],
    );
    refused(
        &["run", "cold-start", "--set", "cluster.nodes=0"],
        expect!["error: --set cluster.nodes=0: `cluster.nodes`: the range is 1 to 99"],
    );
    refused(
        &["run", "cold-start", "--seeds", "5..5"],
        expect![[r#"
        error: invalid value '5..5' for '--seeds <SEEDS>': the range `5..5` is empty; expected A..B, A..=B or A.., for example 0..100

        For more information, try '--help'."#]],
    );
    refused(
        &["run", "cold-start", "--seeds", "5-9"],
        expect![[r#"
        error: invalid value '5-9' for '--seeds <SEEDS>': expected A..B, A..=B or A.., for example 0..100

        For more information, try '--help'."#]],
    );
    refused(
        &["replay", "missing.toml"],
        expect!["error: missing.toml: cannot be read: No such file or directory (os error 2)"],
    );
    refused(
        &["explain", "cold-start", "--node", "node-9", "--seed", "1"],
        expect![
            "error: --node node-9: this run has no wait for that node; it has waits for node-1, node-2, node-3"
        ],
    );
    let file = folder().join("broken.toml");
    std::fs::write(&file, "[disk\n").unwrap();
    refused(
        &["run", "cold-start", "--profile", file.to_str().unwrap()],
        expect![[r#"
        error: TMP/broken.toml: not valid TOML: TOML parse error at line 1, column 6
          |
        1 | [disk
          |      ^
        unclosed table, expected `]`"#]],
    );
    std::fs::write(&file, "[identity]\nschema = 'new'\n").unwrap();
    refused(
        &["replay", file.to_str().unwrap()],
        expect![[r#"
        error: TMP/broken.toml: is not a run file that `run --save` wrote: TOML parse error at line 2, column 10
          |
        2 | schema = 'new'
          |          ^^^^^
        invalid type: string "new", expected u32"#]],
    );
}

#[test]
fn list_shows_scenarios_files_and_parameters() {
    let (exit, out, _) = stormglass(&["list"]);
    assert_eq!(exit, Exit::Held);
    for name in ["cold-start", "leak-none", "restate-1.7", "quiet", "ci-disk"] {
        assert!(out.contains(name), "{name}: {out}");
    }
    let (_, out, _) = stormglass(&["list", "parameters"]);
    for key in
        ["disk.sync.delay", "raft.election-ticks", "admin.deadline", "node.join-retry.max", "run.horizon"]
    {
        assert!(out.contains(key), "{key}: {out}");
    }
}

/// The summary does not depend on the number of worker threads, and with a slow disk most runs
/// fail.
#[test]
fn summary_does_not_depend_on_the_number_of_threads() {
    let run =
        |jobs: &str| stormglass(&["run", "cold-start", SLOW[0], SLOW[1], "--seeds", "0..12", "--jobs", jobs]);
    let (exit, out, err) = run("1");
    assert_eq!((exit, err.as_str()), (Exit::Failed, ""));
    assert_eq!(run("3").1, out);
    assert!(out.starts_with("cold-start: 12 runs, "), "{out}");
    for heading in ["median", "p95", "max", "deadline", "exceeded"] {
        assert!(out.contains(heading), "{out}");
    }
}

#[test]
fn passing_run_exits_with_0() {
    let (exit, out, _) = stormglass(&["run", "cold-start", "--profile", "quiet", "--seed", "3"]);
    assert_eq!(exit, Exit::Held);
    assert!(out.starts_with("seed 3: passed"), "{out}");
    assert!(!out.contains("replay"), "nothing to replay: {out}");
}

/// The command line printed with a failure gives the same verdict and trace.
#[test]
fn failure_prints_the_command_that_replays_it() {
    let (_, out, _) = stormglass(&["run", "cold-start", SLOW[0], SLOW[1], "--seed", "4"]);
    let trace = out.lines().find_map(|line| line.split("trace ").nth(1)).unwrap().to_string();
    let line = out.lines().find(|line| line.contains(" replay ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "replay").collect();
    let (exit, replayed, _) = stormglass(&words);
    assert_eq!(exit, Exit::Failed);
    assert!(replayed.contains(&trace), "{trace}: {replayed}");
}

#[test]
fn saved_run_is_replayed_from_its_file() {
    let file = folder().join("run.toml");
    let path = file.to_str().unwrap();
    let (_, out, _) = stormglass(&["run", "cold-start", SLOW[0], SLOW[1], "--seed", "4", "--save", path]);
    let trace = out.lines().find_map(|line| line.split("trace ").nth(1)).unwrap().to_string();
    let (_, replayed, err) = stormglass(&["replay", path]);
    assert!(replayed.contains(&trace) && err.is_empty(), "{trace}: {replayed}{err}");
    // A difference in builds is reported.
    let text = std::fs::read_to_string(&file).unwrap();
    let commit = text.lines().find(|line| line.starts_with("commit")).unwrap();
    std::fs::write(&file, text.replace(commit, "commit = \"0123456789ab\"")).unwrap();
    let (_, _, err) = stormglass(&["replay", path]);
    assert!(err.contains("was written by another build (commit: 0123456789ab then"), "{err}");
    let (exit, _, err) = stormglass(&["replay", path, "--seed", "1"]);
    assert!(exit == Exit::Usage && err.contains("leave out --seed"), "{err}");
}

#[test]
fn timeline_can_be_limited_and_searched() {
    let replay = |more: &[&str]| {
        let base = ["replay", "cold-start", SLOW[0], SLOW[1], "--seed", "4"];
        stormglass(&base.iter().chain(more).copied().collect::<Vec<_>>()).1
    };
    let story = replay(&[]);
    assert!(story.contains("✓ open metadata database") && story.contains("12 fsyncs"), "{story}");
    let early = replay(&["--until", "1s"]);
    assert!(!early.contains("✓ open metadata database") && early.contains("✓ cluster marker"), "{early}");
    let found = replay(&["--grep", "won leadership"]);
    assert!(found.contains("won leadership") && !found.contains("✓ cluster marker"), "{found}");
    assert!(replay(&["--all"]).lines().count() > 5 * story.lines().count());
}

/// The parts and the reasons of an explanation each sum to the wait.
#[test]
fn explanation_sums_to_the_wait() {
    let (exit, out, _) =
        stormglass(&["explain", "cold-start", SLOW[0], SLOW[1], "--seed", "4", "--node", "node-2", "--json"]);
    assert_eq!(exit, Exit::Failed);
    let explanation: serde_json::Value = serde_json::from_str(&out).unwrap();
    let parts = explanation["parts"].as_array().unwrap();
    let categories = parts.iter().flat_map(|part| part["by_category"].as_object().unwrap().values());
    let sum: f64 = categories.map(|seconds| seconds.as_f64().unwrap()).sum();
    let reasons = explanation["reasons"].as_array().unwrap();
    let reasons: f64 = reasons.iter().map(|reason| reason["seconds"].as_f64().unwrap()).sum();
    let last = parts.last().unwrap()["to"].as_f64().unwrap();
    assert!((sum - last).abs() < 1e-6 && (reasons - last).abs() < 1e-6, "{sum} {reasons} {last}");
}

#[test]
fn json_output_is_one_object_per_line() {
    let commands: [&[&str]; 5] = [
        &["list", "--json"],
        &["run", "cold-start", "--seeds", "0..3", "--json"],
        &["replay", "cold-start", "--json"],
        &["explain", "cold-start", "--json"],
        &["check", "cold-start", "--seeds", "0..3", "--json"],
    ];
    for command in commands {
        let (_, out, err) = stormglass(command);
        assert!(err.is_empty() && !out.is_empty(), "{command:?}: {err}");
        for line in out.lines() {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value.is_object());
        }
    }
}

#[test]
fn check_exits_with_3_for_a_leak_and_0_without() {
    let (exit, out, _) = stormglass(&["check", "leak-counter", "--seeds", "0..2"]);
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(
        out.contains("first difference at event") && out.contains("a static that outlives the run"),
        "{out}"
    );
    let (exit, out, _) = stormglass(&["check", "leak-none", "--seeds", "0..2"]);
    assert_eq!(exit, Exit::Held);
    assert!(
        out.starts_with("leak-none: 2 seeds, each played twice, no divergence (2 failing runs compared too)"),
        "{out}"
    );
}

/// Calls that leave the simulation are named by `check`, refused or counted.
#[test]
fn check_names_calls_that_left_the_simulation() {
    let check = |policy: &str| {
        stormglass(&["check", "leak-real-thread", "--seeds", "0..2", "--set", &format!("run.leaks={policy}")])
    };
    let (exit, out, _) = check("refuse");
    assert_eq!(exit, Exit::Failed);
    assert!(
        out.contains("2 runs ended because a call left the simulation\nseed 0: panicked on harness, "),
        "{out}"
    );
    let (exit, out, _) = check("count");
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.contains("2 runs made calls that left the simulation\nseed 0: `std::thread::"), "{out}");
    assert!(out.contains("(pthread_create) at ") && out.contains("leaks.rs:"), "{out}");
    let (_, out, _) = check("allow");
    assert!(!out.contains("pthread_create"), "{out}");
}

/// The README's transcript is the output of its commands. A change of the model changes it;
/// `UPDATE_EXPECT=1` rewrites it.
#[test]
fn readme_transcript_is_current() {
    assert_transcript_is_current(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
}

/// The page of the reported incident is current: node-1's id at 7.3 s, the deadline of the admin
/// check at 10.0 s.
#[test]
fn incident_transcript_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/incident-2973.md");
    assert_transcript_is_current(path);
    let page = std::fs::read_to_string(path).unwrap();
    let moment = |what: &str| {
        let line = page.lines().find(|line| line.contains(what)).unwrap();
        line.trim_start().split_once('s').unwrap().0.parse::<f64>().unwrap()
    };
    assert!((7.3..7.4).contains(&moment("node-1   ✓ node id")));
    assert!((moment("✗ deadline of admin on node-1") - 10.0).abs() < 0.001);
}

fn assert_transcript_is_current(path: &str) {
    const PROGRAM: &str = "cargo run --release --";
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let readme = std::fs::read_to_string(path).unwrap();
    let shown = readme.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<&str> = shown.lines().filter(|line| line.starts_with("$ ")).collect();
    assert_eq!(commands.len(), 2);
    let mut printed = String::new();
    for command in commands {
        let (line, filter) = command.rsplit_once(" | ").unwrap_or((command, ""));
        let words = words_of(line.split_once(PROGRAM).unwrap().1);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // The commands printed by a debug build differ from the page's.
        let output = stormglass(&words).1.replace("cargo run -- ", &format!("{PROGRAM} "));
        printed += &format!("{command}\n{}", filtered(&output, filter));
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, readme.replace(shown, &printed)).unwrap();
    } else {
        assert_eq!(printed, shown);
    }
}

/// Returns the lines that a command of a pipe lets through: `head -N`, `tail -N` or `grep -A N TEXT`.
fn filtered(output: &str, filter: &str) -> String {
    let lines: Vec<&str> = output.split_inclusive('\n').collect();
    let words = words_of(filter);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.trim_start_matches('-').parse::<usize>().unwrap();
    match words[..] {
        [] => output.into(),
        ["head", count] => lines[..number(count)].concat(),
        ["tail", count] => lines[lines.len() - number(count)..].concat(),
        ["grep", "-A", count, text] => {
            let first = lines.iter().position(|line| line.contains(text)).unwrap();
            lines[first..=first + number(count)].concat()
        }
        _ => panic!("`{filter}` is none of `head -N`, `tail -N` and `grep -A N TEXT`"),
    }
}

/// Splits a command line into words; a text in double quotes is one word.
fn words_of(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(place, part)| match place % 2 {
        0 => part.split_whitespace().map(String::from).collect(),
        _ => vec![part.to_string()],
    });
    words.collect()
}

#[test]
fn exhibit_has_its_own_seed_and_model() {
    let (exit, _, err) = stormglass(&["replay", "incident-2973", "--seed", "1"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("incident-2973 is an exhibit with its own seed and model"), "{err}");
    let (exit, _, err) = stormglass(&["run", "incident-2973"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("use `replay incident-2973` or `explain incident-2973`"), "{err}");
    let (_, _, err) = stormglass(&["replay", "incident-2937"]);
    assert!(err.contains("incident-2973"), "{err}");
    let (_, out, _) = stormglass(&["list", "exhibits"]);
    assert!(out.contains("incident-2973"), "{out}");
    // It can be played with another deadline.
    let (exit, out, _) = stormglass(&["explain", "incident-2973", "--set", "admin.deadline=60s"]);
    assert_eq!(exit, Exit::Held);
    assert!(out.contains("less than the deadline of 60.000 s"), "{out}");
}
