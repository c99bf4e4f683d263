//! What each variant is worth: the cases that fail less or more often with it, and what it costs.
//!
//! Every number of a sentence comes from the counts of the sweep.

use super::format::{p_value, percent, rate_interval};
use super::found::Found;
use serde::Serialize;
use std::collections::BTreeMap;
use stormglass_sweep::answers::comparison::{Compared, Shift};
use stormglass_sweep::{Manifest, Tally};

/// The worth of a variant, over all cases that have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    /// The variant's name.
    pub variant: String,
    /// Its effect on each case, in the order of the cases.
    pub effects: Vec<Effect>,
    /// The same in words: the cases that fail less often with it, and what it costs.
    pub sentence: String,
}

/// The effect of a variant on a case, compared with the first variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The case's name.
    pub case: String,
    /// The side on which the comparison decides.
    pub direction: Direction,
    /// The failure rate with the first variant.
    pub rate_before: f64,
    /// The failure rate with this variant.
    pub rate_after: f64,
    /// The cause of failure whose count changes most in that direction, with the counts before and
    /// after. `None` without a significant effect.
    pub cause: Option<(String, u64, u64)>,
    /// The deadlines that differ from the first variant's, of waits that the runs have.
    pub deadlines: Vec<DeadlineChange>,
}

/// A deadline that a variant changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadlineChange {
    /// The parameter.
    pub parameter: String,
    /// Its value with the first variant, in seconds.
    pub before_s: f64,
    /// Its value with this variant, in seconds: a wait that never ends is reported after that time.
    pub after_s: f64,
}

/// What a comparison says at the sweep's confidence, after the Holm correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Significantly fewer failures.
    Helps,
    /// Significantly more failures.
    Harms,
    /// No significant difference.
    Undecided,
}

/// Returns what each variant but the first is worth, in the order of the file. Empty without
/// variants, and if parameters are varied too: then the effect of a variant depends on their values.
pub(super) fn worths(manifest: &Manifest, tally: &Tally, cells: &[Found]) -> Vec<Worth> {
    let plan = &manifest.plan;
    if plan.cells.iter().any(|planned| !planned.cell.point.is_empty()) {
        return Vec::new();
    }
    let mut variants: Vec<(&str, Vec<(Effect, &Found)>)> = Vec::new();
    for (place, found) in cells.iter().enumerate() {
        let (Some(compared), Some(base)) = (&found.compared, plan.base(place)) else { continue };
        let confidence = manifest.target.confidence;
        let effect = effect(manifest, tally, (&cells[base], base), (found, place), (compared, confidence));
        let name = plan.cells[place].cell.variant.as_deref().unwrap_or_default();
        match variants.iter_mut().find(|(other, _)| *other == name) {
            Some((_, effects)) => effects.push((effect, found)),
            None => variants.push((name, vec![(effect, found)])),
        }
    }
    let worth = |(variant, effects): (&str, Vec<(Effect, &Found)>)| Worth {
        variant: variant.into(),
        sentence: sentence(&effects, manifest.target.confidence),
        effects: effects.into_iter().map(|(effect, _)| effect).collect(),
    };
    variants.into_iter().map(worth).collect()
}

fn effect(
    manifest: &Manifest,
    tally: &Tally,
    (before, base): (&Found, usize),
    (after, place): (&Found, usize),
    (compared, confidence): (&Compared, f64),
) -> Effect {
    let plan = &manifest.plan;
    let direction = if compared.p >= 1.0 - confidence {
        Direction::Undecided
    } else if compared.no_longer_fail > compared.fail_now {
        Direction::Helps
    } else {
        Direction::Harms
    };
    let history = &tally.histories[plan.cells[place].history];
    let limits: BTreeMap<&str, f64> =
        plan.cells[base].limits().into_iter().map(|(key, limit)| (key, limit.as_secs_f64())).collect();
    let deadlines = plan.cells[place].limits().into_iter().filter_map(|(key, limit)| {
        let (before_s, after_s) = (*limits.get(key)?, limit.as_secs_f64());
        let is_waited = history.longest(key).flatten().next().is_some();
        (before_s != after_s && is_waited && plan.counts(key)).then(|| DeadlineChange {
            parameter: key.into(),
            before_s,
            after_s,
        })
    });
    Effect {
        case: after.case.clone(),
        direction,
        rate_before: before.failed as f64 / before.runs.max(1) as f64,
        rate_after: after.failed as f64 / after.runs.max(1) as f64,
        cause: cause(direction, before, after),
        deadlines: deadlines.collect(),
    }
}

/// Returns the cause of failure that changes most in this direction.
fn cause(direction: Direction, before: &Found, after: &Found) -> Option<(String, u64, u64)> {
    let count = |found: &Found, cause: &str| found.causes.get(cause).copied().unwrap_or_default();
    let change = |cause: &str| {
        let (before, after) = (count(before, cause), count(after, cause));
        match direction {
            Direction::Helps => before.saturating_sub(after),
            Direction::Harms => after.saturating_sub(before),
            Direction::Undecided => 0,
        }
    };
    let all = before.causes.keys().chain(after.causes.keys());
    let cause = all.filter(|cause| change(cause) > 0).max_by_key(|cause| change(cause))?;
    Some((cause.clone(), count(before, cause), count(after, cause)))
}

