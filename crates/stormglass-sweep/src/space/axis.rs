//! A parameter that is varied.

use super::formula::Formula;
use super::level::{Assignments, Level, text_of};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A parameter that is varied: a list of values, a range, or a formula over others.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Axis {
    /// The parameter that is set.
    pub key: Option<String>,
    /// A name for formulas, instead of `key`, for a value that is not set itself.
    pub name: Option<String>,
    /// Its values, as a list.
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub values: Option<Vec<toml::Value>>,
    /// Its values, as a range.
    pub range: Option<Span>,
    /// Its value, as a formula over other parameters: `"2 * raft.heartbeat-ticks"`.
    #[schemars(with = "Option<String>")]
    pub formula: Option<Formula>,
    /// A condition: it is set only where other parameters have these values.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub when: Assignments,
}

/// A range of values.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Span {
    /// The first value.
    #[schemars(with = "serde_json::Value")]
    pub from: toml::Value,
    /// The last value.
    #[schemars(with = "serde_json::Value")]
    pub to: toml::Value,
    /// The number of values in a grid, including both ends. Range: 2 and up. Default: 5.
    #[serde(default = "five")]
    pub steps: u32,
    /// The spacing of the values. Default: `linear`.
    #[serde(default)]
    pub scale: Scale,
}

fn five() -> u32 {
    5
}

/// The spacing of values in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Equal differences.
    #[default]
    Linear,
    /// Equal ratios.
    Log,
}

impl Axis {
    /// Returns its key, or its name.
    pub fn id(&self) -> &str {
        self.key.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }

    pub(super) fn check(&self, before: &[Axis]) -> Result<(), String> {
        let id = self.id();
        if self.key.is_some() == self.name.is_some() {
            return Err("needs either a `key`, or a `name` for a value that only formulas use".into());
        }
        if before.iter().any(|other| other.id() == id) {
            return Err(format!("{id} is varied twice: keep one of the two"));
        }
        let ways = [self.values.is_some(), self.range.is_some(), self.formula.is_some()];
        match ways.iter().filter(|way| **way).count() {
            0 => return Err(format!("{id} has no values: give one of `values`, `range` and `formula`")),
            1 => {}
            _ => return Err(format!("{id} has several of `values`, `range` and `formula`: keep one")),
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            return Err(format!("{id} has an empty list of `values`: give at least one"));
        }
        let known = |name: &str| before.iter().any(|other| other.id() == name);
        if let Some(formula) = &self.formula
            && let Some(unknown) = formula.names().find(|name| !known(name))
        {
            return Err(format!(
                "the formula `{formula}` uses {unknown}, which is not a parameter before this one: define {unknown} first"
            ));
        }
        if let Some(unknown) = self.when.keys().find(|name| !known(name)) {
            return Err(format!(
                "the `when` of {id} uses {unknown}, which is not a parameter before this one: define {unknown} first"
            ));
        }
        self.range.as_ref().map_or(Ok(()), |span| span.check(id))
    }

    /// Returns its values in a grid; none for a formula.
    pub fn levels(&self) -> Vec<Level> {
        if let Some(values) = &self.values {
            return values.iter().map(Level::of).collect();
        }
        let Some(span) = &self.range else { return Vec::new() };
        let last = f64::from(span.steps - 1);
        let mut levels: Vec<Level> = (0..span.steps).map(|step| span.at(f64::from(step) / last)).collect();
        levels.dedup();
        levels
    }

    /// Returns the value at a fraction (0 to below 1) of its range or list; `None` for a formula.
    pub fn at(&self, share: f64) -> Option<Level> {
        if let Some(span) = &self.range {
            return Some(span.at(share));
        }
        let values = self.values.as_ref()?;
        let place = ((share * values.len() as f64) as usize).min(values.len() - 1);
        Some(Level::of(&values[place]))
    }

    /// Whether its `when` holds at a point.
    pub(super) fn applies(&self, point: &BTreeMap<String, Level>) -> bool {
        self.when
            .iter()
            .all(|(name, value)| point.get(name).is_some_and(|level| level.to_string() == text_of(value)))
    }
}

impl Span {
    fn check(&self, id: &str) -> Result<(), String> {
        let (from, to) = (Level::of(&self.from), Level::of(&self.to));
        let (Some(low), Some(high)) = (from.size(), to.size()) else {
            return Err(format!("the range of {id} needs numbers or durations as `from` and `to`"));
        };
        if std::mem::discriminant(&from) != std::mem::discriminant(&to) {
            return Err(format!(
                "the range of {id} has `from` and `to` of different kinds, {from} and {to}: give both as numbers or both as durations"
            ));
        }
        if low >= high {
            return Err(format!("the range of {id} has `to` = {to}, which must be above `from` = {from}"));
        }
        if self.steps < 2 {
            return Err(format!("the range of {id} has `steps` = {}, which must be at least 2", self.steps));
        }
        if self.scale == Scale::Log && low <= 0.0 {
            return Err(format!(
                "the range of {id} has `from` = {from}, which must be above 0 on a log scale"
            ));
        }
        Ok(())
    }

    fn at(&self, share: f64) -> Level {
        let (from, to) = (Level::of(&self.from), Level::of(&self.to));
        let (low, high) = (from.size().unwrap_or_default(), to.size().unwrap_or_default());
        from.like(match self.scale {
            Scale::Linear => low + (high - low) * share,
            Scale::Log => low * (high / low).powf(share),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let axis: Axis = toml::from_str(text).unwrap();
        axis.check(&[]).unwrap();
        axis.levels().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn range_values_have_equal_differences_or_ratios() {
        assert_eq!(texts("key = 'x'\nrange = { from = 1, to = 9, steps = 3 }"), ["1", "5", "9"]);
        assert_eq!(
            texts("key = 'x'\nrange = { from = '1s', to = '16s', steps = 5, scale = 'log' }"),
            ["1s", "2s", "4s", "8s", "16s"]
        );
        assert_eq!(texts("key = 'x'\nrange = { from = 0.5, to = 1.5, steps = 3 }"), ["0.5", "1.0", "1.5"]);
    }
}
