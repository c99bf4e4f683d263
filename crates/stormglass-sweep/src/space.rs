//! A sweep file: the space of parameters to play.
//!
//! ```toml
//! scenario = "cold-start"
//! model = "restate-m25"
//! profile = "ci-2025-03"
//! seeds = "0..1000"
//!
//! [[parameter]]
//! key = "raft.election-ticks"
//! values = [5, 10, 20]
//!
//! [[parameter]]
//! key = "admin.deadline"          # an observer: its values need no runs of their own
//! range = { from = "5s", to = "60s", steps = 12, scale = "log" }
//! ```

mod axis;
mod formula;
mod level;
mod sampling;

pub use axis::{Axis, Scale};
pub use formula::Formula;
pub use level::{Assignments, Level};
pub use sampling::Sampling;

use crate::seeds::Seeds;
use crate::stats::stopping::{Stop, Target};
use level::text_of;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A sweep file.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Space {
    /// The scenario, unless there are cases.
    pub scenario: Option<String>,
    /// The models of every case that names none itself. Default: the scenario's first model.
    #[serde(default)]
    pub model: OneOrMany,
    /// The profiles of every case that names none itself. Default: `ci-disk`.
    #[serde(default)]
    pub profile: OneOrMany,
    /// The fault plan (a shipped name or a file) of every case that names none itself: written
    /// faults, and a generator of faults for each seed. Default: no faults.
    pub plan: Option<String>,
    /// The seeds of every case that names none itself, for example `"0..1000"`. Default: 0 to 999.
    #[schemars(with = "Option<String>")]
    pub seeds: Option<Seeds>,
    /// Parameters that are set in every cell.
    #[serde(default)]
    #[schemars(with = "Values")]
    pub set: Assignments,
    /// Several scenarios, or one scenario with several settings.
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
    /// The parameters that are varied.
    #[serde(default, rename = "parameter")]
    pub parameters: Vec<Axis>,
    /// Named sets of values; the others are compared with the first.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
    /// Which combinations of parameter values are played. Default: all.
    #[serde(default)]
    pub sampling: Sampling,
    /// The deadline parameters whose exceeded waits count as failures. Default: every failure of a
    /// run counts.
    #[serde(default)]
    pub objective: Vec<String>,
    /// The target failure rate and the confidence level. Default: 1 % at 95 %.
    #[serde(default)]
    pub target: Target,
    /// The stopping rule of the sequential test: a cell ends as soon as its failure rate is known
    /// to be on one side of the target. Default: a cell plays all its seeds, unless a boundary is
    /// searched.
    pub stop: Option<Stop>,
}

/// A scenario with its settings.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// Its name in tables. Default: the scenario's name.
    pub name: Option<String>,
    /// The scenario.
    pub scenario: String,
    /// The models.
    #[serde(default)]
    pub model: OneOrMany,
    /// The profiles.
    #[serde(default)]
    pub profile: OneOrMany,
    /// The fault plan.
    pub plan: Option<String>,
    /// The seeds.
    #[schemars(with = "Option<String>")]
    pub seeds: Option<Seeds>,
    /// Parameters that are set in every cell of the case.
    #[serde(default)]
    #[schemars(with = "Values")]
    pub set: Assignments,
    /// The names of its variants. Default: all variants whose `only` does not exclude the case.
    pub variants: Option<Vec<String>>,
}

/// A named set of values, such as a remedy or a configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Variant {
    /// Its name in tables.
    pub name: String,
    /// Parameters that are set.
    #[serde(default)]
    #[schemars(with = "Values")]
    pub set: Assignments,
    /// Parameters that are set instead in some scenarios, by the scenario's name.
    #[serde(default, rename = "in")]
    #[schemars(with = "BTreeMap<String, Values>")]
    pub instead: BTreeMap<String, Assignments>,
    /// The names of other variants that are applied first.
    #[serde(default)]
    pub together: Vec<String>,
    /// The cases that have this variant, by case name or scenario. Default: all.
    #[serde(default)]
    pub only: Vec<String>,
}

/// The schema of assignments: any value for any key.
type Values = BTreeMap<String, serde_json::Value>;

/// A text, a list of texts, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum OneOrMany {
    /// None.
    #[default]
    None,
    /// One text.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl OneOrMany {
    fn list(&self) -> Vec<String> {
        match self {
            OneOrMany::None => Vec::new(),
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }

    fn or<'a>(&'a self, other: &'a OneOrMany) -> &'a OneOrMany {
        if self.list().is_empty() { other } else { self }
    }
}

