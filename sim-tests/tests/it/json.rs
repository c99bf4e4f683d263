//! The JSON output: its page in the reference and its schema are made from what the commands print.

use crate::console::{app_with, file, folder, stormglass};
use crate::readme::assert_current;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_sim::{Scenario, World, scenario};

/// The version of the output. A version gains fields, and keeps the names and forms that it has.
const VERSION: u64 = 1;

/// The commands, and command lines that show all lines that they print, each within some hundred milliseconds.
fn commands() -> Vec<(&'static str, Vec<Vec<String>>)> {
    let words = |line: &str| -> Vec<String> { line.split(' ').map(String::from).collect() };
    let late = "--profile quiet --set admin.deadline=100ms";
    let plan =
        file("json-plan.toml", "[[fault]]\nkind = 'pause'\nnode = 'node-1'\nat = '1ms'\nlasts = '1s'\n");
    let variants = file(
        "json-variants.toml",
        "scenario = 'cold-start'\nprofile = 'quiet'\nseeds = '0..8'\nset = { 'admin.deadline' = '1s' }\n\
         variant = [{ name = 'a' }, { name = 'b', set = { 'disk.sync.delay' = '300ms' } }]\n",
    );
    let parameters = file(
        "json-parameters.toml",
        "scenario = 'cold-start'\nprofile = 'quiet'\nseeds = '0..60'\ntarget = { flake = 0.1 }\n\
         [[parameter]]\nkey = 'raft.election-ticks'\nvalues = [5, 20]\n\
         [[parameter]]\nkey = 'admin.deadline'\nvalues = ['400ms', '10s']\n",
    );
    let sometimes =
        file("json-sometimes.toml", "scenario = 'sometimes'\nprofile = 'quiet'\nseeds = '0..2'\n");
    let out = folder().join("json-results");
    let _ = std::fs::remove_dir_all(&out);
    let merged = folder().join("json-merged");
    let _ = std::fs::remove_dir_all(&merged);
    let (out, merged) = (out.display().to_string(), merged.display().to_string());
    let logs = folder().join("json-logs");
    std::fs::create_dir_all(&logs).unwrap();
    let log = "2026-11-24T09:10:00.0Z hello\n2026-11-24T09:10:01.5Z admin is up\n";
    std::fs::write(logs.join("node-1.log"), log).unwrap();
    let mapping = file(
        "json-mapping.toml",
        "timestamp = '^(\\S+) '\n[start]\nline = 'hello'\nevent = '^process boot$'\n\
         [[phase]]\nname = 'serving'\nline = 'admin is up'\nevent = '^start admin api$'\n",
    );
    let logs = logs.display();
    vec![
        ("list", vec![words("list")]),
        ("list parameters", vec![words("list parameters")]),
        (
            "run",
            vec![
                words("run cold-start --seeds 0..2"),
                words(&format!("run cold-start {late}")),
                words("run sometimes --seeds 0..2"),
            ],
        ),
        (
            "replay",
            vec![words("replay cold-start"), words("replay cold-start --log debug --model restate-1.7")],
        ),
        ("replay --at", vec![words("replay cold-start --at 500ms")]),
        ("explain", vec![words("explain cold-start"), words(&format!("explain cold-start {late}"))]),
        ("blame", vec![words("blame incident-2973 --runs 100")]),
        ("diff", vec![words("diff cold-start --other-seed 1")]),
        ("shrink", vec![words(&format!("shrink cold-start {late} --plan {plan}"))]),
        ("crash", vec![words("crash cold-start --profile quiet --points 2 --kind kill")]),
        ("check", vec![words("check cold-start --seeds 0..2")]),
        (
            "sweep, merge, report",
            vec![
                words(&format!("sweep {variants} --out {out}")),
                words(&format!("sweep {parameters}")),
                words(&format!("merge {out} --out {merged}")),
                words(&format!("report {out}")),
                words(&format!("sweep {sometimes}")),
            ],
        ),
        ("rare", vec![words("rare cold-start --wait admin.deadline --beyond 800ms --effort 20 --repeats 2")]),
        (
            "calibrate",
            vec![words(&format!("calibrate {logs} --mapping {mapping} --model restate-1.7 --seeds 0..2"))],
        ),
    ]
}

