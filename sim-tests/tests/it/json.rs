//! The JSON output: its page in the reference is made from what the commands print.

use crate::console::stormglass;
use crate::readme::assert_current;
use serde_json::Value;
use std::collections::BTreeMap;

/// The commands, and those of their lines that a run of some hundred milliseconds shows.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("list", &["list", "--json"]),
    ("list parameters", &["list", "parameters", "--json"]),
    ("run", &["run", "cold-start", "--seeds", "0..2", "--json"]),
    ("replay", &["replay", "cold-start", "--json"]),
    ("explain", &["explain", "cold-start", "--json"]),
    ("check", &["check", "cold-start", "--seeds", "0..2", "--json"]),
];

/// Objects whose keys are names of the run and not of the format.
const MAPS: [&str; 3] = ["settings", "counters", "sometimes"];

/// Returns the fields of an object with the form of their values, also those of objects in it.
fn fields(prefix: &str, object: &Value, found: &mut BTreeMap<String, &'static str>) {
    for (name, value) in object.as_object().unwrap() {
        let path = format!("{prefix}{name}");
        let form = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        let is_known = found.get(&path).is_some_and(|known| *known != "null");
        if !is_known || form != "null" {
            found.insert(path.clone(), form);
        }
        let is_map = MAPS.contains(&name.as_str());
        match value {
            Value::Object(_) if !is_map => fields(&format!("{path}."), value, found),
            Value::Array(items) => {
                items
                    .iter()
                    .filter(|item| item.is_object())
                    .for_each(|item| fields(&format!("{path}[]."), item, found));
            }
            _ => {}
        }
    }
}

#[test]
fn json_page_has_the_fields_that_commands_print() {
    let mut page = String::from(
        "<!-- Made from the output: UPDATE_EXPECT=1 cargo test -p sim-tests json -->\n\n# JSON output\n\n\
         With `--json` a command prints one object per line on standard output. `type` says what it is\n\
         (`kind` in the lines of `list`). The fields below are version 1 of the output: a version gains\n\
         fields, and keeps the names and forms that it has. `identity.schema` is the version of a run's inputs.\n",
    );
    for (name, command) in COMMANDS {
        let (_, out, err) = stormglass(command);
        assert!(err.is_empty() && !out.is_empty(), "{command:?}: {err}");
        let mut lines: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
        for line in out.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let kind = value["type"].as_str().unwrap_or(if name == "list" { "item" } else { "parameter" });
            fields("", &value, lines.entry(kind.to_string()).or_default());
        }
        page += &format!("\n## {name}\n");
        for (kind, fields) in lines {
            page += &format!("\nA line `{kind}`:\n\n| field | form |\n| --- | --- |\n");
            fields.iter().for_each(|(field, form)| page += &format!("| `{field}` | {form} |\n"));
        }
    }
    assert_current("docs/reference/json.md", &page);
}

/// Scripts read these: a change is a new version of the output.
#[test]
fn fields_of_version_1_stay() {
    let has = |command: &[&str], kind: &str, wanted: &[(&str, &str)]| {
        let (_, out, _) = stormglass(command);
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let line = lines.into_iter().find(|line| line["type"] == kind).unwrap();
        let mut found = BTreeMap::new();
        fields("", &line, &mut found);
        for (field, form) in wanted {
            assert_eq!(found.get(*field), Some(form), "{command:?}, {kind}: {field}");
        }
    };
    has(
        COMMANDS[2].1,
        "run",
        &[
            ("identity.schema", "number"),
            ("identity.scenario", "text"),
            ("identity.seed", "number"),
            ("identity.build.commit", "text"),
            ("settings", "object"),
            ("outcome.waits", "list"),
            ("outcome.events", "number"),
            ("outcome.trace_hash", "text"),
        ],
    );
    has(COMMANDS[2].1, "summary", &[("runs", "number"), ("failed", "number"), ("digest", "text")]);
    has(COMMANDS[3].1, "event", &[("number", "number"), ("node", "text"), ("kind", "text")]);
    has(COMMANDS[5].1, "seed", &[("seed", "number"), ("trace", "text"), ("calls", "list")]);
}