/// An error in a sweep file, with file, field, problem and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}{problem}", if field.is_empty() { String::new() } else { format!("`{field}`: ") })]
pub struct SpaceError {
    /// The file.
    pub file: String,
    /// The field, with its table.
    pub field: String,
    /// What is wrong, and a valid value.
    pub problem: String,
}

impl SpaceError {
    /// Creates an error at this field.
    pub fn new(file: &str, field: &str, problem: &str) -> SpaceError {
        SpaceError { file: file.into(), field: field.into(), problem: problem.trim_end().into() }
    }
}

/// Parses a TOML file; errors name the field.
pub(crate) fn from_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, SpaceError> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| SpaceError::new(file, "", &format!("not valid TOML: {error}")))?;
    serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        SpaceError::new(file, if path == "." { "" } else { &path }, error.into_inner().message())
    })
}

/// One combination of values of one case; it has a failure rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cell {
    /// The case's name.
    pub case: String,
    /// The scenario.
    pub scenario: String,
    /// The model, if one is named.
    pub model: Option<String>,
    /// The profile.
    pub profile: String,
    /// The seeds.
    pub seeds: Seeds,
    /// The variant's name, if there are variants.
    pub variant: Option<String>,
    /// The values of the parameters, by key or name.
    pub point: BTreeMap<String, String>,
    /// All parameters that are set, in order.
    pub sets: Vec<(String, String)>,
}

/// The largest number of runs of a sweep. A sweep keeps a list of the runs of a round.
const RUNS_MAX: u64 = 1_000_000_000;

impl Cell {
    /// Returns the text that distinguishes it from other cells of its case.
    pub fn label(&self) -> String {
        let point = self.point.iter().map(|(key, value)| format!("{key}={value}"));
        let words: Vec<String> = self.variant.iter().cloned().chain(point).collect();
        if words.is_empty() { "as it is".into() } else { words.join(", ") }
    }

    /// Returns the number of its seeds.
    pub fn runs(&self) -> u64 {
        self.seeds.count()
    }
}