/// The commands that print files and no results.
const WITHOUT_RESULTS: [&str; 5] = ["completions", "debug", "man", "new", "schema"];

/// Objects whose keys are names of the run and not of the format.
const MAPS: [&str; 6] = ["settings", "counters", "sometimes", "causes", "held", "scenario-state"];

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

/// A property that holds in every second run.
struct Sometimes;

#[scenario(about = "holds something in every second run")]
impl Scenario for Sometimes {
    async fn play(&self, world: World) {
        world.sometimes("the seed is even", world.seed().0.is_multiple_of(2));
    }
}

/// What commands print: by command and type of line, the objects.
type Printed = BTreeMap<(usize, &'static str), BTreeMap<String, Vec<Value>>>;

fn printed() -> Printed {
    let mut all = Printed::new();
    for (place, (name, lines)) in commands().into_iter().enumerate() {
        let objects = all.entry((place, name)).or_default();
        for line in lines {
            let words: Vec<&str> = line.iter().map(String::as_str).chain(["--json"]).collect();
            let app = sim_restate::app().with_scenario(Sometimes);
            let (exit, out, err) = app_with(&app, &words);
            assert!(!out.is_empty(), "{words:?}: {exit:?}: {err}");
            for line in out.lines() {
                let value: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{words:?}: {error}: {line}"));
                let of_list = if name == "list" { "item" } else { "parameter" };
                let kind = value["type"].as_str().unwrap_or_else(|| {
                    assert!(name.starts_with("list"), "{words:?}: a line without `type`: {line}");
                    of_list
                });
                objects.entry(kind.to_string()).or_default().push(value);
            }
        }
    }
    all
}

/// Returns the schema of values that stand at the same place: their types, and of objects the fields, of which those are
/// required that all have.
fn schema(name: &str, values: &[&Value]) -> Value {
    let kinds: BTreeSet<&str> = values.iter().map(|value| schema_kind(value)).collect();
    let mut schema = Map::new();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    schema.insert("type".into(), if let [one] = kinds[..] { json!(one) } else { json!(kinds) });
    let objects: Vec<&Map<String, Value>> = values.iter().filter_map(|value| value.as_object()).collect();
    if !objects.is_empty() && !MAPS.contains(&name) {
        let names: BTreeSet<&String> = objects.iter().flat_map(|object| object.keys()).collect();
        let required: Vec<&&String> =
            names.iter().filter(|name| objects.iter().all(|object| object.contains_key(**name))).collect();
        let fields: Map<String, Value> = names
            .iter()
            .map(|name| {
                let values: Vec<&Value> = objects.iter().filter_map(|object| object.get(*name)).collect();
                ((*name).clone(), self::schema(name, &values))
            })
            .collect();
        schema.insert("required".into(), json!(required));
        schema.insert("properties".into(), Value::Object(fields));
    }
    let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
    if !items.is_empty() {
        schema.insert("items".into(), self::schema(name, &items));
    }
    Value::Object(schema)
}

/// Whether a value is as the schema says.
fn is_valid(value: &Value, schema: &Value) -> bool {
    let kind = schema_kind(value);
    let is_kind = match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(kinds) => kinds.iter().any(|other| other == kind),
        _ => true,
    };
    let fields = schema["properties"].as_object();
    let has_fields = value.as_object().zip(fields).is_none_or(|(object, fields)| {
        schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|name| object.contains_key(name.as_str().unwrap()))
            && object.iter().all(|(name, value)| fields.get(name).is_none_or(|field| is_valid(value, field)))
    });
    let is_constant = schema.get("const").is_none_or(|constant| constant == value);
    let has_items =
        value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(item, &schema["items"])));
    is_kind && has_fields && is_constant && has_items
}