/// Returns the effects and the costs of a variant in words.
fn sentence(effects: &[(Effect, &Found)], confidence: f64) -> String {
    let groups = [
        (Direction::Helps, "fewer failures in"),
        (Direction::Harms, "more failures in"),
        (Direction::Undecided, "no significant change in"),
    ];
    let said = groups.into_iter().filter_map(|(direction, words)| {
        let cases: Vec<String> = effects
            .iter()
            .filter(|(effect, _)| effect.direction == direction)
            .map(|(effect, found)| format!("{} ({})", effect.case, numbers(effect, found, confidence)))
            .collect();
        (!cases.is_empty()).then(|| format!("{words} {}", listed(&cases)))
    });
    let mut text = said.collect::<Vec<_>>().join("; ") + ".";
    let gains = by_case(effects, |effect, found| {
        waits(found, |shift| shift.high_s < -MILLISECOND_HALF, "less")
            .into_iter()
            .chain(limits(effect, f64::lt))
            .collect()
    });
    let costs = by_case(effects, |effect, found| {
        limits(effect, f64::gt)
            .into_iter()
            .chain(waits(found, |shift| shift.low_s > MILLISECOND_HALF, "longer"))
            .collect()
    });
    if !gains.is_empty() {
        text += &format!(" Gain in time: {gains}.");
    }
    if !costs.is_empty() {
        text += &format!(" Cost in time: {costs}.");
    } else if effects.iter().all(|(effect, _)| effect.direction != Direction::Harms) {
        text += " Cost in time: none that these runs show.";
    }
    text
}

/// Returns the rates before and after, the seeds that change, the p-value and the cause.
fn numbers(effect: &Effect, found: &Found, confidence: f64) -> String {
    let Some(compared) = &found.compared else { return String::new() };
    let (fixed, broken) = (compared.no_longer_fail, compared.fail_now);
    let p = p_value(compared.p);
    let p = if p.starts_with('<') { p } else { format!("= {p}") };
    let [before, after] = [effect.rate_before, effect.rate_after].map(|rate| rate * 100.0);
    let (confidence, interval) = (percent(confidence), rate_interval(found));
    let mut text = format!(
        "{before:.2} % → {after:.2} %, {confidence} CI {interval}; of the seeds {fixed} no longer fail, {broken} fail now; p {p}"
    );
    if let Some((cause, before, after)) = &effect.cause {
        text += &format!("; most by {cause}, {before} → {after}");
    }
    text
}

/// What is shown as 0.000 s is no change: half a millisecond, in seconds.
const MILLISECOND_HALF: f64 = 0.0005;

/// Returns the change in wait if its interval is on one side of zero.
fn waits(found: &Found, is_shown: impl Fn(&Shift) -> bool, word: &str) -> Option<String> {
    let shift = found.compared.as_ref()?.wait.as_ref()?;
    if !is_shown(shift) || shift.median_s.abs() < MILLISECOND_HALF {
        return None;
    }
    let [median, low, high] = [shift.median_s, shift.low_s, shift.high_s].map(f64::abs);
    let (low, high) = (low.min(high), low.max(high));
    let parameter = &shift.parameter;
    Some(format!(
        "half of the runs wait at least {median:.3} s {word} for {parameter} ({low:.3} to {high:.3} s)"
    ))
}

/// Returns the deadlines that change in one direction: `is_shown(after, before)`.
fn limits(effect: &Effect, is_shown: fn(&f64, &f64) -> bool) -> Option<String> {
    let shown: Vec<&DeadlineChange> =
        effect.deadlines.iter().filter(|change| is_shown(&change.after_s, &change.before_s)).collect();
    let first = shown.first()?;
    let which = match shown[..] {
        [one] => one.parameter.clone(),
        [one, two] => format!("{} and {}", one.parameter, two.parameter),
        _ => format!("{} and {} other deadlines", first.parameter, shown.len() - 1),
    };
    let after = range(shown.iter().map(|change| change.after_s));
    let before = range(shown.iter().map(|change| change.before_s));
    Some(format!("a wait that never ends is reported after {after} instead of {before} ({which})"))
}

/// Returns one value, or the smallest and the largest.
fn range(values: impl Iterator<Item = f64> + Clone) -> String {
    let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
    if low == high { format!("{low} s") } else { format!("{low} to {high} s") }
}

/// Joins what is said of each case; names cases where they differ.
fn by_case(effects: &[(Effect, &Found)], said: impl Fn(&Effect, &Found) -> Vec<String>) -> String {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for (effect, found) in effects {
        for text in said(effect, found) {
            match all.iter_mut().find(|(other, _)| *other == text) {
                Some((_, cases)) => cases.push(&effect.case),
                None => all.push((text, vec![&effect.case])),
            }
        }
    }
    let line = |(text, cases): &(String, Vec<&str>)| match cases.len() == effects.len() {
        true => text.clone(),
        false => {
            let cases: Vec<String> = cases.iter().map(ToString::to_string).collect();
            format!("{text} in {}", listed(&cases))
        }
    };
    all.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// Returns `a`, `a and b`, or `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
