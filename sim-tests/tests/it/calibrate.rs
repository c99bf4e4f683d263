//! `calibrate`: fitting a machine profile to logs.

use crate::console::{folder, refused, stormglass};
use expect_test::expect;
use flate2::Compression;
use flate2::write::GzEncoder;
use sim_restate::Restarts;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use stormglass_cli::Exit;
use stormglass_core::{Keep, Kind, Seed, Trace};
use stormglass_sim::{Run, Settings};

/// Returns the log that each node of a run would have written, with timestamps of the real clock.
fn logs(trace: &Trace, line: impl Fn(&str, &str) -> Option<String>) -> Vec<(String, String)> {
    let log_of = |node: &str| {
        let mut log = String::from("lines before the first start are skipped\n");
        let steps = trace.events.iter().filter(|event| event.kind == Kind::Step);
        for event in steps.filter(|event| trace.text(event.node) == node) {
            let (seconds, nanos) = (event.at_nanos / 1_000_000_000, event.at_nanos % 1_000_000_000);
            let time = format!("2026-11-24T09:{:02}:{:02}.{nanos:09}Z", 10 + seconds / 60, seconds % 60);
            if let Some(line) = line(&time, trace.text(event.subject)) {
                let _ = writeln!(log, "{line}");
            }
        }
        log
    };
    ["node-1", "node-2", "node-3"].map(|node| (node.to_string(), log_of(node))).into()
}

/// Plays a run that continues after all nodes are healthy, as real clusters do: its logs have more
/// phases than those of a cold start.
fn trace(seed: u64) -> Trace {
    let settings =
        Settings::resolve(&Restarts, Some("restate-1.7"), "quiet", &[("disk.sync.delay", "137ms")]).unwrap();
    Run::new(&Restarts, settings, Seed(seed)).play(Keep::Events).trace
}

fn fresh(name: &str) -> PathBuf {
    let folder = folder().join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("run")).unwrap();
    folder
}

/// The logs of six starts on a machine with syncs of 137 ms are enough to find that value within 5
/// ms, from other seeds than theirs; and the written profile can be played.
#[test]
fn sync_delay_is_fitted_to_logs() {
    let folder = fresh("restate-logs");
    for seed in [1_000, 1_001] {
        let line = |time: &str, step: &str| {
            let message = match step {
                "process boot" => "Starting Restate Server 1.7.12",
                "open metadata database" => r#"Opened rocksdb database","db":"replicated-metadata-server"#,
                "open log database" => r#"Opened rocksdb database","db":"log-server"#,
                "open partition database" => r#"Opened rocksdb database","db":"db"#,
                "node id" => "My Node ID is N1:1",
                "start admin api" => "Admin API starting on port 9070",
                _ => return None,
            };
            Some(format!(r#"{{"timestamp":"{time}","level":"INFO","fields":{{"message":"{message}"}}}}"#))
        };
        for (node, log) in logs(&trace(seed), line) {
            let file =
                std::fs::File::create(folder.join("run").join(format!("{node}-{seed}.jsonl.gz"))).unwrap();
            let mut zipped = GzEncoder::new(file, Compression::fast());
            zipped.write_all(log.as_bytes()).unwrap();
            zipped.finish().unwrap();
        }
    }
    let profile = folder.join("machine.toml");
    let (folder, profile) = (folder.to_str().unwrap(), profile.to_str().unwrap());
    let (exit, out, err) = stormglass(&["calibrate", folder, "--model", "restate-1.7", "--out", profile]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    assert!(out.starts_with("6 real starts;"), "{out}");
    let found = out.split("disk.sync.delay = ").nth(1).and_then(|rest| rest.split("ms").next()).unwrap();
    let found: f64 = found.parse().unwrap();
    assert!((found - 137.0).abs() < 5.0, "{out}");
    let (exit, out, _) =
        stormglass(&["run", "cold-start", "--model", "restate-1.7", "--profile", profile, "--seed", "3"]);
    assert!([Exit::Held, Exit::Failed].contains(&exit) && out.contains("admin on node-1"), "{out}");
}

const PLAIN: &str = "
timestamp = '^(\\S+) '
[start]
line = 'hello'
event = '^process boot$'
[[phase]]
name = 'serving'
line = 'admin is up'
event = '^start admin api$'
";

/// Logs in any format can be read with their own mapping.
#[test]
fn mapping_file_reads_plain_logs() {
    let folder = fresh("plain-logs");
    let line = |time: &str, step: &str| match step {
        "process boot" => Some(format!("{time} hello")),
        "start admin api" => Some(format!("{time} admin is up")),
        _ => None,
    };
    for (node, log) in logs(&trace(1_002), line) {
        std::fs::write(folder.join("run").join(format!("{node}.log")), log).unwrap();
    }
    let mapping = folder.join("mapping.toml");
    std::fs::write(&mapping, PLAIN).unwrap();
    let arguments = ["calibrate", folder.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()];
    let (exit, out, err) =
        stormglass(&[&arguments[..], &["--model", "restate-1.7", "--seeds", "0..4"]].concat());
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    assert!(out.contains(" serving  3 "), "{out}");
}

#[test]
fn invalid_logs_and_mappings_are_rejected_with_a_remedy() {
    let folder = fresh("no-logs");
    let text = folder.to_str().unwrap();
    std::fs::write(folder.join("a.log"), "nothing of interest\n").unwrap();
    refused(
        &["calibrate", text],
        expect![
            "error: TMP/no-logs: no line of its 1 log files matches the mapping's `start.line` and `timestamp`; correct the mapping or name another folder"
        ],
    );
    refused(
        &["calibrate", "/no/such/folder"],
        expect!["error: /no/such/folder: cannot be read: No such file or directory (os error 2)"],
    );
    refused(
        &["calibrate", text, "--fit", "disk.synk.delay=0ms..1s"],
        expect![
            "error: --set disk.synk.delay=0s: unknown parameter `disk.synk.delay`; did you mean `disk.sync.delay`?"
        ],
    );
    refused(
        &["calibrate", text, "--fit", "disk.sync.delay=1s..0ms"],
        expect![[r#"
        error: invalid value 'disk.sync.delay=1s..0ms' for '--fit <KEY=FROM..TO>': expected KEY=FROM..TO, for example disk.sync.delay=0ms..1s

        For more information, try '--help'."#]],
    );
    let mapping = folder.join("mapping.toml");
    let given = mapping.to_str().unwrap();
    std::fs::write(&mapping, PLAIN.replace("(\\S+)", "\\S+")).unwrap();
    refused(
        &["calibrate", text, "--mapping", given],
        expect![[
            r#"error: TMP/no-logs/mapping.toml: `timestamp`: has no group; put parentheses around the time, for example '"timestamp":"([^"]+)"'"#
        ]],
    );
    std::fs::write(&mapping, PLAIN.replace("'hello'", "'('")).unwrap();
    refused(
        &["calibrate", text, "--mapping", given],
        expect![[
            r#"error: TMP/no-logs/mapping.toml: `start.line`: "(" is not a regular expression: found open group without closing ')'"#
        ]],
    );
}
