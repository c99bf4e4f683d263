//! `list`: the scenarios, files and parameters of the program.

use crate::args::{List, Listed, What};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use serde::Serialize;
use stormglass_report::table;
use stormglass_sim::{Meaning, PLANS, Preset, Profile, all_parameters};

#[derive(Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    about: String,
}

/// A parameter of a scenario, with its value in the first model and the profile `quiet`.
#[derive(Serialize)]
struct Parameter {
    kind: &'static str,
    name: String,
    default: String,
    #[serde(flatten)]
    meaning: Option<Meaning>,
}

impl Parameter {
    fn text(&self) -> String {
        let mut text = format!("{} = {}\n", self.name, self.default);
        if let Some(Meaning { about, form, range, observer }) = &self.meaning {
            let range = if range.is_empty() { String::new() } else { format!(", {range}") };
            let class = if *observer { "observer" } else { "behavioural" };
            text += &format!("    {about}\n    {form}{range}; {class}\n");
        }
        text
    }
}

pub(crate) fn list(context: &Context<'_>, args: List, output: &mut Output) -> Result<Exit, CliError> {
    let wanted = |what: Listed| args.what.is_none() && what != Listed::Parameters || args.what == Some(what);
    let mut items = Vec::new();
    if wanted(Listed::Scenarios) {
        for scenario in &context.catalog.scenarios {
            items.push(Item {
                kind: "scenario",
                name: scenario.name().into(),
                about: scenario.about().into(),
            });
        }
    }
    if wanted(Listed::Exhibits) {
        for exhibit in context.catalog.scenarios.iter().flat_map(|scenario| scenario.exhibits()) {
            items.push(Item { kind: "exhibit", name: exhibit.name.into(), about: exhibit.about.into() });
        }
    }
    if wanted(Listed::Models) {
        let presets = context.catalog.scenarios.iter().flat_map(|scenario| scenario.models());
        add_presets(&mut items, "model", presets);
    }
    if wanted(Listed::Profiles) {
        let own = context.catalog.scenarios.iter().flat_map(|scenario| scenario.profiles());
        add_presets(&mut items, "profile", Profile::PRESETS.iter().chain(own));
    }
    if wanted(Listed::Plans) {
        add_presets(&mut items, "plan", PLANS);
    }
    if wanted(Listed::Sweeps) {
        add_presets(&mut items, "sweep", context.catalog.sweeps);
    }
    if wanted(Listed::Mappings) {
        add_presets(&mut items, "mapping", context.catalog.mappings);
    }
    let matches = |text: &str| args.grep.as_ref().is_none_or(|pattern| pattern.is_match(text));
    items.retain(|item| matches(&format!("{} {}", item.name, item.about)));
    let mut parameters = Vec::new();
    if wanted(Listed::Parameters) {
        parameters = parameters_of(context, args.scenario.as_deref())?;
        parameters.retain(|parameter| matches(&parameter.text()));
    }
    if context.json {
        items.iter().for_each(|item| output.print_json(item));
        parameters.iter().for_each(|parameter| output.print_json(parameter));
        return Ok(Exit::Held);
    }
    let mut table = table::plain();
    for item in items {
        table.add_row([item.kind.to_string(), item.name, item.about]);
    }
    output.print(&table::text(&table));
    parameters.iter().for_each(|parameter| output.print(&parameter.text()));
    Ok(Exit::Held)
}

fn parameters_of(context: &Context<'_>, scenario: Option<&str>) -> Result<Vec<Parameter>, CliError> {
    let scenario = context.scenario_or_first(scenario)?;
    let what = What { model: None, profile: Some("quiet".into()), plan: None, sets: Vec::new(), log: None };
    let leaves = context.settings(scenario, &what)?.leaves();
    let mut meanings = all_parameters(scenario).meanings();
    let described = leaves.into_iter().map(|(name, default)| {
        let meaning = meanings.remove(&name);
        Parameter { kind: "parameter", name, default, meaning }
    });
    Ok(described.collect())
}

/// Adds shipped files, once each: several scenarios may share one.
fn add_presets<'a>(items: &mut Vec<Item>, kind: &'static str, presets: impl IntoIterator<Item = &'a Preset>) {
    for preset in presets {
        if !items.iter().any(|item| item.kind == kind && item.name == preset.name) {
            items.push(Item { kind, name: preset.name.into(), about: preset.about().into() });
        }
    }
}
