//! The values of a run's parameters: one TOML table, and where each value was set.

use crate::error::SettingsError;
use crate::log_filter::LogFilter;
use crate::parameter_set::{ParameterSet, join, table_of};
use crate::preset::{PLANS, Preset};
use crate::profile::Profile;
use crate::run_settings::RunSettings;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stormglass_core::latency::HumanDuration;
use stormglass_core::time::YEAR;
use stormglass_fs::profile::PRESETS;
use stormglass_plan::Plan;
use toml::{Table, Value};

/// The values of a run's parameters, and where each was set: what [`crate::Parameters::read`] reads from.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    table: Table,
    /// Where each key was last set, for messages.
    origins: BTreeMap<String, String>,
}

/// The section of the disk's parameters. A shipped disk's name can replace it.
const DISK: &str = "disk";
/// The section of the fault plan. A shipped plan's name or a file can replace it.
const PLAN: &str = "plan";

/// Returns the parameters that every run has: the profile's, the run's limits, and the fault plan.
pub(crate) fn general_parameters() -> ParameterSet {
    let profile = ParameterSet::of(&Profile::default());
    profile.with("run", &RunSettings::default()).with(PLAN, &Plan::default())
}

impl Values {
    /// The defaults of these parameters.
    pub(crate) fn of(parameters: &ParameterSet) -> Values {
        Values { table: parameters.table().clone(), origins: BTreeMap::new() }
    }

    /// Returns all values.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns every parameter's key and value, as an assignment writes them.
    pub fn leaves(&self) -> Vec<(String, String)> {
        let mut leaves = Vec::new();
        collect("", &self.table, &mut leaves);
        leaves
    }

