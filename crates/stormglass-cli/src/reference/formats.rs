//! The pages of the file formats and of the faults, from their JSON schemas.

use super::markdown::{head, prose, row};
use crate::args::Format;
use crate::commands::tools::{schema_of, text as text_of};
use clap::ValueEnum;
use serde_json::Value;

/// Returns the schemas' files.
pub(super) fn schemas() -> Vec<(String, String)> {
    let file = |format: &Format| format!("schemas/{}.json", name(*format));
    Format::value_variants().iter().map(|format| (file(format), text_of(&schema_of(*format)))).collect()
}

fn name(format: Format) -> String {
    format.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
}

pub(super) fn formats() -> String {
    let mut text = head("File formats");
    text += "All files are TOML, except for the JSON output of commands. An error names the file, the field and what would be right. An editor\n\
             completes and checks a file whose first line names its schema (Taplo, and the extension\n\
             Even Better TOML of VS Code):\n\n\
             ```toml\n#:schema ./plan.schema.json\n```\n\n\
             `stormglass schema plan > plan.schema.json` writes it.\n";
    for format in Format::value_variants() {
        let value = format.to_possible_value();
        let about = value.as_ref().and_then(|value| value.get_help()).map(ToString::to_string);
        let name = name(*format);
        let schema = schema_of(*format);
        text += &format!(
            "\n## {name}\n\n{} [Its JSON schema](schemas/{name}.json).\n",
            about.unwrap_or_default().trim_end_matches('.').to_string() + "."
        );
        if *format == Format::Profile {
            text += "\nIts fields are the [parameters](parameters.md) `disk`, `net`, `cpu` and `machine`.\n";
            continue;
        }
        if *format == Format::Output {
            text += "\nIts fields are in [JSON output](json.md).\n";
            continue;
        }
        text += &fields(&schema, &schema);
        let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
        for (name, definition) in &definitions {
            let is_table = definition["properties"].is_object() && definition.get("oneOf").is_none();
            if is_table {
                text += &format!("\n### {name}\n\n{}\n", prose(description(definition)));
                text += &fields(definition, &schema);
            }
        }
    }
    text
}

pub(super) fn faults() -> String {
    let schema = schema_of(Format::Plan);
    let kinds = schema["properties"]["fault"]["items"]["oneOf"].as_array().cloned().unwrap_or_default();
    let kind = |fault: &Value| fault["properties"]["kind"]["const"].as_str().unwrap_or_default().to_string();
    let mut text = head("Faults");
    text += "A [plan](../plans.md) has a table `[[fault]]` for each fault. Besides the fields below,\n\
             each has `at`, when it begins, and may have `lasts`, how long it lasts (default: to the\n\
             end of the run). Names of nodes, hosts and files are patterns of shell wildcards.\n\n";
    text += "| kind | what happens |\n| --- | --- |\n";
    for fault in &kinds {
        text += &row([&format!("[`{0}`](#{0})", kind(fault)), &prose(description(fault))]);
    }
    for fault in &kinds {
        text += &format!("\n## {}\n\n{}\n", kind(fault), prose(description(fault)));
        let mut own = fault.clone();
        if let Some(fields) = own["properties"].as_object_mut() {
            fields.retain(|name, _| !["kind", "at", "lasts"].contains(&name.as_str()));
        }
        text += &fields(&own, &schema);
    }
    text
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// Returns the table of a schema's fields.
fn fields(schema: &Value, root: &Value) -> String {
    let Some(properties) = schema["properties"].as_object().filter(|fields| !fields.is_empty()) else {
        return String::new();
    };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut text = String::from("\n| field | form | meaning |\n| --- | --- | --- |\n");
    for (name, field) in properties {
        let must = if required.iter().any(|other| other == name) { ", required" } else { "" };
        let meaning = prose(description(field));
        text += &row([&format!("`{name}`"), &format!("{}{must}", form(field, root)), &meaning]);
    }
    text
}

/// Returns the form of a field's value in words.
fn form(schema: &Value, root: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        let definition = &root["$defs"][name];
        if name == "latency" {
            return "latency".into();
        }
        let words = form(definition, root);
        return if definition["properties"].is_object() { format!("table {name}") } else { words };
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(ways) = schema[key].as_array() {
            if ways.iter().all(|way| way["properties"]["kind"]["const"].is_string()) {
                return "[fault](faults.md)".into();
            }
            let mut forms: Vec<String> = Vec::new();
            for way in ways.iter().filter(|way| way["type"] != "null") {
                let form = form(way, root);
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
            return forms.join(" or ");
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => match schema["examples"][0].as_str() {
            Some(example) => format!("text such as `{example}`"),
            None => "text".into(),
        },
        Some("integer") => "whole number".into(),
        Some("number") => "number".into(),
        Some("boolean") => "`true`, `false`".into(),
        Some("array") => format!("list of {}", form(&schema["items"], root)),
        Some("object") => match schema["properties"].as_object().and_then(|fields| fields.keys().next()) {
            Some(key) => format!("`{{ {key} = … }}`"),
            None => "table".into(),
        },
        _ => "any value".into(),
    }
}
