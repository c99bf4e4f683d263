//! Parameters as data: keys, defaults and meanings, taken from settings structs and their documentation.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use toml::Table;

/// Parameters with their defaults and, where they come from documented structs, their meaning.
#[derive(Clone, Debug, Default)]
pub struct ParameterSet {
    table: Table,
    /// Generated on demand: a run needs none.
    schemas: Vec<(String, fn() -> Schema)>,
}

/// The meaning of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// The description, from the field's doc comment.
    pub about: String,
    /// The form of a value: `duration` (`150ms`), `latency` (a duration or a shape), `whole number`, or the possible words.
    pub form: String,
    /// The range of values; empty if any value of the form is valid.
    pub range: String,
    /// Whether the parameter is an observer: the deadline of waits and nothing else. It changes nothing before it ends a test, so one run
    /// answers every value.
    pub observer: bool,
}

impl ParameterSet {
    /// Returns no parameters.
    pub fn none() -> ParameterSet {
        ParameterSet::default()
    }

    /// Returns the fields of a struct as top-level keys.
    ///
    /// # Panics
    ///
    /// Panics if the struct has no TOML form.
    pub fn of<T: Serialize + JsonSchema>(settings: &T) -> ParameterSet {
        let schema: fn() -> Schema = || schema_for!(T);
        ParameterSet { table: table_of(settings), schemas: vec![(String::new(), schema)] }
    }

    /// Adds the fields of a struct as the keys of a section.
    ///
    /// # Panics
    ///
    /// Panics if the struct has no TOML form.
    #[must_use]
    pub fn with<T: Serialize + JsonSchema>(mut self, section: &str, settings: &T) -> ParameterSet {
        self.table.insert(section.into(), table_of(settings).into());
        self.schemas.push((section.into(), || schema_for!(T)));
        self
    }

    /// Adds other parameters. A section that both have is the other's.
    #[must_use]
    pub fn and(mut self, other: ParameterSet) -> ParameterSet {
        self.table.extend(other.table);
        self.schemas.extend(other.schemas);
        self
    }

    /// Returns the defaults.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the meaning of each parameter that comes from a struct, by key.
    pub fn meanings(&self) -> BTreeMap<String, Meaning> {
        let mut meanings = BTreeMap::new();
        for (prefix, schema) in &self.schemas {
            let schema = schema().to_value();
            let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
            Reader { definitions: &definitions, meanings: &mut meanings }.read(prefix, "", &schema);
        }
        meanings
    }
}

/// Parameters without documentation.
impl From<Table> for ParameterSet {
    fn from(table: Table) -> ParameterSet {
        ParameterSet { table, schemas: Vec::new() }
    }
}

/// Collects the leaves of a JSON schema.
struct Reader<'a> {
    definitions: &'a Map<String, Value>,
    meanings: &'a mut BTreeMap<String, Meaning>,
}

impl Reader<'_> {
    fn read(&mut self, key: &str, group: &str, schema: &Value) {
        let text = schema["description"].as_str().unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some(fields) = self.resolved(schema)["properties"].as_object().cloned() else {
            let (about, range) = (without(&text, "Default: "), sentence(&text, "Range: "));
            let about = without(&about, "Range: ");
            let about = if group.is_empty() { about } else { format!("{group}: {}", lower_first(&about)) };
            let form = self.form(schema);
            let range = range.map_or_else(|| self.range(schema), str::to_string);
            let observer = schema["x-observer"] == true;
            self.meanings.insert(key.into(), Meaning { about, form, range, observer });
            return;
        };
        // The description of a section says nothing about one field; the description of a policy or a cost inside a section does.
        let inner = if key.contains('.') {
            text.split_once(['.', ';', ':', '(']).map_or(&*text, |(first, _)| first)
        } else {
            ""
        };
        for (name, field) in &fields {
            self.read(&join(key, name), inner.trim_end(), field);
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }

    fn form(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"))
            && ["duration", "latency"].contains(&name)
        {
            return name.into();
        }
        let schema = self.resolved(schema);
        let words = words(schema);
        if !words.is_empty() {
            return words.join(" | ");
        }
        if let Some(forms) = schema["anyOf"].as_array() {
            return forms.iter().map(|form| self.form(form)).collect::<Vec<_>>().join(" | ");
        }
        match schema["type"].as_str() {
            Some("boolean") => "true | false".into(),
            Some("integer") => "whole number".into(),
            Some("array") => format!("list of {}", self.form(&schema["items"]).replace(" | ", ", ")),
            Some("object") => "table".into(),
            Some("string") => "text".into(),
            _ => "number".into(),
        }
    }

    fn range(&self, schema: &Value) -> String {
        let form = self.form(schema);
        if ["duration", "latency"].contains(&form.as_str()) {
            return "0s and up".into();
        }
        let schema = self.resolved(schema);
        match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("{least} and up"),
            _ => String::new(),
        }
    }
}

/// Returns the words of an enum without data.
fn words(schema: &Value) -> Vec<String> {
    let of = |value: &Value| value.as_str().map(str::to_string);
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().filter_map(of).collect();
    }
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    variants
        .flat_map(|variant| of(&variant["const"]).map_or_else(|| words(variant), |word| vec![word]))
        .collect()
}

/// Returns the text after `mark` up to the end of its sentence.
fn sentence<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let rest = &text[text.find(mark)? + mark.len()..];
    Some(rest.find(". ").map_or(rest, |end| &rest[..end]).trim_end_matches('.'))
}

/// Returns the text without the sentence that begins with `mark`.
fn without(text: &str, mark: &str) -> String {
    let Some(sentence) = sentence(text, mark) else { return text.trim().into() };
    let start = text.find(mark).unwrap_or_default();
    let rest = text[start + mark.len() + sentence.len()..].trim_start_matches('.');
    format!("{}{}", &text[..start], rest.trim_start()).trim().into()
}

/// Returns the text with a lower-case first letter.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Returns the key of `name` in the table `prefix`.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.into() } else { format!("{prefix}.{name}") }
}

/// Returns a settings struct as the table that a file with its values would have.
///
/// # Panics
///
/// Panics if the struct has no TOML form.
pub fn table_of<T: Serialize>(settings: &T) -> Table {
    Table::try_from(settings).expect("settings are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_may_contain_a_decimal_number() {
        let text = "How much longer. Range: 0 to 0.5. Default: 0.3. As Linux does it.";
        assert_eq!(sentence(text, "Range: "), Some("0 to 0.5"));
        assert_eq!(without(&without(text, "Default: "), "Range: "), "How much longer. As Linux does it.");
    }
}
