//! Failures as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), which code hosts and editors show at
//! the line of the source. Only the parts that those read are here, so this is no crate's model of the whole format.

use crate::error::CliError;
use crate::files;
use crate::problem::{Problem, Rule};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    /// Distinguishes uploads of one commit, for example those of two scenarios.
    automation_details: Id,
    results: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Id {
    id: String,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<RuleText>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleText {
    id: &'static str,
    short_description: Text<'static>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

/// A result, as SARIF calls it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    rule_id: &'static str,
    /// The place of the rule in the driver's list.
    rule_index: usize,
    level: &'static str,
    message: Text<'a>,
    /// Empty if the scenario does not say where it is.
    locations: Vec<Location<'a>>,
    /// Equal for the same failure of another commit, so that a code host shows it once.
    partial_fingerprints: BTreeMap<&'static str, String>,
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    physical_location: Physical<'a>,
    logical_locations: [Logical<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical<'a> {
    artifact_location: Artifact<'a>,
    region: Region,
}

#[derive(Serialize)]
struct Artifact<'a> {
    uri: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
struct Logical<'a> {
    name: &'a str,
    kind: &'static str,
}

#[derive(Serialize)]
struct Properties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    failed: u64,
    runs: u64,
    replay: &'a str,
}

/// Writes the failures that a command found; none is a file too, which closes those of earlier commits.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn write(
    file: &Path,
    command: &str,
    scenario: &str,
    problems: &[Problem],
) -> Result<(), CliError> {
    files::write(file, &text(command, scenario, problems))
}

fn text(command: &str, scenario: &str, problems: &[Problem]) -> String {
    let rules: BTreeSet<Rule> = problems.iter().map(|problem| problem.rule).collect();
    let rules: Vec<Rule> = rules.into_iter().collect();
    let found = |problem| found(problem, &rules);
    let results = problems.iter().map(found).collect();
    let text = |rule: &Rule| RuleText { id: rule.id(), short_description: Text { text: rule.about() } };
    let driver = Driver {
        name: "stormglass",
        semantic_version: env!("CARGO_PKG_VERSION"),
        rules: rules.iter().map(text).collect(),
    };
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver },
            automation_details: Id { id: format!("stormglass/{command}/{scenario}/") },
            results,
        }],
    };
    serde_json::to_string_pretty(&log).expect("a log is plain data") + "\n"
}

fn found<'a>(problem: &'a Problem, rules: &[Rule]) -> Found<'a> {
    let location = |(file, line): &'a (String, u32)| Location {
        physical_location: Physical {
            artifact_location: Artifact { uri: file },
            region: Region { start_line: *line },
        },
        logical_locations: [Logical { name: &problem.scenario, kind: "function" }],
    };
    Found {
        rule_id: problem.rule.id(),
        rule_index: rules.binary_search(&problem.rule).expect("the list has the rule of every problem"),
        level: "error",
        message: Text { text: &problem.message },
        locations: problem.place.iter().map(location).collect(),
        partial_fingerprints: [(
            "stormglassFailure/v1",
            format!("{}/{}/{}", problem.scenario, problem.rule.id(), problem.title),
        )]
        .into(),
        properties: Properties {
            seed: problem.seed,
            failed: problem.failed.0,
            runs: problem.failed.1,
            replay: &problem.command,
        },
    }
}
