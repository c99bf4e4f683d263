//! What can be set, where from, and what is wrong with it.
//!
//! The settings of a run are one TOML table: the profile (`disk`, `net`, `cpu`, `machine`), the run's limits (`run`) and the
//! scenario's own parameters. Later layers win: the scenario's defaults, the model, what the scenario overrides, the profile, then single
//! assignments. Every parameter has a default, so a key that is not there is a mistake, and the nearest one that
//! is there is named.

use crate::parameters::Parameters;
use crate::profile::Profile;
use crate::run::RunSettings;
use crate::scenario::{Preset, Scenario};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stormglass_fs::profile::PRESETS;
use stormglass_plan::Plan;
use toml::{Table, Value};

/// The resolved settings of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    table: Table,
    /// Where each leaf was last set, for messages.
    origins: BTreeMap<String, String>,
    model: String,
    profile: String,
}

/// What is wrong with a setting: where, what, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no such thing.
    #[error("{place}: unknown {what} `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_else(|| format!(" (known: {})", known.join(", "))))]
    Unknown {
        /// The flag or file.
        place: String,
        /// `parameter`, `model`, `profile`.
        what: &'static str,
        /// What was given.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
        /// All that there are, if few.
        known: Vec<String>,
    },
    /// A value that does not fit.
    #[error("{place}: `{key}`: {problem}")]
    Value {
        /// The flag or file.
        place: String,
        /// The parameter.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A file that is no TOML.
    #[error("{file}: not valid TOML: {problem}")]
    Syntax {
        /// The file.
        file: String,
        /// The parser's words, with line and column.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{file}: cannot be read: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// An assignment that is none.
    #[error("--set {text}: expected KEY=VALUE, for example disk.sync.delay=200ms")]
    Assignment {
        /// What was given.
        text: String,
    },
}

/// The parameters of the disk; its name can stand for them.
const DISK: &str = "disk";
/// The plan of faults; its name can stand for it.
const PLAN: &str = "plan";

/// The plans of faults that are shipped.
pub const PLANS: &[Preset] = &[Preset { name: "storm", layers: &[include_str!("../plans/storm.toml")] }];

impl Settings {
    /// Resolves the settings of a scenario from a model and a profile, each a shipped name or a TOML file, and
    /// single assignments. Without a model, the scenario's first.
    ///
    /// # Errors
    ///
    /// Names the file or flag, the key, and the remedy.
    pub fn resolve(
        scenario: &dyn Scenario,
        model: Option<&str>,
        profile: &str,
        assignments: &[(&str, &str)],
    ) -> Result<Settings, SettingsError> {
        let mut settings = Settings::defaults(scenario, "", profile);
        if let Some(model) = model.or_else(|| scenario.models().first().map(|preset| preset.name)) {
            settings.model = model.to_string();
            settings.load("model", model, scenario.models(), "")?;
        }
        settings.overlay(scenario.name(), "", &scenario.overrides())?;
        let profiles = [Profile::PRESETS, scenario.profiles()].concat();
        settings.load("profile", profile, &profiles, "")?;
        for (key, text) in assignments {
            settings.assign(key, text)?;
        }
        settings.validate(scenario)?;
        Ok(settings)
    }

    /// Restores settings from the table that [`Settings::table`] gave.
    ///
    /// # Errors
    ///
    /// As [`Settings::resolve`]; `file` is named in messages.
    pub fn restore(
        scenario: &dyn Scenario,
        model: &str,
        profile: &str,
        file: &str,
        table: &Table,
    ) -> Result<Settings, SettingsError> {
        let mut settings = Settings::defaults(scenario, model, profile);
        settings.overlay(file, "", table)?;
        settings.validate(scenario)?;
        Ok(settings)
    }

    /// What there is before anything is set: every parameter.
    fn defaults(scenario: &dyn Scenario, model: &str, profile: &str) -> Settings {
        let table = known(scenario).table().clone();
        Settings { table, origins: BTreeMap::new(), model: model.into(), profile: profile.into() }
    }

    /// The same with this plan, which must be a valid one.
    pub(crate) fn with_plan(mut self, plan: &Plan) -> Settings {
        self.put("the plan", PLAN, table_of(plan).into());
        self
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The profile's name.
    pub fn profile_name(&self) -> &str {
        &self.profile
    }

    /// All of it.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Every parameter's key and value, as they are written in an assignment.
    pub fn leaves(&self) -> Vec<(String, String)> {
        let mut leaves = Vec::new();
        collect("", &self.table, &mut leaves);
        leaves
    }

    /// One top-level table as its type.
    ///
    /// # Errors
    ///
    /// Names the parameter that does not fit.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let value = self.table.get(name).cloned().unwrap_or(Value::Table(Table::new()));
        self.typed(name, value)
    }

    /// The profile.
    ///
    /// # Errors
    ///
    /// Names the parameter that does not fit.
    pub fn profile(&self) -> Result<Profile, SettingsError> {
        let part = |name: &str| (name.to_string(), self.table[name].clone());
        self.typed("", Value::Table(["disk", "net", "cpu", "machine"].map(part).into_iter().collect()))
    }

    /// An error about one of the parameters, for a scenario's own checks.
    pub fn wrong(&self, key: &str, problem: impl Into<String>) -> SettingsError {
        SettingsError::Value { place: self.origin(key), key: key.into(), problem: problem.into() }
    }

    fn typed<T: DeserializeOwned>(&self, prefix: &str, value: Value) -> Result<T, SettingsError> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let key = if path == "." { prefix.to_string() } else { join(prefix, &path) };
            SettingsError::Value {
                place: self.origin(&key),
                key,
                problem: in_words(error.into_inner().message()),
            }
        })
    }

    fn validate(&self, scenario: &dyn Scenario) -> Result<(), SettingsError> {
        let profile = self.profile()?;
        profile.cpu.validate().map_err(|(field, problem)| self.wrong(&join("cpu", field), problem))?;
        if profile.net.handshake_round_trips > 10 {
            return Err(self.wrong("net.handshake-round-trips", "the range is 0 to 10"));
        }
        let run: RunSettings = self.section("run")?;
        run.validate().map_err(|(field, problem)| self.wrong(&join("run", field), problem))?;
        let plan: Plan = self.section(PLAN)?;
        plan.check().map_err(|(field, problem)| self.wrong(&join(PLAN, &field), problem))?;
        scenario.validate(self)?;
        if plan.generate.count > 0 && scenario.nodes(self).is_empty() {
            let problem = format!(
                "the scenario {} names no nodes for the seed to choose from (`Scenario::nodes`); write the faults down as `plan.fault`",
                scenario.name()
            );
            return Err(self.wrong("plan.generate.count", problem));
        }
        Ok(())
    }

    /// Lays a table over this one.
    fn overlay(&mut self, place: &str, prefix: &str, layer: &Table) -> Result<(), SettingsError> {
        for (name, value) in layer {
            let key = join(prefix, name);
            match (value, self.lookup(&key)) {
                (_, None) => return Err(self.unknown(place, &key)),
                (Value::String(name), Some(Value::Table(_))) if key == DISK => self.take_disk(place, name)?,
                (Value::String(file), Some(Value::Table(_))) if key == PLAN => self.take_plan(file)?,
                (Value::Table(inner), Some(Value::Table(_))) if !is_shape(inner) => {
                    self.overlay(place, &key, inner)?;
                }
                _ => self.put(place, &key, value.clone()),
            }
        }
        Ok(())
    }

    /// Takes what a file says, or a shipped preset, about everything or about one section.
    fn load(
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
        let Some(preset) = presets.iter().find(|preset| preset.name == name) else {
            let known = presets.iter().map(|preset| preset.name.to_string()).collect();
            return Err(unknown(&format!("--{what} {name}"), what, name, known));
        };
        let place = format!("{what} {name}");
        preset.layers.iter().try_for_each(|layer| self.overlay(&place, section, &parse(&place, layer)?))
    }

    fn assign(&mut self, key: &str, text: &str) -> Result<(), SettingsError> {
        let place = format!("--set {key}={text}");
        if self.lookup(key).is_none() {
            return Err(self.unknown(&place, key));
        }
        if key == DISK {
            return self.take_disk(&place, text.trim_matches('"'));
        }
        if key == PLAN {
            return self.take_plan(text.trim_matches('"'));
        }
        if let Some(Value::Table(inner)) = self.lookup(key)
            && !is_shape(inner)
        {
            let first = inner.keys().next().map_or_else(String::new, |name| join(key, name));
            let problem = format!("is a group of parameters; set one of them, for example `{first}`");
            return Err(SettingsError::Value { place, key: key.into(), problem });
        }
        // What is no TOML is a string: 200ms, restate-1.7.
        let value = toml::from_str::<Table>(&format!("value = {text}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(text.into()));
        self.put(&place, key, value);
        Ok(())
    }

    /// Replaces the disk by a shipped one.
    fn take_disk(&mut self, place: &str, name: &str) -> Result<(), SettingsError> {
        let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
            let known = PRESETS.iter().map(|(preset, _)| preset.to_string()).collect();
            return Err(unknown(place, "disk", name, known));
        };
        let defaults = table_of(&Profile::default());
        self.put(place, DISK, defaults[DISK].clone());
        let disk = text.parse::<Table>().expect("a shipped profile is TOML: a test reads each");
        self.overlay(place, DISK, &disk)
    }

    /// Replaces the plan by a shipped one, or that of a file.
    fn take_plan(&mut self, name: &str) -> Result<(), SettingsError> {
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

    /// Replaces the value of a key that is there.
    fn put(&mut self, place: &str, key: &str, value: Value) {
        let (parents, last) =
            key.rsplit_once('.').map_or((None, key), |(parents, last)| (Some(parents), last));
        let mut table = &mut self.table;
        for name in parents.iter().flat_map(|parents| parents.split('.')) {
            table = table.get_mut(name).and_then(Value::as_table_mut).expect("looked up before");
        }
        table.insert(last.into(), value);
        self.origins.insert(key.into(), place.into());
    }

    /// Where a key, or the nearest thing around or inside it, was last set.
    fn origin(&self, key: &str) -> String {
        let around = |known: &str| {
            key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let inside = |known: &str| known.starts_with(&format!("{key}."));
        let found = self.origins.iter().rev().find(|(known, _)| around(known) || inside(known));
        found.map_or_else(|| "defaults".into(), |(_, place)| place.clone())
    }

    fn unknown(&self, place: &str, key: &str) -> SettingsError {
        let keys: Vec<String> = self.leaves().into_iter().map(|(key, _)| key).collect();
        unknown(place, "parameter", key, keys)
    }
}

/// Every parameter of a run: the profile's, the run's own, the scenario's.
pub fn known(scenario: &dyn Scenario) -> Parameters {
    let shared = Parameters::of(&Profile::default()).with("run", &RunSettings::default());
    let shared = shared.with(PLAN, &Plan::default());
    shared.and(scenario.defaults())
}

/// A model or profile: a shipped one by name, or a TOML file.
fn parse(place: &str, text: &str) -> Result<Table, SettingsError> {
    text.parse().map_err(|error: toml::de::Error| SettingsError::Syntax {
        file: place.into(),
        problem: error.to_string().trim_end().into(),
    })
}

/// A type error without Rust's names for types.
fn in_words(message: &str) -> String {
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

/// The error for a name that is not among those known.
pub fn unknown(place: &str, what: &'static str, name: &str, known: Vec<String>) -> SettingsError {
    let near = |candidate: &&String| strsim::jaro_winkler(name, candidate) > 0.8;
    let nearest = known
        .iter()
        .filter(near)
        .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let nearest = nearest.cloned();
    // A long list helps nobody.
    let known = if known.len() > 20 { vec!["see `stormglass list parameters`".into()] } else { known };
    SettingsError::Unknown { place: place.into(), what, name: name.into(), nearest, known }
}

/// Whether a table is the shape of a latency, which is one value and not a group of parameters.
fn is_shape(table: &Table) -> bool {
    const SHAPES: [&str; 8] =
        ["constant", "uniform", "exponential", "log-normal", "bimodal", "empirical", "sum", "scaled"];
    table.len() == 1 && table.keys().all(|name| SHAPES.contains(&name.as_str()))
}

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

pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.into() } else { format!("{prefix}.{name}") }
}

/// A settings struct as the table that its file would be.
///
/// # Panics
///
/// When the struct has no TOML form.
pub fn table_of<T: Serialize>(settings: &T) -> Table {
    Table::try_from(settings).expect("settings are plain data")
}
