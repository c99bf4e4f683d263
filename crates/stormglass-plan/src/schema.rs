//! The JSON schema of a plan's file, for editors and for the reference.

use crate::plan::Plan;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use stormglass_core::fault::FaultKind;

/// The types of faults, whose kinds are listed one by one.
const FAMILIES: [&str; 5] = ["FaultKind", "OneShot", "LinkFault", "DiskFault", "ClockFault"];

/// What the fields of every fault mean.
const AT: &str =
    "When the fault begins, from the start of the run, for example `11s`. Range: 0s to 365 days.";
const LASTS: &str = "How long the fault lasts. Range: 0s to 365 days. Default: to the end of the run.";

/// Returns the JSON schema of a plan's file: a list of faults, each with the fields of its kind, and the
/// generator.
pub fn plan_schema() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let kinds: Vec<Value> = fault_schemas(&mut generator).into_iter().map(Value::Object).collect();
    let mut schema = generator.into_root_schema_for::<Plan>();
    schema.insert("title".into(), "A fault plan".into());
    if let Some(faults) = schema.get_mut("properties").and_then(|fields| fields.get_mut("fault")) {
        faults["items"] = json!({ "oneOf": kinds });
    }
    // The kinds stand in the list of faults.
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.retain(|name, _| !FAMILIES.contains(&name.as_str()));
    }
    schema
}

/// Returns the schema of the fault of each kind: its description, and the fields `kind`, `at`, `lasts`
/// and its own.
fn fault_schemas(generator: &mut SchemaGenerator) -> Vec<Map<String, Value>> {
    // The families, each a list of kinds.
    let families = generator.subschema_for::<FaultKind>();
    let families = resolved(generator, families.as_value())["anyOf"].clone();
    let mut kinds = Vec::new();
    for family in families.as_array().into_iter().flatten() {
        let kinds_of_family = resolved(generator, family)["oneOf"].clone();
        kinds.extend(kinds_of_family.as_array().into_iter().flatten().filter_map(Value::as_object).cloned());
    }
    for kind in &mut kinds {
        if let Some(fields) = kind.get_mut("properties").and_then(Value::as_object_mut) {
            fields.insert("at".into(), json!({ "type": "string", "description": AT }));
            fields.insert("lasts".into(), json!({ "type": "string", "description": LASTS }));
        }
        if let Some(required) = kind.get_mut("required").and_then(Value::as_array_mut) {
            required.push("at".into());
        }
    }
    kinds
}

/// Returns the schema to which a schema refers, or itself.
fn resolved(generator: &SchemaGenerator, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    name.and_then(|name| generator.definitions().get(name)).unwrap_or(schema).clone()
}