fn schema_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The page, the schema that `stormglass schema output` prints, and the lines agree. A field that is gone or has another
/// type is a new version: then VERSION and the schema's title change.
#[test]
fn json_page_and_schema_are_those_of_what_commands_print() {
    let printed = printed();
    let mut page = format!(
        "<!-- Made from the output: UPDATE_EXPECT=1 cargo test -p sim-tests json -->\n\n# JSON output\n\n\
         With `--json` a command prints one object per line on standard output. `type` says what it is\n\
         (`kind` in the lines of `list`). The fields below are version {VERSION} of the output: a version gains\n\
         fields, and keeps the names and forms that it has. `identity.schema` is the version of a run's inputs.\n\
         `stormglass schema output` prints the [JSON schema](schemas/output.json) of a line.\n",
    );
    let mut branches = Vec::new();
    for ((_, name), lines) in &printed {
        page += &format!("\n## {name}\n");
        for (kind, objects) in lines {
            let mut found = BTreeMap::new();
            objects.iter().for_each(|object| fields("", object, &mut found));
            page += &format!("\nA line `{kind}`:\n\n| field | form |\n| --- | --- |\n");
            found.iter().for_each(|(field, form)| page += &format!("| `{field}` | {form} |\n"));
            let mut branch = schema("", &objects.iter().collect::<Vec<_>>());
            branch["title"] = format!("{name}: {kind}").into();
            if objects[0].get("type").is_some() {
                branch["properties"]["type"] = json!({ "const": kind });
            }
            branches.push(branch);
        }
    }
    assert_current("docs/reference/json.md", &page);
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("A line of Stormglass's JSON output, version {VERSION}"),
        "anyOf": branches,
    });
    let text = serde_json::to_string_pretty(&whole).unwrap() + "\n";
    assert_current("crates/stormglass-cli/schemas/output.json", &text);
    assert_current("docs/reference/schemas/output.json", &text);
    let (_, out, _) = stormglass(&["schema", "output"]);
    assert!(
        std::env::var_os("UPDATE_EXPECT").is_some() || out == text,
        "`schema output` prints another schema"
    );
    let is_known =
        |value: &Value| whole["anyOf"].as_array().unwrap().iter().any(|branch| is_valid(value, branch));
    for object in printed.values().flat_map(BTreeMap::values).flatten() {
        assert!(is_known(object), "{object}");
    }
    assert!(!is_known(&json!({ "type": "run" })) && !is_known(&json!({ "type": "unknown" })));
}

/// A new command has to be added to the page, or to those without results.
#[test]
fn every_command_is_on_the_json_page() {
    let (_, help, _) = stormglass(&["--help"]);
    let names = help.split("Commands:\n").nth(1).unwrap().split("\nOptions:").next().unwrap();
    let names = names.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let known: BTreeSet<String> = commands()
        .iter()
        .flat_map(|(_, lines)| lines.iter().map(|line| line[0].clone()))
        .chain(WITHOUT_RESULTS.map(String::from))
        .collect();
    let mut count = 0;
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        assert!(known.contains(name), "{name} is not on the page of the JSON output");
        count += 1;
    }
    assert_eq!(count, known.len());
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
        &["run", "cold-start", "--seeds", "0..2", "--json"],
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
    has(
        &["run", "cold-start", "--seeds", "0..2", "--json"],
        "summary",
        &[("runs", "number"), ("failed", "number"), ("digest", "text")],
    );
    has(
        &["replay", "cold-start", "--json"],
        "event",
        &[("number", "number"), ("node", "text"), ("kind", "text")],
    );
    has(
        &["check", "cold-start", "--seeds", "0..2", "--json"],
        "seed",
        &[("seed", "number"), ("trace", "text"), ("calls", "list")],
    );
}
