//! What shells, editors and CI get from the command line, and `new`.

use crate::console::{folder, stormglass};
use crate::readme::read;
use std::path::Path;
use stormglass_cli::Exit;

/// `new` lays out the service and the test of the tutorial with its repair, which `scripts/tutorial` runs.
#[test]
fn new_lays_out_what_the_tutorial_ends_with() {
    let tutorial = read("docs/tutorial.md");
    let block = |file: &str| {
        let after = tutorial.split(&format!("<!-- file: {file} -->\n")).nth(1).unwrap();
        after.split("```").nth(1).unwrap().split_once('\n').unwrap().1.to_string()
    };
    let mut service = block("src/lib.rs");
    for edit in tutorial.split("<!-- edit: src/lib.rs -->\n```diff\n").skip(1) {
        let lines = edit.split("```").next().unwrap().lines();
        let side = |sign: char| {
            lines.clone().filter_map(|line| line.strip_prefix(sign)).collect::<Vec<_>>().join("\n")
        };
        assert!(service.contains(&side('-')));
        service = service.replace(&side('-'), &side('+'));
    }
    let template = |file: &str| {
        let text = read(&format!("crates/stormglass-cli/templates/{file}"));
        text.replace("IDENTIFIER", "store").replace("NAME", "store").replace("STORMGLASS", "../stormglass")
    };
    assert_eq!(template("lib.rs.in"), service);
    assert_eq!(template("durable.rs.in"), block("tests/durable.rs"));
    assert_eq!(template("config.toml.in"), block(".cargo/config.toml"));
    let comments = template("Cargo.toml.in");
    let manifest: Vec<&str> = comments.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(manifest, block("Cargo.toml").lines().collect::<Vec<_>>());
}

#[test]
fn new_names_the_crate_and_does_not_overwrite_a_folder() {
    let made = folder().join("key-store");
    let _ = std::fs::remove_dir_all(&made);
    let made_text = made.to_str().unwrap();
    let (exit, out, err) = stormglass(&["new", made_text]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""), "{out}");
    let manifest: toml::Table = std::fs::read_to_string(made.join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("key-store"));
    let tokio = manifest["dependencies"]["tokio"]["path"].as_str().unwrap();
    assert!(Path::new(tokio).join("Cargo.toml").exists(), "{tokio}");
    let test = std::fs::read_to_string(made.join("tests/durable.rs")).unwrap();
    assert!(test.contains("key_store::serve"), "{test}");
    let (exit, _, err) = stormglass(&["new", made_text]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("exists already"), "{err}");
    let (exit, _, err) = stormglass(&["new", "Key store"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("lower-case letters"), "{err}");
    let (exit, _, err) = stormglass(&["new", "other-store", "--stormglass", "/"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("has no crates of Stormglass"), "{err}");
}

#[test]
fn schemas_completions_and_man_pages_are_printed() {
    let (exit, out, _) = stormglass(&["schema", "plan"]);
    assert_eq!(exit, Exit::Held);
    assert!(out == read("docs/reference/schemas/plan.json"), "docs/reference has another schema");
    for shell in ["bash", "zsh", "fish"] {
        let (exit, out, _) = stormglass(&["completions", shell]);
        assert_eq!(exit, Exit::Held);
        assert!(out.contains("stormglass") && out.contains("explain"), "{shell}: {out}");
    }
    let man = folder().join("man");
    let (exit, out, _) = stormglass(&["man", man.to_str().unwrap()]);
    assert_eq!(exit, Exit::Held);
    assert!(out.lines().count() > 10, "{out}");
    assert!(std::fs::read_to_string(man.join("stormglass-run.1")).unwrap().contains("\\-\\-seeds"));
}

#[test]
fn github_gets_the_first_failure_as_an_annotation() {
    let late = ["--profile", "quiet", "--set", "admin.deadline=100ms", "--seeds", "0..2", "--github"];
    let (exit, out, _) = stormglass(&[&["run", "cold-start"][..], &late].concat());
    assert_eq!(exit, Exit::Failed);
    let annotation = out.lines().last().unwrap();
    let title = ",title=cold-start%3A timed out waiting for admin::2 of 2 runs failed%0Aseed 0: ";
    assert!(annotation.starts_with("::error file=") && annotation.contains(title), "{annotation}");
    assert!(annotation.contains(" explain cold-start "), "{annotation}");
}
