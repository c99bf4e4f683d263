//! What CI and operators read: annotations, SARIF, metrics, details.

use crate::console::{app_with, file, folder, stormglass};
use crate::readme::{read, root};
use serde_json::Value;
use std::collections::BTreeMap;
use stormglass_cli::Exit;

fn sarif(name: &str, arguments: &[&str]) -> (Exit, Value) {
    let path = folder().join(name);
    let (exit, _, err) = stormglass(&[arguments, &["--sarif", path.to_str().unwrap()]].concat());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {err}"));
    (exit, serde_json::from_str(&text).unwrap())
}

/// Asserts what the SARIF 2.1.0 schema requires of the parts that the file has, and what code scanning of GitHub
/// requires besides: rules by index, a relative path of an existing file, a line from 1 on.
fn results(log: &Value) -> Vec<Value> {
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["$schema"], "https://json.schemastore.org/sarif-2.1.0.json");
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "stormglass");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
    }
    let id = runs[0]["automationDetails"]["id"].as_str().unwrap();
    assert!(id.ends_with('/'), "GitHub takes what is before the last slash as the category: {id}");
    let results = runs[0]["results"].as_array().unwrap().clone();
    for result in &results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert!(result["partialFingerprints"].as_object().unwrap().values().all(Value::is_string));
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && root().join(uri).is_file(), "{uri}");
        let line = usize::try_from(place["region"]["startLine"].as_u64().unwrap()).unwrap();
        let source = read(uri);
        let text = source.lines().nth(line - 1).unwrap();
        assert!(text.contains("#[scenario"), "{uri}:{line} is where the scenario is: {text}");
    }
    results
}

#[test]
fn sarif_has_a_result_for_each_kind_of_failure() {
    let late =
        ["run", "cold-start", "--profile", "quiet", "--set", "admin.deadline=100ms", "--seeds", "0..2"];
    let (exit, log) = sarif("failed.sarif", &late);
    assert_eq!(exit, Exit::Failed);
    let found = results(&log);
    assert_eq!(found.len(), 1, "{log}");
    assert_eq!(found[0]["ruleId"], "timed-out");
    assert_eq!(
        found[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "crates/sim-restate/src/cold_start.rs"
    );
    let properties = &found[0]["properties"];
    assert_eq!((properties["seed"].as_u64(), properties["failed"].as_u64()), (Some(0), Some(2)));
    assert!(properties["replay"].as_str().unwrap().contains(" explain cold-start "), "{properties}");
    let fingerprint = "cold-start/timed-out/timed out waiting for admin";
    assert_eq!(found[0]["partialFingerprints"]["stormglassFailure/v1"], fingerprint);
}

#[test]
fn sarif_of_runs_that_pass_has_no_result() {
    let (exit, log) = sarif("passed.sarif", &["run", "cold-start", "--profile", "quiet", "--seeds", "0..2"]);
    assert_eq!(exit, Exit::Held);
    assert!(results(&log).is_empty());
    let (exit, log) = sarif("checked.sarif", &["check", "cold-start", "--seeds", "0..2"]);
    assert_eq!(exit, Exit::Held);
    assert!(results(&log).is_empty());
}

/// A planted scenario that uses the process's own random numbers.
#[test]
fn check_reports_nondeterminism_as_sarif_and_as_an_annotation() {
    let (_, scenarios, _) = stormglass(&["list", "scenarios", "--json"]);
    let names = scenarios.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let leaky: Vec<String> = names
        .filter_map(|item| item["name"].as_str().map(String::from))
        .filter(|name| name.starts_with("leak"))
        .collect();
    assert!(!leaky.is_empty(), "{scenarios}");
    let found = leaky.iter().find_map(|name| {
        let (exit, log) = sarif("diverged.sarif", &["check", name, "--seeds", "0..2"]);
        (exit == Exit::Nondeterminism).then_some((name, log))
    });
    let (name, log) = found.expect("one of them diverges");
    let rules: Vec<&Value> =
        log["runs"][0]["results"].as_array().unwrap().iter().map(|it| &it["ruleId"]).collect();
    assert_eq!(rules, ["nondeterministic"]);
    let (_, out, _) = stormglass(&["check", name, "--seeds", "0..2", "--github"]);
    let line = out.lines().last().unwrap();
    assert!(line.starts_with("::error ") && line.contains("%3A nondeterministic::seed "), "{line}");
}

/// Each kind of failure is an annotation at the scenario's line.
#[test]
fn github_annotations_name_file_and_line() {
    let late = ["run", "cold-start", "--profile", "quiet", "--set", "admin.deadline=100ms", "--github"];
    let (_, out, _) = stormglass(&late);
    let line = out.lines().last().unwrap();
    assert!(line.starts_with("::error file=crates/sim-restate/src/cold_start.rs,line="), "{line}");
}

#[test]
fn a_folder_that_is_missing_is_found_before_the_first_run() {
    for option in [["run", "cold-start", "--sarif"], ["check", "cold-start", "--sarif"]] {
        let (exit, out, err) = stormglass(&[&option[..], &["/no/such/folder/a.sarif"]].concat());
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        assert!(err.contains("there is no folder /no/such/folder"), "{err}");
    }
}

fn small_sweep() -> String {
    file(
        "metrics.toml",
        "scenario = 'cold-start'\nprofile = 'quiet'\nseeds = '0..6'\nset = { 'admin.deadline' = '1s' }\n\
         variant = [{ name = 'a' }, { name = 'b', set = { 'disk.sync.delay' = '300ms' } }]\n",
    )
}

/// Reads the text by the rules of OpenMetrics that both formats share: each sample follows the type of its family, a
/// counter's sample ends in `_total`, the last line is `# EOF`.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let (mut samples, mut family) = (BTreeMap::new(), ("", ""));
    let mut families = Vec::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split_once(' ').unwrap();
            assert!(!families.contains(&family.0), "a family is declared twice: {line}");
            families.push(family.0);
        } else if let Some(help) = line.strip_prefix("# HELP ") {
            assert_eq!(help.split(' ').next(), Some(family.0));
        } else {
            let (name, rest) = line.split_once('{').unwrap();
            let suffix = if family.1 == "counter" { "_total" } else { "" };
            assert_eq!(name, format!("{}{suffix}", family.0), "{line}");
            let (labels, value) = rest.rsplit_once("} ").unwrap();
            assert!(labels.split("\",").all(|label| label.contains("=\"")), "{line}");
            assert!(
                samples.insert(format!("{name}{{{labels}}}"), value.parse().unwrap()).is_none(),
                "{line}"
            );
        }
    }
    samples
}

