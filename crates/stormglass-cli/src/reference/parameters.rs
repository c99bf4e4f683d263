//! The page of the parameters.

use super::markdown::{head, prose, row};
use crate::app::App;
use crate::args::What;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_sim::{AnyScenario, Meaning, all_parameters};

/// A parameter of one or more scenarios.
struct Parameter {
    default: String,
    meaning: Option<Meaning>,
    scenarios: Vec<String>,
}

pub(super) fn parameters(app: &App) -> String {
    let mut text = head("Parameters");
    text += "`--set KEY=VALUE` sets a parameter in any command that plays a scenario, and a sweep\n\
             varies it. The defaults are those of the profile `quiet` and of the scenario's first\n\
             model; `stormglass list parameters --scenario NAME` prints them for one scenario. An\n\
             *observer* is a deadline that changes nothing before it ends a test, so a sweep plays its\n\
             values without more runs; every other parameter changes the history.\n\n";
    text += "A duration has a unit: `150ms`, `5s`, `1m 30s`. A latency is a duration or a shape:\n\
             `{ log-normal = { median = \"2ms\", sigma = 0.8 } }`.\n";
    let all = collect(app);
    let sections: BTreeSet<&str> = all.keys().map(|key| section_of(key)).collect();
    for section in sections {
        let of_section = || all.iter().filter(|(key, _)| section_of(key) == section);
        let scenarios: BTreeSet<&String> =
            of_section().flat_map(|(_, parameter)| &parameter.scenarios).collect();
        text += &format!("\n## {section}\n\n");
        if scenarios.len() < app.scenarios().count() {
            let names: Vec<String> = scenarios.iter().map(|name| format!("`{name}`")).collect();
            text += &format!("Of {}.\n\n", names.join(", "));
        }
        // The site's style makes cards of these tables on a phone (docs/site.css).
        text += "<div class=\"parameters\">\n\n";
        text += "| parameter | default | form and range | meaning |\n| --- | --- | --- | --- |\n";
        of_section().for_each(|(key, parameter)| text += &line(key, parameter, scenarios.len()));
        text += "\n</div>\n";
    }
    text
}

/// Returns the first part of a parameter's key.
fn section_of(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

fn line(key: &str, parameter: &Parameter, scenarios: usize) -> String {
    let Parameter { default, meaning, scenarios: of } = parameter;
    let (mut form, mut about) = (String::new(), String::new());
    if let Some(meaning) = meaning {
        form = meaning.form.clone();
        if !meaning.range.is_empty() {
            form += &format!(", {}", meaning.range);
        }
        about = prose(&meaning.about);
        if meaning.observer {
            about += " *Observer.*";
        }
    }
    if of.len() < scenarios {
        let names: Vec<String> = of.iter().map(|name| format!("`{name}`")).collect();
        about += &format!(" Only of {}.", names.join(", "));
    }
    let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
    row([&format!("`{key}`"), &default, &form, &about])
}

/// Returns the parameters of all scenarios by key.
fn collect(app: &App) -> BTreeMap<String, Parameter> {
    let mut all: BTreeMap<String, Parameter> = BTreeMap::new();
    for scenario in app.scenarios() {
        let mut meanings = all_parameters(scenario).meanings();
        for (key, default) in defaults(scenario) {
            let meaning = meanings.remove(&key);
            let parameter =
                all.entry(key).or_insert(Parameter { default, meaning: None, scenarios: Vec::new() });
            parameter.meaning = parameter.meaning.take().or(meaning);
            parameter.scenarios.push(scenario.name().into());
        }
    }
    all
}

fn defaults(scenario: &dyn AnyScenario) -> Vec<(String, String)> {
    let what = What { model: None, profile: Some("quiet".into()), plan: None, sets: Vec::new(), log: None };
    what.settings(scenario).expect("defaults are valid").leaves().into_iter().collect()
}
