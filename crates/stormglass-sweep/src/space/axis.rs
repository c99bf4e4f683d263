//! A parameter that is varied.

use super::formula::Formula;
use super::level::{Assignments, Level, text_of};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A parameter that is varied: a list of values, a range, or a formula over others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Axis {
    /// The parameter that is set.
    pub key: Option<String>,
    /// A name that formulas use, for what is no parameter itself.
    pub name: Option<String>,
    /// Its values.
    pub values: Option<Vec<toml::Value>>,
    /// Or a range of them.
    pub range: Option<Span>,
    /// Or how it follows from others: `"2 * raft.heartbeat-ticks"`.
    pub formula: Option<Formula>,
    /// It is set only where other parameters have these values.
    #[serde(default)]
    pub when: Assignments,
}

/// From one value to another.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Span {
    /// The first.
    pub from: toml::Value,
    /// The last.
    pub to: toml::Value,
    /// How many in a grid, the ends included. Range: 2 and up. Default: 5.
    #[serde(default = "five")]
    pub steps: u32,
    /// How they lie between. Default: `linear`.
    #[serde(default)]
    pub scale: Scale,
}

fn five() -> u32 {
    5
}

/// How values lie between the ends of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// At equal distances.
    #[default]
    Linear,
    /// At equal ratios.
    Log,
}

impl Axis {
    /// What it is called.
    pub fn id(&self) -> &str {
        self.key.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }

    pub(super) fn check(&self, before: &[Axis]) -> Result<(), String> {
        let id = self.id();
        if self.key.is_some() == self.name.is_some() {
            return Err("needs a key, or a name for what only formulas use; not both".into());
        }
        if before.iter().any(|other| other.id() == id) {
            return Err(format!("{id} is varied twice"));
        }
        let ways = [self.values.is_some(), self.range.is_some(), self.formula.is_some()];
        match ways.iter().filter(|way| **way).count() {
            0 => return Err(format!("{id} has no values; give one of values, range and formula")),
            1 => {}
            _ => return Err(format!("{id} has several of values, range and formula; keep one")),
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            return Err(format!("{id} has an empty list of values"));
        }
        let known = |name: &str| before.iter().any(|other| other.id() == name);
        if let Some(formula) = &self.formula
            && let Some(stranger) = formula.names().find(|name| !known(name))
        {
            return Err(format!(
                "the formula `{formula}` needs {stranger}, which is no parameter before this one"
            ));
        }
        if let Some(stranger) = self.when.keys().find(|name| !known(name)) {
            return Err(format!(
                "{id} is set when {stranger} has a value, which is no parameter before this one"
            ));
        }
        self.range.as_ref().map_or(Ok(()), |span| span.check(id))
    }

    /// Its values in a grid; none for a formula.
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

    /// Its value at this share of its way, from 0 to below 1: any value of a range, one of a list.
    pub fn at(&self, share: f64) -> Option<Level> {
        if let Some(span) = &self.range {
            return Some(span.at(share));
        }
        let values = self.values.as_ref()?;
        let place = ((share * values.len() as f64) as usize).min(values.len() - 1);
        Some(Level::of(&values[place]))
    }

    /// Whether it is set where others have these values.
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
            return Err(format!("the range of {id} needs numbers or durations at its ends"));
        };
        if std::mem::discriminant(&from) != std::mem::discriminant(&to) {
            return Err(format!("the range of {id} has ends of different kinds: {from} and {to}"));
        }
        if low >= high {
            return Err(format!("the range of {id} ends at {to}, which is not above {from}"));
        }
        if self.steps < 2 {
            return Err(format!("the range of {id} needs 2 steps at least"));
        }
        if self.scale == Scale::Log && low <= 0.0 {
            return Err(format!("the range of {id} begins at {from}: a log scale begins above 0"));
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
    fn a_range_has_equal_distances_or_ratios() {
        assert_eq!(texts("key = 'x'\nrange = { from = 1, to = 9, steps = 3 }"), ["1", "5", "9"]);
        assert_eq!(
            texts("key = 'x'\nrange = { from = '1s', to = '16s', steps = 5, scale = 'log' }"),
            ["1s", "2s", "4s", "8s", "16s"]
        );
        assert_eq!(texts("key = 'x'\nrange = { from = 0.5, to = 1.5, steps = 3 }"), ["0.5", "1.0", "1.5"]);
    }
}
