//! The dependencies between crates are those of the table in ARCHITECTURE.md, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns for each crate the crates of this workspace that it uses, from the rows `| crate | … |
/// uses |` of the table.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table =
        text.split("<!-- arrows -->").nth(1).expect("the table stands between two `<!-- arrows -->` marks");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].trim_matches('`').to_string();
        let uses = cells[cells.len() - 1].split(", ").filter(|name| *name != "–");
        let full = |name: &str| match name {
            "stormglass" => name.to_string(),
            _ if name.starts_with("sim-") => name.to_string(),
            _ => format!("stormglass-{name}"),
        };
        (name, uses.map(full).collect())
    })
    .collect()
}

fn actual() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = env!("CARGO");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_string();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            // Normal dependencies only: tests may depend on any crate.
            let uses = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null());
            (name(package), uses.map(name).filter(|name| ours.contains(name)).collect())
        })
        .collect()
}

#[test]
fn crate_dependencies_match_the_table() {
    let mut actual = actual();
    // `sim-tests` may depend on all crates.
    actual.remove("sim-tests");
    assert_eq!(actual, documented());
}

/// The framework and its tools do not depend on a simulated system.
#[test]
fn framework_crates_do_not_depend_on_simulated_systems() {
    for (name, uses) in actual().iter().filter(|(name, _)| name.starts_with("stormglass")) {
        let systems: Vec<&String> = uses.iter().filter(|used| used.starts_with("sim-")).collect();
        assert!(systems.is_empty(), "{name} uses {systems:?}");
    }
}

/// A crate's folder has the crate's name, so that a path names its crate.
#[test]
fn folders_are_named_like_their_crates() {
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest: toml::Table =
            std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), folder.file_name().unwrap().to_str());
    }
}

/// The pure crates do not depend on madsim.
#[test]
fn pure_crates_do_not_depend_on_madsim() {
    for name in ["stormglass-core", "stormglass-plan", "stormglass-sweep", "stormglass-report"] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--prefix", "none", "--edges", "normal", "--package", name])
            .current_dir(root())
            .output()
            .unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(tree.contains(name), "{tree}");
        assert!(!tree.contains("madsim"), "{name} depends on madsim");
    }
}

/// ARCHITECTURE.md lists the files that a new fault, parameter, scenario or report changes: these
/// files exist.
#[test]
fn files_that_the_recipes_name_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table =
        text.split("<!-- recipes -->").nth(1).expect("the table stands between two `<!-- recipes -->` marks");
    let paths: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|word| word.contains('/')).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}");
    }
}
