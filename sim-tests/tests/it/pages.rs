//! The pages of `docs/`: those of the reference are current, each is in the site, and links lead somewhere.
//!
//! `UPDATE_EXPECT=1` writes `docs/reference/` again.

use crate::readme::{assert_current, read, root};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The reference is made from the code.
#[test]
fn reference_is_that_of_the_code() {
    for page in stormglass_cli::reference::pages(&sim_restate::app()) {
        // The test that writes this schema compares the page too: the program has it as it was when it was compiled.
        if page.file == "schemas/output.json" {
            continue;
        }
        assert_current(&format!("docs/reference/{}", page.file), &page.text);
    }
}

/// Every shipped file, and every plan of a page, has only fields that its schema knows.
#[test]
fn schemas_know_the_shipped_files() {
    let schema = |name: &str| -> serde_json::Value {
        serde_json::from_str(&read(&format!("docs/reference/schemas/{name}.json"))).unwrap()
    };
    let check = |schema: &serde_json::Value, file: &str, table: &toml::Table| {
        for key in table.keys() {
            assert!(schema["properties"].get(key).is_some(), "{file}: the schema has no `{key}`");
        }
    };
    let mut count = 0;
    let shipped = ["sweeps", "mappings"].map(|folder| format!("crates/sim-restate/{folder}"));
    let profiles = ["crates/stormglass-sim/profiles", "crates/sim-restate/profiles"].map(String::from);
    for folder in shipped.into_iter().chain(profiles) {
        let name = folder.rsplit('/').next().unwrap().trim_end_matches('s').to_string();
        let schema = schema(&name);
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.display().to_string();
            let table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            check(&schema, &file, &table);
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} files");
    let plan = schema("plan");
    let kinds = plan["properties"]["fault"]["items"]["oneOf"].as_array().unwrap();
    let of_kind = |kind: &str| kinds.iter().find(|fault| fault["properties"]["kind"]["const"] == kind);
    for block in read("docs/plans.md").split("```toml\n").skip(1) {
        let table: toml::Table = block.split("```").next().unwrap().parse().unwrap();
        let faults = table.get("fault").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for fault in faults {
            let kind = fault["kind"].as_str().unwrap();
            let schema = of_kind(kind).unwrap_or_else(|| panic!("the schema of a plan has no kind `{kind}`"));
            check(schema, kind, fault.as_table().unwrap());
        }
    }
}

/// A page that the summary does not name is not in the site.
#[test]
fn every_page_is_in_the_site() {
    let summary = read("docs/SUMMARY.md");
    for path in pages().keys().filter(|path| path.starts_with(root().join("docs"))) {
        let name = path.strip_prefix(root().join("docs")).unwrap().to_str().unwrap();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "docs/SUMMARY.md has no line for {name}"
        );
    }
}

/// Each parameter, event, field and option says what it means.
#[test]
fn every_row_of_the_reference_has_words() {
    for page in stormglass_cli::reference::pages(&sim_restate::app()) {
        for line in page.text.lines().filter(|line| line.starts_with("| `")) {
            // A profile's curves have no words of their own: the parameter above says what they are.
            assert!(!line.ends_with("|  |"), "{}: no meaning: {line}", page.file);
        }
    }
}

/// The Markdown files of the repository that are ours.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["target", "patches", ".git"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                let text = std::fs::read_to_string(&path).unwrap();
                pages.insert(path, text);
            }
        }
    }
    pages
}

/// Returns the text without its blocks of code and code spans.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with("    ") {
            text += &line.split('`').step_by(2).collect::<Vec<_>>().join("");
            text.push('\n');
        }
    }
    text
}

/// Returns the anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &str) -> Vec<String> {
    let mut is_code = false;
    let mut anchors = Vec::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            anchors.push(kept.collect::<String>().replace(' ', "-"));
        }
    }
    anchors
}

#[test]
fn every_link_of_a_page_has_a_target() {
    let pages = pages();
    let mut dead = Vec::new();
    let mut count = 0;
    for (path, page) in &pages {
        for link in prose(page).split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            // A crate's page may link to its items as rustdoc does, which `cargo doc` checks.
            let is_item = file.contains("::") || !file.contains(['.', '/']) && !file.is_empty();
            let Ok(target) = target.canonicalize() else {
                if !is_item || !path.starts_with(root().join("crates")) {
                    dead.push(format!("{}: {link}", path.display()));
                }
                continue;
            };
            let has_anchor =
                || pages.get(&target).is_none_or(|page| anchors(page).iter().any(|a| a == anchor));
            if !anchor.is_empty() && !has_anchor() {
                dead.push(format!("{}: {link}: no such heading", path.display()));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}