    /// Returns one top-level table as its type.
    ///
    /// # Errors
    ///
    /// Names the parameter whose value has the wrong type.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let value = self.table.get(name).cloned().unwrap_or(Value::Table(Table::new()));
        self.typed(name, value)
    }

    /// Returns an error about the value of a parameter, with the place where it was set.
    pub fn wrong(&self, key: &str, problem: impl Into<String>) -> SettingsError {
        SettingsError::Value { place: self.origin(key), key: key.into(), problem: problem.into() }
    }

    /// Reads and validates the profile.
    pub(crate) fn profile(&self) -> Result<Profile, SettingsError> {
        let part = |name: &str| (name.to_string(), self.table[name].clone());
        let table = ["disk", "net", "cpu", "machine"].map(part).into_iter().collect();
        let profile: Profile = self.typed("", Value::Table(table))?;
        self.check_durations(&["disk", "net", "cpu"])?;
        profile.disk.validate().map_err(|(field, problem)| self.wrong(&join("disk", &field), problem))?;
        profile.cpu.validate().map_err(|(field, problem)| self.wrong(&join("cpu", field), problem))?;
        if profile.net.handshake_round_trips > 10 {
            let problem = format!("is {}, the range is 0 to 10", profile.net.handshake_round_trips);
            return Err(self.wrong("net.handshake-round-trips", problem));
        }
        Ok(profile)
    }

    /// Checks that no parameter of these sections is a duration above a year, the longest run.
    fn check_durations(&self, sections: &[&str]) -> Result<(), SettingsError> {
        for (key, text) in self.leaves() {
            let is_of = |section: &&str| is_inside(&key, section);
            if sections.iter().any(is_of)
                && let Ok(duration) = HumanDuration::deserialize(Value::String(text))
                && duration > YEAR
            {
                let problem = format!("is {}, the range is 0s to 365days", HumanDuration(duration));
                return Err(self.wrong(&key, problem));
            }
        }
        Ok(())
    }

    /// Reads and validates the run's limits.
    pub(crate) fn run(&self) -> Result<RunSettings, SettingsError> {
        let run: RunSettings = self.section("run")?;
        run.validate().map_err(|(field, problem)| self.wrong(&join("run", field), problem))?;
        Ok(run)
    }

    /// Reads and validates the fault plan.
    pub(crate) fn plan(&self) -> Result<Plan, SettingsError> {
        let plan: Plan = self.section(PLAN)?;
        plan.check().map_err(|(field, problem)| self.wrong(&join(PLAN, &field), problem))?;
        Ok(plan)
    }

    /// Replaces the fault plan.
    pub(crate) fn set_plan(&mut self, plan: &Plan) {
        self.put("the plan", PLAN, table_of(plan).into());
    }

    pub(crate) fn set_log(&mut self, filter: &LogFilter) {
        self.put("the log", "run.log", filter.to_string().into());
    }

    fn typed<T: DeserializeOwned>(&self, prefix: &str, value: Value) -> Result<T, SettingsError> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let key = if path == "." { prefix.to_string() } else { join(prefix, &path) };
            SettingsError::Value {
                place: self.origin(&key),
                key,
                problem: without_rust_types(error.into_inner().message()),
            }
        })
    }

    /// Replaces the values that a table sets.
    pub(crate) fn overlay(&mut self, place: &str, prefix: &str, layer: &Table) -> Result<(), SettingsError> {
        for (name, value) in layer {
            let key = join(prefix, name);
            match (value, self.lookup(&key)) {
                (_, None) => return Err(self.unknown(place, &key)),
                (Value::String(name), Some(Value::Table(_))) if key == DISK => {
                    self.replace_disk(place, name)?
                }
                (Value::String(file), Some(Value::Table(_))) if key == PLAN => self.replace_plan(file)?,
                (Value::Table(inner), Some(Value::Table(_))) if !is_shape(inner) => {
                    self.overlay(place, &key, inner)?;
                }
                _ => self.put(place, &key, value.clone()),
            }
        }
        Ok(())
    }

    /// Replaces the values that a file or a shipped preset sets. Its keys are those of `section`; all of them if that is empty.
    pub(crate) fn load(
        &mut self,
        what: &'static str,
        name: &str,
        presets: &[Preset],
        section: &str,
    ) -> Result<(), SettingsError> {
        let is_file =
            Path::new(name).extension().is_some_and(|extension| extension == "toml") || name.contains('/');
        if is_file {
            let text = std::fs::read_to_string(PathBuf::from(name));
            let text = text.map_err(|source| SettingsError::File { file: name.into(), source })?;
            return self.overlay(name, section, &parse(name, &text)?);
        }
        let preset = Preset::find(presets, &format!("--{what} {name}"), what, name)?;
        let place = format!("{what} {name}");
        preset.layers.iter().try_for_each(|layer| self.overlay(&place, section, &parse(&place, layer)?))
    }

    /// Sets one parameter to a value as it is written on the command line.
    pub(crate) fn assign(&mut self, key: &str, text: &str) -> Result<(), SettingsError> {
        let place = format!("--set {key}={text}");
        if self.lookup(key).is_none() {
            return Err(self.unknown(&place, key));
        }
        if key == DISK {
            return self.replace_disk(&place, text.trim_matches('"'));
        }
        if key == PLAN {
            return self.replace_plan(text.trim_matches('"'));
        }
        if let Some(Value::Table(inner)) = self.lookup(key)
            && !is_shape(inner)
        {
            let first = inner.keys().next().map_or_else(String::new, |name| join(key, name));
            let problem = format!("is a group of parameters; set one of them, for example `{first}`");
            return Err(SettingsError::Value { place, key: key.into(), problem });
        }
        // Text that is not TOML is a string: 200ms, restate-1.7.
        let value = toml::from_str::<Table>(&format!("value = {text}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(text.into()));
        self.put(&place, key, value);
        Ok(())
    }

    /// Replaces the disk's parameters by those of a shipped disk.
    fn replace_disk(&mut self, place: &str, name: &str) -> Result<(), SettingsError> {
        let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
            let known = PRESETS.iter().map(|(preset, _)| preset.to_string()).collect();
            return Err(SettingsError::unknown(place, "disk", name, known));
        };
        let defaults = table_of(&Profile::default());
        self.put(place, DISK, defaults[DISK].clone());
        let disk = text.parse::<Table>().expect("a shipped profile is TOML: a test reads each");
        self.overlay(place, DISK, &disk)
    }

    /// Replaces the fault plan by a shipped one, or by that of a file.
    fn replace_plan(&mut self, name: &str) -> Result<(), SettingsError> {
        self.put(name, PLAN, table_of(&Plan::default()).into());
        self.load(PLAN, name, PLANS, PLAN)
    }

    fn lookup(&self, key: &str) -> Option<&Value> {
        let mut names = key.split('.');
        let mut value = self.table.get(names.next()?)?;
        for name in names {
            value = value.as_table()?.get(name)?;
        }
        Some(value)
    }

    /// Replaces the value of an existing key.
    fn put(&mut self, place: &str, key: &str, value: Value) {
        let (parents, last) =
            key.rsplit_once('.').map_or((None, key), |(parents, last)| (Some(parents), last));
        let mut table = &mut self.table;
        for name in parents.iter().flat_map(|parents| parents.split('.')) {
            table = table.get_mut(name).and_then(Value::as_table_mut).expect("looked up before");
        }
        table.insert(last.into(), value);
        // What was set inside of it is replaced too.
        self.origins.retain(|known, _| !is_inside(known, key));
        self.origins.insert(key.into(), place.into());
    }

    /// Returns where a key was last set, or a table around it, or a key inside it.
    fn origin(&self, key: &str) -> String {
        let concerns = |known: &str| known == key || is_inside(key, known) || is_inside(known, key);
        let found = self.origins.iter().rev().find(|(known, _)| concerns(known));
        found.map_or_else(|| "defaults".into(), |(_, place)| place.clone())
    }

    fn unknown(&self, place: &str, key: &str) -> SettingsError {
        let keys: Vec<String> = self.leaves().into_iter().map(|(key, _)| key).collect();
        SettingsError::unknown(place, "parameter", key, keys)
    }
}

/// Returns whether `inner` is the key of a value inside the table or list with the key `outer`.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// Parses a TOML document.
fn parse(place: &str, text: &str) -> Result<Table, SettingsError> {
    text.parse().map_err(|error: toml::de::Error| SettingsError::Syntax {
        file: place.into(),
        problem: error.to_string().trim_end().into(),
    })
}

/// Replaces Rust's names of types in an error message.
fn without_rust_types(message: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
    ];
    let known = WORDS.iter().find_map(|(rust, words)| message.strip_suffix(rust).map(|rest| (rest, words)));
    known.map_or_else(|| message.to_string(), |(rest, words)| format!("{rest}{words}"))
}

/// Returns whether a table is the shape of a latency, which is one value and not a group of parameters.
fn is_shape(table: &Table) -> bool {
    const SHAPES: [&str; 8] =
        ["constant", "uniform", "exponential", "log-normal", "bimodal", "empirical", "sum", "scaled"];
    table.len() == 1 && table.keys().all(|name| SHAPES.contains(&name.as_str()))
}

/// Collects the keys and values below `prefix`.
fn collect(prefix: &str, table: &Table, leaves: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = join(prefix, name);
        match value {
            Value::Table(inner) if !is_shape(inner) => collect(&key, inner, leaves),
            Value::String(text) => leaves.push((key, text.clone())),
            other => leaves.push((key, other.to_string())),
        }
    }
}