impl Space {
    /// Parses a sweep file. `file` is the name in errors.
    ///
    /// # Errors
    ///
    /// Returns an error that names the field, the problem and the remedy.
    pub fn parse(file: &str, text: &str) -> Result<Space, SpaceError> {
        let space: Space = from_toml(file, text)?;
        space.check().map_err(|(field, problem)| SpaceError::new(file, &field, &problem))?;
        Ok(space)
    }

    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, problem: String| Err((field.to_string(), problem));
        match (&self.scenario, self.cases.is_empty()) {
            (None, true) => {
                return wrong(
                    "scenario",
                    "is missing: name one scenario, or write a [[case]] for each".into(),
                );
            }
            (Some(_), false) => {
                return wrong(
                    "scenario",
                    "cannot be used together with [[case]]: keep one of the two".into(),
                );
            }
            _ => {}
        }
        for (place, axis) in self.parameters.iter().enumerate() {
            let field = format!("parameter[{place}]");
            axis.check(&self.parameters[..place]).map_err(|problem| (field, problem))?;
        }
        let names: Vec<&str> = self.variants.iter().map(|variant| variant.name.as_str()).collect();
        for (place, variant) in self.variants.iter().enumerate() {
            let field = format!("variant[{place}]");
            if names[..place].contains(&variant.name.as_str()) {
                return wrong(
                    &format!("{field}.name"),
                    format!("two variants are named {:?}: rename one", variant.name),
                );
            }
            if let Some(other) =
                variant.together.iter().find(|other| !names[..place].contains(&other.as_str()))
            {
                return wrong(
                    &format!("{field}.together"),
                    format!("no variant before this one is named {other:?}; define it first"),
                );
            }
        }
        for (place, case) in self.cases.iter().enumerate() {
            if let Some(unknown) = case.variants.iter().flatten().find(|name| !names.contains(&name.as_str()))
            {
                return wrong(
                    &format!("case[{place}].variants"),
                    format!("no variant is named {unknown:?}; the variants are {}", names.join(", ")),
                );
            }
        }
        self.sampling.check(&self.parameters).map_err(|problem| ("sampling".to_string(), problem))?;
        self.target.check().map_err(|problem| ("target".to_string(), problem))?;
        self.stop
            .as_ref()
            .map_or(Ok(()), |stop| stop.check().map_err(|problem| ("stop".to_string(), problem)))
    }

    /// Returns the cases, or one for `scenario`.
    fn all_cases(&self) -> Vec<Case> {
        let only = self.scenario.as_ref().map(|scenario| Case {
            name: None,
            scenario: scenario.clone(),
            model: OneOrMany::None,
            profile: OneOrMany::None,
            plan: None,
            seeds: None,
            set: Assignments::new(),
            variants: None,
        });
        only.into_iter().chain(self.cases.iter().cloned()).collect()
    }

    /// Returns the stopping rule; a search for a boundary always has one.
    pub fn stop(&self) -> Option<Stop> {
        self.stop.or_else(|| matches!(self.sampling, Sampling::Boundary(_)).then(Stop::default))
    }

    /// Returns all cells, by case, then by variant, then by point.
    ///
    /// # Errors
    ///
    /// Returns a message if a formula cannot be evaluated, and if the cells have more than 10^9 runs
    /// together.
    pub fn cells(&self) -> Result<Vec<Cell>, String> {
        let points = self.sampling.points(&self.parameters)?;
        let mut cells: Vec<Cell> = Vec::new();
        for case in self.all_cases() {
            let mut models: Vec<Option<String>> =
                case.model.or(&self.model).list().into_iter().map(Some).collect();
            if models.is_empty() {
                models.push(None);
            }
            let mut profiles = case.profile.or(&self.profile).list();
            if profiles.is_empty() {
                profiles.push("ci-disk".into());
            }
            let seeds = case.seeds.or(self.seeds).unwrap_or(Seeds::up_to(1_000));
            for (model, profile) in
                models.iter().flat_map(|model| profiles.iter().map(move |profile| (model, profile)))
            {
                let mut name = vec![case.name.clone().unwrap_or_else(|| case.scenario.clone())];
                name.extend(model.iter().filter(|_| models.len() > 1).cloned());
                name.extend((profiles.len() > 1).then(|| profile.clone()));
                for variant in self.variants_of(&case) {
                    for point in &points {
                        let cell = Cell {
                            case: name.join(", "),
                            scenario: case.scenario.clone(),
                            model: model.clone(),
                            profile: profile.clone(),
                            seeds,
                            variant: variant.map(|variant| variant.name.clone()),
                            point: point.named.clone(),
                            sets: self.sets(&case, variant, &point.sets),
                        };
                        // Two points are equal if they differ only in a parameter whose `when`
                        // excludes it.
                        if !cells.contains(&cell) {
                            cells.push(cell);
                        }
                    }
                }
            }
        }
        let runs = cells.iter().try_fold(0u64, |sum, cell| sum.checked_add(cell.runs()));
        if runs.is_none_or(|runs| runs > RUNS_MAX) {
            return Err(format!(
                "the cells have more than {RUNS_MAX} runs together; give fewer `seeds` or fewer values"
            ));
        }
        Ok(cells)
    }

    fn variants_of(&self, case: &Case) -> Vec<Option<&Variant>> {
        if self.variants.is_empty() {
            return vec![None];
        }
        let names = [Some(&case.scenario), case.name.as_ref()];
        let has = |variant: &&Variant| {
            (variant.only.is_empty() || variant.only.iter().any(|only| names.contains(&Some(only))))
                && case.variants.as_ref().is_none_or(|listed| listed.contains(&variant.name))
        };
        self.variants.iter().filter(has).map(Some).collect()
    }

    /// Returns the variants to apply for one, in order: those of its `together`, recursively, then
    /// itself.
    fn with_together<'a>(&'a self, variant: &'a Variant) -> Vec<&'a Variant> {
        let named =
            variant.together.iter().filter_map(|name| self.variants.iter().find(|other| other.name == *name));
        // Each names only variants before it, so the recursion ends.
        named.flat_map(|other| self.with_together(other)).chain([variant]).collect()
    }

    fn sets(
        &self,
        case: &Case,
        variant: Option<&Variant>,
        point: &[(String, String)],
    ) -> Vec<(String, String)> {
        let mut sets: Vec<(String, String)> = Vec::new();
        let mut put = |key: &str, value: String| {
            sets.retain(|(other, _)| other != key);
            sets.push((key.into(), value));
        };
        if let Some(plan) = case.plan.as_ref().or(self.plan.as_ref()) {
            put("plan", plan.clone());
        }
        let mut set = |values: &Assignments| values.iter().for_each(|(key, value)| put(key, text_of(value)));
        set(&self.set);
        set(&case.set);
        let chain = variant.map(|variant| self.with_together(variant)).unwrap_or_default();
        chain.iter().for_each(|variant| set(variant.instead.get(&case.scenario).unwrap_or(&variant.set)));
        point.iter().for_each(|(key, value)| put(key, value.clone()));
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn labels(text: &str) -> Vec<String> {
        let cells = Space::parse("s.toml", text).unwrap().cells().unwrap();
        cells.iter().map(|cell| format!("{}: {}", cell.case, cell.label())).collect()
    }

    #[test]
    fn grid_combines_all_values() {
        let labels = labels(
            "scenario = 'a'\nmodel = ['m', 'n']\n[[parameter]]\nkey = 'x'\nvalues = [1, 2]\n[[parameter]]\nkey = 'y'\nvalues = ['1s', '2s']\n",
        );
        assert_eq!(labels.len(), 8);
        assert_eq!((labels[0].as_str(), labels[7].as_str()), ("a, m: x=1, y=1s", "a, n: x=2, y=2s"));
    }

    #[test]
    fn excluded_parameter_adds_no_cells() {
        let text = "scenario = 'a'\n[[parameter]]\nkey = 'strategy'\nvalues = ['poll', 'steps']\n\
                    [[parameter]]\nkey = 'budget'\nvalues = ['1s', '2s']\nwhen = { strategy = 'steps' }\n";
        assert_eq!(
            labels(text),
            ["a: strategy=poll", "a: budget=1s, strategy=steps", "a: budget=2s, strategy=steps"]
        );
    }

    #[test]
    fn variants_combine_and_may_differ_by_scenario() {
        let text = "[[case]]\nscenario = 'a'\n[[case]]\nscenario = 'b'\n[[variant]]\nname = 'none'\n\
                    [[variant]]\nname = 'long'\nset = { 'admin.deadline' = '60s' }\nin.b = { 'b.healthy' = '60s' }\n\
                    [[variant]]\nname = 'both'\ntogether = ['long']\nset = { ticks = 5 }\n[[variant]]\nname = 'x'\nonly = ['a']\n";
        let cells = Space::parse("s.toml", text).unwrap().cells().unwrap();
        assert_eq!(cells.len(), 7);
        let set = |key: &str, value: &str| (key.to_string(), value.to_string());
        assert_eq!(cells[2].sets, [set("admin.deadline", "60s"), set("ticks", "5")]);
        assert_eq!(cells[6].sets, [set("b.healthy", "60s"), set("ticks", "5")]);
    }

    /// A variant without values of its own applies those of its `together`.
    #[test]
    fn together_is_recursive() {
        let text = "scenario = 'a'\n[[variant]]\nname = 'x'\nset = { k = 1 }\n[[variant]]\nname = 'xs'\ntogether = ['x']\n\
                    [[variant]]\nname = 'all'\ntogether = ['xs']\nset = { j = 2 }\n";
        let cells = Space::parse("s.toml", text).unwrap().cells().unwrap();
        assert_eq!(cells[2].sets, [("k".to_string(), "1".to_string()), ("j".into(), "2".into())]);
    }

    #[track_caller]
    fn assert_error(text: &str, expected: Expect) {
        expected.assert_eq(&Space::parse("s.toml", text).unwrap_err().to_string());
    }

    #[test]
    fn errors_name_field_and_remedy() {
        assert_error(
            "seeds = '0..3'",
            expect!["s.toml: `scenario`: is missing: name one scenario, or write a [[case]] for each"],
        );
        assert_error(
            "scenario = 'a'\nseeds = '3..3'",
            expect![
                "s.toml: `seeds`: the range `3..3` is empty; expected A..B, A..=B or A.., for example 0..100"
            ],
        );
        assert_error(
            "scenario = 'a'\nsede = '3..3'",
            expect![
                "s.toml: `sede`: unknown field `sede`, expected one of `scenario`, `model`, `profile`, `plan`, `seeds`, `set`, `case`, `parameter`, `variant`, `sampling`, `objective`, `target`, `stop`"
            ],
        );
        assert_error(
            "scenario = 'a'\n[[parameter]]\nkey = 'x'",
            expect!["s.toml: `parameter[0]`: x has no values: give one of `values`, `range` and `formula`"],
        );
        assert_error(
            "scenario = 'a'\n[[parameter]]\nkey = 'x'\nformula = 'y * 2'",
            expect![
                "s.toml: `parameter[0]`: the formula `y * 2` uses y, which is not a parameter before this one: define y first"
            ],
        );
        assert_error(
            "scenario = 'a'\n[[variant]]\nname = 'v'\ntogether = ['w']",
            expect![[
                r#"s.toml: `variant[0].together`: no variant before this one is named "w"; define it first"#
            ]],
        );
    }
}
