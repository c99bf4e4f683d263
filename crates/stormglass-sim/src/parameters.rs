//! What can be set, and what each parameter means: the defaults of settings structs, and their documentation as data.

use crate::settings::{join, table_of};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use toml::Table;

/// Parameters with their defaults and, where they come from documented structs, their meaning.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
/// use stormglass_core::latency::HumanDuration;
/// use stormglass_sim::Parameters;
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// #[serde(rename_all = "kebab-case")]
/// struct Service {
///     /// The limit of a request.
///     #[serde(with = "HumanDuration")]
///     request_timeout: Duration,
///     /// How long the test waits for the service. Range: 1s and up.
///     #[serde(with = "HumanDuration")]
///     #[schemars(extend("x-observer" = true))]
///     deadline: Duration,
/// }
///
/// let service = Service { request_timeout: Duration::from_secs(1), deadline: Duration::from_secs(5) };
/// let meanings = Parameters::none().with("service", &service).meanings();
/// let deadline = &meanings["service.deadline"];
/// assert_eq!(deadline.about, "How long the test waits for the service.");
/// assert_eq!((deadline.form.as_str(), deadline.range.as_str()), ("duration", "1s and up"));
/// assert!(deadline.observer && !meanings["service.request-timeout"].observer);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    table: Table,
    /// Made when somebody asks: a run needs none.
    schemas: Vec<(String, fn() -> Schema)>,
}

/// What a parameter means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// In words.
    pub about: String,
    /// What a value is: `duration` (`150ms`), `latency` (a duration or a shape), `whole number`, or the words that there are.
    pub form: String,
    /// Which values there are.
    pub range: String,
    /// Whether it is nothing but the deadline of waits, which changes nothing before it ends a test: one run answers every value.
    pub observer: bool,
}

impl Parameters {
    /// None.
    pub fn none() -> Parameters {
        Parameters::default()
    }

    /// The fields of a struct, at the top.
    ///
    /// # Panics
    ///
    /// When the struct has no TOML form.
    pub fn of<T: Serialize + JsonSchema>(settings: &T) -> Parameters {
        let schema: fn() -> Schema = || schema_for!(T);
        Parameters { table: table_of(settings), schemas: vec![(String::new(), schema)] }
    }

    /// These, and the fields of a struct under this name.
    ///
    /// # Panics
    ///
    /// When the struct has no TOML form.
    #[must_use]
    pub fn with<T: Serialize + JsonSchema>(mut self, section: &str, settings: &T) -> Parameters {
        self.table.insert(section.into(), table_of(settings).into());
        self.schemas.push((section.into(), || schema_for!(T)));
        self
    }

    /// These and those; where both have a table, those replace it.
    #[must_use]
    pub fn and(mut self, those: Parameters) -> Parameters {
        self.table.extend(those.table);
        self.schemas.extend(those.schemas);
        self
    }

    /// The defaults.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What each parameter means that comes from a struct, by its key.
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

/// Parameters that nobody has documented.
impl From<Table> for Parameters {
    fn from(table: Table) -> Parameters {
        Parameters { table, schemas: Vec::new() }
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
        // A section's own description says nothing about one field; that of a policy or a cost within it does.
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

/// The values of an enum without data.
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

/// What follows this mark, to the end of its sentence.
fn sentence<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let rest = &text[text.find(mark)? + mark.len()..];
    Some(rest.find(". ").map_or(rest, |end| &rest[..end]).trim_end_matches('.'))
}

fn without(text: &str, mark: &str) -> String {
    let Some(sentence) = sentence(text, mark) else { return text.trim().into() };
    let start = text.find(mark).unwrap_or_default();
    let rest = text[start + mark.len() + sentence.len()..].trim_start_matches('.');
    format!("{}{}", &text[..start], rest.trim_start()).trim().into()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::run::RunSettings;

    #[test]
    fn a_sentence_may_hold_a_number_with_a_point() {
        let text = "How much longer. Range: 0 to 0.5. Default: 0.3. As Linux does it.";
        assert_eq!(sentence(text, "Range: "), Some("0 to 0.5"));
        assert_eq!(without(&without(text, "Default: "), "Range: "), "How much longer. As Linux does it.");
    }

    #[test]
    fn every_parameter_of_a_profile_and_a_run_has_a_meaning() {
        let known = Parameters::of(&Profile::default()).with("run", &RunSettings::default());
        let meanings = known.meanings();
        assert_eq!(meanings["run.horizon"].range, "1 ms to 365 days");
        assert_eq!(meanings["disk.sync.latency"].form, "latency");
        assert_eq!(meanings["disk.names-durable"].form, "directory-sync | file-sync");
        assert_eq!(meanings["disk.device.stall.factor"].range, "1 and up");
        let silent: Vec<&String> =
            meanings.iter().filter(|(_, meaning)| meaning.about.is_empty()).map(|(key, _)| key).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }
}