#[test]
fn metrics_count_all_runs_of_a_sweep() {
    let metrics = folder().join("sweep.prom");
    let (exit, _, err) = stormglass(&["sweep", &small_sweep(), "--metrics", metrics.to_str().unwrap()]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    let samples = samples(&std::fs::read_to_string(&metrics).unwrap());
    let of = |name: &str, more: &str| samples[&format!("{name}{{sweep=\"metrics\",shard=\"0/1\"{more}}}")];
    // Two variants with six seeds; all of the second are late, as five synced writes take 300 ms each.
    assert_eq!(of("stormglass_sweep_runs_planned", ""), 12.0);
    assert_eq!(of("stormglass_sweep_runs_total", ",case=\"cold-start\""), 12.0);
    assert_eq!(of("stormglass_sweep_failed_runs_total", ",case=\"cold-start\""), 6.0);
    assert_eq!(of("stormglass_sweep_cells", ",side=\"above\""), 1.0);
    assert_eq!(of("stormglass_sweep_complete", ""), 1.0);
    assert!(of("stormglass_sweep_simulated_seconds_total", ",case=\"cold-start\"") > 6.0);
}

#[test]
fn verbose_says_what_is_played_and_where_the_time_goes() {
    let (_, quiet, none) = stormglass(&["run", "cold-start", "--seeds", "0..2", "--set", "cluster.nodes=3"]);
    let (_, out, err) =
        stormglass(&["run", "cold-start", "--seeds", "0..2", "-v", "--set", "cluster.nodes=3"]);
    assert_eq!((quiet, none.as_str()), (out, ""), "results are the same, and nothing is said without -v");
    assert!(
        err.starts_with("scenario cold-start, model ") && err.contains(" profile ci-disk, commit "),
        "{err}"
    );
    assert!(err.contains("\n  cluster.nodes = 3\n"), "{err}");
    assert!(
        err.contains("2 runs in ") && err.contains(" runs/s; ") && err.contains("slowest run: "),
        "{err}"
    );

    let (_, _, err) = stormglass(&["sweep", &small_sweep(), "--verbose"]);
    assert!(
        err.starts_with("sweep metrics at commit ") && err.contains("2 cells of 1 cases (cold-start)"),
        "{err}"
    );
    assert!(err.contains(" 6 runs of cold-start, b are done, 6 failed\n"), "{err}");
    assert!(
        err.contains("where the time of the worker threads went:\n")
            && err.contains("runs of cold-start, a\n"),
        "{err}"
    );
    let (exit, _, err) = app_with(&sim_restate::app(), &["run", "cold-start", "-v", "-q"]);
    assert!(exit == Exit::Usage && err.contains("cannot be used with"), "{err}");
}
